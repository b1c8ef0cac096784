#include "latent.h"

#include <algorithm>
#include <cmath>

#include "../core/kernels.h"

namespace elbo::models {
namespace {

std::int64_t count_of(std::span<const std::int64_t> indices) { return static_cast<std::int64_t>(indices.size()); }

/// Calls batch(begin, end) for all of n in steps.
template <class Batch>
void in_batches(std::int64_t n, std::int64_t batch_size, const Batch& batch) {
  ELBO_CHECK(batch_size >= 1, ValueError, "[latent] batch size: expected at least 1, found ", batch_size);
  for (std::int64_t begin = 0; begin < n; begin += batch_size) batch(begin, std::min(begin + batch_size, n));
}

}  // namespace

Tensor input_pictures(const Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices) {
  auto [low, high] = model.config().pixels;
  std::vector<float> values;
  values.reserve(indices.size() * static_cast<std::size_t>(dataset.features()));
  auto scale = static_cast<float>((high - low) / 255), shift = static_cast<float>(low);
  for (std::int64_t i : indices)
    for (std::uint8_t byte : dataset.picture(i)) values.push_back(static_cast<float>(byte) * scale + shift);
  return Tensor(Array::from(values, dataset.shape.with(0, count_of(indices))));
}

Tensor input_labels(const Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices) {
  if (!model.is_conditional()) return {};
  ELBO_CHECK(!dataset.labels.empty(), ValueError, "the model ", model.config().model, " takes labels, found none in ",
             dataset.name);
  std::vector<std::int64_t> labels;
  for (std::int64_t i : indices) {
    ELBO_CHECK(i >= 0 && i < dataset.size(), IndexError, "[input_labels] ", i, " is out of range for ", dataset.size(),
               " pictures");
    labels.push_back(dataset.labels[static_cast<std::size_t>(i)]);
  }
  return Tensor(Array::from(labels, {count_of(indices)}));
}

Tensor same_label(const Model& model, std::int64_t label, std::int64_t count) {
  if (!model.is_conditional()) return {};
  return Tensor(Array::full({count}, static_cast<double>(label), {.dtype = DType::int64}));
}

Array encode_means(Model& model, const datasets::Dataset& dataset, std::int64_t batch_size) {
  NoGradGuard no_grad;
  std::vector<std::int64_t> indices;
  std::vector<Array> parts;
  in_batches(dataset.size(), batch_size, [&](std::int64_t begin, std::int64_t end) {
    indices.resize(static_cast<std::size_t>(end - begin));
    for (std::int64_t i = begin; i < end; ++i) indices[static_cast<std::size_t>(i - begin)] = i;
    Tensor x = input_pictures(model, dataset, indices);
    parts.push_back(model.encode(x, input_labels(model, dataset, indices)).mu.array());
  });
  if (parts.empty()) return Array::zeros({0, model.config().latent});
  return kernels::concatenate(parts, 0);
}

Array shown_pictures(const Model& model, const Tensor& x) {
  NoGradGuard no_grad;
  auto [low, high] = model.config().pixels;
  return clamp((x - low) / (high - low), 0, 1).array();
}

Array decode_pictures(Model& model, const Tensor& z, const Tensor& labels, std::int64_t batch_size) {
  NoGradGuard no_grad;
  std::vector<Array> parts;
  in_batches(z.shape()[0], batch_size, [&](std::int64_t begin, std::int64_t end) {
    Tensor some_labels = labels.defined() ? slice(labels, 0, begin, end) : Tensor();
    parts.push_back(shown_pictures(model, model.mean(model.decode(slice(z, 0, begin, end), some_labels))));
  });
  if (parts.empty()) return Array::zeros(model.config().picture.insert(0, 0));
  return kernels::concatenate(parts, 0);
}

CodeDistribution standard_normal(const Model& model) {
  auto latent = static_cast<std::size_t>(model.config().latent);
  return {std::vector<float>(latent, 0.0f), std::vector<float>(latent, 1.0f)};
}

CodeDistribution fit_codes(Model& model, const datasets::Dataset& dataset) {
  ELBO_CHECK(dataset.size() > 0, ValueError, "[fit_codes] expected pictures, found none in ", dataset.name);
  std::vector<float> codes = encode_means(model, dataset).to_vector<float>();
  auto latent = static_cast<std::size_t>(model.config().latent);
  auto n = static_cast<double>(dataset.size());
  std::vector<double> sum(latent), squares(latent);
  for (std::size_t i = 0; i < codes.size(); ++i) sum[i % latent] += codes[i];
  for (std::size_t i = 0; i < codes.size(); ++i) {
    double off = codes[i] - sum[i % latent] / n;
    squares[i % latent] += off * off;
  }
  CodeDistribution out;
  for (std::size_t i = 0; i < latent; ++i) {
    out.mean.push_back(static_cast<float>(sum[i] / n));
    out.std.push_back(static_cast<float>(std::sqrt(squares[i] / n)));
  }
  return out;
}

Tensor draw_codes(const CodeDistribution& distribution, std::int64_t n, Generator& generator, double temperature) {
  ELBO_CHECK(std::isfinite(temperature) && temperature >= 0, ValueError,
             "temperature: expected a number of at least 0, found ", temperature);
  NoGradGuard no_grad;
  auto latent = static_cast<std::int64_t>(distribution.mean.size());
  Tensor mean(Array::from(distribution.mean, {latent})), std(Array::from(distribution.std, {latent}));
  return mean + randn({n, latent}, {}, &generator) * std * temperature;
}

Tensor interpolate_codes(const Tensor& from, const Tensor& to, std::int64_t steps) {
  ELBO_CHECK(from.shape().rank() == 2 && from.shape() == to.shape(), ShapeError,
             "[interpolate_codes] expected two times [r, latent], found ", from.shape(), " and ", to.shape());
  ELBO_CHECK(steps >= 2, ValueError, "steps: expected at least 2, found ", steps);
  NoGradGuard no_grad;
  std::int64_t rows = from.shape()[0], latent = from.shape()[1];
  std::vector<float> weights;
  for (double w : linspace(0, 1, steps)) weights.push_back(static_cast<float>(w));
  Tensor w(Array::from(weights, {1, steps, 1}));
  Tensor a = reshape(from, {rows, 1, latent}), b = reshape(to, {rows, 1, latent});
  return reshape(a * (1 - w) + b * w, {rows * steps, latent});
}

Tensor traverse_codes(const Tensor& z, std::span<const std::int64_t> dims, std::span<const double> values) {
  ELBO_CHECK(z.shape().rank() == 2 && z.shape()[0] == 1, ShapeError,
             "[traverse_codes] expected one code [1, latent], found ", z.shape());
  std::vector<float> code = z.array().to_vector<float>(), all;
  auto latent = static_cast<std::int64_t>(code.size());
  for (std::int64_t dim : dims) {
    ELBO_CHECK(dim >= 0 && dim < latent, IndexError, "latent dimension ", dim, " does not exist: the model has ",
               latent, ", counted from 0");
    for (double value : values) {
      all.insert(all.end(), code.begin(), code.end());
      all[all.size() - code.size() + static_cast<std::size_t>(dim)] = static_cast<float>(value);
    }
  }
  return Tensor(Array::from(all, {static_cast<std::int64_t>(dims.size() * values.size()), latent}));
}

std::vector<std::int64_t> evenly_spaced(std::int64_t n, std::int64_t count) {
  std::vector<std::int64_t> out;
  count = std::min(n, count);
  for (std::int64_t i = 0; i < count; ++i) out.push_back(count > 1 ? i * (n - 1) / (count - 1) : 0);
  return out;
}

std::vector<double> linspace(double low, double high, std::int64_t count) {
  ELBO_CHECK(count >= 2, ValueError, "[linspace] expected at least 2 numbers, found ", count);
  std::vector<double> out;
  for (std::int64_t i = 0; i < count; ++i) {
    double t = static_cast<double>(i) / static_cast<double>(count - 1);
    out.push_back(low * (1 - t) + high * t);
  }
  return out;
}

Tensor manifold_codes(std::int64_t n, double low, double high) {
  std::vector<double> steps = linspace(low, high, n);
  std::vector<float> codes;
  for (auto y = steps.rbegin(); y != steps.rend(); ++y)
    for (double x : steps) codes.insert(codes.end(), {static_cast<float>(x), static_cast<float>(*y)});
  return Tensor(Array::from(codes, {n * n, 2}));
}

}  // namespace elbo::models
