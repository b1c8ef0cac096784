#include <algorithm>
#include <cmath>

#include "../core/errors.h"
#include "../models/analysis/metrics.h"
#include "axis.h"
#include "embedding.h"
#include "figures.h"
#include "report_facts.h"
#include "report_html.h"
#include "report_parts.h"

namespace elbo::viz::detail {
namespace {

constexpr std::int64_t embedded_pictures = 10000;
constexpr const char* no_codes = "The model has no codes, one a picture, to show.";

models::Model& model_of(const Reported& run) { return run.run->model; }

/// A heading with the run's name, where there are several.
std::string name_heading(const std::vector<Reported>& runs, const Reported& run) {
  return runs.size() > 1 ? heading3(run.name()) : "";
}

/// Whether some run has a code for each picture.
bool any_codes(const std::vector<Reported>& runs) {
  return std::any_of(runs.begin(), runs.end(), [](const Reported& run) { return model_of(run).code_size() > 0; });
}

/// How far from 0 the codes are that are worth a look: three standard deviations.
double reach_of(const models::CodeDistribution& codes) {
  const double widest = *std::max_element(codes.std.begin(), codes.std.end());
  return widest > 0 ? std::max(3 * widest, 1e-3) : 3;
}

/// Of what the model takes.
std::vector<std::string> class_names_of(const Reported& run) { return run.run->run.config().data.class_names; }
/// Of the pictures, which may have more.
std::vector<std::string> picture_classes(const Reported& run) { return run.pictures()->class_names; }

std::string names_of(const std::vector<const Reported*>& group) {
  std::string out;
  for (const Reported* run : group) out += (out.empty() ? "" : ", ") + run->name();
  return out;
}

}  // namespace

std::string Reported::half(std::int64_t count) const {
  const std::string kind = run->split == "test" ? "test " : "training ";
  return counted(count, kind + "picture", kind + "pictures");
}

std::vector<std::vector<const Reported*>> by_pictures(const std::vector<Reported>& runs) {
  std::vector<std::vector<const Reported*>> out;
  for (const Reported& run : runs) {
    if (!run.pictures()) continue;
    const auto same = [&](const std::vector<const Reported*>& group) {
      const datasets::Dataset &a = *group[0]->pictures(), &b = *run.pictures();
      return a.shape() == b.shape() && std::ranges::equal(a.pictures(), b.pictures()) && a.labels == b.labels;
    };
    const auto found = std::find_if(out.begin(), out.end(), same);
    if (found != out.end())
      found->push_back(&run);
    else
      out.push_back({&run});
  }
  return out;
}

std::string samples_section(const std::vector<Reported>& runs, const ReportOptions& options) {
  if (!any_codes(runs)) return "";
  std::string html;
  for (const Reported& run : runs) {
    html += name_heading(runs, run);
    if (model_of(run).code_size() == 0) {
      html += paragraph(no_codes);
      continue;
    }
    if (!run.has_prior() && !run.fitted) {
      html += paragraph("An autoencoder has no prior to draw codes from, and its pictures were not at hand.");
      continue;
    }
    SampleOptions sample{.seed = options.seed, .class_names = class_names_of(run)};
    const std::string prior = run.run->model.config().prior;
    std::string caption =
        "Mean pictures of codes drawn from the prior" + (prior == "normal" ? " N(0, 1)" : " (" + prior + ")");
    if (run.fitted) {
      sample.codes = {*run.fitted};
      caption =
          "Mean pictures of codes drawn from the normal distribution that fits the codes of the pictures, each "
          "dimension by itself: an autoencoder has no prior";
    }
    if (model_of(run).is_conditional()) caption += ", a row for each label";
    html += picture_figure(sample_figure({{run.name(), model_of(run)}}, sample),
                           "Pictures that the model " + run.name() + " makes up", caption + ".");
  }
  return section("samples", "Samples", html);
}

std::string reconstructions_section(const std::vector<Reported>& runs) {
  std::string html;
  const auto groups = by_pictures(runs);
  for (const auto& group : groups) {
    const datasets::Dataset& pictures = *group[0]->pictures();
    std::vector<Row> rows;
    rows.reserve(group.size());
    for (const Reported* run : group) rows.push_back({group.size() > 1 ? run->name() : "model", model_of(*run)});
    const std::int64_t columns = pictures.width() > 40 ? 8 : 12;
    const auto indices = models::evenly_spaced(pictures.size(), group.size() > 2 ? columns : 3 * columns);
    if (groups.size() > 1) html += heading3(names_of(group));
    html +=
        picture_figure(reconstruction_figure(rows, pictures, indices, {.columns = columns, .errors = group.size() > 1}),
                       "Pictures of " + pictures.name + ", and below them their reconstructions by " + names_of(group),
                       "What becomes of " + group[0]->half(static_cast<std::int64_t>(indices.size())) +
                           (indices.size() == 1 ? " that is encoded and decoded, by its posterior mean."
                                                : " that are encoded and decoded, by their posterior means."));
  }
  if (groups.empty()) html = paragraph("The pictures were not at hand.");
  return section("reconstructions", "Reconstructions", html);
}

std::string traversals_section(const std::vector<Reported>& runs) {
  if (!any_codes(runs)) return "";
  std::string html;
  for (const Reported& run : runs) {
    html += name_heading(runs, run);
    if (model_of(run).code_size() == 0) {
      html += paragraph(no_codes);
      continue;
    }
    TraversalOptions options;
    std::string caption = "Each row changes one latent dimension";
    const datasets::Dataset* pictures = run.pictures();
    if (pictures && spreads(model_of(run)))
      caption += " over three standard deviations of its codes to both sides of their mean";
    if (!pictures && model_of(run).is_conditional()) options.label = 0;
    const Image image = pictures ? traversal_figure(model_of(run), *pictures, 0, options)
                                 : traversal_figure(model_of(run), zeros({1, model_of(run).code_size()}), options);
    html += picture_figure(image, "Pictures decoded while one latent dimension after the other changes",
                           caption + "; the others stay as they are for " +
                               (pictures ? "the picture at the left, shown with its reconstruction." : "the origin."));
  }
  return section("traversals", "Traversals", html);
}

std::string manifold_section(const std::vector<Reported>& runs) {
  std::string html;
  for (const Reported& run : runs) {
    if (model_of(run).code_size() != 2) continue;
    html += name_heading(runs, run);
    ManifoldOptions options;
    std::string caption = "What the plane of codes decodes to, ";
    if (run.fitted) options.high = reach_of(*run.fitted), options.low = -options.high;
    caption += "both dimensions from " + general(std::round(100 * options.low) / 100) + " to " +
               general(std::round(100 * options.high) / 100) + ".";
    if (model_of(run).is_conditional()) {
      options.label = 0;
      caption += " The label is " + class_name(class_names_of(run), 0) + ".";
    }
    html += picture_figure(manifold_figure(model_of(run), options), "A grid of pictures that change smoothly", caption);
  }
  return html.empty() ? "" : section("manifold", "Manifold", html);
}

namespace {

/// The codes of some of a run's pictures, and their labels.
struct Encoded {
  Array codes;
  std::vector<std::int64_t> labels;
};

Encoded encode_some(const Reported& run, std::int64_t count) {
  const datasets::Dataset& all = *run.pictures();
  const datasets::Dataset some = all.subset(models::evenly_spaced(all.size(), count));
  return {models::encode_means(model_of(run), some), some.labels};
}

std::string trust_text(const Array& codes, const Embedding& embedding) {
  constexpr std::int64_t k = 5, enough = 2 * k + 1;
  if (codes.shape()[0] < enough) return "";
  return "; trustworthiness " + format_fixed(models::trustworthiness(codes, embedding.points, k), 3);
}

std::string embedding_figure(const Reported& run, const Encoded& encoded, const Embedding& embedding,
                             const std::string& what) {
  const EmbeddingPanel panel{"", embedding};
  const std::string svg = embedding_chart({&panel, 1}, encoded.labels, picture_classes(run),
                                          {.width = 520, .height = 460, .legend = false});
  return svg_figure(svg, what + " of the codes of " + run.name(),
                    what + " of the codes (posterior means) of " + run.half(encoded.codes.shape()[0]) +
                        trust_text(encoded.codes, embedding) + ".");
}

std::string tsne_figure(const Reported& run, const ReportOptions& options) {
  const Encoded encoded = encode_some(run, options.tsne_count);
  const std::int64_t n = encoded.codes.shape()[0];
  if (n < 10) return "";
  models::TsneOptions tsne{.iterations = options.tsne_iterations, .seed = options.seed};
  tsne.perplexity = std::min(30.0, static_cast<double>(n - 1) / 3);
  const Embedding embedding = embed(encoded.codes, EmbeddingMethod::tsne, tsne);
  return embedding_figure(run, encoded, embedding, "t-SNE (perplexity " + general(tsne.perplexity) + ")");
}

/// What the colours of a run's points stand for.
std::string class_legend(const Reported& run) {
  const datasets::Dataset& pictures = *run.pictures();
  if (pictures.labels.empty()) return "";
  const std::int64_t last = *std::max_element(pictures.labels.begin(), pictures.labels.end()) + 1;
  const std::int64_t classes = std::max(last, static_cast<std::int64_t>(picture_classes(run).size()));
  if (classes > max_legend_classes)
    return paragraph(std::to_string(classes) + " classes, a colour each; a legend of them would fill the page.");
  const std::vector<std::string> colors = class_colors(classes);
  std::vector<Key> keys;
  for (std::int64_t c = 0; c < classes; ++c)
    keys.push_back({class_name(picture_classes(run), c), colors[static_cast<std::size_t>(c)]});
  return legend(keys);
}

}  // namespace

std::string embedding_section(const std::vector<Reported>& runs, const ReportOptions& options) {
  if (!any_codes(runs)) return "";
  std::string html, last_legend;
  for (const Reported& run : runs) {
    html += name_heading(runs, run);
    if (!run.pictures()) {
      html += paragraph("The pictures were not at hand.");
      continue;
    }
    if (model_of(run).code_size() == 0) {
      html += paragraph(no_codes);
      continue;
    }
    if (model_of(run).code_size() < 2) {
      html += paragraph("A single latent dimension has no plane to show it in.");
      continue;
    }
    if (options.on_stage) options.on_stage("codes of " + run.name());
    const std::string keys = class_legend(run);
    if (keys != last_legend) html += keys;
    last_legend = keys;
    const Encoded encoded = encode_some(run, embedded_pictures);
    html += "<div class=\"plots\">\n";
    if (model_of(run).code_size() == 2)
      html += embedding_figure(run, encoded, embed(encoded.codes, EmbeddingMethod::first2), "The two dimensions");
    html += embedding_figure(run, encoded, embed(encoded.codes, EmbeddingMethod::pca), "Principal components");
    if (options.tsne && options.on_stage) options.on_stage("t-SNE of " + run.name());
    if (options.tsne) html += tsne_figure(run, options);
    html += "</div>\n";
  }
  return section("embedding", "Embedding", html);
}

}  // namespace elbo::viz::detail
