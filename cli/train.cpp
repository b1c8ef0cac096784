#include <elbo/core/text.h>
#include <elbo/datasets/split.h>
#include <elbo/models/training/health.h>
#include <elbo/models/training/trained.h>
#include <elbo/viz/figures.h>
#include <elbo/viz/run_pictures.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>

#include "commands.h"
#include "inputs.h"
#include "outputs.h"
#include "resume.h"
#include "training.h"

namespace elbo::cli {
namespace {

/// What the options leave out, from each other and from the data.
models::RunConfig completed(models::RunConfig config, const std::string& val_size, const datasets::Dataset& data) {
  config = models::completed(std::move(config), data);
  if (data.val_count > 0) return config;
  config.train.val_size = static_cast<double>(datasets::resolve_val_size(val_size, data.size()));
  return config;
}

/// Which of its pictures a dataset keeps to validate on is not for the options to say. Throws ValueError for
/// `--val-size`.
void refuse_val_size(const TrainArgs& args, const datasets::Dataset& data) {
  ELBO_CHECK(data.val_count == 0 || !args.given("--val-size"), ValueError, "--val-size: ", data.name,
             " has pictures to validate on (of ", data.halves, "), found ", args.val_size(), " beside them");
}

void print_result(const models::Run& run, const models::Model& model, const DataNotes& notes,
                  const nlohmann::ordered_json& profile = {}) {
  nlohmann::ordered_json out;
  models::EpochRecord last = run.history().back();
  out["run"] = run.folder().string();
  out["parameters"] = model.num_parameters();
  out["device"] = model.device().to_string();
  out["skipped"] = notes.skipped();
  out["epochs"] = last.epoch;
  out["train"] = losses_json(last.train);
  out["val"] = last.val ? losses_json(*last.val) : nlohmann::ordered_json();
  if (!profile.empty()) out["profile"] = profile;
  print_json(out);
}

/// The pictures to show, with labels that the model knows: those to test, else those to train on. Says what is left
/// out.
datasets::Dataset with_known_labels(const models::RunConfig& config, TestPictures test, const datasets::Dataset& train,
                                    DataNotes& notes) {
  if (config.model.classes == 0) return std::move(test.data);
  const std::string from = config.data.dir.empty() ? test.data.name : config.data.dir.string();
  std::vector<std::int64_t> known;
  std::optional<std::int64_t> other;
  for (std::size_t i = 0; i < test.data.labels.size(); ++i) {
    if (test.data.labels[i] < config.model.classes)
      known.push_back(static_cast<std::int64_t>(i));
    else if (!other)
      other = test.data.labels[i];
  }
  if (other)
    notes.say(detail::concat(from, ": ", test.data.size() - std::ssize(known), " of ", test.data.size(),
                             " pictures to test are of classes that the model is not trained on, such as ",
                             viz::class_name(test.data.class_names, *other),
                             ": the figures of the run leave them out, and eval refuses them; take them out, or train "
                             "on pictures of their classes too"));
  if (test.data.labels.empty())
    notes.say(from +
              ": the pictures to test have no labels, which the model takes: add them, or eval "
              "refuses these pictures");
  if (!known.empty()) return other ? test.data.subset(known) : std::move(test.data);
  notes.say("pictures to train on stand in for pictures to test in the figures of the run");
  return train;
}

/// The training is over and its model kept: pictures that cannot be drawn are no fault.
void draw_pictures(const models::Run& run, Device device, const datasets::Dataset& to_show, bool replace = true) {
  try {
    viz::write_run_pictures(run, *models::load(run.folder(), device), to_show, replace);
  } catch (const std::exception& error) {
    std::cerr << "elbo train: note: not all pictures of the run are drawn: " << printable(error.what()) << "\n";
  }
}

void print_files(const models::Run& run) {
  std::printf("Run folder: %s\n ", printable(run.folder().native()).c_str());
  for (const char* name : {"config.json", "history.jsonl", "model.safetensors", "samples.png", "reconstructions.png",
                           "loss.svg", "trace.json"})
    if (std::error_code error; std::filesystem::is_regular_file(run / name, error)) std::printf(" %s", name);
  std::printf("\n");
}

/// Trains, and draws pictures of what came of it.
int train(const TrainArgs& args, const models::RunConfig& config, const models::Run& run, models::Trainer& trainer,
          models::Model& model, const datasets::Dataset& to_show, const DataNotes& notes) {
  const StopSignals signals;
  if (!run.lock()->note().empty()) std::cerr << "elbo train: note: " << printable(run.lock()->note()) << "\n";
  if (!args.json) print_head(config, model, trainer);
  warn_of_other_kernels(run);
  Profile profile;
  if (args.profile) trainer.set_profile(&profile);
  const models::FitResult result = fit_with_progress(args, run, trainer, model, signals);
  if (signals.caught() == 0 && !args.json) print_end(trainer, result);
  const bool kept = !args.profile || show_profile(args, run, trainer, profile);
  if (signals.caught() != 0) return stopped(args, trainer, result, signals.caught());
  draw_pictures(run, config.train.device, to_show);
  if (args.json) {
    print_result(run, model, notes, args.profile ? profile_json(trainer, profile) : nlohmann::ordered_json());
    return kept ? 0 : 1;
  }
  print_files(run);
  return kept ? 0 : 1;
}

/// A run whose training is over keeps all that it has; a kill may have left it without its pictures.
int nothing_left(const TrainArgs& args, const Resumed& resumed, const models::Model& model,
                 const datasets::Dataset& to_show, const DataNotes& notes) {
  const models::Run& run = resumed.run;
  std::cerr << "elbo train: note: " << resumed.nothing << "\n";
  draw_pictures(run, model.device(), to_show, false);
  if (args.json)
    print_result(run, model, notes);
  else
    print_files(run);
  return 0;
}

/// The figures of a run must not become pictures to train on.
void refuse_run_in_data(const std::filesystem::path& out, const std::filesystem::path& data) {
  std::error_code ignored;
  const std::filesystem::path run = std::filesystem::weakly_canonical(std::filesystem::absolute(out), ignored);
  const std::filesystem::path pictures = std::filesystem::canonical(data, ignored);
  const auto [end, unused] = std::mismatch(pictures.begin(), pictures.end(), run.begin(), run.end());
  ELBO_CHECK(end != pictures.end(), ValueError, "--out ", out.string(), ": expected a folder outside of --data ",
             data.string(), ", found one in it");
}

/// What makes the model take labels, for messages.
std::string labels_option(const TrainArgs& args, const models::RunConfig& config) {
  return args.given("--labels") ? "--labels" : "--model " + config.model.model;
}

/// Where there are no classes, the dataset says why.
void refuse_without_classes(const TrainArgs& args, const models::RunConfig& config, const datasets::Dataset& data) {
  if (!config.model.labels || !data.labels.empty()) return;
  const auto is_why = [](const std::string& note) { return note.find(": no classes: ") != std::string::npos; };
  const auto why = std::find_if(data.notes.begin(), data.notes.end(), is_why);
  ELBO_CHECK(why == data.notes.end(), ValueError, labels_option(args, config),
             ": expected pictures with classes, found none: ", *why);
}

int train(const TrainArgs& args) {
  ELBO_CHECK(args.out != "-", ValueError, "--out -: expected a folder for the run");
  std::optional<Resumed> resumed;
  if (args.resume) resumed = resume(args);
  models::RunConfig config = resumed ? resumed->run.config() : config_of(args);
  if (resumed && args.given("--data")) config.data.dir = args.data.dir;
  config.train.validate();
  ELBO_CHECK(resumed || config.train.lr_warmup < static_cast<double>(config.train.epochs), ValueError,
             "--lr-warmup: expected fewer epochs than --epochs (", config.train.epochs, "), found ",
             config.train.lr_warmup);
  const auto [low, high] = config.model.pixels;
  ELBO_CHECK(!args.given("--allow-range-mismatch") || resumed || low < 0 || high > 1, ValueError,
             "--allow-range-mismatch: only with --pixels that leave 0 to 1, found ", low, ",", high);
  config.data.dir = datasets::find_data_dir(config.data.dataset, config.data.dir);
  if (!config.data.dir.empty()) config.data.dir = std::filesystem::absolute(config.data.dir);
  if (!resumed && config.data.dataset == "folder") refuse_run_in_data(args.out, config.data.dir);
  datasets::Dataset data = models::load_data(config.data, datasets::Split::train);
  if (resumed) {
    go_on_with(args, *resumed, config, data);
  } else {
    refuse_val_size(args, data);
    refuse_without_classes(args, config, data);
    config = completed(std::move(config), args.val_size(), data);
  }
  const models::Training training = models::prepare(config, data);
  config = training.config;
  models::Trainer& trainer = *training.trainer;
  models::Model& model = *training.model;
  const std::string untrained =
      trainer.class_note().empty() ? "" : labels_option(args, config) + ": " + trainer.class_note();
  ELBO_CHECK(resumed || untrained.empty(), ValueError, untrained);
  DataNotes notes("train");
  notes.add(data);
  const auto read = [&](datasets::Split half) {
    return half == datasets::Split::test ? models::load_data(config.data, half) : data;
  };
  TestPictures test = test_pictures(read, notes);
  notes.add(test.data);
  const datasets::Dataset to_show = with_known_labels(config, std::move(test), data, notes);
  if (resumed && !resumed->nothing.empty()) return nothing_left(args, *resumed, model, to_show, notes);
  if (resumed) models::take_up(resumed->run, trainer, config.data);
  // Last: what is refused leaves no folder behind, and a run as it was.
  models::Run run = resumed ? resumed->run : models::Run::create(args.out, config);
  if (config.to_json() != run.config().to_json()) run.set_config(config);
  if (!resumed) print_warnings(models::Health(config).of_pictures(data));
  if (!untrained.empty()) notes.say(untrained);
  return train(args, config, run, trainer, model, to_show, notes);
}

}  // namespace

void add_train(CLI::App& app, Command& run) {
  auto args = std::make_shared<TrainArgs>();
  CLI::App* command =
      app.add_subcommand("train", "Train a model and keep it, its history and pictures in a run folder");
  command->footer(
      "Example:\n  elbo train --dataset fashion-mnist --hidden 400 --latent 20 --epochs 5 --out runs/first\n"
      "A run that was stopped goes on, to the same end, and one that is over trains for more epochs:\n"
      "  elbo train --resume --out runs/first\n  elbo train --resume --epochs 10 --out runs/first");
  command->add_option("--out", args->out, "The run folder to make")->required()->type_name("RUN");
  CLI::Option* resume =
      command->add_flag("--resume", args->resume,
                        "Go on with the run in --out, with the settings it has; --epochs, --lr, --patience, --device, "
                        "--precision and the like may be others");
  command
      ->add_flag("--accept-changed-data", args->accept_changed_data,
                 "With --resume: go on although the pictures or their classes are others than before")
      ->needs(resume);
  command->add_flag(
      "--profile", args->profile,
      "Say where the time of the steps went, per op and layer, and write it as a Chrome trace, trace.json, "
      "into the run folder; on a GPU each op is then waited for, without CUDA graphs");
  add_settings(*command, *args);
  add_json(*command, args->json);
  add_threads(*command);
  command->final_callback([args, command, &run] {
    args->command = command;
    run = [args] { return train(*args); };
  });
}

}  // namespace elbo::cli
