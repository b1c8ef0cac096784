#include "gaussian_heads_detail.h"

namespace elbo::models::internal {

GaussianHeads::GaussianHeads(const ModelConfig& c, std::int64_t features, const char* name, std::int64_t more) {
  if (features == 0) return;
  fc_mu_ = std::make_unique<nn::Linear>(features, c.latent);
  fc_logvar_ = std::make_unique<nn::Linear>(features, c.latent);
  register_module("fc_mu", &GaussianHeads::fc_mu_);
  register_module("fc_logvar", &GaussianHeads::fc_logvar_);
  if (more == 0) return;
  fc_more_ = std::make_unique<nn::Linear>(features, more);
  register_module(name, &GaussianHeads::fc_more_);
}

Encoded GaussianHeads::encode(const Tensor& h) {
  std::vector<Tensor> weights{fc_mu_->weight, fc_logvar_->weight}, biases{fc_mu_->bias, fc_logvar_->bias};
  if (fc_more_) weights.push_back(fc_more_->weight), biases.push_back(fc_more_->bias);
  const std::vector<Tensor> out = linear_heads(h, weights, biases);
  return {out[0], out[1], fc_more_ ? out[2] : Tensor()};
}

Tensor GaussianHeads::draw_eps(const Encoded& q, Codes codes, Generator* noise) {
  return codes == Codes::mean ? zeros(q.mu.shape(), q.mu.array().options()) : randn_like(q.mu, noise);
}

Draw GaussianHeads::start(const Encoded& q, const Tensor& eps) {
  const Tensor zero = zeros({}, eps.array().options());
  return {q.mu + exp(q.logvar * 0.5) * eps, sum(gaussian_log_prob(eps, zero, zero) - q.logvar * 0.5, {1})};
}

}  // namespace elbo::models::internal
