// Logarithms of probability densities, made of elementwise ops so that neither tail overflows or cancels.
#include <cmath>
#include <numbers>

#include "checks.h"

namespace elbo {
namespace {

/// log(Gamma(a + 1/2) / Gamma(a)) for a > 0: Stirling's series of both, from 32 on, where the cancelled terms are gone,
/// and Gamma(a + 1) = a Gamma(a) below (Tricomi and Erdelyi 1951). std::lgamma writes a global.
double log_gamma_ratio(double a) {
  double steps = 0;
  for (; a < 32; ++a) steps += std::log1p(0.5 / a);
  const double r = 1 / a, r2 = r * r;
  return 0.5 * std::log(a) - r * (1.0 / 8 - r2 * (1.0 / 192 - r2 * (1.0 / 640 - r2 * (17.0 / 14336)))) - steps;
}

/// log(1 + u^2), without overflow: above 1 by way of 2 log(u) + log(1 + u^-2).
Tensor log1p_square(const Tensor& u) {
  const Tensor small = clamp(u, {}, 1), large = clamp(u, 1, {});
  return where(u < 1, log1p(square(small)), 2 * log(large) + log1p(square(1 / large)));
}

}  // namespace

Tensor gaussian_log_prob(const Tensor& x, const Tensor& mu, const Tensor& logvar) {
  const ops::CalledOp called("gaussian_log_prob");
  const Tensor z = (x - mu) * exp(-0.5 * logvar);
  return -0.5 * (square(z) + logvar) - 0.5 * std::log(2 * std::numbers::pi);
}

Tensor bernoulli_log_prob(const Tensor& x, const Tensor& logits) {
  const char* op = "bernoulli_log_prob";
  const ops::CalledOp called(op);
  ops::check_floating_pair(op, x, logits);
  const Shape shape = broadcast(x.shape(), logits.shape(), op);  // which a loss wants one of them to have
  const Tensor all = x.shape() == shape || logits.shape() == shape ? logits : expand(logits, shape);
  return -binary_cross_entropy_with_logits(all, x, Reduction::none);
}

Tensor logistic_log_prob(const Tensor& x, const Tensor& mu, const Tensor& log_scale) {
  const ops::CalledOp called("logistic_log_prob");
  const Tensor z = (x - mu) * exp(-log_scale);
  return -(softplus(z) + softplus(-z)) - log_scale;
}

Tensor student_t_log_prob(const Tensor& x, const Tensor& mu, const Tensor& log_scale, double degrees) {
  const ops::CalledOp called("student_t_log_prob");
  ELBO_CHECK(degrees > 0 && std::isfinite(degrees), ValueError,
             "[student_t_log_prob] expected finite degrees of freedom above 0, found ", degrees);
  const Tensor u = abs(x - mu) * exp(-log_scale) / std::sqrt(degrees);
  const double constant = log_gamma_ratio(degrees / 2) - 0.5 * std::log(degrees * std::numbers::pi);
  return constant - log_scale - (degrees + 1) / 2 * log1p_square(u);
}

Tensor categorical_log_prob(const Tensor& labels, const Tensor& logits) {
  const char* op = "categorical_log_prob";
  const ops::CalledOp called(op);
  ops::check_floating(op, logits);
  ops::check_int64(op, "labels", labels);
  const int axis = logits.shape().axis(-1, op);
  ops::check_shape(op, "labels", logits.shape().without(axis), labels.shape());
  const Tensor rows = reshape(logits, Shape{labels.numel(), logits.size(axis)});
  const Tensor losses = cross_entropy(rows, reshape(labels, Shape{labels.numel()}), Reduction::none);
  return reshape(-losses, labels.shape());
}

// Moved and scaled so that the second is the standard normal, which changes no divergence.
Tensor gaussian_kl(const Tensor& mu, const Tensor& logvar, const Tensor& mu2, const Tensor& logvar2,
                   Reduction reduction) {
  const ops::CalledOp called("gaussian_kl");
  return gaussian_kl((mu - mu2) * exp(-0.5 * logvar2), logvar - logvar2, reduction);
}

}  // namespace elbo
