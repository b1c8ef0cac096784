#include "figures.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "../core/errors.h"
#include "../datasets/split.h"
#include "figure_parts.h"
#include "sheet.h"

namespace elbo::viz {
namespace {

using detail::Reconstructed;
using detail::Sheet;
using detail::SheetBlock;
using detail::SheetRow;

double squared_error(const Reconstructed& pair) {
  std::vector<float> x = pair.originals.to_vector<float>(), y = pair.reconstructions.to_vector<float>();
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    sum += (static_cast<double>(x[i]) - y[i]) * (static_cast<double>(x[i]) - y[i]);
  return x.empty() ? 0 : sum / static_cast<double>(x.size());
}

std::string error_text(double error) { return "MSE " + models::loss_text(error, 10, 4); }

}  // namespace

std::vector<std::int64_t> first_indices(std::int64_t count) { return models::evenly_spaced(count, count); }

std::int64_t first_of_class(const datasets::Dataset& dataset, std::int64_t label) {
  auto found = std::find(dataset.labels.begin(), dataset.labels.end(), label);
  ELBO_CHECK(found != dataset.labels.end(), ValueError, "[first_of_class] ", dataset.name,
             " has no picture with the label ", label);
  return found - dataset.labels.begin();
}

std::vector<std::int64_t> random_pairs(const datasets::Dataset& dataset, std::int64_t count, std::uint64_t seed) {
  ELBO_CHECK(dataset.size() >= 2, ValueError, "[random_pairs] expected at least two pictures, found ", dataset.size(),
             " in ", dataset.name);
  ELBO_CHECK(count >= 1, ValueError, "[random_pairs] expected at least one pair, found ", count);
  std::vector<std::int64_t> order = datasets::permutation(dataset.size(), seed, Stream::pictures), out;
  auto label = [&](std::size_t at) {
    return dataset.labels.empty() ? -1 : dataset.labels[static_cast<std::size_t>(order[at])];
  };
  std::size_t next = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (next + 1 >= order.size()) next = 0;
    std::size_t other = next + 1;
    while (other < order.size() && label(other) == label(next)) ++other;
    // The partner, the next picture of another class, changes places with the one behind the first: so those between
    // them are not lost, but paired later. By class: [A] A A [B] C becomes A B | A A C, and then A B | A C | A.
    if (other < order.size()) std::swap(order[next + 1], order[other]);
    out.insert(out.end(), {order[next], order[next + 1]});
    next += 2;
  }
  return out;
}

std::string class_name(const std::vector<std::string>& names, std::int64_t label) {
  bool named = label >= 0 && label < static_cast<std::int64_t>(names.size());
  return named ? names[static_cast<std::size_t>(label)] : std::to_string(label);
}

models::CodeDistribution codes_to_draw(models::Model& model, const datasets::Dataset& dataset) {
  ELBO_CHECK(dataset.size() > 0, ValueError, "[codes_to_draw] expected pictures, found none in ", dataset.name);
  return model.has_prior() ? models::prior_codes(model) : models::fit_codes(model, dataset);
}

Image class_preview(const datasets::Dataset& dataset, std::span<const std::int64_t> indices,
                    const PreviewOptions& options) {
  auto count = static_cast<std::int64_t>(indices.size());
  std::int64_t columns = std::min(options.columns, count), rows = columns > 0 ? (count + columns - 1) / columns : 0;
  Sheet sheet{.title = options.title,
              .scale = detail::checked_scale(options.scale, rows, columns, dataset.shape().without(0)),
              .gap = options.names && !dataset.labels.empty() ? 6 : 2};
  SheetBlock block;
  std::vector<float> values(static_cast<std::size_t>(dataset.picture_size()));
  for (std::size_t i = 0; i < indices.size(); ++i) {
    std::span<const std::uint8_t> bytes = dataset.picture(indices[i]);
    std::transform(bytes.begin(), bytes.end(), values.begin(),
                   [](std::uint8_t b) { return static_cast<float>(b) / 255; });
    if (i % static_cast<std::size_t>(columns) == 0) block.rows.emplace_back();
    SheetRow& row = block.rows.back();
    row.pictures.push_back(from_planar(values, static_cast<int>(dataset.channels()), static_cast<int>(dataset.height()),
                                       static_cast<int>(dataset.width())));
    if (options.names && !dataset.labels.empty())
      row.captions.push_back(class_name(dataset.class_names, dataset.labels[static_cast<std::size_t>(indices[i])]));
  }
  sheet.blocks.push_back(std::move(block));
  return draw(sheet);
}

double reconstruction_error(models::Model& model, const datasets::Dataset& dataset,
                            std::span<const std::int64_t> indices, std::optional<std::int64_t> label) {
  return squared_error(detail::reconstruct(model, dataset, indices, label));
}

namespace {

/// The originals and each model's reconstructions of them, and its error.
struct Comparison {
  std::vector<Image> originals;
  std::vector<std::vector<Image>> models;
  std::vector<double> errors;
};

Comparison compare(const std::vector<Row>& rows, const datasets::Dataset& dataset,
                   std::span<const std::int64_t> indices, std::optional<std::int64_t> label) {
  Comparison out;
  for (const Row& row : rows) {
    Reconstructed pair = detail::reconstruct(row.model, dataset, indices, label);
    if (out.originals.empty()) out.originals = detail::images_of(pair.originals);
    out.models.push_back(detail::images_of(pair.reconstructions));
    out.errors.push_back(squared_error(pair));
  }
  return out;
}

/// Blocks of `columns` pictures, the originals above a row of each model.
std::vector<SheetBlock> models_below(const std::vector<Row>& rows, const Comparison& found, std::size_t columns,
                                     bool errors) {
  std::vector<SheetBlock> blocks;
  for (std::size_t begin = 0; begin < found.originals.size(); begin += columns) {
    SheetBlock block;
    block.rows.push_back({detail::part(found.originals, begin, columns), "original"});
    for (std::size_t m = 0; m < rows.size(); ++m) {
      std::string label = rows[m].name;
      // The error is of all pictures together: it stands there once.
      if (errors && begin == 0) label += "\n" + error_text(found.errors[m]);
      block.rows.push_back({detail::part(found.models[m], begin, columns), std::move(label)});
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

/// A row for each picture, a column for each model.
SheetBlock models_beside(const std::vector<Row>& rows, const Comparison& found, bool errors) {
  SheetBlock block;
  block.headers.push_back("original");
  for (const Row& row : rows) block.headers.push_back(row.name);
  for (std::size_t i = 0; i < found.originals.size(); ++i) {
    SheetRow row{{found.originals[i]}};
    for (const std::vector<Image>& images : found.models) row.pictures.push_back(images[i]);
    block.rows.push_back(std::move(row));
  }
  if (errors) {
    std::vector<std::string>& captions = block.rows.back().captions = {""};
    for (double error : found.errors) captions.push_back(error_text(error));
  }
  return block;
}

}  // namespace

Image reconstruction_figure(const std::vector<Row>& rows, const datasets::Dataset& dataset,
                            std::span<const std::int64_t> indices, const ReconstructionOptions& options) {
  const Shape& picture = detail::check_rows(rows);
  auto count = static_cast<std::int64_t>(indices.size()), with_original = static_cast<std::int64_t>(rows.size()) + 1;
  ELBO_CHECK(options.columns >= 1, ValueError, "[figure] columns: expected at least 1, found ", options.columns);
  std::int64_t columns = std::min(options.columns, count);
  Sheet sheet{.title = options.title};
  if (options.models_across) {
    sheet.scale = detail::checked_scale(options.scale, count, with_original, picture);
    sheet.blocks.push_back(models_beside(rows, compare(rows, dataset, indices, options.label), options.errors));
  } else {
    std::int64_t blocks = columns > 0 ? (count + columns - 1) / columns : 0;
    sheet.scale = detail::checked_scale(options.scale, blocks * with_original, columns, picture);
    sheet.blocks = models_below(rows, compare(rows, dataset, indices, options.label), static_cast<std::size_t>(columns),
                                options.errors);
  }
  return draw(sheet);
}

namespace {

/// How the samples of a model lie and what their labels are.
struct SamplePlan {
  std::int64_t rows = 0, columns = 0;
  bool labels_down = false;  ///< one model, a row or more of each label
  bool labels_across = false;
};

SamplePlan plan_samples(const std::vector<Row>& rows, const SampleOptions& options) {
  SamplePlan plan;
  std::int64_t classes = 0;
  for (const Row& row : rows)
    if (!options.label && classes == 0) classes = row.model.config().classes;
  bool one = rows.size() == 1;
  plan.labels_down = one && classes > 0 && !options.labels_across;
  plan.labels_across = classes > 0 && !plan.labels_down;
  plan.columns = options.columns > 0 ? options.columns : plan.labels_across ? classes : 12;
  plan.rows = options.rows > 0 ? options.rows : one && classes == 0 ? 8 : 1;
  if (plan.labels_down) plan.rows *= classes;
  return plan;
}

/// The labels of a model's samples, row by row; empty where it takes none.
std::vector<std::int64_t> sample_labels(const models::Model& model, const SamplePlan& plan,
                                        std::optional<std::int64_t> label) {
  std::vector<std::int64_t> labels;
  std::int64_t classes = model.config().classes;
  if (classes == 0) return labels;
  for (std::int64_t i = 0; i < plan.rows * plan.columns; ++i) {
    std::int64_t down = i / plan.columns * classes / plan.rows, across = i % plan.columns % classes;
    labels.push_back(label ? *label : plan.labels_down ? down : across);
  }
  return labels;
}

SheetBlock sample_block(const Row& row, const models::CodeDistribution& codes, const SamplePlan& plan, bool named,
                        const SampleOptions& options) {
  Generator generator(options.seed, Stream::pictures, row.model.device());
  Tensor z = models::draw_codes(codes, plan.rows * plan.columns, generator, options.temperature);
  std::vector<std::int64_t> labels = sample_labels(row.model, plan, options.label);
  std::vector<Image> images = detail::drawn(row.model, z, detail::labels_tensor(row.model, labels), generator);
  SheetBlock block;
  auto columns = static_cast<std::size_t>(plan.columns);
  for (std::size_t begin = 0; begin < images.size(); begin += columns) {
    bool first_of_label = plan.labels_down && (begin == 0 || labels[begin] != labels[begin - columns]);
    std::string label = first_of_label ? class_name(options.class_names, labels[begin]) : "";
    if (named && begin == 0) label = row.name;
    block.rows.push_back({detail::part(images, begin, columns), std::move(label)});
  }
  if (plan.labels_across && !labels.empty()) {
    for (std::size_t i = 0; i < columns; ++i) block.headers.push_back(class_name(options.class_names, labels[i]));
  }
  return block;
}

}  // namespace

FigureSize sample_figure_size(const std::vector<Row>& rows, const SampleOptions& options) {
  detail::check_rows(rows);
  SamplePlan plan = plan_samples(rows, options);
  return {plan.rows * static_cast<std::int64_t>(rows.size()), plan.columns};
}

Image sample_figure(const std::vector<Row>& rows, const SampleOptions& options) {
  const Shape& picture = detail::check_rows(rows);
  SamplePlan plan = plan_samples(rows, options);
  Sheet sheet{.title = options.title,
              .scale = detail::checked_scale(options.scale, plan.rows * static_cast<std::int64_t>(rows.size()),
                                             plan.columns, picture)};
  for (std::size_t m = 0; m < rows.size(); ++m) {
    SheetBlock block =
        sample_block(rows[m], detail::distribution_of(rows, m, options.codes), plan, rows.size() > 1, options);
    // Single rows stand close together; what has several rows or headers is a block of its own.
    bool joins = !sheet.blocks.empty() && plan.rows == 1 && block.headers.empty();
    if (joins) {
      sheet.blocks.back().rows.push_back(std::move(block.rows[0]));
    } else {
      sheet.blocks.push_back(std::move(block));
    }
  }
  return draw(sheet);
}

std::string bar_chart(const std::vector<std::string>& categories, const std::vector<Series>& series,
                      const std::string& x_label, const ChartOptions& options) {
  std::vector<Panel> panels;
  for (const Series& s : series) {
    Series unnamed = s;
    unnamed.name.clear();
    panels.push_back(
        {.title = s.name, .x_label = x_label, .series = {unnamed}, .mark = Mark::bars, .categories = categories});
  }
  return chart(panels, options);
}

}  // namespace elbo::viz
