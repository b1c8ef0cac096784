#pragma once
#include <memory>

#include "../../core/api.h"
#include "../../nn/layers.h"
#include "../../nn/sequential.h"
#include "../likelihoods/likelihood.h"
#include "../model.h"
#include "../posteriors/posterior.h"
#include "../priors/prior.h"

namespace ELBO_API elbo {
namespace models {

/// N(mu(h), diag(exp(logvar(h)))), where h is what the hidden layers of a config give.
class ConditionalGaussian : public nn::Module {
 public:
  ConditionalGaussian(const ModelConfig& c, std::int64_t inputs, std::int64_t latent);
  /// x: [B, inputs].
  Encoded operator()(const Tensor& x);

 private:
  nn::Sequential layers_;
  nn::Linear fc_mu_, fc_logvar_;
};

/// A VAE with two layers of codes (Tomczak and Welling 2018, section 4): p(x|z1, z2) p(z1|z2) p(z2) with the posterior
/// q(z1|x, z2) q(z2|x). The upper layer z2 has config.latent dimensions and any prior, the lower one config.latent2;
/// all four networks have the hidden layers of the config. What a network takes is joined to one vector.
///
/// Its code is z2, for which the mean of q(z2|x) stands. The state dict has `upper` for q(z2|x), `lower` for q(z1|x,
/// z2), `lower_prior` for p(z1|z2), `decoder`, and `prior`, `likelihood` where these have parameters.
class HVAE : public Model {
 public:
  explicit HVAE(ModelConfig config);

  /// q(z2|x). Throws ShapeError unless x is [B, channels, height, width] of the config's sizes.
  Encoded encode(const Tensor& x);
  /// q(z1|x, z2): z2 [B, latent].
  Encoded encode_lower(const Tensor& x, const Tensor& z2);
  /// p(z1|z2).
  Encoded lower_prior(const Tensor& z2);
  /// What the decoder gives for z1 [B, latent2], z2 [B, latent].
  Tensor decode(const Tensor& z1, const Tensor& z2);

  /// `reconstruction`; `kl_1`, the expected KL(q(z1|x, z2) || p(z1|z2)), in closed form given the z2 drawn; `kl_2`,
  /// that of q(z2|x) from p(z2), in closed form for the normal prior, else log q(z2|x) - log p(z2). `kl`, their sum, is
  /// reported.
  Terms loss(const StepInput& in, int player = 0) override;
  Terms elbo(const StepInput& in) override;
  Tensor mean(const Tensor& decoded) const override { return likelihood_->mean(decoded); }
  /// By the means of q(z2|x) and q(z1|x, z2).
  Tensor reconstruct(const Tensor& x, const Tensor& labels = {}) override;
  /// z2 and z1 are drawn.
  Tensor sample(std::int64_t n, const Tensor& labels = {}, Generator* generator = nullptr) override;
  bool has_normal_prior() const override { return prior_->is_standard_normal(); }
  std::int64_t code_size() const override { return config().latent; }
  Tensor code(const Tensor& x, const Tensor& labels = {}, Codes codes = Codes::mean,
              Generator* generator = nullptr) override;
  /// Of codes z2, by the mean of p(z1|z2).
  Tensor picture(const Tensor& z, const Tensor& labels = {}) override;
  /// z1 is drawn from p(z1|z2).
  Tensor drawn_picture(const Tensor& z, const Tensor& labels, Generator& generator) override;
  Tensor draw_codes(std::int64_t n, const Tensor& labels = {}, Generator* generator = nullptr) override;
  Tensor log_weights(const StepInput& in, std::int64_t samples) override;
  double constant() const override { return likelihood_->constant(); }
  std::optional<double> learned_variance() const override { return likelihood_->learned_variance(); }

 private:
  Terms terms(const StepInput& in, const Weight& weight);
  EncodePictures encoder();

  std::unique_ptr<Prior> prior_;
  std::unique_ptr<Likelihood> likelihood_;
  ConditionalGaussian upper_, lower_, lower_prior_;
  nn::Sequential decoder_;
  Weight weight_;
};

}  // namespace models
}  // namespace elbo
