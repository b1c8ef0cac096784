#include "mlp.h"

namespace elbo::models {

void add_hidden(nn::Sequential& layers, std::span<const std::int64_t> sizes) {
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) layers.add(nn::Linear(sizes[i], sizes[i + 1])).add(nn::ReLU());
}

std::vector<std::int64_t> encoder_sizes(const ModelConfig& config, std::int64_t first) {
  std::vector<std::int64_t> sizes{first};
  sizes.insert(sizes.end(), config.hidden.begin(), config.hidden.end());
  return sizes;
}

std::vector<std::int64_t> decoder_sizes(const ModelConfig& config, std::int64_t first) {
  std::vector<std::int64_t> sizes{first};
  sizes.insert(sizes.end(), config.hidden.rbegin(), config.hidden.rend());
  return sizes;
}

}  // namespace elbo::models
