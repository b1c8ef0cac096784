#include <cmath>
#include <numbers>

#include "../../nn/init.h"
#include "../../nn/meta.h"
#include "../parts_detail.h"

namespace elbo::models::internal {

Tensor pairwise_log_prob(const Tensor& z, const Tensor& mu, const Tensor& logvar) {
  // (z - mu)^2 / variance multiplied out, so that it is matrix products and no [B, K, d] is made. Its terms cancel: in
  // float64, since with 40 dimensions float32 is off by 0.02 nats where logvar is -6, and by 4 where it is -12.
  const Tensor x = z.to(DType::float64), m = mu.to(DType::float64), v = logvar.to(DType::float64);
  const Tensor precision = exp(-v), pull = precision * m;
  const double log_two_pi = std::log(2 * std::numbers::pi);
  const Tensor distance = linear(square(x), precision) - linear(x, pull) * 2 + sum(pull * m + v + log_two_pi, {1});
  return (distance * -0.5).to(z.dtype());
}

namespace {

/// p(z) = sum of w_k N(z; mu_k, diag(exp(logvar_k))), w = softmax(logits). The means begin as draws from N(0, 1), the
/// variances as 1, and all weights equal.
class Mixture : public Prior {
 public:
  explicit Mixture(const ModelConfig& c)
      : logits_(nn::parameter({c.components})),
        mu_(nn::parameter({c.components, c.latent})),
        logvar_(nn::parameter({c.components, c.latent})) {
    nn::init::constant_(logits_, 0);
    nn::init::normal_(mu_);
    nn::init::constant_(logvar_, 0);
    register_parameter("logits", &Mixture::logits_);
    register_parameter("mu", &Mixture::mu_);
    register_parameter("logvar", &Mixture::logvar_);
  }

  Tensor log_prob(const Tensor& z, const EncodePictures&) override {
    return logsumexp(pairwise_log_prob(z, mu_, logvar_) + log_softmax(logits_, 0), {1});
  }
  Tensor sample(std::int64_t n, Generator& noise, const EncodePictures&) override {
    const Tensor k = multinomial(softmax(logits_, 0), n, true, &noise);
    return reparameterize(index_select(mu_, 0, k), index_select(logvar_, 0, k), &noise);
  }

 private:
  Tensor logits_;       ///< [K]
  Tensor mu_, logvar_;  ///< [K, d]
};

}  // namespace

PriorRow mixture_prior() {
  PriorRow row;
  row.name = "mixture";
  row.what = "a mixture of Gaussians, all of it learned";
  row.fields = {"components"};
  row.make = [](const ModelConfig& c) { return std::make_unique<Mixture>(c); };
  return row;
}

}  // namespace elbo::models::internal
