#include "conv_vae.h"

#include "../nn/activations.h"
#include "outline.h"

namespace elbo::models {
namespace {

/// [channels, height, width] after the last of the encoder's convolutions, with other channels.
Shape smallest(const ModelConfig& config, std::int64_t channels) {
  auto steps = config.channels.size();
  return {channels, config.picture[1] >> steps, config.picture[2] >> steps};
}

}  // namespace

ConvVAE::ConvVAE(ModelConfig given)
    : Model(filled(std::move(given))),
      fc_mu(smallest(config(), config().channels.back()).numel(), config().latent),
      fc_logvar(fc_mu.in_features, config().latent) {
  const ModelConfig& c = config();
  std::int64_t in = c.picture[0];
  for (std::int64_t out : c.channels) {
    encoder.add(nn::Conv2d(in, out, c.kernel, {.stride = 2, .padding = 1})).add(nn::ReLU());
    in = out;
  }
  encoder.add(nn::Flatten());
  Shape start = smallest(c, c.decoder_channels.front());
  decoder.add(nn::Linear(c.latent, start.numel()));
  if (c.decoder_relu) decoder.add(nn::ReLU());
  decoder.add(nn::Unflatten(1, start));
  for (std::size_t i = 0; i < c.decoder_channels.size(); ++i) {
    bool last = i + 1 == c.decoder_channels.size();
    decoder.add(nn::ConvTranspose2d(c.decoder_channels[i], last ? c.picture[0] : c.decoder_channels[i + 1], 4,
                                    {.stride = 2, .padding = 1}));
    if (!last) decoder.add(nn::ReLU());
  }
  register_module("encoder", &ConvVAE::encoder);
  register_module("fc_mu", &ConvVAE::fc_mu);
  register_module("fc_logvar", &ConvVAE::fc_logvar);
  register_module("decoder", &ConvVAE::decoder);
}

Posterior ConvVAE::encode_pictures(const Tensor& x, const Tensor&) {
  Tensor h = encoder(x);
  return {fc_mu(h), fc_logvar(h)};
}

Tensor ConvVAE::decode_codes(const Tensor& z, const Tensor&) { return decoder(z); }

}  // namespace elbo::models
