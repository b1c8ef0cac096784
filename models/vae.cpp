#include "vae.h"

#include "mlp.h"

namespace elbo::models {

VAE::VAE(ModelConfig config, Generator* init)
    : Model(std::move(config)),
      fc_mu(encoder_sizes(this->config(), this->config().picture.numel()).back(), this->config().latent,
            {.init = init}),
      fc_logvar(fc_mu.in_features, this->config().latent, {.init = init}) {
  const ModelConfig& c = this->config();
  std::vector<std::int64_t> up = decoder_sizes(c, c.latent);
  add_hidden(encoder, encoder_sizes(c, c.picture.numel()), init);
  add_hidden(decoder, up, init);
  decoder.add<nn::Linear>(up.back(), c.picture.numel(), nn::LinearOptions{.init = init});
  register_module("encoder", encoder);
  register_module("fc_mu", fc_mu);
  register_module("fc_logvar", fc_logvar);
  register_module("decoder", decoder);
}

Posterior VAE::encode_pictures(const Tensor& x, const Tensor&) {
  Tensor h = encoder.forward(flatten(x));
  return {fc_mu.forward(h), fc_logvar.forward(h)};
}

Tensor VAE::decode_codes(const Tensor& z, const Tensor&) {
  return reshape(decoder.forward(z), config().picture.insert(0, z.shape()[0]));
}

}  // namespace elbo::models
