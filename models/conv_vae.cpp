#include "conv_vae.h"

#include <algorithm>

#include "../nn/activations.h"

namespace elbo::models {
namespace {

/// The config with its channels filled in and checked against the picture.
ModelConfig completed(ModelConfig config) {
  std::int64_t height = config.picture[1], width = config.picture[2];
  if (config.channels.empty() && height % 8 == 0 && width % 8 == 0) config.channels = {16, 32, 128};
  if (config.channels.empty()) config.channels = {32, 64};
  std::size_t steps = config.channels.size();
  ELBO_CHECK(steps < 31 && height % (1 << steps) == 0 && width % (1 << steps) == 0, ValueError, "channels: ", steps,
             " convolutions halve the picture as often, found ", height, " x ", width, " pixels, which cannot be");
  if (config.decoder_channels.empty()) {
    for (std::size_t i = 0; i < steps; ++i)
      config.decoder_channels.push_back(std::max<std::int64_t>(config.channels.back() >> i, 1));
  }
  ELBO_CHECK(config.decoder_channels.size() == steps, ValueError, "decoder channels: expected ", steps,
             ", as many as channels, found ", config.decoder_channels.size());
  return config;
}

/// [channels, height, width] after the last of the encoder's convolutions, with other channels.
Shape smallest(const ModelConfig& config, std::int64_t channels) {
  auto steps = config.channels.size();
  return {channels, config.picture[1] >> steps, config.picture[2] >> steps};
}

}  // namespace

ConvVAE::ConvVAE(ModelConfig given, Generator* init)
    : Model(completed(std::move(given))),
      fc_mu(smallest(config(), config().channels.back()).numel(), config().latent, {.init = init}),
      fc_logvar(fc_mu.in_features, config().latent, {.init = init}) {
  const ModelConfig& c = config();
  std::int64_t in = c.picture[0];
  for (std::int64_t out : c.channels) {
    encoder.add<nn::Conv2d>(in, out, c.kernel, nn::ConvOptions{.stride = 2, .padding = 1, .init = init});
    encoder.add<nn::ReLU>();
    in = out;
  }
  encoder.add<nn::Flatten>();
  Shape start = smallest(c, c.decoder_channels.front());
  decoder.add<nn::Linear>(c.latent, start.numel(), nn::LinearOptions{.init = init});
  if (c.decoder_relu) decoder.add<nn::ReLU>();
  decoder.add<nn::Unflatten>(1, start);
  for (std::size_t i = 0; i < c.decoder_channels.size(); ++i) {
    bool last = i + 1 == c.decoder_channels.size();
    decoder.add<nn::ConvTranspose2d>(c.decoder_channels[i], last ? c.picture[0] : c.decoder_channels[i + 1], 4,
                                     nn::ConvTransposeOptions{.stride = 2, .padding = 1, .init = init});
    if (!last) decoder.add<nn::ReLU>();
  }
  register_module("encoder", encoder);
  register_module("fc_mu", fc_mu);
  register_module("fc_logvar", fc_logvar);
  register_module("decoder", decoder);
}

Posterior ConvVAE::encode_pictures(const Tensor& x, const Tensor&) {
  Tensor h = encoder.forward(x);
  return {fc_mu.forward(h), fc_logvar.forward(h)};
}

Tensor ConvVAE::decode_codes(const Tensor& z, const Tensor&) { return decoder.forward(z); }

}  // namespace elbo::models
