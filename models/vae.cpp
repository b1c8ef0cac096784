#include "vae.h"

#include <algorithm>

namespace elbo::models {
namespace {

/// Linear and ReLU for each step of `sizes`, added to `layers`.
void add_hidden(nn::Sequential& layers, std::span<const std::int64_t> sizes, Generator* init) {
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    layers.add<nn::Linear>(sizes[i], sizes[i + 1], nn::LinearOptions{.init = init});
    layers.add<nn::ReLU>();
  }
}

std::int64_t last_hidden(const ModelConfig& config) {
  return config.hidden.empty() ? config.picture.numel() : config.hidden.back();
}

}  // namespace

VAE::VAE(ModelConfig config, Generator* init)
    : Model(std::move(config)),
      fc_mu(last_hidden(this->config()), this->config().latent, {.init = init}),
      fc_logvar(last_hidden(this->config()), this->config().latent, {.init = init}) {
  const ModelConfig& c = this->config();
  std::vector<std::int64_t> sizes{c.picture.numel()};
  sizes.insert(sizes.end(), c.hidden.begin(), c.hidden.end());
  add_hidden(encoder, sizes, init);
  sizes.front() = c.latent;
  std::reverse(sizes.begin() + 1, sizes.end());
  add_hidden(decoder, sizes, init);
  decoder.add<nn::Linear>(sizes.back(), c.picture.numel(), nn::LinearOptions{.init = init});
  register_module("encoder", encoder);
  register_module("fc_mu", fc_mu);
  register_module("fc_logvar", fc_logvar);
  register_module("decoder", decoder);
}

Posterior VAE::encode(const Tensor& x) {
  check_pictures(x, "encode");
  Tensor h = encoder.forward(flatten(x));
  return {fc_mu.forward(h), fc_logvar.forward(h)};
}

Tensor VAE::decode(const Tensor& z) {
  check_codes(z, "decode");
  const Shape& picture = config().picture;
  return reshape(decoder.forward(z), {-1, picture[0], picture[1], picture[2]});
}

}  // namespace elbo::models
