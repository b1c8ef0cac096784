#pragma once
#include <elbo/datasets/dataset.h>
#include <elbo/models/config.h>
#include <elbo/models/model.h>

/// The smallest training: what the checkpoints of the corpus come from, and what they are read into.
inline elbo::models::RunConfig small_config() {
  elbo::models::RunConfig config;
  config.model.picture = {1, 2, 2};
  config.model.hidden = {2};
  config.model.latent = 1;
  config.train.batch_size = 2;
  config.train.val_size = 0;
  return config;
}
inline elbo::datasets::Dataset small_pictures() {
  elbo::datasets::Dataset out;
  out.name = "small";
  out.features = elbo::Array::full({4, 1, 2, 2}, 100, {elbo::DType::uint8});
  return out;
}
