#include "ae.h"

#include "mlp.h"

namespace elbo::models {

AE::AE(ModelConfig config, Generator* init) : Model(std::move(config)) {
  const ModelConfig& c = this->config();
  std::vector<std::int64_t> down = encoder_sizes(c, c.picture.numel()), up = decoder_sizes(c, c.latent);
  add_hidden(encoder, down, init);
  encoder.add(nn::Linear(down.back(), c.latent, {.init = init}));
  add_hidden(decoder, up, init);
  decoder.add(nn::Linear(up.back(), c.picture.numel(), {.init = init}));
  register_module("encoder", &AE::encoder);
  register_module("decoder", &AE::decoder);
}

Posterior AE::encode_pictures(const Tensor& x, const Tensor&) { return {encoder.forward(flatten(x)), {}}; }

Tensor AE::decode_codes(const Tensor& z, const Tensor&) {
  return reshape(decoder.forward(z), config().picture.insert(0, z.shape()[0]));
}

}  // namespace elbo::models
