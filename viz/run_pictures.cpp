#include "run_pictures.h"

#include <algorithm>
#include <limits>

#include "../core/file.h"
#include "../core/kernels.h"
#include "../models/latent.h"

namespace elbo::viz {
namespace {

/// Pictures [n, channels, height, width] as a grid.
Image grid_of(const Array& pictures, int columns, const GridOptions& options) {
  const Shape& s = pictures.shape();
  return grid(pictures.to_vector<float>(), static_cast<int>(s[0]), static_cast<int>(s[1]), static_cast<int>(s[2]),
              static_cast<int>(s[3]), columns, options);
}

}  // namespace

Image reconstructions(models::Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices,
                      int columns, int scale) {
  Tensor input = models::input_pictures(model, dataset, indices);
  Array x = models::shown_pictures(model, input);
  Array y = models::shown_pictures(model, model.reconstruct(input, models::input_labels(model, dataset, indices)));
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
  std::int64_t count = static_cast<std::int64_t>(rows) * columns;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; model.is_conditional() && i < count; ++i) labels.push_back(i % model.config().classes);
  Tensor some = labels.empty() ? Tensor() : Tensor(Array::from(labels, {count}));
  return grid_of(model.sample(count, some, &codes).array(), columns, {.scale = scale});
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
