#pragma once
#include <cmath>

#include "likelihood_detail.h"

/// Internal to models: probabilities of bytes by logistic distributions.
namespace elbo::models::internal {

/// Where the 256 bytes lie among pixels. Each stands for all within half a step of it, the lowest for all below too,
/// the highest for all above.
class Bins {
 public:
  explicit Bins(const ModelConfig& c) : low_(c.pixels[0]), high_(c.pixels[1]), step_((high_ - low_) / 255) {}

  /// log P(x), x and the others broadcast (Salimans et al. 2017, equation 2): for the logistic function S of the bin's
  /// ends S(above) - S(below) = S(above) S(-below) (1 - exp(below - above)), where nothing cancels.
  Tensor log_prob(const Tensor& x, const Tensor& location, const Tensor& log_scale) const {
    const Tensor per_scale = exp(-log_scale), z = (x - location) * per_scale, half = (0.5 * step_) * per_scale;
    const Tensor under_top = log_sigmoid(z + half), over_bottom = log_sigmoid(half - z);
    const Tensor inside = under_top + over_bottom + log(-expm1(-step_ * per_scale));
    return where(x < low_ + 0.5 * step_, under_top, where(x > high_ - 0.5 * step_, over_bottom, inside));
  }
  /// The mean of a byte, to within half a step: that of the logistic distribution cut at both ends, low + the integral
  /// of P(pixel > t) from low to high.
  Tensor mean(const Tensor& location, const Tensor& log_scale) const {
    const Tensor scale = exp(log_scale);
    return low_ + scale * (softplus((location - low_) / scale) - softplus((location - high_) / scale));
  }
  /// A byte, by the inverse of the distribution function.
  Tensor sample(const Tensor& location, const Tensor& log_scale, Generator* noise) const {
    const Tensor u = rand_like(location, noise);
    const Tensor pixel = clamp(location + exp(log_scale) * (log(u) - log1p(-u)), low_, high_);
    return round((pixel - low_) / step_) * step_ + low_;
  }
  /// The logarithm of a scale from a number x, which 0 makes half the range of pixels. It is softly at least e^-7 of
  /// that, as where it was published (Salimans et al. 2017, their program), and at most e^7.
  Tensor log_scale(const Tensor& x) const {
    return softly_at_least(-7, clamp(x, {}, 7)) + std::log(0.5 * (high_ - low_));
  }

 private:
  double low_, high_, step_;
};

}  // namespace elbo::models::internal
