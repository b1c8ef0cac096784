#include <elbo/datasets/split.h>
#include <elbo/models/trainer.h>
#include <elbo/viz/run_pictures.h>

#include <cstdio>
#include <iostream>

#include "commands.h"
#include "progress.h"

namespace elbo::cli {
namespace {

struct TrainArgs {
  models::RunConfig config;
  std::filesystem::path out;
  std::string likelihood = "bernoulli", val_size = "0.1", device = "cpu";
  bool resume = false;
};

models::Run open_run(const TrainArgs& args, const models::RunConfig& config) {
  return args.resume ? models::Run::open(args.out) : models::Run::create(args.out, config);
}

void print_head(const models::RunConfig& config, const models::Model& model, const models::Trainer& trainer) {
  const models::ModelConfig& m = config.model;
  const models::TrainOptions& t = config.train;
  std::string sizes = std::to_string(m.picture.numel());
  for (std::int64_t size : m.hidden) sizes += "-" + std::to_string(size);
  std::printf("%s %s-%lld, %s parameters, %s likelihood, on %s\n", m.model.c_str(), sizes.c_str(),
              static_cast<long long>(m.latent), with_commas(model.num_parameters()).c_str(), name(m.likelihood),
              t.device.to_string().c_str());
  std::printf("%s: %s pictures to train on, %s to validate on; batches of %lld, Adam at %g, beta %g\n\n",
              config.data.dataset.c_str(), with_commas(trainer.train_count()).c_str(),
              with_commas(trainer.val_count()).c_str(), static_cast<long long>(t.batch_size), t.lr, t.beta);
  std::fflush(stdout);
}

/// What a resumed run should know before it goes on.
void warn_of_other_kernels(const models::Run& run) {
  auto checkpoint = run.read_checkpoint();
  std::string now = backend(cpu).description();
  if (!checkpoint || checkpoint->cpu_variant == now) return;
  std::cerr << "elbo train: note: the checkpoint was written with the " << checkpoint->cpu_variant
            << " kernels, these are " << now << ": the result may differ in its last bits (ELBO_ISA chooses)\n";
}

EpochSummary summary_of(const models::EpochRecord& record, bool best) {
  auto losses = [](const models::Losses& l) { return Losses{l.loss, l.reconstruction, l.kl}; };
  EpochSummary out{.epoch = static_cast<int>(record.epoch), .train = losses(record.train), .seconds = record.seconds};
  if (record.val) {
    out.val = losses(*record.val);
    out.best = best;
  }
  return out;
}

void fit_with_progress(const models::Run& run, models::Trainer& trainer, models::Model& model) {
  Progress progress(std::cout, progress_options(1));
  bool begun = false;
  auto begin = [&](std::int64_t next_epoch) {
    if (begun) return;
    begun = true;
    progress.begin(static_cast<int>(run.config().train.epochs), trainer.samples_per_epoch(), trainer.val_count() > 0,
                   static_cast<int>(next_epoch));
  };
  models::FitCallbacks callbacks;
  callbacks.on_step = [&](const models::Trainer& t, std::int64_t samples) {
    begin(t.epoch() + 1);
    progress.step(samples, t.running_losses().loss);
  };
  callbacks.on_epoch = [&](const models::EpochRecord& record, bool best) {
    progress.epoch_done(summary_of(record, best));
  };
  models::FitResult result = models::fit(run, trainer, model, callbacks);
  progress.finish();
  std::printf("\nTrained in %.1f s%s.", result.seconds, result.stopped_early ? ", stopped early" : "");
  if (trainer.val_count() > 0)
    std::printf(" The model of epoch %lld is kept.", static_cast<long long>(result.best_epoch));
  std::printf("\n");
}

/// The test pictures, or the training ones where the dataset has no test half.
datasets::Dataset pictures_to_show(const models::RunConfig& config, const std::filesystem::path& dir,
                                   const datasets::Dataset& train) {
  try {
    return datasets::load(config.data.dataset, datasets::Split::test, dir);
  } catch (const IoError&) {
    return train;
  }
}

int train(TrainArgs args) {
  args.config.model.likelihood =
      args.likelihood == "gaussian" ? models::Likelihood::gaussian : models::Likelihood::bernoulli;
  args.config.train.device = Device::parse(args.device);
  models::RunConfig config = args.resume ? models::Run::open(args.out).config() : args.config;
  auto dir = datasets::find_data_dir(config.data.dataset, config.data.dir);
  datasets::Dataset data = datasets::load(config.data.dataset, datasets::Split::train, dir);
  if (!args.resume) {
    config.data.dir = std::filesystem::absolute(dir);
    config.model.picture = {data.channels(), data.height(), data.width()};
    config.train.val_size = static_cast<double>(datasets::resolve_val_size(args.val_size, data.size()));
  }
  datasets::Dataset test = pictures_to_show(config, dir, data);
  Generator init(config.train.seed, Stream::init);
  std::unique_ptr<models::Model> model = models::make(config.model, &init);
  models::Trainer trainer(*model, data, config.train);
  models::Run run = open_run(args, config);  // last: what is refused leaves no folder behind
  try {
    print_head(config, *model, trainer);
    warn_of_other_kernels(run);
    fit_with_progress(run, trainer, *model);
    viz::write_run_pictures(run, *models::load(run.folder()), test);
  } catch (const Error& error) {
    throw Fault(error.what());
  }
  std::printf(
      "Run folder: %s\n  config.json history.jsonl model.safetensors samples.png reconstructions.png loss.svg\n",
      run.folder().c_str());
  return 0;
}

void add_model_options(CLI::App& command, TrainArgs& args) {
  models::ModelConfig& m = args.config.model;
  command.add_option("--model", m.model, "vae")->check(CLI::IsMember({"vae"}))->type_name("")->capture_default_str();
  command.add_option("--hidden", m.hidden, "Hidden layer sizes of the encoder, mirrored in the decoder")
      ->delimiter(',')
      ->check(at_least(1))
      ->type_name("N,N...")
      ->capture_default_str();
  command.add_option("--latent", m.latent, "Latent dimensions")
      ->check(at_least(1))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--likelihood", args.likelihood, "bernoulli or gaussian (with --variance)")
      ->check(CLI::IsMember({"bernoulli", "gaussian"}))
      ->type_name("")
      ->capture_default_str();
  command.add_option("--variance", m.variance, "Of the gaussian likelihood; 0.5 makes it the summed squared error")
      ->check(positive())
      ->type_name("X")
      ->capture_default_str();
}

void add_training_options(CLI::App& command, TrainArgs& args) {
  models::TrainOptions& t = args.config.train;
  command.add_option("--beta", t.beta, "Weight of the KL divergence")
      ->check(not_negative())
      ->type_name("X")
      ->capture_default_str();
  command.add_option("--epochs", t.epochs, "Passes over the training pictures")
      ->check(at_least(1))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--batch-size", t.batch_size, "Pictures in a step")
      ->check(at_least(1))
      ->type_name("N")
      ->capture_default_str();
  command.add_flag("--drop-last", t.drop_last, "Leave out the last, smaller batch of an epoch");
  command.add_option("--lr", t.lr, "Adam's learning rate")->check(positive())->type_name("X")->capture_default_str();
  command.add_option("--val-size", args.val_size, "Held out for validation: a fraction, or a number of pictures")
      ->check(not_negative())
      ->type_name("X")
      ->capture_default_str();
  command.add_option("--patience", t.patience, "Stop after so many epochs without a better validation loss; 0: never")
      ->check(at_least(0))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--seed", t.seed, "Of everything random")->type_name("N")->capture_default_str();
  command.add_option("--device", args.device, "cpu")->type_name("D")->capture_default_str();
}

}  // namespace

void add_train(CLI::App& app, Command& run) {
  auto args = std::make_shared<TrainArgs>();
  CLI::App* command =
      app.add_subcommand("train", "Train a model and keep it, its history and pictures in a run folder");
  command->footer(
      "Example:\n  elbo train --dataset fashion-mnist --hidden 400 --latent 20 --epochs 5 --out runs/first\n"
      "A run that was stopped goes on, to the same end, with\n  elbo train --resume --out runs/first");
  command->add_option("--dataset", args->config.data.dataset, "mnist, fashion-mnist or idx (pictures of your own)")
      ->check(CLI::IsMember(datasets::known_datasets()))
      ->type_name("")
      ->capture_default_str();
  command
      ->add_option("--data", args->config.data.dir, "The folder with the dataset's files (default: the usual places)")
      ->type_name("DIR");
  command->add_option("--out", args->out, "The run folder to make")->required()->type_name("RUN");
  command->add_flag("--resume", args->resume, "Go on with the run in --out, with the settings it has");
  add_model_options(*command, *args);
  add_training_options(*command, *args);
  add_threads(*command);
  command->final_callback([args, &run] { run = [args] { return train(*args); }; });
}

}  // namespace elbo::cli
