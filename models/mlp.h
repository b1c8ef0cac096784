#pragma once
#include "../nn/layers.h"
#include "../nn/sequential.h"
#include "config.h"

/// Internal to the fully connected models of this folder.
namespace elbo::models {

/// Adds Linear and ReLU for each step of `sizes` to `layers`: 784, 512, 256 is two of each.
void add_hidden(nn::Sequential& layers, std::span<const std::int64_t> sizes);

/// The sizes an encoder passes: `first` (its input), then the hidden layers.
std::vector<std::int64_t> encoder_sizes(const ModelConfig& config, std::int64_t first);
/// The sizes a decoder passes: `first` (its input), then the hidden layers from the last to the first.
std::vector<std::int64_t> decoder_sizes(const ModelConfig& config, std::int64_t first);

}  // namespace elbo::models
