#include "cvae.h"

#include "mlp.h"

namespace elbo::models {
namespace {

ModelConfig checked(ModelConfig config) {
  ELBO_CHECK(config.classes >= 1, ValueError, "model cvae: expected at least one class, found ", config.classes,
             ": it needs pictures with labels");
  return config;
}

}  // namespace

CVAE::CVAE(ModelConfig config, Generator* init)
    : Model(checked(std::move(config))),
      fc_mu(encoder_sizes(this->config(), this->config().picture.numel() + this->config().classes).back(),
            this->config().latent, {.init = init}),
      fc_logvar(fc_mu.in_features, this->config().latent, {.init = init}) {
  const ModelConfig& c = this->config();
  std::vector<std::int64_t> up = decoder_sizes(c, c.latent + c.classes);
  add_hidden(encoder, encoder_sizes(c, c.picture.numel() + c.classes), init);
  add_hidden(decoder, up, init);
  decoder.add<nn::Linear>(up.back(), c.picture.numel(), nn::LinearOptions{.init = init});
  register_module("encoder", encoder);
  register_module("fc_mu", fc_mu);
  register_module("fc_logvar", fc_logvar);
  register_module("decoder", decoder);
}

Posterior CVAE::encode_pictures(const Tensor& x, const Tensor& labels) {
  Tensor h = encoder.forward(concatenate({flatten(x), one_hot(labels, config().classes)}, 1));
  return {fc_mu.forward(h), fc_logvar.forward(h)};
}

Tensor CVAE::decode_codes(const Tensor& z, const Tensor& labels) {
  Tensor logits = decoder.forward(concatenate({z, one_hot(labels, config().classes)}, 1));
  return reshape(logits, config().picture.insert(0, z.shape()[0]));
}

}  // namespace elbo::models
