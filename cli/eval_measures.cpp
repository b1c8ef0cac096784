#include "eval_measures.h"

#include <elbo/core/text.h>
#include <elbo/models/analysis/features.h>
#include <elbo/models/latent_model.h>
#include <elbo/viz/report_facts.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "commands.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

constexpr std::int64_t neighbours = 3;

/// Throws ValueError where samples and pictures cannot be compared.
void check_quality(const EvalArgs& args, const datasets::Dataset& data) {
  const char* option = "--precision-recall";
  ELBO_CHECK(!data.labels.empty() && data.classes() >= 2, ValueError, option,
             ": expected pictures with labels, of which a classifier can learn what to compare, found ",
             data.labels.empty() ? "none" : "a single class", " in ", data.name);
  ELBO_CHECK(args.precision_recall <= data.size(), ValueError, option, ": expected at most ", data.size(), ", all ",
             args.split, " pictures of ", data.name, ", found ", args.precision_recall);
}

/// Always the same network for the same training pictures, whatever `--seed`: so that runs compare.
models::FeatureNet classifier(const datasets::Dataset& train, Status& status) {
  models::FeatureNetOptions options;
  const std::int64_t total = options.epochs * train.size();
  options.on_batch = [&](std::int64_t done) { status.show("classifier", done, total, "pictures"); };
  return models::train_feature_net(train, options);
}

/// Pictures of codes, each with the label of one of the pictures they stand beside where a model takes labels.
Array samples_of(models::Model& model, const models::CodeDistribution& codes, const datasets::Dataset& beside,
                 std::uint64_t seed) {
  Generator generator(seed, Stream::pictures, model.device());
  const Tensor z = models::draw_codes(codes, beside.size(), generator);
  const Tensor labels = model.is_conditional() ? Tensor(beside.labels_array(model.device())) : Tensor();
  return models::draw_pictures(model, z, labels, generator).to(cpu);
}

SampleQuality quality_of(const EvalArgs& args, const std::vector<Trained>& runs, const datasets::Dataset& data,
                         Status& status) {
  SampleQuality out;
  out.count = args.precision_recall;
  out.from = codes_to_draw(runs, args, args.seed, args.sampler);
  const datasets::Dataset beside = data.subset(models::evenly_spaced(data.size(), out.count));
  const datasets::Dataset train =
      args.split == "train" ? data : open_dataset(runs.front(), datasets::Split::train, args);
  models::FeatureNet net = classifier(train, status);
  out.trained_on = train.size();
  out.accuracy = net.accuracy(beside);
  status.show("precision and recall");
  const Array samples = samples_of(*runs.front().model, out.from.codes.front(), beside, args.seed);
  out.found = models::precision_recall(net.features(beside.pictures_array()), net.features(samples), neighbours);
  return out;
}

void add_disentanglement(Lines& lines, const models::Disentanglement& d) {
  lines.add("MIG", d.mig.score, 4, "gap between the two dimensions that say most of a factor (Chen et al. 2018)");
  lines.add("FactorVAE", d.factor_vae.score, 4, "share of votes for the factor that is held fixed (Kim and Mnih 2018)");
  lines.add("SAP", d.sap.score, 4, "gap between the two dimensions that predict a factor best (Kumar et al. 2018)");
  lines.add("DCI D", d.dci.disentanglement, 4,
            "disentanglement: each dimension tells of one factor (Eastwood and Williams 2018)");
  lines.add("DCI C", d.dci.completeness, 4, "completeness: each factor is told by one dimension");
  lines.add("DCI I", d.dci.informativeness, 4, "informativeness: how well the factors are told at all");
}

void add_quality(Lines& lines, const models::PrecisionRecall& found) {
  lines.add("precision", found.precision, 4, "share of samples within reach of a picture (Kynkäänniemi et al. 2019)");
  lines.add("recall", found.recall, 4, "share of pictures within reach of a sample");
  lines.add("density", found.density, 4,
            "pictures in whose reach a sample is, over 3; about 1 for like sets (Naeem et al. 2020)");
  lines.add("coverage", found.coverage, 4, "share of pictures with a sample in their reach");
}

std::string joined(const std::vector<std::int64_t>& numbers) {
  std::string out;
  for (const std::int64_t number : numbers) out += (out.empty() ? "" : ", ") + std::to_string(number);
  return out.empty() ? "none" : out;
}

void print_dimensions(const models::CodeInformation& codes) {
  std::printf("\n  KL of each latent dimension from N(0, 1), in nats; active: %s\n", joined(codes.active).c_str());
  for (std::size_t i = 0; i < codes.kl.size(); ++i)
    std::printf("  %4zu %8s%s", i, models::loss_text(codes.kl[i], 8, 4).c_str(),
                i % 5 == 4 || i + 1 == codes.kl.size() ? "\n" : "");
}

/// "shape 0.0312, scale 0.7841": a factor of a single value has no gap.
std::string gaps_text(const models::Disentanglement& d) {
  std::string out;
  for (std::size_t i = 0; i < d.factors.size(); ++i)
    out += (out.empty() ? "" : ", ") + printable(d.factors[i]) + " " +
           (std::isnan(d.mig.gaps[i]) ? "-" : models::loss_text(d.mig.gaps[i], 6, 4));
  return out;
}

nlohmann::ordered_json json_of(const models::Disentanglement& d) {
  nlohmann::ordered_json gaps = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < d.factors.size(); ++i)
    if (!std::isnan(d.mig.gaps[i])) gaps[d.factors[i]] = d.mig.gaps[i];
  return {{"pictures", d.pictures},
          {"mig", d.mig.score},
          {"mig_of_factors", gaps},
          {"factor_vae", d.factor_vae.score},
          {"sap", d.sap.score},
          {"dci_disentanglement", d.dci.disentanglement},
          {"dci_completeness", d.dci.completeness},
          {"dci_informativeness", d.dci.informativeness}};
}

nlohmann::ordered_json json_of(const EvalArgs& args, const SampleQuality& q) {
  nlohmann::ordered_json out{{"precision", q.found.precision}, {"recall", q.found.recall}, {"density", q.found.density},
                             {"coverage", q.found.coverage},   {"samples", q.count},       {"neighbours", neighbours}};
  add_codes_json(out, q.from, 0, args.sampler);
  out["features"] = "classifier";
  out["classifier_pictures"] = q.trained_on;
  out["classifier_accuracy"] = q.accuracy;
  return out;
}

}  // namespace

void Lines::add(const std::string& name, double value, int decimals, const std::string& unit) {
  add(name, models::loss_text(value, 10, decimals), unit);
}

void Lines::add(const std::string& name, const std::string& value, const std::string& unit) {
  lines_.push_back({name, value, unit});
  width_ = std::max(width_, static_cast<int>(name.size()));
}

void Lines::print() const {
  for (const auto& [name, value, unit] : lines_)
    std::printf("  %-*s  %10s  %s\n", width_, name.c_str(), value.c_str(), unit.c_str());
}

void add_measure_options(CLI::App& command, EvalArgs& args) {
  command.add_option("--nll", args.nll, "Estimate log p(x) by so many importance samples of each picture")
      ->check(at_least(1))
      ->check(not_for("--posterior", {"point"}))
      ->check(not_for("--model", {"vq-vae"}))
      ->type_name("K");
  command.add_flag("--information", args.information,
                   "What the codes say: KL of each dimension, which are active, I(x; z), marginal KL");
  command
      .add_flag("--disentanglement", args.disentanglement,
                "How the codes tell the known factors of the pictures: MIG, FactorVAE's score, SAP, DCI")
      ->check(only_for("--dataset", {"shapes", "npz"}))
      ->check(not_for("--model", {"vq-vae"}));
  command
      .add_option("--precision-recall", args.precision_recall,
                  "Precision, recall, density and coverage of N samples and N pictures, compared by a classifier "
                  "that is trained for it")
      ->check(at_least(neighbours + 1))
      ->check(not_for("--model", {"vq-vae"}))
      ->check(not_with("--binarize"))
      ->type_name("N");
  add_sampler(command, args.sampler)->check(only_with("--precision-recall"));
}

bool measures_draw(const EvalArgs& args) {
  return args.nll > 0 || args.information || args.disentanglement || args.precision_recall > 0;
}

Measures measure(const EvalArgs& args, const std::vector<Trained>& runs, const datasets::Dataset& data) {
  models::Model& model = *runs.front().model;
  Measures out;
  Status status;
  if (args.precision_recall > 0) {
    check_quality(args, data);
    out.quality = quality_of(args, runs, data, status);
  }
  if (args.information) {
    status.show("information of the codes");
    out.information = models::code_information(models::as_latent(model), data, args.seed);
  }
  if (args.disentanglement) {
    models::DisentanglementOptions options{.seed = args.seed};
    options.before_measure = [&](const std::string& measure) { status.show("disentanglement: " + measure); };
    out.disentanglement = models::disentanglement(model, data, options);
  }
  if (args.nll > 0) {
    models::NllOptions options{.samples = args.nll, .seed = args.seed};
    options.on_batch = [&](std::int64_t done) { status.show("likelihood", done, data.size(), "pictures"); };
    out.nll = models::estimate_nll(model, data, options);
  }
  return out;
}

void add_measures(Lines& lines, const Measures& measures) {
  if (measures.information) {
    lines.add("I(x; z)", measures.information->mutual_information, 4, "nats, what a code says of its picture");
    lines.add("marginal KL", measures.information->marginal_kl, 4, "nats, of all codes from the prior");
  }
  if (measures.nll) {
    const models::Nll& n = *measures.nll;
    lines.add("-log p(x)", n.nats, 4, "nats, standard error " + viz::general(n.standard_error));
    lines.add(n.samples == 1 ? "sample" : "samples", viz::thousands(n.samples),
              "of each picture" +
                  (n.samples == 1 ? "" : ", of which " + models::loss_text(n.effective_samples, 8, 1) + " count"));
  }
  if (measures.disentanglement) add_disentanglement(lines, *measures.disentanglement);
  if (measures.quality) add_quality(lines, measures.quality->found);
}

void print_notes(const EvalArgs& args, const std::vector<Trained>& runs, const Measures& measures) {
  if (measures.disentanglement)
    std::printf(
        "\n  Disentanglement: of the codes (%s) of %s, by their factors; 1 is best.\n  MIG of each factor: %s.\n",
        draws_codes(runs.front()) ? "posterior means" : "the encoder's own",
        counted(measures.disentanglement->pictures, "picture", "pictures").c_str(),
        gaps_text(*measures.disentanglement).c_str());
  if (const std::optional<SampleQuality>& q = measures.quality) {
    const std::string n = viz::thousands(q->count);
    std::printf(
        "\n  Precision to coverage: of %s samples and %s %s pictures. Samples are mean pictures of codes from\n  %s.\n"
        "  A point reaches to its third nearest neighbour among its own kind, in the features of a classifier that\n"
        "  was trained on %s training pictures and tells %.1f %% of these right. They are not Inception's: compare\n"
        "  runs on the same dataset alone.\n",
        n.c_str(), n.c_str(), args.split == "train" ? "training" : "test", describe(runs, q->from).c_str(),
        viz::thousands(q->trained_on).c_str(), 100 * q->accuracy);
  }
  if (measures.information) print_dimensions(*measures.information);
}

void add_measures(nlohmann::ordered_json& out, const EvalArgs& args, const Measures& measures) {
  if (measures.information) {
    const models::CodeInformation& c = *measures.information;
    out["mutual_information"] = c.mutual_information;
    out["marginal_kl"] = c.marginal_kl;
    out["kl_of_dimensions"] = c.kl;
    out["active_dimensions"] = c.active;
  }
  if (measures.nll)
    out["nll"] = {{"nats", measures.nll->nats},
                  {"standard_error", measures.nll->standard_error},
                  {"samples", measures.nll->samples},
                  {"effective_samples", measures.nll->effective_samples}};
  if (measures.disentanglement) out["disentanglement"] = json_of(*measures.disentanglement);
  if (measures.quality) out["precision_recall"] = json_of(args, *measures.quality);
}

}  // namespace elbo::cli
