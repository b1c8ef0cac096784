#pragma once
#include <optional>
#include <span>
#include <vector>

#include "figures.h"

/// Internal to viz: what the figures of figures.h have in common besides their layout.
namespace elbo::viz::detail {

/// The size of the models' pictures, [channels, height, width]. Throws ValueError for no models, ShapeError where they
/// differ.
const Shape& check_rows(const std::vector<Row>& rows);

/// The scale asked for or, for 0, one that keeps the figure within about 1,000 pixels, where single pictures are
/// neither tiny nor huge. `picture` is [channels, height, width]. Throws ValueError where rows x columns of them are
/// more than 2^30 bytes, before anything is computed.
int checked_scale(int scale, std::int64_t rows, std::int64_t columns, const Shape& picture);

/// [n, channels, height, width], in [0, 1], one by one. Throws Error for what is no finite number.
std::vector<Image> images_of(const Array& pictures);
/// The mean pictures of codes, which may lie on any device.
std::vector<Image> decoded(models::Model& model, const Tensor& z, const Tensor& labels = {});
/// The same of samples: models::draw_pictures.
std::vector<Image> drawn(models::Model& model, const Tensor& z, const Tensor& labels, Generator& generator);
/// images[begin] to images[begin + count - 1], as far as there are that many.
std::vector<Image> part(const std::vector<Image>& images, std::size_t begin, std::size_t count);

/// For a model to decode; undefined where there are none.
Tensor labels_tensor(const models::Model& model, const std::vector<std::int64_t>& labels);
/// `label` for a conditional model, else undefined. Throws ValueError where a conditional model has none.
Tensor one_label(const models::Model& model, std::optional<std::int64_t> label, std::int64_t count);
/// The labels of pictures for a conditional model: their own, or `label` for all.
Tensor picture_labels(const models::Model& model, const datasets::Dataset& dataset,
                      std::span<const std::int64_t> indices, std::optional<std::int64_t> label);

/// The codes of pictures, [k, latent]: their posterior means, or drawn.
Tensor encoded(models::Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices,
               std::optional<std::int64_t> label, models::Codes codes = models::Codes::mean,
               Generator* noise = nullptr);

/// Pictures as the model sees them, and what it makes of their posterior means, `codes`; both in [0, 1].
struct Reconstructed {
  Tensor codes;
  Array originals, reconstructions;
};
Reconstructed reconstruct(models::Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices,
                          std::optional<std::int64_t> label);

/// What the codes of that row's model are drawn from. Throws ValueError unless there is none, or one for each row.
models::CodeDistribution distribution_of(const std::vector<Row>& rows, std::size_t row,
                                         const std::vector<models::CodeDistribution>& codes);

}  // namespace elbo::viz::detail
