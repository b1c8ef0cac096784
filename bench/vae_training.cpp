#include "vae_training.h"

#include <elbo/core/errors.h>
#include <elbo/core/kernels.h>

#include <algorithm>
#include <numeric>

namespace elbo::bench {

models::ModelConfig vae_config() {
  models::ModelConfig config;
  config.hidden = {400};
  config.latent = 20;
  return config;
}

datasets::Dataset made_up_pictures(const Shape& shape) {
  datasets::Dataset dataset;
  dataset.name = "made-up";
  dataset.features = Array::empty(shape, {DType::uint8});
  std::uint32_t state = 1;
  for (std::uint8_t& pixel : dataset.features.mutable_values<std::uint8_t>()) {
    state = state * 1664525u + 1013904223u;
    pixel = static_cast<std::uint8_t>(state >> 24);
  }
  return dataset;
}

std::unique_ptr<models::Model> fresh_vae() {
  Generator init(0, Stream::init);
  return models::make(vae_config(), &init);
}

datasets::Dataset training_pictures(const std::filesystem::path& folder) {
  namespace datasets = datasets;
  try {
    return datasets::load("fashion-mnist", datasets::Split::train, datasets::find_data_dir("fashion-mnist", folder));
  } catch (const IoError&) {
    if (!folder.empty()) throw;
    return made_up_pictures({60000, 1, 28, 28});
  }
}

std::vector<Array> first_batches(const datasets::Dataset& dataset, std::int64_t count) {
  const Array pictures = dataset.pictures_array();
  std::vector<Array> batches;
  for (std::int64_t i = 0; i < count && (i + 1) * batch_size <= dataset.size(); ++i) {
    std::vector<std::int64_t> indices(batch_size);
    std::iota(indices.begin(), indices.end(), i * batch_size);
    batches.push_back(kernels::gather_pictures(pictures, Array::from(indices, {batch_size}), 1.0 / 255, 0));
  }
  return batches;
}

VaeTraining::VaeTraining()
    : noise_(0, Stream::noise),
      model_(fresh_vae()),
      optimizer_(model_->parameters(), {.lr = 1e-3}),
      beta_(Array::full({}, 1)) {}

Tensor VaeTraining::step(const Array& batch) {
  optimizer_.zero_grad();
  const Tensor x(batch);
  const models::Terms terms = model_->loss({.x = x, .noise = &noise_});
  const Tensor reconstruction = terms.list[0].nats, kl = terms.list[1].nats;
  Tensor loss = (reconstruction + beta_ * kl) / static_cast<double>(batch.shape()[0]);
  loss.backward();
  optimizer_.step();
  return loss.detach();
}

}  // namespace elbo::bench
