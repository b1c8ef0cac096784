#include "run_pictures.h"

#include <algorithm>
#include <limits>

#include "../core/file.h"
#include "../core/kernels.h"

namespace elbo::viz {
namespace {

/// Pictures [n, channels, height, width] as a grid.
Image grid_of(const Array& pictures, int columns, const GridOptions& options) {
  const Shape& s = pictures.shape();
  return grid(pictures.to_vector<float>(), static_cast<int>(s[0]), static_cast<int>(s[1]), static_cast<int>(s[2]),
              static_cast<int>(s[3]), columns, options);
}

/// Pixels of the dataset's pictures at `indices`, in [0, 1].
Array pixels(const datasets::Dataset& dataset, std::span<const std::int64_t> indices) {
  std::vector<float> values;
  values.reserve(indices.size() * static_cast<std::size_t>(dataset.features()));
  for (std::int64_t i : indices)
    for (std::uint8_t byte : dataset.picture(i)) values.push_back(static_cast<float>(byte) / 255.0f);
  return Array::from(values, dataset.shape.with(0, static_cast<std::int64_t>(indices.size())));
}

}  // namespace

Image reconstructions(models::Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices,
                      int columns, int scale) {
  Array x = pixels(dataset, indices);
  Array y = model.reconstruct(Tensor(x)).array();
  std::vector<Array> rows;
  std::vector<std::string> labels;
  for (std::int64_t begin = 0; begin < x.shape()[0]; begin += columns) {
    std::int64_t end = std::min<std::int64_t>(begin + columns, x.shape()[0]);
    rows.push_back(x.slice(begin, end));
    rows.push_back(y.slice(begin, end));
    labels.insert(labels.end(), {"original", "model"});
  }
  Array all = kernels::concatenate(rows, 0);
  return grid_of(all, columns, {.scale = scale, .text_scale = 1, .row_labels = std::move(labels)});
}

Image samples(models::Model& model, int rows, int columns, std::uint64_t seed, int scale) {
  Generator codes(seed, Stream::pictures);
  return grid_of(model.sample(static_cast<std::int64_t>(rows) * columns, &codes).array(), columns, {.scale = scale});
}

LossCurves loss_curves(const std::vector<models::EpochRecord>& history, std::string name) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  LossCurves out;
  out.name = std::move(name);
  for (const models::EpochRecord& record : history) {
    out.epoch.push_back(static_cast<double>(record.epoch));
    out.loss.push_back(record.train.loss);
    out.reconstruction.push_back(record.train.reconstruction);
    out.kl.push_back(record.train.kl);
    out.val_loss.push_back(record.val ? record.val->loss : none);
    out.val_reconstruction.push_back(record.val ? record.val->reconstruction : none);
    out.val_kl.push_back(record.val ? record.val->kl : none);
  }
  return out;
}

void write_run_pictures(const models::Run& run, models::Model& model, const datasets::Dataset& test) {
  constexpr int columns = 12;
  write_png(run / "samples.png", samples(model, 8, columns, run.config().train.seed));
  std::vector<std::int64_t> indices;
  std::int64_t count = std::min<std::int64_t>(4 * columns, test.size());
  for (std::int64_t i = 0; i < count; ++i) indices.push_back(i * test.size() / count);
  write_png(run / "reconstructions.png", reconstructions(model, test, indices, columns));
  LossCurves curves = loss_curves(run.history());
  write_file_atomically(run / "loss.svg", loss_chart(std::span(&curves, 1)));
}

}  // namespace elbo::viz
