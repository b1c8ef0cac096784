#include "optimizers.h"

#include "loops.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

template <class T>
void sgd(int64_t n, void* param, const void* grad, void* buffer, double lr, double momentum, double l2) {
  T* p = static_cast<T*>(param);
  const T* g = static_cast<const T*>(grad);
  T* b = static_cast<T*>(buffer);
  const optimizer::SgdFactors<T> f = {static_cast<T>(lr), static_cast<T>(momentum), static_cast<T>(l2)};
  if (!b) {
    ELBO_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) optimizer::sgd(f, p[i], g[i]);
    return;
  }
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) optimizer::sgd(f, p[i], g[i], b[i]);
}

template <class T>
void adam(int64_t n, void* param, const void* grad, void* first, void* second, const AdamScales& scales) {
  T* p = static_cast<T*>(param);
  const T* g = static_cast<const T*>(grad);
  T *m = static_cast<T*>(first), *v = static_cast<T*>(second);
  const AdamFactors<T>& f = optimizer::factors_of(scales, T(0));
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) optimizer::adam(f, p[i], g[i], m[i], v[i]);
}

}  // namespace

extern const OptimizerTable ELBO_VARIANT_NAME(elbo_optimizer_table_) = {{sgd<float>, sgd<double>},
                                                                        {adam<float>, adam<double>}};

}  // namespace elbo::cpu_kernels
