#pragma once
#include <cmath>
#include <numbers>

#include "likelihood_detail.h"

/// Internal to models: Gaussians whose variance is learned, with all of their negative log-likelihood. Such a variance
/// could shrink without end on pixels that are always the same, and the likelihood grow with it. So it is at least
/// e^-12, a deviation of 0.6 of the 255 steps of a byte in pixels of [0, 1]: the bound of the sigma-VAE's authors in
/// their program, log sigma >= -6. It is a soft one: e^-12 is added.
namespace elbo::models::internal {

inline constexpr double least_logvar = -12;

/// The squared errors, summed over all, [], or for each picture, [B].
inline Tensor squared_errors(const Tensor& mean, const Tensor& x, bool per_picture) {
  if (!per_picture) return mse_loss(mean, x, Reduction::sum);
  return summed(mse_loss(mean, x, Reduction::none), true);
}

/// -log N(x | mean, variance), one variance for all: `squares` as above, each over `pixels` numbers; logvar [].
inline Tensor gaussian_nats(const Tensor& squares, double pixels, const Tensor& logvar) {
  return 0.5 * (squares * exp(-logvar) + pixels * (logvar + std::log(2 * std::numbers::pi)));
}

/// How many numbers each of the sums of squared_errors is over.
inline double pixels_in(const Tensor& x, bool per_picture) {
  return static_cast<double>(per_picture ? x.shape().without(0).numel() : x.numel());
}

}  // namespace elbo::models::internal
