#include "optimizers.h"

#include "../../scalar_math.h"
#include "loops.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

template <class T>
void sgd(int64_t n, void* param, const void* grad, void* buffer, double lr, double momentum, double l2) {
  T* p = static_cast<T*>(param);
  const T* g = static_cast<const T*>(grad);
  T* b = static_cast<T*>(buffer);
  const T rate = static_cast<T>(lr), mu = static_cast<T>(momentum), lambda = static_cast<T>(l2);
  if (!b) {
    ELBO_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) p[i] -= rate * (g[i] + lambda * p[i]);
    return;
  }
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    b[i] = mu * b[i] + (g[i] + lambda * p[i]);
    p[i] -= rate * b[i];
  }
}

template <class T>
void adam(int64_t n, void* param, const void* grad, void* first, void* second, const AdamStep& step) {
  T* p = static_cast<T*>(param);
  const T* g = static_cast<const T*>(grad);
  T *m = static_cast<T*>(first), *v = static_cast<T*>(second);
  const T rest1 = static_cast<T>(1.0 - step.beta1), beta2 = static_cast<T>(step.beta2);
  const T rest2 = static_cast<T>(1.0 - step.beta2), rate = static_cast<T>(step.step_size);
  const T root_scale = static_cast<T>(step.root_scale), eps = static_cast<T>(step.eps);
  const T l2 = static_cast<T>(step.l2), decay = static_cast<T>(step.decay);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const T w = p[i] * decay;
    const T d = g[i] + l2 * w;
    m[i] += (d - m[i]) * rest1;
    v[i] = beta2 * v[i] + (rest2 * d) * d;
    p[i] = w - rate * (m[i] / (math::sqrt(v[i]) * root_scale + eps));
  }
}

}  // namespace

extern const OptimizerTable ELBO_VARIANT_NAME(elbo_optimizer_table_) = {{sgd<float>, sgd<double>},
                                                                        {adam<float>, adam<double>}};

}  // namespace elbo::cpu_kernels
