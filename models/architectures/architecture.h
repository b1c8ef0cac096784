#pragma once
#include <functional>

#include "../../core/api.h"
#include "../../nn/sequential.h"
#include "../config.h"
#include "../parts.h"

namespace ELBO_API elbo {
namespace models {

/// The networks of a LatentModel, without the layers that belong to its posterior. Labels are joined to what goes in by
/// the model: one-hot behind a vector, or a plane of ones or zeros for each class.
struct Architecture : Entry {
  /// The encoder takes pictures [B, channels, height, width], and not vectors [B, numbers].
  bool planes = false;
  /// Fills in what the config leaves open. Throws ValueError where it does not fit the picture. May be empty.
  std::function<void(ModelConfig&)> complete = {};
  /// How many features the encoder gives for a picture.
  std::function<std::int64_t(const ModelConfig&)> features = {};
  /// [B, inputs] or [B, inputs, height, width] -> [B, features].
  std::function<nn::Sequential(const ModelConfig&, std::int64_t inputs)> encoder = {};
  /// [B, inputs] -> [B, all numbers of `out`], in any shape; out: [channels, height, width].
  std::function<nn::Sequential(const ModelConfig&, std::int64_t inputs, const Shape& out)> decoder = {};
};

Registry<Architecture>& architectures();

}  // namespace models
}  // namespace elbo
