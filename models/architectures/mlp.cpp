#include "../../nn/activations.h"
#include "../../nn/blocks.h"
#include "../../nn/layers.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// From size to size, each step with its activation: 784, 512, 256 is two of each.
void add_layers(nn::Sequential& layers, const std::vector<std::int64_t>& sizes, const std::string& activation) {
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (activation == "gated") {
      layers.add(nn::GatedLinear(sizes[i], sizes[i + 1]));
      continue;
    }
    layers.add(nn::Linear(sizes[i], sizes[i + 1]));
    add_activation(layers, activation);
  }
}

nn::Sequential mlp_encoder(const ModelConfig& c, std::int64_t inputs) {
  std::vector<std::int64_t> sizes{inputs};
  sizes.insert(sizes.end(), c.hidden.begin(), c.hidden.end());
  nn::Sequential out;
  add_layers(out, sizes, c.activation);
  return out;
}

nn::Sequential mlp_decoder(const ModelConfig& c, std::int64_t inputs, const Shape& picture) {
  std::vector<std::int64_t> sizes{inputs};
  sizes.insert(sizes.end(), c.hidden.rbegin(), c.hidden.rend());
  nn::Sequential out;
  add_layers(out, sizes, c.activation);
  out.add(nn::Linear(sizes.back(), picture.numel()));
  return out;
}

}  // namespace

void add_activation(nn::Sequential& layers, const std::string& activation) {
  if (activation == "relu") layers.add(nn::ReLU());
  if (activation == "tanh") layers.add(nn::Tanh());
  if (activation == "elu") layers.add(nn::ELU());
  if (activation == "silu") layers.add(nn::SiLU());
  if (activation == "gelu") layers.add(nn::GELU());
}

/// d - hidden - features, and the mirror image back: linear layers with an activation between.
Architecture mlp() {
  Architecture row;
  row.name = "mlp";
  row.what = "fully connected layers, the decoder the encoder's mirror image";
  row.fields = {"hidden", "activation"};
  row.features = [](const ModelConfig& c) {
    return c.hidden.empty() ? c.picture.numel() + c.classes : c.hidden.back();
  };
  row.encoder = mlp_encoder;
  row.decoder = mlp_decoder;
  return row;
}

}  // namespace elbo::models::internal
