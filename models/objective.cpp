#include "objective.h"

namespace elbo::models {

LossSums loss_sums(const Model& model, const Prediction& prediction, const Tensor& x) {
  const Posterior& q = prediction.posterior;
  Tensor kl = gaussian_kl(q.mu, q.logvar, Reduction::sum);
  if (model.config().likelihood == Likelihood::bernoulli) {
    return {binary_cross_entropy_with_logits(prediction.logits, x, Reduction::sum), kl};
  }
  Tensor squares = mse_loss(model.mean(prediction.logits), x, Reduction::sum);
  return {squares * (0.5 / model.config().variance), kl};
}

Tensor objective(const LossSums& sums, const Tensor& beta, std::int64_t batch) {
  return (sums.reconstruction + beta * sums.kl) / static_cast<double>(batch);
}

}  // namespace elbo::models
