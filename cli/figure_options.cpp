#include "figure_options.h"

#include <elbo/core/text.h>
#include <elbo/datasets/picture.h>
#include <elbo/viz/report_facts.h>

#include <algorithm>

#include "outputs.h"

namespace elbo::cli {

namespace fs = std::filesystem;

void add_figure_options(CLI::App& command, FigureArgs& args, const std::string& name) {
  command
      .add_option("--out", args.out,
                  "The PNG file to write, - for standard output (default: " + name + " in the first run's folder)")
      ->type_name("FILE");
  command.add_option("--title", args.title, "A line above the pictures")->type_name("TEXT");
  command.add_option("--scale", args.scale, "Each pixel becomes N x N (default: what fits)")
      ->check(between(1, 1000))
      ->type_name("N");
  add_common(command, args);
}

void add_label(CLI::App& command, FigureArgs& args, const std::string& what) {
  command.add_option("--label", args.label, what + "; where N names a class, that one")->type_name("NAME|N");
}

std::vector<viz::Row> rows_of(const std::vector<Trained>& runs) {
  std::vector<viz::Row> rows;
  rows.reserve(runs.size());
  for (const Trained& trained : runs) rows.push_back({trained.name, *trained.model});
  return rows;
}

std::optional<std::int64_t> label_of(const std::vector<Trained>& runs, const std::string& text) {
  if (text.empty()) return {};
  std::optional<std::int64_t> label;
  for (const Trained& trained : runs)
    if (trained.model->is_conditional()) {
      std::int64_t found = parse_label(trained, text);
      ELBO_CHECK(!label || *label == found, ValueError, "--label ", text, ": it is number ", *label,
                 " for one of the runs and ", found, " for ", trained.run.folder().string());
      label = found;
    }
  return label ? label : parse_label(runs.front(), text);  // which says that it takes none
}

std::optional<std::int64_t> needed_label(const Trained& trained, const std::string& text) {
  const models::RunConfig& config = trained.run.config();
  ELBO_CHECK(!trained.model->is_conditional() || !text.empty(), ValueError, "the model of ",
             trained.run.folder().string(), " (", config.model.model, ") takes labels: expected --label, ",
             classes_text(config.data.class_names, config.model.classes), ", found none");
  return text.empty() ? std::nullopt : std::optional(parse_label(trained, text));
}

datasets::Dataset pictures_of(const std::vector<Trained>& runs, const FigureArgs& args) {
  return open_dataset(runs, args.half(), args);
}

datasets::Dataset read_input(const Trained& trained, const std::vector<fs::path>& files) {
  const Shape& picture = trained.model->config().picture;
  std::vector<std::uint8_t> pictures;
  for (const fs::path& file : files) {
    std::vector<std::uint8_t> bytes = datasets::read_picture(file, picture[0], picture[1], picture[2]);
    pictures.insert(pictures.end(), bytes.begin(), bytes.end());
  }
  datasets::Dataset out;
  out.name = "input";
  out.features = Array::from(pictures, picture.insert(0, static_cast<std::int64_t>(files.size())));
  return out;
}

namespace {

models::CodeDistribution fitted(const std::string& sampler, models::Model& model, const datasets::Dataset& pictures,
                                std::uint64_t seed) {
  return sampler == "gmm" ? models::fit_mixture(model, pictures, 10, seed) : models::fit_codes(model, pictures);
}

/// "N(0, 1)", "the prior vamp".
std::string prior_text(const Trained& trained) {
  const std::string& prior = trained.model->config().prior;
  return prior == "normal" ? "N(0, 1)" : "the prior " + prior;
}

}  // namespace

DrawnFrom codes_to_draw(const std::vector<Trained>& runs, const RunArgs& args, std::uint64_t seed,
                        const std::string& sampler) {
  constexpr std::int64_t most = 10000;
  DrawnFrom out;
  out.kind = sampler == "gmm" ? "a mixture of 10 Gaussians" : "a diagonal Gaussian";
  for (const Trained& trained : runs) {
    ELBO_CHECK(sampler != "prior" || trained.model->has_prior(), ValueError, "--sampler prior: the model of ",
               trained.run.folder().string(), " (", trained.model->config().model,
               ") has none: expected normal or gmm");
    if (trained.model->has_prior() && (sampler.empty() || sampler == "prior")) {
      out.codes.push_back(models::prior_codes(*trained.model));
      out.fitted.push_back(0);
      continue;
    }
    datasets::Dataset pictures = open_dataset(trained, datasets::Split::train, args).first(most);
    out.codes.push_back(fitted(sampler, *trained.model, pictures, seed));
    out.fitted.push_back(pictures.size());
  }
  return out;
}

DrawnFrom drawn_from(const std::vector<Trained>& runs, const FigureArgs& args, const std::string& sampler) {
  DrawnFrom out = codes_to_draw(runs, args, args.seed, sampler);
  const bool any = std::any_of(out.fitted.begin(), out.fitted.end(), [](std::int64_t count) { return count > 0; });
  ELBO_CHECK(any || args.data.empty(), ValueError,
             "--data: has no effect on codes from a prior; it is for an autoencoder, or --sampler normal or gmm");
  return out;
}

CLI::Option* add_sampler(CLI::App& command, std::string& sampler) {
  return command
      .add_option(
          "--sampler", sampler,
          "What codes are drawn from: the model's prior, or a Gaussian (normal) or a mixture of 10 (gmm) that is "
          "fitted to the codes of training pictures (default: the prior, or normal for an autoencoder)")
      ->check(one_of({"prior", "normal", "gmm"}));
}

void add_codes_json(nlohmann::ordered_json& out, const DrawnFrom& from, std::size_t i, const std::string& sampler) {
  const bool is_fitted = from.fitted[i] > 0;
  out["codes"] = is_fitted ? "fitted" : "prior";
  if (is_fitted) out["sampler"] = sampler == "gmm" ? "gmm" : "normal";
  if (is_fitted) out["fitted_pictures"] = from.fitted[i];
}

std::string describe(const std::vector<Trained>& runs, const DrawnFrom& from) {
  std::int64_t fitted = 0;
  std::string names, priors;
  bool any_prior = false;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (from.fitted[i] == 0) {
      const std::string prior = prior_text(runs[i]);
      if (priors.find(prior) == std::string::npos) priors += (priors.empty() ? "" : ", ") + prior;
      any_prior = true;
      continue;
    }
    names += (names.empty() ? "" : ", ") + printable(runs[i].name);
    fitted = std::max(fitted, from.fitted[i]);
  }
  if (fitted == 0) return priors;
  const bool no_prior =
      std::none_of(runs.begin(), runs.end(), [](const Trained& one) { return one.model->has_prior(); });
  const std::string what = from.kind + " fitted to the codes of " + viz::thousands(fitted) + " training pictures" +
                           (no_prior || any_prior ? " (an autoencoder has no prior)" : "");
  return any_prior ? priors + ", and for " + names + " from " + what : what;
}

fs::path output_of(const FigureArgs& args, const std::vector<Trained>& runs, const std::string& name,
                   const std::vector<fs::path>& input) {
  Sources sources = sources_of(runs, args);
  sources.files = input;
  return checked_output("--out", args.out.empty() ? args.runs.front() / name : args.out, Format::png, sources,
                        args.json);
}

nlohmann::ordered_json figure_json(const FigureArgs& args, const fs::path& file, const viz::Image& image,
                                   const std::vector<Trained>& runs) {
  nlohmann::ordered_json out;
  out["file"] = file.string();
  out["width"] = image.width;
  out["height"] = image.height;
  out["device"] = runs.front().model->device().to_string();
  if (args.notes) out["skipped"] = args.notes->skipped();
  for (const Trained& trained : runs) {
    nlohmann::ordered_json run;
    run["run"] = trained.run.folder().string();
    run["name"] = trained.name;
    run["model"] = trained.run.config().model.model;
    out["runs"].push_back(run);
  }
  return out;
}

std::string names_of(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i)
    out += (i == 0 ? "" : i + 1 < names.size() ? ", " : " and ") + printable(names[i]);
  return out;
}

std::string names_of(const std::vector<Trained>& runs) {
  std::vector<std::string> names;
  names.reserve(runs.size());
  for (const Trained& trained : runs) names.push_back(trained.name);
  return names_of(names);
}

}  // namespace elbo::cli
