#include "embedding.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "../core/ops.h"
#include "../models/analysis/pca.h"
#include "axis.h"

namespace elbo::viz {
namespace {

constexpr std::int64_t palette_size = 10;

/// `#rrggbb` of a hue in [0, 1), light enough to read on white and on black.
std::string from_hue(double hue, double lightness) {
  constexpr double saturation = 0.65;
  const double chroma = (1 - std::abs(2 * lightness - 1)) * saturation;
  std::array<int, 3> rgb{};
  for (std::size_t i = 0; i < 3; ++i) {
    // The formula of CSS Color 4 for hsl(): the three channels are one curve, a third of the circle apart.
    const double k = std::fmod(12 * hue + (i == 0 ? 0 : i == 1 ? 8 : 4), 12);
    const double value = lightness - chroma / 2 * std::max(-1.0, std::min({k - 3, 9 - k, 1.0}));
    rgb[i] = static_cast<int>(std::lround(255 * value));
  }
  char text[8];
  std::snprintf(text, sizeof text, "#%02X%02X%02X", static_cast<unsigned>(rgb[0]) & 255u,
                static_cast<unsigned>(rgb[1]) & 255u, static_cast<unsigned>(rgb[2]) & 255u);
  return text;
}

/// The points of a panel, a series for each class that has any.
std::vector<Series> series_of(const Array& points, std::span<const std::int64_t> labels,
                              const std::vector<std::string>& class_names, std::int64_t classes) {
  const std::vector<std::string> colors = class_colors(std::max<std::int64_t>(classes, 1));
  const bool named = classes > 0 && classes <= max_legend_classes;
  std::vector<Series> all(colors.size());
  for (std::size_t c = 0; c < all.size(); ++c) {
    all[c].color = colors[c];
    if (named) all[c].name = c < class_names.size() ? class_names[c] : std::to_string(c);
  }
  const std::vector<float> values = points.to_vector<float>();
  for (std::size_t i = 0; i < values.size() / 2; ++i) {
    Series& series = all[labels.empty() ? 0 : static_cast<std::size_t>(labels[i])];
    series.x.push_back(static_cast<double>(values[2 * i]));
    series.y.push_back(static_cast<double>(values[2 * i + 1]));
  }
  std::erase_if(all, [](const Series& series) { return series.x.empty(); });
  return all;
}

void check(const EmbeddingPanel& panel, std::span<const std::int64_t> labels) {
  const Shape& shape = panel.embedding.points.shape();
  ELBO_CHECK(shape.rank() == 2 && shape[1] == 2, ShapeError, "[embedding_chart] expected points [n, 2], found ", shape);
  ELBO_CHECK(labels.empty() || static_cast<std::int64_t>(labels.size()) == shape[0], ShapeError,
             "[embedding_chart] expected a label for each of ", shape[0], " points, found ", labels.size());
}

}  // namespace

const char* name(EmbeddingMethod method) {
  return method == EmbeddingMethod::first2 ? "first2" : method == EmbeddingMethod::pca ? "pca" : "tsne";
}

Embedding embed(const Array& codes, EmbeddingMethod method, const models::TsneOptions& options) {
  ELBO_CHECK(codes.shape().rank() == 2, ShapeError, "[embed] expected codes [n, d], found ", codes.shape());
  ELBO_CHECK(codes.shape()[1] >= 2, ValueError, "embedding: expected at least two latent dimensions, found ",
             codes.shape()[1]);
  if (method == EmbeddingMethod::first2) return {method, slice(codes, 1, 0, 2).array().to(cpu), "z[0]", "z[1]"};
  if (method == EmbeddingMethod::tsne) {
    models::Tsne found = models::tsne(codes, options);
    return {method, found.points, "t-SNE 1", "t-SNE 2", {}, found.kl};
  }
  const models::Pca found = models::pca(codes, 2);
  const auto axis = [&](std::size_t i) {
    return "PC" + std::to_string(i + 1) + " (" + format_fixed(100 * found.explained_variance_ratio[i], 1) + " %)";
  };
  return {method, found.project(codes), axis(0), axis(1),
          std::array{found.explained_variance_ratio[0], found.explained_variance_ratio[1]}};
}

std::vector<std::string> class_colors(std::int64_t classes) {
  std::vector<std::string> out;
  for (std::int64_t c = 0; c < classes; ++c) {
    const double turn = static_cast<double>(c) / static_cast<double>(classes);
    // Three levels of lightness tell neighbouring hues apart.
    out.push_back(classes <= palette_size ? palette(static_cast<std::size_t>(c))
                                          : from_hue(turn, 0.38 + 0.12 * static_cast<double>(c % 3)));
  }
  return out;
}

std::string embedding_chart(std::span<const EmbeddingPanel> panels, std::span<const std::int64_t> labels,
                            const std::vector<std::string>& class_names, const ChartOptions& options) {
  auto classes = static_cast<std::int64_t>(labels.empty() ? 0 : class_names.size());
  for (std::int64_t label : labels) {
    ELBO_CHECK(label >= 0, ValueError, "[embedding_chart] expected labels of at least 0, found ", label);
    classes = std::max(classes, label + 1);
  }
  std::vector<Panel> drawn;
  for (const EmbeddingPanel& panel : panels) {
    check(panel, labels);
    Panel out{.title = panel.title,
              .x_label = panel.embedding.x_label,
              .y_label = panel.embedding.y_label,
              .series = series_of(panel.embedding.points, labels, class_names, classes),
              .mark = Mark::points};
    drawn.push_back(std::move(out));
  }
  ChartOptions used = options;
  if (classes > max_legend_classes && used.legend)
    used.title += (used.title.empty() ? "" : ", ") + std::to_string(classes) + " classes, a colour each (no legend)";
  return chart(drawn, used);
}

}  // namespace elbo::viz
