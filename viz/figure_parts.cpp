#include "figure_parts.h"

#include <algorithm>
#include <cmath>

#include "../core/errors.h"

namespace elbo::viz::detail {

const Shape& check_rows(const std::vector<Row>& rows) {
  ELBO_CHECK(!rows.empty(), ValueError, "[figure] expected a model, found none");
  const Shape& picture = rows.front().model.config().picture;
  for (const Row& row : rows) {
    ELBO_CHECK(row.model.config().picture == picture, ShapeError, "[figure] ", row.name,
               ": expected a model of pictures ", picture, ", as ", rows.front().name, " is, found one of ",
               row.model.config().picture);
  }
  return picture;
}

int checked_scale(int scale, std::int64_t rows, std::int64_t columns, const Shape& picture) {
  ELBO_CHECK(scale >= 0, ValueError, "[figure] scale: expected at least 1, or 0 for a fitting one, found ", scale);
  ELBO_CHECK(rows >= 1 && columns >= 1, ValueError, "[figure] expected at least one row and one column, found ", rows,
             " rows and ", columns, " columns");
  double side = static_cast<double>(std::max(picture[1], picture[2]));
  if (scale == 0) {
    double least = std::max(1.0, std::round(56 / side)), most = std::max(1.0, std::round(96 / side));
    scale = static_cast<int>(std::clamp(std::floor(1000 / (side * static_cast<double>(columns))), least, most));
  }
  double bytes =
      static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(picture.numel()) * scale * scale;
  ELBO_CHECK(bytes <= 1 << 30, ValueError, "a figure of ", rows, " rows and ", columns, " columns of pictures ",
             picture, " at scale ", scale, " takes more than 2^30 bytes");
  return scale;
}

std::vector<Image> images_of(const Array& pictures) {
  const Shape& s = pictures.shape();
  std::vector<float> values = pictures.to_vector<float>();
  const bool all_numbers = std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  // No argument of the wrong form: the model has computed them.
  if (!all_numbers) fail<Error>("the pictures that the model decodes hold values that are no finite numbers");
  auto one = static_cast<std::size_t>(s.without(0).numel());
  std::vector<Image> images;
  for (std::size_t begin = 0; begin < values.size(); begin += one)
    images.push_back(from_planar(std::span(values).subspan(begin, one), static_cast<int>(s[1]), static_cast<int>(s[2]),
                                 static_cast<int>(s[3])));
  return images;
}

std::vector<Image> decoded(models::Model& model, const Tensor& z, const Tensor& labels) {
  const nn::EvalGuard eval;
  return images_of(models::decode_pictures(model, z.array().to(model.device()), labels));
}

std::vector<Image> drawn(models::Model& model, const Tensor& z, const Tensor& labels, Generator& generator) {
  const nn::EvalGuard eval;
  return images_of(models::draw_pictures(model, z.array().to(model.device()), labels, generator));
}

std::vector<Image> part(const std::vector<Image>& images, std::size_t begin, std::size_t count) {
  std::size_t end = std::min(begin + count, images.size());
  return {images.begin() + static_cast<std::ptrdiff_t>(begin), images.begin() + static_cast<std::ptrdiff_t>(end)};
}

Tensor labels_tensor(const models::Model& model, const std::vector<std::int64_t>& labels) {
  if (labels.empty()) return {};
  return Tensor(Array::from(labels, {static_cast<std::int64_t>(labels.size())}, model.device()));
}

Tensor one_label(const models::Model& model, std::optional<std::int64_t> label, std::int64_t count) {
  ELBO_CHECK(!model.is_conditional() || label, ValueError, "[figure] the model ", model.config().model,
             " decodes a label with each code: expected one, from 0 to ", model.config().classes - 1, ", found none");
  return models::same_label(model, label.value_or(0), count);
}

Tensor picture_labels(const models::Model& model, const datasets::Dataset& dataset,
                      std::span<const std::int64_t> indices, std::optional<std::int64_t> label) {
  if (label) return models::same_label(model, *label, static_cast<std::int64_t>(indices.size()));
  return models::input_labels(model, dataset, indices);
}

Tensor encoded(models::Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices,
               std::optional<std::int64_t> label, models::Codes codes, Generator* noise) {
  const nn::EvalGuard eval;
  return model.code(models::input_pictures(model, dataset, indices), picture_labels(model, dataset, indices, label),
                    codes, noise);
}

Reconstructed reconstruct(models::Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices,
                          std::optional<std::int64_t> label) {
  const nn::EvalGuard eval;
  const Tensor x = models::input_pictures(model, dataset, indices);
  const Tensor labels = picture_labels(model, dataset, indices, label);
  const Tensor codes = model.code_size() > 0 ? model.code(x, labels) : Tensor();
  return {codes, models::shown_pictures(model, x),
          codes.defined() ? models::decode_pictures(model, codes, labels)
                          : models::shown_pictures(model, model.reconstruct(x, labels))};
}

models::CodeDistribution distribution_of(const std::vector<Row>& rows, std::size_t row,
                                         const std::vector<models::CodeDistribution>& codes) {
  ELBO_CHECK(codes.empty() || codes.size() == rows.size(), ValueError,
             "[figure] expected a distribution of codes for each of ", rows.size(), " models, or none, found ",
             codes.size());
  if (!codes.empty()) return codes[row];
  models::Model& model = rows[row].model;
  return model.has_prior() ? models::prior_codes(model) : models::standard_normal(model);
}

}  // namespace elbo::viz::detail
