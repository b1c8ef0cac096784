#include "../../nn/activations.h"
#include "../../nn/blocks.h"
#include "../../nn/layers.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

nn::Sequential mlp_encoder(const ModelConfig& c, std::int64_t inputs) {
  nn::Sequential out;
  add_hidden(out, inputs, c.hidden, c.activation);
  return out;
}

nn::Sequential mlp_decoder(const ModelConfig& c, std::int64_t inputs, const Shape& picture) {
  nn::Sequential out;
  const std::int64_t last = add_hidden(out, inputs, {c.hidden.rbegin(), c.hidden.rend()}, c.activation);
  out.add(nn::Linear(last, picture.numel()));
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

std::int64_t add_hidden(nn::Sequential& layers, std::int64_t inputs, const std::vector<std::int64_t>& sizes,
                        const std::string& activation) {
  for (const std::int64_t size : sizes) {
    if (activation == "gated") {
      layers.add(nn::GatedLinear(inputs, size));
    } else {
      layers.add(nn::Linear(inputs, size));
      add_activation(layers, activation);
    }
    inputs = size;
  }
  return inputs;
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
