#include "model.h"

#include "vae.h"

namespace elbo::models {

Model::Model(ModelConfig config) : config_(std::move(config)) { config_.validate(); }

Prediction Model::forward(const Tensor& x, Generator* generator) {
  Posterior posterior = encode(x);
  Tensor logits = decode(reparameterize(posterior.mu, posterior.logvar, generator));
  return {logits, posterior};
}

Tensor Model::reconstruct(const Tensor& x) {
  NoGradGuard no_grad;
  return mean(decode(encode(x).mu));
}

Tensor Model::sample(std::int64_t n, Generator* generator) {
  NoGradGuard no_grad;
  return mean(decode(randn({n, config_.latent}, {}, generator)));
}

void Model::check_pictures(const Tensor& x, const char* op) const {
  const Shape &found = x.shape(), &wanted = config_.picture;
  ELBO_CHECK(found.rank() == 4 && found.without(0) == wanted, ShapeError, "[", op, "] expected pictures [B, ",
             wanted[0], ", ", wanted[1], ", ", wanted[2], "], found ", found);
}

void Model::check_codes(const Tensor& z, const char* op) const {
  const Shape& found = z.shape();
  ELBO_CHECK(found.rank() == 2 && found[1] == config_.latent, ShapeError, "[", op, "] expected codes [B, ",
             config_.latent, "], found ", found);
}

std::unique_ptr<Model> make(const ModelConfig& config, Generator* init) {
  config.validate();
  return std::make_unique<VAE>(config, init);
}

}  // namespace elbo::models
