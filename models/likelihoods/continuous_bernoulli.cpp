#include <cmath>

#include "../parts_detail.h"
#include "likelihood_detail.h"

namespace elbo::models::internal {
namespace {

/// Below this |logit| the closed forms cancel; their series about 0 take over, with an error below 1e-8.
constexpr double series_below = 0.5;

/// |logit|, kept away from 0, for a branch that is not taken there.
Tensor away_from_0(const Tensor& logits) { return clamp(abs(logits), series_below, {}); }

/// The logarithm of the constant that normalises (Loaiza-Ganem and Cunningham 2019): C = 2 atanh(1 - 2 lambda) / (1 - 2
/// lambda), which for lambda = sigmoid(l) is l / tanh(l / 2), and 2 at l = 0.
Tensor log_normalizer(const Tensor& logits) {
  const Tensor l = away_from_0(logits), u = square(clamp(logits, -series_below, series_below));
  const Tensor exact = log(l) - log(tanh(0.5 * l));
  // log(y / tanh y) = y^2/3 - 7 y^4/90 + 62 y^6/2835 - 127 y^8/18900 + ..., y = l / 2, u = l^2.
  const Tensor series = u * (1.0 / 12 + u * (-7.0 / 1440 + u * (31.0 / 90720 + u * (-127.0 / 4838400))));
  return where(abs(logits) < series_below, series + std::log(2.0), exact);
}

/// p(x|z) = C(lambda) lambda^x (1 - lambda)^(1 - x) for x in [0, 1], lambda = sigmoid(logit): a density of grey pixels,
/// where the Bernoulli's is none.
class ContinuousBernoulli : public Likelihood {
 public:
  Tensor nll(const Tensor& decoded, const Tensor& x, bool per_picture) override {
    const Tensor normalizer = summed(log_normalizer(decoded), per_picture);
    if (!per_picture) return binary_cross_entropy_with_logits(decoded, x, Reduction::sum) - normalizer;
    return summed(binary_cross_entropy_with_logits(decoded, x, Reduction::none), true) - normalizer;
  }
  /// Not lambda: lambda / (2 lambda - 1) + 1 / (2 atanh(1 - 2 lambda)), which is 1/2 + coth(l / 2) / 2 - 1 / l.
  Tensor mean(const Tensor& decoded) const override {
    const Tensor l = away_from_0(decoded), near = clamp(decoded, -series_below, series_below), u = square(near);
    const Tensor exact = sign(decoded) * (0.5 / tanh(0.5 * l) - 1 / l);
    const Tensor series = near * (1.0 / 12 + u * (-1.0 / 720 + u * (1.0 / 30240 - u * (1.0 / 1209600))));
    return where(abs(decoded) < series_below, series, exact) + 0.5;
  }
  /// By the inverse of the distribution function: for l < 0 log(1 + u (exp(l) - 1)) / l, and for l > 0 its mirror
  /// image, so that nothing overflows.
  Tensor sample(const Tensor& decoded, Generator* noise) const override {
    const Tensor l = clamp(abs(decoded), 1e-6, {});  // at 0 it is u
    const Tensor low = clamp(log1p(rand_like(decoded, noise) * expm1(-l)) / -l, 0, 1);
    return where(decoded < 0, low, 1 - low);
  }
};

}  // namespace

LikelihoodRow continuous_bernoulli_likelihood() {
  LikelihoodRow row;
  row.name = "continuous-bernoulli";
  row.what = "a density of grey pixels in [0, 1] (Loaiza-Ganem and Cunningham 2019)";
  row.make = [](const ModelConfig&) { return std::make_unique<ContinuousBernoulli>(); };
  return row;
}

}  // namespace elbo::models::internal
