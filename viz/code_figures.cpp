// Figures along the latent space: interpolation, traversal, manifold.
#include <array>
#include <cmath>

#include "../core/errors.h"
#include "../models/analysis/information.h"
#include "axis.h"
#include "figure_parts.h"
#include "sheet.h"

namespace elbo::viz {
namespace {

using detail::decoded;
using detail::part;
using detail::Sheet;
using detail::SheetBlock;

/// One model's rows between the ends of pairs: `steps` pictures each. A conditional model has a label for each pair.
struct Strips {
  std::vector<std::vector<Image>> rows;
  std::vector<std::int64_t> labels;
};

/// from and to: [pairs, latent].
Strips strips(models::Model& model, const Tensor& from, const Tensor& to, std::vector<std::int64_t> labels,
              std::int64_t steps) {
  std::vector<std::int64_t> all;
  for (std::int64_t label : labels) all.insert(all.end(), static_cast<std::size_t>(steps), label);
  std::vector<Image> images =
      decoded(model, models::interpolate_codes(from, to, steps), detail::labels_tensor(model, all));
  Strips out{.rows = {}, .labels = std::move(labels)};
  auto count = static_cast<std::size_t>(steps);
  for (std::size_t begin = 0; begin < images.size(); begin += count) out.rows.push_back(part(images, begin, count));
  return out;
}

/// The model's name where there are several, and the class that a conditional one decodes.
std::string strip_label(const Row& row, bool named, const Strips& strips, std::size_t pair,
                        const std::vector<std::string>& class_names) {
  std::string label = named ? row.name : "";
  if (strips.labels.empty()) return label;
  return label + (named ? "\nas " : "") + class_name(class_names, strips.labels[pair]);
}

/// A block of rows for each pair, with `names` over the two ends where there are any. A single model without names
/// has all its rows in one block.
Sheet interpolation_sheet(const std::vector<Row>& rows, const std::vector<Strips>& strips,
                          const std::vector<std::array<std::string, 2>>& names,
                          const std::vector<std::string>& class_names) {
  Sheet sheet;
  bool together = rows.size() == 1 && names.empty();
  for (std::size_t pair = 0; pair < strips[0].rows.size(); ++pair) {
    if (pair == 0 || !together) sheet.blocks.emplace_back();
    SheetBlock& block = sheet.blocks.back();
    for (std::size_t m = 0; m < rows.size(); ++m)
      block.rows.push_back({strips[m].rows[pair], strip_label(rows[m], rows.size() > 1, strips[m], pair, class_names)});
    if (names.empty()) continue;
    block.headers.resize(strips[0].rows[pair].size());
    block.headers.front() = names[pair][0];
    block.headers.back() = names[pair][1];
  }
  return sheet;
}

/// The scale of the figure, its arguments checked.
int interpolation_scale(const std::vector<Row>& rows, std::int64_t pairs, const InterpolationOptions& options) {
  const Shape& picture = detail::check_rows(rows);
  ELBO_CHECK(pairs >= 1, ValueError, "[interpolation] expected at least one pair, found ", pairs);
  ELBO_CHECK(options.steps >= 2, ValueError, "[interpolation] steps: expected at least 2, found ", options.steps);
  return detail::checked_scale(options.scale, pairs * static_cast<std::int64_t>(rows.size()), options.steps, picture);
}

std::string name_of_picture(const datasets::Dataset& dataset, std::int64_t index) {
  if (dataset.labels.empty()) return "#" + std::to_string(index);
  return class_name(dataset.class_names, dataset.labels[static_cast<std::size_t>(index)]);
}

/// Between the codes of pictures from[i] and to[i].
Strips picture_strips(models::Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> from,
                      std::span<const std::int64_t> to, const InterpolationOptions& options) {
  Generator noise(options.seed, Stream::pictures, model.device());
  // A picture is encoded with its own label, whatever is decoded.
  std::optional<std::int64_t> given = dataset.labels.empty() ? options.label : std::nullopt;
  auto codes = [&](std::span<const std::int64_t> indices) {
    return detail::encoded(model, dataset, indices, given, options.ends, &noise);
  };
  Tensor a = codes(from), b = codes(to);
  std::vector<std::int64_t> labels;
  for (std::size_t i = 0; model.is_conditional() && i < from.size(); ++i)
    labels.push_back(options.label ? *options.label : dataset.labels[static_cast<std::size_t>(from[i])]);
  return strips(model, a, b, std::move(labels), options.steps);
}

/// Between random codes.
Strips prior_strips(models::Model& model, const models::CodeDistribution& codes, std::int64_t pairs,
                    const InterpolationOptions& options) {
  Generator generator(options.seed, Stream::pictures, model.device());
  Tensor a = models::draw_codes(codes, pairs, generator), b = models::draw_codes(codes, pairs, generator);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; model.is_conditional() && i < pairs; ++i)
    labels.push_back(options.label ? *options.label : i % model.config().classes);
  return strips(model, a, b, std::move(labels), options.steps);
}

}  // namespace

Image interpolation_figure(const std::vector<Row>& rows, const datasets::Dataset& dataset,
                           std::span<const std::int64_t> pairs, const InterpolationOptions& options) {
  ELBO_CHECK(pairs.size() % 2 == 0, ValueError, "[interpolation] expected pairs of pictures, found ", pairs.size(),
             " pictures");
  int scale = interpolation_scale(rows, static_cast<std::int64_t>(pairs.size() / 2), options);
  std::vector<std::int64_t> from, to;
  for (std::size_t i = 0; i < pairs.size(); ++i) (i % 2 ? to : from).push_back(pairs[i]);
  std::vector<Strips> found;
  found.reserve(rows.size());
  for (const Row& row : rows) found.push_back(picture_strips(row.model, dataset, from, to, options));
  std::vector<std::array<std::string, 2>> names;
  for (std::size_t i = 0; i < from.size(); ++i)
    names.push_back({name_of_picture(dataset, from[i]), name_of_picture(dataset, to[i])});
  Sheet sheet = interpolation_sheet(rows, found, names, dataset.class_names);
  sheet.title = options.title;
  sheet.scale = scale;
  return draw(sheet);
}

Image prior_interpolation_figure(const std::vector<Row>& rows, std::int64_t pairs,
                                 const InterpolationOptions& options) {
  int scale = interpolation_scale(rows, pairs, options);
  std::vector<Strips> found;
  for (std::size_t m = 0; m < rows.size(); ++m)
    found.push_back(prior_strips(rows[m].model, detail::distribution_of(rows, m, options.codes), pairs, options));
  Sheet sheet = interpolation_sheet(rows, found, {}, options.class_names);
  sheet.title = options.title;
  sheet.scale = scale;
  return draw(sheet);
}

namespace {

/// The mean and standard deviation of a dataset's codes, from 2000 pictures at most.
models::CodeDistribution spread_of(models::Model& model, const datasets::Dataset& dataset) {
  return models::fit_codes(model, dataset.subset(models::evenly_spaced(dataset.size(), 2000)));
}

/// With `spread` the values are standard deviations from a dimension's mean.
Tensor traversed(const Tensor& z, const std::vector<std::int64_t>& dims, const std::vector<double>& values,
                 const models::CodeDistribution* spread) {
  if (!spread) return models::traverse_codes(z, dims, values);
  std::vector<Tensor> out;
  for (const std::int64_t dim : dims) {
    const auto d = static_cast<std::size_t>(dim);
    ELBO_CHECK(dim >= 0 && d < spread->mean.size(), IndexError, "[traverse] expected a dimension from 0 to ",
               spread->mean.size() - 1, ", found ", dim);
    std::vector<double> own;
    own.reserve(values.size());
    for (const double value : values) own.push_back(spread->mean[d] + value * spread->std[d]);
    out.push_back(models::traverse_codes(z, std::array{dim}, own));
  }
  return concatenate(out, 0);
}

/// Rows labelled z[i], columns by the value.
Sheet traversal_sheet(models::Model& model, const Tensor& z, std::optional<std::int64_t> label,
                      const TraversalOptions& options, const models::CodeDistribution* spread = nullptr) {
  std::vector<std::int64_t> dims = options.dims;
  std::vector<double> values = options.values;
  if (dims.empty()) dims = models::evenly_spaced(model.code_size(), 10);
  if (values.empty()) values = models::evenly_spaced(-3, 3, 10);
  auto rows = static_cast<std::int64_t>(dims.size()), columns = static_cast<std::int64_t>(values.size());
  Sheet sheet{.title = options.title,
              .scale = detail::checked_scale(options.scale, rows, columns, model.config().picture)};
  std::vector<Image> images =
      decoded(model, traversed(z, dims, values, spread), detail::one_label(model, label, rows * columns));
  SheetBlock block;
  block.headers = value_labels(values);
  for (std::size_t i = 0; i < dims.size(); ++i)
    block.rows.push_back({part(images, i * values.size(), values.size()), "z[" + std::to_string(dims[i]) + "]"});
  sheet.blocks.push_back(std::move(block));
  return sheet;
}

}  // namespace

bool spreads(const models::Model& model) { return !model.has_normal_prior(); }

Image traversal_figure(models::Model& model, const Tensor& z, const TraversalOptions& options) {
  return draw(traversal_sheet(model, z, options.label, options));
}

Image traversal_figure(models::Model& model, const datasets::Dataset& dataset, std::int64_t index,
                       const TraversalOptions& options) {
  std::array<std::int64_t, 1> indices{index};
  detail::Reconstructed pair = detail::reconstruct(model, dataset, indices, options.label);
  std::optional<std::int64_t> label = options.label;
  if (!label && model.is_conditional()) label = dataset.labels[static_cast<std::size_t>(index)];
  TraversalOptions whole = options;
  if (whole.dims.empty()) whole.dims = models::telling_dimensions(model, dataset, 10);
  std::optional<models::CodeDistribution> spread;
  if (options.in_deviations || (options.values.empty() && spreads(model))) spread = spread_of(model, dataset);
  Sheet sheet = traversal_sheet(model, pair.codes, label, whole, spread ? &*spread : nullptr);
  sheet.side = {{detail::images_of(pair.originals)[0], "original"},
                {detail::images_of(pair.reconstructions)[0], "reconstruction"}};
  return draw(sheet);
}

Image manifold_figure(models::Model& model, const ManifoldOptions& options) {
  ELBO_CHECK(model.code_size() == 2, ValueError,
             "[manifold] expected a model with 2 latent dimensions, found one with ", model.code_size());
  ELBO_CHECK(options.n >= 2, ValueError, "[manifold] n: expected at least 2, found ", options.n);
  ELBO_CHECK(std::isfinite(options.low) && std::isfinite(options.high) && options.low < options.high, ValueError,
             "[manifold] expected low < high, found ", options.low, " and ", options.high);
  Sheet sheet{.title = options.title,
              .scale = detail::checked_scale(options.scale, options.n, options.n, model.config().picture),
              .gap = 0};
  std::vector<Image> images = decoded(model, models::manifold_codes(options.n, options.low, options.high),
                                      detail::one_label(model, options.label, options.n * options.n));
  SheetBlock block;
  auto n = static_cast<std::size_t>(options.n);
  for (std::size_t i = 0; i < n; ++i) block.rows.push_back({part(images, i * n, n)});
  const std::vector<std::string> ends = value_labels({options.low, options.high});
  const std::string &low = ends[0], &high = ends[1];
  sheet.below = {low, "z[0]", high};
  if (n > 2) block.rows[n / 2].label = "z[1]";
  block.rows.front().label = high;
  block.rows.back().label = low;
  sheet.blocks.push_back(std::move(block));
  return draw(sheet);
}

}  // namespace elbo::viz
