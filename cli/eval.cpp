#include <elbo/models/analysis/information.h>
#include <elbo/models/analysis/nll.h>
#include <elbo/models/analysis/terms.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/registry.h>
#include <elbo/viz/report_facts.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <numbers>
#include <numeric>

#include "commands.h"
#include "inputs.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

struct EvalArgs : RunArgs {
  std::string codes = "sampled";
  std::uint64_t seed = 0;
  std::int64_t nll = 0;
  bool binarize = false, information = false;
};

/// What is measured beside the loss, where it was asked for.
struct Extra {
  std::optional<models::Nll> nll;
  std::optional<models::CodeInformation> codes;
  std::optional<double> bits;  ///< per dimension, of the NLL, or of the negative ELBO
};

/// Where the likelihood is a probability of bytes, nats per picture are bits per dimension.
std::optional<double> bits_of(const Trained& trained, double nats) {
  const auto* latent = dynamic_cast<const models::LatentModel*>(trained.model.get());
  if (!latent || !latent->likelihood().is_of_bytes()) return std::nullopt;
  return nats / (static_cast<double>(trained.model->config().picture.numel()) * std::numbers::ln2);
}

Extra extra_of(const EvalArgs& args, const Trained& trained, const datasets::Dataset& data, double negative_elbo) {
  Extra out;
  Status status;
  if (args.information) {
    status.show("information of the codes");
    out.codes = models::code_information(models::as_latent(*trained.model), data, args.seed);
  }
  if (args.nll > 0) {
    models::NllOptions options{.samples = args.nll, .seed = args.seed};
    options.on_batch = [&](std::int64_t done) { status.show("likelihood of pictures", done, data.size()); };
    out.nll = models::estimate_nll(*trained.model, data, options);
  }
  out.bits = bits_of(trained, out.nll ? out.nll->nats : negative_elbo);
  return out;
}

double elbo_of(const Trained& trained, const datasets::Dataset& data, const EvalArgs& args) {
  if (!bits_of(trained, 0)) return 0;
  const std::vector<models::Losses> scores =
      models::score(*trained.model, data, {.codes = codes_of(args.codes), .seed = args.seed});
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0,
                                     [](double so_far, const models::Losses& one) { return so_far + one.loss; });
  return sum / static_cast<double>(std::max<std::size_t>(scores.size(), 1));
}

/// Numbers with their names before and their units behind them, printed when all names are known.
class Lines {
 public:
  void add(const std::string& name, double value, int decimals, const std::string& unit) {
    add(name, models::loss_text(value, 10, decimals), unit);
  }
  void add(const std::string& name, const std::string& value, const std::string& unit) {
    lines_.push_back({name, value, unit});
    width_ = std::max(width_, static_cast<int>(name.size()));
  }
  void print() const {
    for (const auto& [name, value, unit] : lines_)
      std::printf("  %-*s  %10s  %s\n", width_, name.c_str(), value.c_str(), unit.c_str());
  }

 private:
  std::vector<std::array<std::string, 3>> lines_;
  int width_ = 14;
};

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

void print_head(const EvalArgs& args, const Trained& trained, const models::Evaluation& e) {
  const models::ModelConfig& m = trained.model->config();
  const std::string likelihood = m.likelihood.empty() ? "" : ", likelihood: " + m.likelihood;
  std::printf("%s of %s (%s), codes: %s%s, on %s\n", counted(e.count, "picture", "pictures").c_str(),
              trained.run.config().data.dataset.c_str(), args.split.c_str(),
              draws_codes(trained) ? args.codes.c_str() : "the encoder's own", likelihood.c_str(),
              described(trained.model->device()).c_str());
}

void add_evaluation(Lines& lines, const Trained& trained, const models::Evaluation& e) {
  const models::ModelConfig& m = trained.model->config();
  add_losses(lines, trained, e.losses);
  const bool gaussian = models::why_unused(m, "variance").empty();
  if (e.constant != 0)
    lines.add("constant", e.constant, 4,
              "nats" + (gaussian ? ", of a Gaussian of variance " + viz::general(m.variance) + ";" : std::string(",")) +
                  " left out above");
  lines.add("squared error", e.mse, 6, "per pixel");
  if (trained.model->code_size() > 0)
    lines.add("active units", std::to_string(e.active_units), "of " + std::to_string(trained.model->code_size()));
}

std::string joined(const std::vector<std::int64_t>& numbers) {
  std::string out;
  for (const std::int64_t number : numbers) out += (out.empty() ? "" : ", ") + std::to_string(number);
  return out.empty() ? "none" : out;
}

void add_estimates(Lines& lines, const Extra& extra) {
  if (extra.codes) {
    lines.add("I(x; z)", extra.codes->mutual_information, 4, "nats, what a code says of its picture");
    lines.add("marginal KL", extra.codes->marginal_kl, 4, "nats, of all codes from the prior");
  }
  if (extra.nll) {
    const models::Nll& n = *extra.nll;
    lines.add("-log p(x)", n.nats, 4, "nats, standard error " + viz::general(n.standard_error));
    lines.add("samples", viz::thousands(n.samples),
              "of each picture, of which " + models::loss_text(n.effective_samples, 8, 1) + " count");
  }
  if (extra.bits) lines.add("bits", *extra.bits, 4, "per dimension");
}

void print_dimensions(const models::CodeInformation& codes) {
  std::printf("\n  KL of each latent dimension from N(0, 1), in nats; active: %s\n", joined(codes.active).c_str());
  for (std::size_t i = 0; i < codes.kl.size(); ++i)
    std::printf("  %4zu %8s%s", i, models::loss_text(codes.kl[i], 8, 4).c_str(),
                i % 5 == 4 || i + 1 == codes.kl.size() ? "\n" : "");
}

void add_extra(nlohmann::ordered_json& out, const Extra& extra) {
  if (extra.codes) {
    const models::CodeInformation& c = *extra.codes;
    out["mutual_information"] = c.mutual_information;
    out["marginal_kl"] = c.marginal_kl;
    out["kl_of_dimensions"] = c.kl;
    out["active_dimensions"] = c.active;
  }
  if (extra.nll)
    out["nll"] = {{"nats", extra.nll->nats},
                  {"standard_error", extra.nll->standard_error},
                  {"samples", extra.nll->samples},
                  {"effective_samples", extra.nll->effective_samples}};
  if (extra.bits) out["bits_per_dimension"] = *extra.bits;
}

int eval(const EvalArgs& args) {
  const Trained trained = std::move(open_trained(args).front());
  const models::ModelConfig& m = trained.model->config();
  datasets::Dataset dataset = open_dataset(trained, args.half(), args);
  const bool draws = args.binarize || args.nll > 0 || args.information ||
                     (draws_codes(trained) && codes_of(args.codes) == models::Codes::sampled);
  ELBO_CHECK(draws || args.command->get_option("--seed")->count() == 0, ValueError,
             "--seed: has no effect, nothing is drawn", draws_codes(trained) ? " with --codes mean" : " by this model");
  if (args.binarize) dataset = dataset.binarized(args.seed);
  models::Evaluation e = models::evaluate(*trained.model, dataset, {.codes = codes_of(args.codes), .seed = args.seed});
  const Extra extra = extra_of(args, trained, dataset, elbo_of(trained, dataset, args));
  if (!args.json) {
    print_head(args, trained, e);
    Lines lines;
    add_evaluation(lines, trained, e);
    add_estimates(lines, extra);
    lines.print();
    if (extra.codes) print_dimensions(*extra.codes);
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
  add_extra(out, extra);
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
      "  elbo eval runs/quickstart --nll 500 --binarize");
  add_run(*command, *args);
  add_data(*command, *args, true);
  add_codes(*command, args->codes);
  add_seed(*command, args->seed, "Of the draws");
  command->add_option("--nll", args->nll, "Estimate log p(x) by so many importance samples of each picture")
      ->check(at_least(1))
      ->check(not_for("--posterior", {"point"}))
      ->type_name("K");
  command->add_flag("--information", args->information,
                    "What the codes say: KL of each dimension, which are active, I(x; z), marginal KL");
  command->add_flag("--binarize", args->binarize, "Pictures of black and white, drawn once by --seed");
  add_common(*command, *args);
  command->final_callback([args, &run] { run = [args] { return eval(*args); }; });
}

}  // namespace elbo::cli
