#pragma once
#include <memory>

#include "../../nn/layers.h"
#include "posterior.h"

namespace elbo::models::internal {

/// Internal to models: what all posteriors have that are a Gaussian or begin with one, N(mu, diag(exp(logvar))).
class GaussianHeads : public Posterior {
 public:
  Encoded encode(const Tensor& h) override;

 protected:
  /// Linear layers fc_mu and fc_logvar on the encoder's features, and with `more` > 0 a third, called `name`, that
  /// gives so many numbers for Encoded::more. No layers for 0 features: the model then computes Encoded itself.
  GaussianHeads(const ModelConfig& c, std::int64_t features, const char* name = "", std::int64_t more = 0);

  /// eps ~ N(0, 1), [B, latent]; 0 for Codes::mean.
  static Tensor draw_eps(const Encoded& q, Codes codes, Generator* noise);
  /// mu + exp(logvar / 2) eps, and log N(that; mu, diag(exp(logvar))), told by eps: -(eps^2 + logvar + log(2 pi)) / 2.
  static Draw start(const Encoded& q, const Tensor& eps);

 private:
  std::unique_ptr<nn::Linear> fc_mu_, fc_logvar_, fc_more_;
};

}  // namespace elbo::models::internal
