#pragma once
#include <cstdint>

#include "scalar_math.h"

/// What an optimiser step does to one element, and the factors that all elements share, written once: the CPU's
/// variants loop over it, CUDA gives each thread some elements. The operations are rounded one by one and in the same
/// order everywhere, so a step has the same bits on every device, in float32 and in float64.
namespace elbo {

/// An Adam step's factors in the elements' type.
template <class T>
struct AdamFactors {
  T rest1, beta2, rest2, rate, root_scale, eps, l2, decay;
};
/// In both types: what lies on a device, written once a step.
struct AdamScales {
  AdamFactors<float> float32;
  AdamFactors<double> float64;
};

/// The factors of an Adam step; see adam() in cpu/cpu_kernels.h for the formulas.
struct AdamStep {
  double beta1, beta2;
  double step_size;   ///< lr / (1 - beta1^t)
  double root_scale;  ///< 1 / sqrt(1 - beta2^t)
  double eps;
  double l2;     ///< weight decay through the gradient, 0 for AdamW
  double decay;  ///< what the parameter is multiplied by first: 1 for Adam
};

namespace {  // NOLINT(google-build-namespaces): see scalar_math.h
namespace optimizer {

/// base^n for n >= 0, by repeated squaring: `pow` may differ between devices in the last bit.
ELBO_HD inline double power(double base, std::int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1) {
    if ((n & 1) != 0) result *= base;
    base *= base;
  }
  return result;
}

/// The factors of step number t, from 1. `Args` is AdamArgs (backend.h).
template <class Args>
ELBO_HD inline AdamStep adam_step(const Args& args, double lr, std::int64_t t) {
  return {args.beta1,
          args.beta2,
          lr / (1 - power(args.beta1, t)),
          1 / math::sqrt(1 - power(args.beta2, t)),
          args.eps,
          args.decoupled ? 0 : args.weight_decay,
          args.decoupled ? 1 - lr * args.weight_decay : 1};
}

template <class T>
ELBO_HD inline AdamFactors<T> adam_factors(const AdamStep& step) {
  return {static_cast<T>(1.0 - step.beta1), static_cast<T>(step.beta2),      static_cast<T>(1.0 - step.beta2),
          static_cast<T>(step.step_size),   static_cast<T>(step.root_scale), static_cast<T>(step.eps),
          static_cast<T>(step.l2),          static_cast<T>(step.decay)};
}
ELBO_HD inline const AdamFactors<float>& factors_of(const AdamScales& scales, float) { return scales.float32; }
ELBO_HD inline const AdamFactors<double>& factors_of(const AdamScales& scales, double) { return scales.float64; }
ELBO_HD inline AdamScales adam_scales(const AdamStep& step) {
  return {adam_factors<float>(step), adam_factors<double>(step)};
}
/// Parameter p with gradient g and moments m and v.
template <class T>
ELBO_HD inline void adam(const AdamFactors<T>& f, T& p, T g, T& m, T& v) {
  const T w = p * f.decay;
  const T d = g + f.l2 * w;
  m += (d - m) * f.rest1;
  v = f.beta2 * v + (f.rest2 * d) * d;
  p = w - f.rate * (m / (math::sqrt(v) * f.root_scale + f.eps));
}

template <class T>
struct SgdFactors {
  T rate, momentum, l2;
};
/// Parameter p with gradient g and momentum buffer b.
template <class T>
ELBO_HD inline void sgd(const SgdFactors<T>& f, T& p, T g, T& b) {
  b = f.momentum * b + (g + f.l2 * p);
  p -= f.rate * b;
}
/// The same without a buffer.
template <class T>
ELBO_HD inline void sgd(const SgdFactors<T>& f, T& p, T g) {
  p -= f.rate * (g + f.l2 * p);
}

}  // namespace optimizer
}  // namespace
}  // namespace elbo
