#include "vae.h"

#include "mlp.h"

namespace elbo::models {

VAE::VAE(ModelConfig config)
    : Model(std::move(config)),
      fc_mu(encoder_sizes(this->config(), this->config().picture.numel() + this->config().classes).back(),
            this->config().latent),
      fc_logvar(fc_mu.in_features, this->config().latent) {
  const ModelConfig& c = this->config();
  std::vector<std::int64_t> up = decoder_sizes(c, c.latent + c.classes);
  add_hidden(encoder, encoder_sizes(c, c.picture.numel() + c.classes));
  add_hidden(decoder, up);
  decoder.add(nn::Linear(up.back(), c.picture.numel()));
  register_module("encoder", &VAE::encoder);
  register_module("fc_mu", &VAE::fc_mu);
  register_module("fc_logvar", &VAE::fc_logvar);
  register_module("decoder", &VAE::decoder);
}

Tensor VAE::with_labels(const Tensor& x, const Tensor& labels) const {
  if (!labels.defined()) return x;
  const Tensor hot = one_hot(labels, config().classes);
  return concatenate({x, hot}, 1);
}

Posterior VAE::encode_pictures(const Tensor& x, const Tensor& labels) {
  Tensor h = encoder(with_labels(flatten(x), labels));
  return {fc_mu(h), fc_logvar(h)};
}

Tensor VAE::decode_codes(const Tensor& z, const Tensor& labels) {
  return reshape(decoder(with_labels(z, labels)), config().picture.insert(0, z.shape()[0]));
}

}  // namespace elbo::models
