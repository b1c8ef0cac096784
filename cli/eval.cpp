#include <elbo/models/evaluate.h>

#include <cstdio>

#include "commands.h"
#include "inputs.h"

namespace elbo::cli {
namespace {

struct EvalArgs {
  std::filesystem::path run, data;
  std::string split = "test", codes = "sampled";
  std::uint64_t seed = 0;
  bool json = false;
};

void print_table(const EvalArgs& args, const models::RunConfig& config, const models::Evaluation& e) {
  bool has_kl = config.model.model != "ae";
  std::printf("%lld pictures of %s (%s), codes: %s, likelihood: %s\n", static_cast<long long>(e.count),
              config.data.dataset.c_str(), args.split.c_str(), has_kl ? args.codes.c_str() : "the encoder's own",
              models::name(config.model.likelihood));
  if (has_kl) {
    std::printf("  loss            %10.4f  nats per sample (reconstruction + %g KL)\n", e.losses.loss,
                config.train.beta);
  }
  std::printf("  reconstruction  %10.4f  nats\n", e.losses.reconstruction);
  if (has_kl) std::printf("  KL              %10.4f  nats\n", e.losses.kl);
  if (e.constant != 0) {
    std::printf("  constant        %10.4f  nats, of a Gaussian of variance %g; left out above\n", e.constant,
                config.model.variance);
  }
  std::printf("  squared error   %10.6f  per pixel\n", e.mse);
  std::printf("  active units    %10lld  of %lld\n", static_cast<long long>(e.active_units),
              static_cast<long long>(config.model.latent));
}

int eval(const EvalArgs& args) {
  Trained trained = models::open(args.run);
  const models::RunConfig& config = trained.run.config();
  datasets::Dataset dataset =
      open_dataset(trained, args.split == "train" ? datasets::Split::train : datasets::Split::test, args.data);
  auto codes = args.codes == "mean" ? models::Codes::mean : models::Codes::sampled;
  models::Evaluation e =
      models::evaluate(*trained.model, dataset, {.codes = codes, .beta = config.train.beta, .seed = args.seed});
  if (!args.json) {
    print_table(args, config, e);
    return 0;
  }
  nlohmann::ordered_json out;
  out["split"] = args.split;
  out["count"] = e.count;
  out["loss"] = e.losses.loss;
  out["reconstruction"] = e.losses.reconstruction;
  out["kl"] = e.losses.kl;
  out["constant"] = e.constant;
  out["mse"] = e.mse;
  out["active_units"] = e.active_units;
  out["beta"] = config.train.beta;
  out["codes"] = args.codes;
  out["likelihood"] = models::name(config.model.likelihood);
  print_json(out);
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, Command& run) {
  auto args = std::make_shared<EvalArgs>();
  CLI::App* command = app.add_subcommand("eval", "Measure a trained model: loss, its parts, error, active units");
  command->footer("Example:\n  elbo eval runs/quickstart --split test --json");
  command->add_option("run", args->run, "The run folder")->required()->type_name("RUN");
  command->add_option("--data", args->data, "The folder with the dataset's files (default: where it was trained)")
      ->type_name("DIR");
  command->add_option("--split", args->split, "train or test")
      ->check(CLI::IsMember({"train", "test"}))
      ->type_name("")
      ->capture_default_str();
  command->add_option("--codes", args->codes, "sampled: one draw from q(z|x) a picture; mean: the posterior mean")
      ->check(CLI::IsMember({"sampled", "mean"}))
      ->type_name("")
      ->capture_default_str();
  command->add_option("--seed", args->seed, "Of the draws")->type_name("N")->capture_default_str();
  add_json(*command, args->json);
  add_threads(*command);
  command->final_callback([args, &run] { run = [args] { return eval(*args); }; });
}

}  // namespace elbo::cli
