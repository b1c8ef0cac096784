#pragma once
#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/api.h"
#include "../core/array.h"
#include "../models/analysis/tsne.h"
#include "svg.h"

namespace ELBO_API elbo {
namespace viz {

/// How codes of many dimensions become points in the plane.
enum class EmbeddingMethod {
  first2,  ///< the first two dimensions as they are
  pca,     ///< along the two directions in which the codes vary most
  tsne     ///< neighbours stay near each other; larger distances mean nothing
};

/// `first2`, `pca`, `tsne`.
const char* name(EmbeddingMethod method);

/// Points in the plane and what their axes are called.
struct Embedding {
  EmbeddingMethod method = EmbeddingMethod::pca;
  Array points = {};                                             ///< float32 [n, 2], on the host
  std::string x_label = {}, y_label = {};                        ///< "PC1 (23.4 %)"
  std::optional<std::array<double, 2>> explained_variance = {};  ///< `pca`: the axes' shares of all variance
  std::optional<double> kl = {};                                 ///< `tsne`: the divergence it ended with, in nats
};

/// Embeds codes [n, d], float32. Throws ValueError for d below 2, and what models::pca and models::tsne throw.
Embedding embed(const Array& codes, EmbeddingMethod method, const models::TsneOptions& options = {});

/// One scatter plot.
struct EmbeddingPanel {
  std::string title = {};
  Embedding embedding = {};
};

/// Classes beyond this number have a colour each but no legend: it would fill the page.
inline constexpr std::int64_t max_legend_classes = 30;

/// A colour for each of `classes` classes: the palette's, or, where there are more than it has, hues around the circle.
std::vector<std::string> class_colors(std::int64_t classes);

/// Scatter plots side by side, with one legend. `labels` colour the points of each panel, label by label; where there
/// are none all have one colour. `class_names` may be empty: then the legend has numbers. Above max_legend_classes
/// classes there is no legend, and a line says how many there are. Throws ShapeError unless every panel has one point
/// for each label, ValueError for a label below 0.
std::string embedding_chart(std::span<const EmbeddingPanel> panels, std::span<const std::int64_t> labels,
                            const std::vector<std::string>& class_names, const ChartOptions& options = {});

}  // namespace viz
}  // namespace elbo
