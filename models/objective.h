#pragma once
#include "model.h"

namespace elbo::models {

/// The parts of the negative evidence lower bound, summed over a batch, in nats; scalars.
struct LossSums {
  Tensor reconstruction;  ///< -log p(x|z), a Gaussian's without its constant
  Tensor kl;              ///< KL(q(z|x) || N(0, 1))
};

/// Both parts for pictures x [B, channels, height, width].
LossSums loss_sums(const Model& model, const Prediction& prediction, const Tensor& x);

/// The objective to minimise, in nats per sample: (reconstruction + beta * kl) / B. `beta` is a scalar tensor on the
/// device, so that a captured step can change it (Higgins et al. 2017).
Tensor objective(const LossSums& sums, const Tensor& beta, std::int64_t batch);

}  // namespace elbo::models
