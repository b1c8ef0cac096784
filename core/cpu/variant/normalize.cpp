#include "normalize.h"

#include "loops.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

template <class T>
const T* as(const void* p) {
  return static_cast<const T*>(p);
}

template <class T>
void rows(int64_t n, void* out, const void* x, double mean, double inverse) {
  T* y = static_cast<T*>(out);
  const T* in = as<T>(x);
  const T m = static_cast<T>(mean), scale = static_cast<T>(inverse);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) y[i] = (in[i] - m) * scale;
}

template <class T>
void columns(int64_t n, void* out, const void* x, const void* mean, const void* inverse) {
  T* y = static_cast<T*>(out);
  const T *in = as<T>(x), *m = as<T>(mean), *scale = as<T>(inverse);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) y[i] = (in[i] - m[i]) * scale[i];
}

template <class T>
void grad_rows(int64_t n, void* gx, const void* xhat, const void* g, double inverse, double mean_g, double mean_gx) {
  T* to = static_cast<T*>(gx);
  const T *x = as<T>(xhat), *grad = as<T>(g);
  const T scale = static_cast<T>(inverse), a = static_cast<T>(mean_g), b = static_cast<T>(mean_gx);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = scale * ((grad[i] - a) - x[i] * b);
}

template <class T>
void grad_columns(int64_t n, void* gx, const void* xhat, const void* g, const void* inverse, const void* mean_g,
                  const void* mean_gx) {
  T* to = static_cast<T*>(gx);
  const T *x = as<T>(xhat), *grad = as<T>(g), *scale = as<T>(inverse), *a = as<T>(mean_g), *b = as<T>(mean_gx);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = scale[i] * ((grad[i] - a[i]) - x[i] * b[i]);
}

}  // namespace

extern const NormalizeTable ELBO_VARIANT_NAME(elbo_normalize_table_) = {{rows<float>, rows<double>},
                                                                        {columns<float>, columns<double>},
                                                                        {grad_rows<float>, grad_rows<double>},
                                                                        {grad_columns<float>, grad_columns<double>}};

}  // namespace elbo::cpu_kernels
