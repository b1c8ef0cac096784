#include <cstdio>

#include "commands.h"
#include "inputs.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

struct EvalArgs : RunArgs {
  std::string codes = "sampled";
  std::uint64_t seed = 0;
};

void print_table(const EvalArgs& args, const Trained& trained, const models::Evaluation& e) {
  const models::RunConfig& config = trained.run.config();
  bool has_kl = config.model.model != "ae";
  const auto text = [](double value, int decimals) { return models::loss_text(value, 10, decimals); };
  std::printf("%s of %s (%s), codes: %s, likelihood: %s, on %s\n", counted(e.count, "picture", "pictures").c_str(),
              config.data.dataset.c_str(), args.split.c_str(), has_kl ? args.codes.c_str() : "the encoder's own",
              models::name(config.model.likelihood), described(trained.model->device()).c_str());
  if (has_kl) {
    std::printf("  loss            %10s  nats per sample (reconstruction + %g KL)\n", text(e.losses.loss, 4).c_str(),
                config.train.beta);
  }
  std::printf("  reconstruction  %10s  nats\n", text(e.losses.reconstruction, 4).c_str());
  if (has_kl) std::printf("  KL              %10s  nats\n", text(e.losses.kl, 4).c_str());
  if (e.constant != 0) {
    std::printf("  constant        %10s  nats, of a Gaussian of variance %g; left out above\n",
                text(e.constant, 4).c_str(), config.model.variance);
  }
  std::printf("  squared error   %10s  per pixel\n", text(e.mse, 6).c_str());
  std::printf("  active units    %10lld  of %lld\n", static_cast<long long>(e.active_units),
              static_cast<long long>(config.model.latent));
}

int eval(const EvalArgs& args) {
  const Trained trained = std::move(open_trained(args).front());
  const models::RunConfig& config = trained.run.config();
  datasets::Dataset dataset = open_dataset(trained, args.half(), args);
  models::Evaluation e = models::evaluate(
      *trained.model, dataset, {.codes = codes_of(args.codes), .beta = config.train.beta, .seed = args.seed});
  if (!args.json) {
    print_table(args, trained, e);
    return 0;
  }
  nlohmann::ordered_json out;
  out["split"] = args.split;
  out["count"] = e.count;
  out["skipped"] = args.notes->skipped();
  out["loss"] = e.losses.loss;
  out["reconstruction"] = e.losses.reconstruction;
  out["kl"] = e.losses.kl;
  out["constant"] = e.constant;
  out["mse"] = e.mse;
  out["active_units"] = e.active_units;
  out["beta"] = config.train.beta;
  out["codes"] = codes_text(args.codes, trained);
  out["likelihood"] = models::name(config.model.likelihood);
  out["device"] = trained.model->device().to_string();
  print_json(out);
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, Command& run) {
  auto args = std::make_shared<EvalArgs>();
  CLI::App* command = app.add_subcommand("eval", "Measure a trained model: loss, its parts, error, active units");
  command->footer("Example:\n  elbo eval runs/quickstart --split test --json");
  add_run(*command, *args);
  add_data(*command, *args, true);
  add_codes(*command, args->codes);
  add_seed(*command, args->seed, "Of the draws")
      ->check(not_for("--codes", {"mean"}))
      ->check(not_for("--model", {"ae"}));
  add_common(*command, *args);
  command->final_callback([args, &run] { run = [args] { return eval(*args); }; });
}

}  // namespace elbo::cli
