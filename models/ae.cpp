#include "ae.h"

#include "mlp.h"

namespace elbo::models {

AE::AE(ModelConfig config) : Model(std::move(config)) {
  const ModelConfig& c = this->config();
  std::vector<std::int64_t> down = encoder_sizes(c, c.picture.numel()), up = decoder_sizes(c, c.latent);
  add_hidden(encoder, down);
  encoder.add(nn::Linear(down.back(), c.latent));
  add_hidden(decoder, up);
  decoder.add(nn::Linear(up.back(), c.picture.numel()));
  register_module("encoder", &AE::encoder);
  register_module("decoder", &AE::decoder);
}

Posterior AE::encode_pictures(const Tensor& x, const Tensor&) { return {encoder(flatten(x)), {}}; }

Tensor AE::decode_codes(const Tensor& z, const Tensor&) {
  return reshape(decoder(z), config().picture.insert(0, z.shape()[0]));
}

}  // namespace elbo::models
