#include "objective.h"

#include <cmath>
#include <numbers>

namespace elbo::models {
namespace {

/// -log p(x|z), elementwise or summed.
Tensor reconstruction_loss(const Model& model, const Tensor& logits, const Tensor& x, Reduction reduction) {
  if (model.config().likelihood == Likelihood::bernoulli) return binary_cross_entropy_with_logits(logits, x, reduction);
  return mse_loss(model.mean(logits), x, reduction) * (0.5 / model.config().variance);
}

}  // namespace

LossSums loss_sums(const Model& model, const Prediction& prediction, const Tensor& x) {
  const Posterior& q = prediction.posterior;
  Tensor kl = q.logvar.defined() ? gaussian_kl(q.mu, q.logvar, Reduction::sum) : zeros({}, {.device = x.device()});
  return {reconstruction_loss(model, prediction.logits, x, Reduction::sum), kl};
}

LossSums losses_per_picture(const Model& model, const Prediction& prediction, const Tensor& x) {
  const Posterior& q = prediction.posterior;
  Tensor kl =
      q.logvar.defined() ? sum(gaussian_kl(q.mu, q.logvar), {1}) : zeros({x.shape()[0]}, {.device = x.device()});
  return {sum(flatten(reconstruction_loss(model, prediction.logits, x, Reduction::none)), {1}), kl};
}

double likelihood_constant(const ModelConfig& config) {
  if (config.likelihood != Likelihood::gaussian) return 0;
  return static_cast<double>(config.picture.numel()) * std::log(2 * std::numbers::pi * config.variance) / 2;
}

Tensor objective(const LossSums& sums, const Tensor& beta, std::int64_t batch) {
  ELBO_CHECK(batch > 0, ValueError, "[objective] batch: expected at least 1, found ", batch);
  return (sums.reconstruction + beta * sums.kl) / static_cast<double>(batch);
}

}  // namespace elbo::models
