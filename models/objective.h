#pragma once
#include "../core/api.h"
#include "model.h"

namespace ELBO_API elbo {
namespace models {

/// The parts of the negative evidence lower bound, summed over a batch, in nats.
struct LossSums {
  Tensor reconstruction = {};  ///< -log p(x|z), a Gaussian's without its constant
  Tensor kl = {};              ///< KL(q(z|x) || N(0, 1))
};

/// Both parts for pictures x [B, channels, height, width]. An autoencoder has no KL: 0.
LossSums loss_sums(const Model& model, const Prediction& prediction, const Tensor& x);
/// The same for each picture: [B].
LossSums losses_per_picture(const Model& model, const Prediction& prediction, const Tensor& x);

/// What a Gaussian likelihood's reconstruction leaves out, in nats per picture: pixels * log(2 pi variance) / 2; 0 for
/// other likelihoods.
double likelihood_constant(const ModelConfig& config);

/// The objective to minimise, in nats per sample: (reconstruction + beta * kl) / B. `beta` is a scalar tensor on the
/// device, so that a captured step can change it (Higgins et al. 2017). Throws ValueError for a batch below 1.
Tensor objective(const LossSums& sums, const Tensor& beta, std::int64_t batch);

}  // namespace models
}  // namespace elbo
