#include "softmax.h"

#include "reduce_loops.h"

namespace elbo::cpu_kernels {
namespace {

template <class T>
T* as(void* p) {
  return static_cast<T*>(p);
}
template <class T>
const T* as(const void* p) {
  return static_cast<const T*>(p);
}

// ---- rows ----------------------------------------------------------------------------------------------------------

/// The sum of exp(x - shift), which is kept in `out` unless that is null.
template <class T>
double exp_row(int64_t n, const T* x, T shift, T* out) {
  constexpr int64_t piece = 256;
  T buffer[piece];
  double sum = 0;
  for (int64_t begin = 0; begin < n; begin += piece) {
    const int64_t count = n - begin < piece ? n - begin : piece;
    const T* in = x + begin;
    T* to = out ? out + begin : buffer;
    ELBO_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) to[i] = math::exp(in[i] - shift);
    sum += sum_terms(count, Plain<T>{to});
  }
  return sum;
}

template <class T>
void softmax_row(int64_t n, void* out, const void* x) {
  T* y = as<T>(out);
  const T scale = static_cast<T>(1.0 / exp_row(n, as<T>(x), row_extreme<1>(n, as<T>(x)), y));
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) y[i] *= scale;
}

template <class T>
void log_softmax_row(int64_t n, void* out, const void* x) {
  T* y = as<T>(out);
  const T* in = as<T>(x);
  const T shift = row_extreme<1>(n, in);
  const T log_sum = static_cast<T>(math::log(exp_row<T>(n, in, shift, nullptr)));
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) y[i] = (in[i] - shift) - log_sum;
}

/// The maximum where it is finite, else 0: infinity less infinity is no number.
template <class T>
T finite_shift(T max) {
  return max - max == T(0) ? max : T(0);
}

template <class T>
void logsumexp_row(int64_t n, void* out, const void* x) {
  const T shift = finite_shift(row_extreme<1>(n, as<T>(x)));
  *as<T>(out) = static_cast<T>(static_cast<double>(shift) + math::log(exp_row<T>(n, as<T>(x), shift, nullptr)));
}

template <class T>
void softmax_grad_row(int64_t n, void* gx, const void* y, const void* g) {
  T* to = as<T>(gx);
  const T *out = as<T>(y), *grad = as<T>(g);
  const T mean = static_cast<T>(sum_terms(n, Product<T>{out, grad}));
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = out[i] * (grad[i] - mean);
}

template <class T>
void log_softmax_grad_row(int64_t n, void* gx, const void* y, const void* g) {
  T* to = as<T>(gx);
  const T *out = as<T>(y), *grad = as<T>(g);
  const T sum = static_cast<T>(sum_terms(n, Plain<T>{grad}));
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) to[i] = grad[i] - math::exp(out[i]) * sum;
}

// ---- columns -------------------------------------------------------------------------------------------------------

template <class T>
struct ColumnSums {
  T max[softmax_columns];
  double sum[softmax_columns];  // of exp(x - max), max being 0 where it is not finite and `finite` is set
};

template <class T>
void column_sums(int64_t k, int64_t m, int64_t step, const T* x, bool finite, ColumnSums<T>& s) {
  for (int64_t j = 0; j < m; ++j) s.max[j] = static_cast<T>(-math::infinity);
  for (int64_t j = 0; j < m; ++j) s.sum[j] = 0;
  extreme_columns<1>(k, m, step, s.max, x);
  if (finite)
    for (int64_t j = 0; j < m; ++j) s.max[j] = finite_shift(s.max[j]);
  for (int64_t r = 0; r < k; ++r) {
    const T* row = x + r * step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) s.sum[j] += static_cast<double>(math::exp(row[j] - s.max[j]));
  }
}

template <class T>
void softmax_columns_of(int64_t k, int64_t m, int64_t step, void* out, const void* x) {
  ColumnSums<T> s;
  column_sums(k, m, step, as<T>(x), false, s);
  T scale[softmax_columns];
  for (int64_t j = 0; j < m; ++j) scale[j] = static_cast<T>(1.0 / s.sum[j]);
  for (int64_t r = 0; r < k; ++r) {
    T* y = as<T>(out) + r * step;
    const T* row = as<T>(x) + r * step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) y[j] = math::exp(row[j] - s.max[j]) * scale[j];
  }
}

template <class T>
void log_softmax_columns(int64_t k, int64_t m, int64_t step, void* out, const void* x) {
  ColumnSums<T> s;
  column_sums(k, m, step, as<T>(x), false, s);
  T log_sum[softmax_columns];
  for (int64_t j = 0; j < m; ++j) log_sum[j] = static_cast<T>(math::log(s.sum[j]));
  for (int64_t r = 0; r < k; ++r) {
    T* y = as<T>(out) + r * step;
    const T* row = as<T>(x) + r * step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) y[j] = (row[j] - s.max[j]) - log_sum[j];
  }
}

template <class T>
void logsumexp_columns_of(int64_t k, int64_t m, int64_t step, void* out, const void* x) {
  ColumnSums<T> s;
  column_sums(k, m, step, as<T>(x), true, s);
  for (int64_t j = 0; j < m; ++j) as<T>(out)[j] = static_cast<T>(static_cast<double>(s.max[j]) + math::log(s.sum[j]));
}

template <class T, bool log>
void grad_columns(int64_t k, int64_t m, int64_t step, void* gx, const void* y, const void* g) {
  const T *out = as<T>(y), *grad = as<T>(g);
  double sum[softmax_columns];
  T mean[softmax_columns];
  for (int64_t j = 0; j < m; ++j) sum[j] = 0;
  sum_columns(k, m, step, sum, [out, grad](int64_t i, int64_t) {
    return log ? static_cast<double>(grad[i]) : static_cast<double>(grad[i]) * static_cast<double>(out[i]);
  });
  for (int64_t j = 0; j < m; ++j) mean[j] = static_cast<T>(sum[j]);
  for (int64_t r = 0; r < k; ++r) {
    T* to = as<T>(gx) + r * step;
    const T *p = out + r * step, *q = grad + r * step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) to[j] = log ? q[j] - math::exp(p[j]) * mean[j] : p[j] * (q[j] - mean[j]);
  }
}

}  // namespace

extern const SoftmaxTable ELBO_VARIANT_NAME(elbo_softmax_table_) = {
    {{softmax_row<float>, softmax_row<double>}, {log_softmax_row<float>, log_softmax_row<double>}},
    {{softmax_grad_row<float>, softmax_grad_row<double>}, {log_softmax_grad_row<float>, log_softmax_grad_row<double>}},
    {logsumexp_row<float>, logsumexp_row<double>},
    {{softmax_columns_of<float>, softmax_columns_of<double>},
     {log_softmax_columns<float>, log_softmax_columns<double>}},
    {{grad_columns<float, false>, grad_columns<double, false>},
     {grad_columns<float, true>, grad_columns<double, true>}},
    {logsumexp_columns_of<float>, logsumexp_columns_of<double>}};

}  // namespace elbo::cpu_kernels
