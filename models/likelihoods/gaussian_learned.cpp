#include "../../nn/init.h"
#include "../../nn/meta.h"
#include "../parts_detail.h"
#include "gaussian_detail.h"

namespace elbo::models::internal {
namespace {

/// N(mean, sigma^2) with one sigma for all pixels, a parameter by its logarithm that begins at 0 (Rybkin, Daniilidis
/// and Levine 2021).
class GaussianLearned : public Likelihood {
 public:
  explicit GaussianLearned(const ModelConfig& c) : config_(c), log_sigma_(nn::parameter({})) {
    nn::init::constant_(log_sigma_, 0);
    register_parameter("log_sigma", &GaussianLearned::log_sigma_);
  }

  Tensor nll(const Tensor& decoded, const Tensor& x, bool per_picture) override {
    return gaussian_nats(squared_errors(mean(decoded), x, per_picture), pixels_in(x, per_picture), logvar());
  }
  Tensor mean(const Tensor& decoded) const override { return output_of(config_, decoded); }
  Tensor sample(const Tensor& decoded, Generator* noise) const override {
    return mean(decoded) + randn_like(decoded, noise) * exp(0.5 * logvar());
  }
  std::optional<double> learned_variance() const override {
    const NoGradGuard no_grad;
    return exp(logvar()).item();
  }

 private:
  Tensor logvar() const { return softly_at_least(least_logvar, 2 * log_sigma_); }

  ModelConfig config_;
  Tensor log_sigma_;  ///< []
};

}  // namespace

LikelihoodRow gaussian_learned_likelihood() {
  LikelihoodRow row;
  row.name = "gaussian-learned";
  row.what = "a Gaussian, its variance learned, one for all pixels (Rybkin et al. 2021)";
  row.fields = {"output"};
  row.takes_any_pixel = true;
  row.make = [](const ModelConfig& c) { return std::make_unique<GaussianLearned>(c); };
  return row;
}

}  // namespace elbo::models::internal
