#include "codes.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "../latent_model.h"
#include "batches_detail.h"
#include "mixture.h"

namespace elbo::models {
namespace {

void check_labels_there(const Model& model, const datasets::Dataset& dataset) {
  ELBO_CHECK(!model.is_conditional() || !dataset.labels.empty(), ValueError, "the model ", model.config().model,
             " takes labels, found none in ", dataset.name);
}

/// In batches, as shown_pictures() of what `decode` gives for some codes and their labels.
Array pictures_of(Model& model, const Tensor& z, const Tensor& labels, std::int64_t batch_size,
                  const std::function<Tensor(const Tensor&, const Tensor&)>& decode) {
  ELBO_CHECK(batch_size >= 1, ValueError, "batch size: expected at least 1, found ", batch_size);
  NoGradGuard no_grad;
  std::vector<Array> parts;
  for (std::int64_t begin = 0; begin < z.shape()[0]; begin += batch_size) {
    Tensor some_labels = labels.defined() ? slice(labels, 0, begin, begin + batch_size) : Tensor();
    Tensor some = slice(z, 0, begin, begin + batch_size);
    parts.push_back(shown_pictures(model, decode(some, some_labels)));
  }
  if (parts.empty()) return Array::zeros(model.config().picture.insert(0, 0), {.device = z.device()});
  return kernels::concatenate(parts, 0);
}

}  // namespace

Tensor input_pictures(const Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices) {
  const Array pictures = dataset.subset(indices).pictures_array(model.device());
  const auto count = static_cast<std::int64_t>(indices.size());
  return internal::as_input(model, pictures, Array::from(internal::all_up_to(count), {count}, pictures.device()));
}

Tensor input_labels(const Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices) {
  if (!model.is_conditional()) return {};
  check_labels_there(model, dataset);
  std::vector<std::int64_t> labels;
  for (std::int64_t i : indices) {
    ELBO_CHECK(i >= 0 && i < dataset.size(), IndexError, "[input_labels] ", i, " is out of range for ", dataset.size(),
               " pictures");
    labels.push_back(dataset.labels[static_cast<std::size_t>(i)]);
  }
  return Tensor(Array::from(labels, {static_cast<std::int64_t>(indices.size())}, model.device()));
}

Tensor same_label(const Model& model, std::int64_t label, std::int64_t count) {
  if (!model.is_conditional()) return {};
  ELBO_CHECK(label >= 0 && label < model.config().classes, IndexError, "[same_label] expected a label from 0 to ",
             model.config().classes - 1, ", found ", label);
  return Tensor(Array::full({count}, static_cast<double>(label), {DType::int64, model.device()}));
}

Array encode_means(Model& model, const datasets::Dataset& dataset, std::int64_t batch_size) {
  check_labels_there(model, dataset);
  const Device device = model.device();
  std::vector<Array> parts;
  internal::for_batches(model, dataset.pictures_array(device), dataset.labels_array(device),
                        internal::all_up_to(dataset.size()), batch_size,
                        [&](const Tensor& x, const Tensor& labels) { parts.push_back(model.code(x, labels).array()); });
  if (parts.empty()) return Array::zeros({0, model.code_size()}, {.device = device});
  return kernels::concatenate(parts, 0);
}

Array shown_pictures(const Model& model, const Tensor& x) {
  NoGradGuard no_grad;
  auto [low, high] = model.config().pixels;
  return clamp((x - low) / (high - low), 0, 1).array();
}

Array decode_pictures(Model& model, const Tensor& z, const Tensor& labels, std::int64_t batch_size) {
  return pictures_of(model, z, labels, batch_size,
                     [&](const Tensor& some, const Tensor& of) { return model.picture(some, of); });
}

Array draw_pictures(Model& model, const Tensor& z, const Tensor& labels, Generator& generator,
                    std::int64_t batch_size) {
  return pictures_of(model, z, labels, batch_size,
                     [&](const Tensor& some, const Tensor& of) { return model.drawn_picture(some, of, generator); });
}

CodeDistribution standard_normal(const Model& model) {
  auto latent = static_cast<std::size_t>(model.code_size());
  return {std::vector<float>(latent, 0.0f), std::vector<float>(latent, 1.0f)};
}

CodeDistribution prior_codes(Model& model) {
  ELBO_CHECK(model.has_prior(), ValueError, "[prior_codes] the model ", model.config().model,
             " has no distribution of codes");
  if (model.has_normal_prior()) return standard_normal(model);
  return {.draw = [&model](std::int64_t n, Generator& generator) { return model.draw_codes(n, {}, &generator); }};
}

CodeDistribution fit_codes(Model& model, const datasets::Dataset& dataset) {
  ELBO_CHECK(dataset.size() > 0, ValueError, "[fit_codes] expected pictures, found none in ", dataset.name);
  std::vector<float> codes = encode_means(model, dataset).to_vector<float>();
  auto latent = static_cast<std::size_t>(model.code_size());
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

CodeDistribution fit_mixture(Model& model, const datasets::Dataset& dataset, std::int64_t components,
                             std::uint64_t seed) {
  const auto mixture = std::make_shared<const GaussianMixture>(
      GaussianMixture::fit(encode_means(model, dataset).to(cpu), {.components = components, .seed = seed}));
  return {.draw = [mixture, device = model.device()](std::int64_t n, Generator& generator) {
    return Tensor(mixture->sample(n, generator)).to(device);
  }};
}

Tensor draw_codes(const CodeDistribution& distribution, std::int64_t n, Generator& generator, double temperature) {
  ELBO_CHECK(std::isfinite(temperature) && temperature >= 0, ValueError,
             "temperature: expected a number of at least 0, found ", temperature);
  NoGradGuard no_grad;
  if (distribution.draw) {
    ELBO_CHECK(temperature == 1, ValueError,
               "temperature: expected 1 for codes that no normal distribution draws, found ", temperature);
    return distribution.draw(n, generator);
  }
  auto latent = static_cast<std::int64_t>(distribution.mean.size());
  const Device device = generator.device();
  Tensor mean(Array::from(distribution.mean, {latent}, device)), std(Array::from(distribution.std, {latent}, device));
  return mean + randn({n, latent}, {.device = device}, &generator) * std * temperature;
}

Tensor interpolate_codes(const Tensor& from, const Tensor& to, std::int64_t steps) {
  ELBO_CHECK(from.shape().rank() == 2 && from.shape() == to.shape(), ShapeError,
             "[interpolate_codes] expected two times [r, latent], found ", from.shape(), " and ", to.shape());
  ELBO_CHECK(steps >= 2, ValueError, "steps: expected at least 2, found ", steps);
  NoGradGuard no_grad;
  std::int64_t rows = from.shape()[0], latent = from.shape()[1];
  std::vector<float> weights;
  for (double w : evenly_spaced(0, 1, steps)) weights.push_back(static_cast<float>(w));
  Tensor w(Array::from(weights, {1, steps, 1}, from.device()));
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
  return Tensor(Array::from(all, {static_cast<std::int64_t>(dims.size() * values.size()), latent}, z.device()));
}

std::vector<std::int64_t> evenly_spaced(std::int64_t n, std::int64_t count) {
  std::vector<std::int64_t> out;
  count = std::min(n, count);
  for (std::int64_t i = 0; i < count; ++i) out.push_back(count > 1 ? i * (n - 1) / (count - 1) : 0);
  return out;
}

std::vector<double> evenly_spaced(double low, double high, std::int64_t count) {
  ELBO_CHECK(count >= 2, ValueError, "[evenly_spaced] expected at least 2 numbers, found ", count);
  std::vector<double> out;
  for (std::int64_t i = 0; i < count; ++i) {
    double t = static_cast<double>(i) / static_cast<double>(count - 1);
    out.push_back(low * (1 - t) + high * t);
  }
  return out;
}

Tensor manifold_codes(std::int64_t n, double low, double high, Device device) {
  std::vector<double> steps = evenly_spaced(low, high, n);
  std::vector<float> codes;
  for (auto y = steps.rbegin(); y != steps.rend(); ++y)
    for (double x : steps) codes.insert(codes.end(), {static_cast<float>(x), static_cast<float>(*y)});
  return Tensor(Array::from(codes, {n * n, 2}, device));
}

}  // namespace elbo::models
