#include <elbo/core/file.h>
#include <elbo/core/ops.h>
#include <elbo/core/text.h>
#include <elbo/models/analysis/codes.h>
#include <elbo/models/analysis/metrics.h>
#include <elbo/viz/embedding.h>
#include <elbo/viz/figures.h>

#include <cstdio>

#include "commands.h"
#include "inputs.h"
#include "outputs.h"

namespace elbo::cli {
namespace {

namespace fs = std::filesystem;

/// Trustworthiness compares all pairs of points: beyond these it is measured on so many, spread evenly.
constexpr std::int64_t most_compared = 10000;

struct EmbedArgs : RunArgs {
  fs::path model_b, out, csv;
  std::string method = "pca";
  std::int64_t count = 0;
  models::TsneOptions tsne;
};

/// One model's picture of the codes.
struct Embedded {
  viz::Embedding embedding;
  std::optional<double> trustworthiness;
};

viz::EmbeddingMethod method_of(const std::string& name) {
  using viz::EmbeddingMethod;
  return name == "first2" ? EmbeddingMethod::first2 : name == "tsne" ? EmbeddingMethod::tsne : EmbeddingMethod::pca;
}

std::optional<double> trust(const Array& codes, const Array& points) {
  constexpr std::int64_t k = 5;
  const std::int64_t n = codes.shape()[0];
  if (n <= 2 * k) return std::nullopt;
  if (n <= most_compared) return models::trustworthiness(codes, points, k);
  const std::vector<std::int64_t> some = models::evenly_spaced(n, most_compared);
  const auto rows = [&](const Array& all) {
    return index_select(all, 0, Array::from(some, {most_compared}, all.device())).array();
  };
  return models::trustworthiness(rows(codes), rows(points), k);
}

Embedded embed_codes(const EmbedArgs& args, const Trained& trained, const datasets::Dataset& pictures, Status& status) {
  status.show("codes of " + trained.name);
  const Array codes = models::encode_means(*trained.model, pictures);
  models::TsneOptions options = args.tsne;
  options.on_iteration = [&](std::int64_t done) { status.show("t-SNE of " + trained.name, done, options.iterations); };
  Embedded out{viz::embed(codes, method_of(args.method), options), {}};
  status.show("trustworthiness of " + trained.name);
  out.trustworthiness = trust(codes, out.embedding.points);
  return out;
}

std::string csv_of(const datasets::Dataset& pictures, const std::vector<Embedded>& all) {
  std::string out = "index,label,class,x,y";
  out += all.size() > 1 ? ",x_b,y_b\n" : "\n";
  std::vector<std::vector<float>> points;
  points.reserve(all.size());
  for (const Embedded& one : all) points.push_back(one.embedding.points.to_vector<float>());
  for (std::int64_t i = 0; i < pictures.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    out += std::to_string(i);
    if (pictures.labels.empty())
      out += ",,";
    else
      out += "," + std::to_string(pictures.labels[at]) + "," +
             csv_cell(viz::class_name(pictures.class_names, pictures.labels[at]));
    for (const std::vector<float>& xy : points) out += "," + csv_number(xy[2 * at]) + "," + csv_number(xy[2 * at + 1]);
    out += "\n";
  }
  return out;
}

std::string svg_of(const EmbedArgs& args, const std::vector<Trained>& runs, const datasets::Dataset& pictures,
                   const std::vector<Embedded>& all) {
  const std::string method = args.method == "tsne"  ? "t-SNE (perplexity " + csv_number(args.tsne.perplexity) + ")"
                             : args.method == "pca" ? "PCA"
                                                    : "the first two latent dimensions";
  const std::string what = method + " of " +
                           counted(pictures.size(), args.split + " picture", args.split + " pictures") + " of " +
                           pictures.name;
  std::vector<viz::EmbeddingPanel> panels;
  for (std::size_t i = 0; i < all.size(); ++i)
    panels.push_back({runs.size() > 1 ? runs[i].name : "", all[i].embedding});
  const std::string title = runs.size() > 1 ? what : runs[0].name + ": " + what;
  return viz::embedding_chart(panels, pictures.labels, pictures.class_names,
                              {.title = title, .width = runs.size() > 1 ? 1240 : 800, .height = 720});
}

nlohmann::ordered_json json_of(const Trained& trained, const Embedded& one) {
  nlohmann::ordered_json out;
  out["run"] = trained.run.folder().string();
  out["latent"] = trained.model->config().latent;
  const auto& explained = one.embedding.explained_variance;
  out["explained_variance"] = explained ? nlohmann::ordered_json(*explained) : nlohmann::ordered_json();
  out["trustworthiness"] =
      one.trustworthiness ? nlohmann::ordered_json(*one.trustworthiness) : nlohmann::ordered_json();
  out["kl"] = one.embedding.kl ? nlohmann::ordered_json(*one.embedding.kl) : nlohmann::ordered_json();
  return out;
}

void print_text(const std::vector<Trained>& runs, const std::vector<Embedded>& all) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::printf("%s: ", printable(runs[i].name).c_str());
    const viz::Embedding& e = all[i].embedding;
    if (e.explained_variance)
      std::printf("explained variance %.1f %% + %.1f %%, ", 100 * (*e.explained_variance)[0],
                  100 * (*e.explained_variance)[1]);
    if (e.kl) std::printf("KL divergence %.4f nats, ", *e.kl);
    if (all[i].trustworthiness)
      std::printf("trustworthiness %.4f\n", *all[i].trustworthiness);
    else
      std::printf("too few pictures to measure trustworthiness\n");
  }
}

fs::path default_out(const EmbedArgs& args) {
  std::string name = "embedding-" + args.method;
  if (!args.model_b.empty()) name += "-with-" + models::folder_name(args.model_b);
  return args.runs.front() / (name + ".svg");
}

/// The table's file: where it is not named it lies beside the figure, which only a regular file has a place for.
fs::path csv_file(const EmbedArgs& args, const fs::path& out, const Sources& sources) {
  std::error_code error;
  const bool has_place = descriptor_of(out) < 0 && (!fs::exists(out, error) || fs::is_regular_file(out, error));
  if (args.csv.empty() && !has_place) return {};
  const fs::path csv = args.csv.empty() ? fs::path(out).replace_extension(".csv") : args.csv;
  fs::path checked = checked_output("--csv", csv, Format::csv, sources, args.json);
  ELBO_CHECK(!same_file(out, checked), ValueError, "--csv ", csv.string(), ": expected another file than --out ",
             args.out.string());
  return checked;
}

int embed(const EmbedArgs& args) {
  RunArgs both = args;
  if (!args.model_b.empty()) both.runs.push_back(args.model_b);
  const std::vector<Trained> runs = open_trained(both);
  const Sources sources = sources_of(runs, args);
  const fs::path out =
      checked_output("--out", args.out.empty() ? default_out(args) : args.out, Format::svg, sources, args.json);
  const fs::path csv = csv_file(args, out, sources);
  for (const Trained& trained : runs)
    ELBO_CHECK(trained.model->config().latent >= 2, ValueError, trained.run.folder().string(),
               ": expected at least two latent dimensions, found ", trained.model->config().latent);
  datasets::Dataset pictures = open_dataset(runs, args.half(), args);
  check_count(args, args.count, pictures);
  if (args.count > 0) pictures = pictures.first(args.count);
  ELBO_CHECK(pictures.size() >= 2, ValueError, "expected at least two ", args.split, " pictures, found ",
             pictures.size());
  ELBO_CHECK(args.method != "tsne" ||
                 (args.tsne.perplexity >= 1 && args.tsne.perplexity < static_cast<double>(pictures.size())),
             ValueError, "--perplexity: expected at least 1 and less than the number of pictures, ", pictures.size(),
             ", found ", csv_number(args.tsne.perplexity));
  std::vector<Embedded> all;
  {
    Status status;
    for (const Trained& trained : runs) all.push_back(embed_codes(args, trained, pictures, status));
  }
  const std::string svg = svg_of(args, runs, pictures, all), rows = csv_of(pictures, all);
  std::vector<fs::path> files = {out};
  if (!csv.empty()) files.push_back(csv);
  write_file_atomically(out, svg);
  if (!csv.empty()) write_file_atomically(csv, rows);
  if (is_stdout(out) || is_stdout(csv)) return 0;
  if (!args.json) {
    print_text(runs, all);
    for (const fs::path& file : files) std::printf("%s\n", printable(file.native()).c_str());
    print_device(runs.front());
    return 0;
  }
  nlohmann::ordered_json json;
  json["method"] = args.method;
  json["split"] = args.split;
  json["count"] = pictures.size();
  json["skipped"] = args.notes->skipped();
  json["device"] = runs[0].model->device().to_string();
  json.update(json_of(runs[0], all[0]));
  if (runs.size() > 1) json["model_b"] = json_of(runs[1], all[1]);
  for (const fs::path& file : files) json["files"].push_back(file.string());
  print_json(json);
  return 0;
}

void add_tsne_options(CLI::App& command, models::TsneOptions& tsne) {
  command.add_option("--perplexity", tsne.perplexity, "About how many neighbours count")
      ->check(only_for("--method", {"tsne"}))
      ->check(positive())
      ->type_name("X")
      ->capture_default_str();
  command.add_option("--iterations", tsne.iterations, "Steps of gradient descent")
      ->check(only_for("--method", {"tsne"}))
      ->check(at_least(1))
      ->type_name("N")
      ->capture_default_str();
  add_seed(command, tsne.seed, "Of the first places")->check(only_for("--method", {"tsne"}));
}

}  // namespace

void add_embed(CLI::App& app, Command& run) {
  auto args = std::make_shared<EmbedArgs>();
  CLI::App* command = app.add_subcommand("embed", "Draw the codes of pictures in the plane");
  command->footer(
      "Example:\n  elbo embed runs/vae --method tsne --out codes.svg\n"
      "Two models side by side:\n  elbo embed runs/vae --model-b runs/cvae");
  add_run(*command, *args);
  command->add_option("--model-b", args->model_b, "A second run, beside the first: the codes of the same pictures")
      ->type_name("RUN");
  command
      ->add_option("--method", args->method,
                   "first2: the first two dimensions as they are; pca: principal components; tsne: t-SNE")
      ->check(one_of({"first2", "pca", "tsne"}))
      ->capture_default_str();
  add_tsne_options(*command, args->tsne);
  add_data(*command, *args, true);
  command->add_option("--count", args->count, "The first N pictures of it (default: all)")
      ->check(at_least(2))
      ->type_name("N");
  command
      ->add_option("--out", args->out,
                   "The SVG file to write, - for standard output (default: embedding-METHOD.svg in the run folder)")
      ->type_name("FILE");
  command->add_option("--csv", args->csv, "The table to write, - for standard output (default: beside the SVG file)")
      ->type_name("FILE");
  add_common(*command, *args);
  command->final_callback([args, &run] { run = [args] { return embed(*args); }; });
}

}  // namespace elbo::cli
