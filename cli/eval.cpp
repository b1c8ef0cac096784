#include <elbo/models/analysis/terms.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/registry.h>
#include <elbo/viz/report_facts.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <numeric>

#include "commands.h"
#include "eval_measures.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

/// Where the likelihood is a probability of bytes, nats per picture are bits per dimension.
std::optional<double> bits_of(const Trained& trained, double nats) {
  const auto* latent = dynamic_cast<const models::LatentModel*>(trained.model.get());
  if (!latent || !latent->likelihood().is_of_bytes()) return std::nullopt;
  return nats / (static_cast<double>(trained.model->config().picture.numel()) * std::numbers::ln2);
}

double elbo_of(const Trained& trained, const datasets::Dataset& data, const EvalArgs& args) {
  const std::vector<models::Losses> scores = models::score(*trained.model, data, {.seed = args.seed});
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0,
                                     [](double so_far, const models::Losses& one) { return so_far + one.loss; });
  return sum / static_cast<double>(std::max<std::size_t>(scores.size(), 1));
}

/// Of the NLL, or of the negative ELBO; where codes are means there is no bound to tell them from.
std::optional<double> bits_per_dimension(const EvalArgs& args, const Trained& trained, const datasets::Dataset& data,
                                         const Measures& measures) {
  if (!bits_of(trained, 0)) return std::nullopt;
  if (measures.nll) return bits_of(trained, measures.nll->nats);
  if (draws_codes(trained) && codes_of(args.codes) == models::Codes::mean) return std::nullopt;
  return bits_of(trained, elbo_of(trained, data, args));
}

/// The loss, and its terms. Where a model draws nothing its KL of 0 says nothing.
void add_losses(Lines& lines, const Trained& trained, const models::Losses& losses) {
  const std::vector<models::TermInfo> terms = models::terms_of(*trained.model);
  std::vector<models::TermInfo> shown;
  for (const models::TermInfo& term : terms)
    if (draws_codes(trained) || term.name != "kl" || losses["kl"] != 0) shown.push_back(term);
  if (shown.size() > 1) lines.add("loss", losses.loss, 4, "nats per sample (" + models::loss_formula(shown) + ")");
  for (const models::TermInfo& term : shown)
    lines.add(models::term_title(term.name), losses[term.name], 4,
              models::term_unit(term.name) + std::string(term.counts ? "" : ", no term of the loss by itself"));
}

void print_subject(const EvalArgs& args, const Trained& trained, const models::Evaluation& e) {
  const models::ModelConfig& m = trained.model->config();
  const std::string likelihood = m.likelihood.empty() ? "" : ", likelihood: " + m.likelihood;
  std::printf("%s of %s (%s), codes: %s%s, on %s\n", counted(e.count, "picture", "pictures").c_str(),
              trained.run.config().data.dataset.c_str(), args.split.c_str(),
              draws_codes(trained) ? args.codes.c_str() : "the encoder's own", likelihood.c_str(),
              described(trained.model->device()).c_str());
  if (draws_codes(trained) && codes_of(args.codes) == models::Codes::mean)
    std::printf(
        "The mean of q(z|x) is no draw from it: the loss is no bound, and a KL without a closed form is its value at "
        "that code\n");
}

void add_evaluation(Lines& lines, const Trained& trained, const models::Evaluation& e) {
  const models::ModelConfig& m = trained.model->config();
  add_losses(lines, trained, e.losses);
  const bool gaussian = models::why_unused(m, "variance").empty();
  if (e.constant != 0)
    lines.add("constant", e.constant, 4,
              "nats" + (gaussian ? ", of a Gaussian of variance " + viz::general(m.variance) + ";" : std::string(",")) +
                  " left out above");
  if (const std::optional<double> variance = trained.model->learned_variance())
    lines.add("variance", *variance, 6,
              "of each pixel, found by the training; sigma " + viz::general(std::sqrt(*variance)));
  lines.add("squared error", e.mse, 6, "per pixel");
  if (trained.model->code_size() > 0)
    lines.add("active units", std::to_string(e.active_units), "of " + std::to_string(trained.model->code_size()));
}

int eval(const EvalArgs& args) {
  const std::vector<Trained> runs = open_trained(args);
  const Trained& trained = runs.front();
  const models::ModelConfig& m = trained.model->config();
  datasets::Dataset dataset = open_dataset(trained, args.half(), args);
  const bool draws =
      args.binarize || measures_draw(args) || (draws_codes(trained) && codes_of(args.codes) == models::Codes::sampled);
  ELBO_CHECK(draws || args.command->get_option("--seed")->count() == 0, ValueError,
             "--seed: has no effect, nothing is drawn", draws_codes(trained) ? " with --codes mean" : " by this model");
  if (args.binarize) dataset = dataset.binarized(args.seed);
  const Measures measures = measure(args, runs, dataset);
  const models::Evaluation e =
      models::evaluate(*trained.model, dataset, {.codes = codes_of(args.codes), .seed = args.seed});
  const std::optional<double> bits = bits_per_dimension(args, trained, dataset, measures);
  if (!args.json) {
    print_subject(args, trained, e);
    Lines lines;
    add_evaluation(lines, trained, e);
    if (bits) lines.add("bits", *bits, 4, "per dimension");
    add_measures(lines, measures);
    lines.print();
    print_notes(args, runs, measures);
    return 0;
  }
  nlohmann::ordered_json out;
  out["split"] = args.split;
  out["count"] = e.count;
  out["skipped"] = args.notes->skipped();
  out.update(losses_json(e.losses));
  out["constant"] = e.constant;
  out["mse"] = e.mse;
  out["active_units"] = e.active_units;
  for (const models::TermInfo& term : models::terms_of(*trained.model))
    if (term.counts) out["weights"][term.name] = term.weight;
  if (const std::optional<double> variance = trained.model->learned_variance()) {
    out["variance"] = *variance;
    out["sigma"] = std::sqrt(*variance);
  }
  add_measures(out, args, measures);
  if (bits) out["bits_per_dimension"] = *bits;
  out["beta"] = m.beta;
  out["codes"] = codes_text(args.codes, trained);
  out["likelihood"] = m.likelihood;
  out["device"] = trained.model->device().to_string();
  print_json(out);
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, Command& run) {
  auto args = std::make_shared<EvalArgs>();
  CLI::App* command = app.add_subcommand("eval", "Measure a trained model: loss, its parts, error, active units");
  command->footer(
      "Example:\n  elbo eval runs/quickstart --split test --json\n"
      "  elbo eval runs/quickstart --nll 500 --binarize\n"
      "  elbo eval runs/quickstart --precision-recall 2000");
  add_run(*command, *args);
  add_data(*command, *args, true);
  add_codes(*command, args->codes);
  add_seed(*command, args->seed, "Of the draws");
  add_measure_options(*command, *args);
  command->add_flag("--binarize", args->binarize, "Pictures of black and white, drawn once by --seed");
  add_common(*command, *args);
  command->final_callback([args, &run] { run = [args] { return eval(*args); }; });
}

}  // namespace elbo::cli
