#include "softmax.h"

#include "short_rows.h"

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

/// exp(x) for x <= 0 or NaN, to the bits of math::exp, in fewer operations where there is a way.
inline float exp_not_above_0(float x) { return math::exp_neg_abs(x); }
inline double exp_not_above_0(double x) { return math::exp(x); }

/// The sum of exp(x - shift), no x being above shift. The terms are kept in `out` unless that is null.
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
    for (int64_t i = 0; i < count; ++i) to[i] = exp_not_above_0(in[i] - shift);
    sum += sum_terms(count, Plain<T>{to});
  }
  return sum;
}

template <class T>
void softmax_row(int64_t n, T* y, const T* x) {
  const T scale = static_cast<T>(1.0 / exp_row(n, x, row_extreme<1>(n, x), y));
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) y[i] *= scale;
}

template <class T>
void log_softmax_row(int64_t n, T* y, const T* x) {
  const T shift = row_extreme<1>(n, x);
  const T log_sum = static_cast<T>(math::log(exp_row<T>(n, x, shift, nullptr)));
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - shift) - log_sum;
}

template <class T>
bool is_finite(T x) {
  return x - x == T(0);
}

/// Where the maximum is not finite the result is the maximum: infinity less infinity is no number.
template <class T>
T logsumexp_row(int64_t n, const T* x) {
  const T max = row_extreme<1>(n, x);
  if (!is_finite(max)) return max;
  return static_cast<T>(static_cast<double>(max) + math::log(exp_row<T>(n, x, max, nullptr)));
}

template <class T>
void softmax_grad_row(int64_t n, T* gx, const T* y, const T* g) {
  const T mean = static_cast<T>(sum_terms(n, Product<T>{y, g}));
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) gx[i] = y[i] * (g[i] - mean);
}

template <class T>
void log_softmax_grad_row(int64_t n, T* gx, const T* y, const T* g) {
  const T sum = static_cast<T>(sum_terms(n, Plain<T>{g}));
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) gx[i] = g[i] - math::exp(y[i]) * sum;
}

template <class T, bool log>
void long_rows(int64_t rows, int64_t n, void* out, const void* x) {
  for (int64_t r = 0; r < rows; ++r)
    log ? log_softmax_row(n, as<T>(out) + r * n, as<T>(x) + r * n)
        : softmax_row(n, as<T>(out) + r * n, as<T>(x) + r * n);
}
template <class T, bool log>
void long_grad_rows(int64_t rows, int64_t n, void* gx, const void* y, const void* g) {
  for (int64_t i = 0; i < rows * n; i += n)
    log ? log_softmax_grad_row(n, as<T>(gx) + i, as<T>(y) + i, as<T>(g) + i)
        : softmax_grad_row(n, as<T>(gx) + i, as<T>(y) + i, as<T>(g) + i);
}
template <class T>
void logsumexp_rows(int64_t rows, int64_t n, void* out, const void* x) {
  for (int64_t r = 0; r < rows; ++r) as<T>(out)[r] = logsumexp_row(n, as<T>(x) + r * n);
}

// ---- short rows ----------------------------------------------------------------------------------------------------

/// tile = exp(tile - shift), and the sums of its rows.
__attribute__((always_inline)) inline void exp_tile(int64_t n, Tile& tile, const Floats& shift, double* sums) {
  for (int64_t k = 0; k < n; ++k) tile.at[k] -= shift;
  float* p = tile.floats();
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n * tile_rows; ++i) p[i] = exp_not_above_0(p[i]);
  sum_tile(n, tile, sums);
}

template <bool log>
void rows_of(int64_t rows, int64_t n, void* out, const void* x) {
  if (n > short_row) return long_rows<float, log>(rows, n, out, x);
  by_eight(rows, n, n, as<float>(x), as<float>(out), [n](int64_t, const float* from, float* to) {
    Tile tile;
    double sums[tile_rows];
    float each[tile_rows];
    load_tile(n, from, tile);
    Floats max;
    extreme_tile<1>(n, tile, max);
    if (log) {
      for (int64_t k = 0; k < n; ++k) tile.at[k] -= max;
      Tile terms = tile;
      exp_tile(n, terms, Floats{}, sums);
      for (int r = 0; r < tile_rows; ++r) each[r] = static_cast<float>(math::log(sums[r]));
    } else {
      exp_tile(n, tile, max, sums);
      for (int r = 0; r < tile_rows; ++r) each[r] = static_cast<float>(1.0 / sums[r]);
    }
    Floats last;
    __builtin_memcpy(&last, each, sizeof last);
    for (int64_t k = 0; k < n; ++k) tile.at[k] = log ? tile.at[k] - last : tile.at[k] * last;
    store_tile(n, to, tile);
  });
}

void short_logsumexp(int64_t rows, int64_t n, void* out, const void* x) {
  if (n > short_row) return logsumexp_rows<float>(rows, n, out, x);
  by_eight(rows, n, 1, as<float>(x), as<float>(out), [n](int64_t, const float* from, float* to) {
    Tile tile;
    double sums[tile_rows];
    load_tile(n, from, tile);
    Floats max;
    extreme_tile<1>(n, tile, max);
    exp_tile(n, tile, max, sums);
    for (int r = 0; r < tile_rows; ++r)
      to[r] = is_finite(max[r]) ? static_cast<float>(static_cast<double>(max[r]) + math::log(sums[r])) : max[r];
  });
}

template <bool log>
void grad_rows_of(int64_t rows, int64_t n, void* gx, const void* y, const void* g) {
  if (n > short_row) return long_grad_rows<float, log>(rows, n, gx, y, g);
  const float* grads = as<float>(g);
  float padded[tile_rows * short_row] = {};
  by_eight(rows, n, n, as<float>(y), as<float>(gx), [=, &padded](int64_t row, const float* from, float* to) {
    const float* grad = grads + row * n;
    if (row + tile_rows > rows) {
      __builtin_memcpy(padded, grad, static_cast<uint64_t>((rows - row) * n) * sizeof(float));
      grad = padded;
    }
    Tile a, b;
    double sums[tile_rows];
    float each[tile_rows];
    load_tile(n, from, a);
    load_tile(n, grad, b);
    if (log) {
      sum_tile(n, b, sums);
      float* p = a.floats();
      ELBO_INDEPENDENT
      for (int64_t i = 0; i < n * tile_rows; ++i) p[i] = math::exp(p[i]);
    } else {
      dot_tile(n, a, b, sums);
    }
    for (int r = 0; r < tile_rows; ++r) each[r] = static_cast<float>(sums[r]);
    Floats sum;
    __builtin_memcpy(&sum, each, sizeof sum);
    for (int64_t k = 0; k < n; ++k) b.at[k] = log ? b.at[k] - a.at[k] * sum : a.at[k] * (b.at[k] - sum);
    store_tile(n, to, b);
  });
}

// ---- columns -------------------------------------------------------------------------------------------------------

/// The maximum where it is finite, else 0: infinity less infinity is no number.
template <class T>
T finite_shift(T max) {
  return is_finite(max) ? max : T(0);
}

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
    {{rows_of<false>, long_rows<double, false>}, {rows_of<true>, long_rows<double, true>}},
    {{grad_rows_of<false>, long_grad_rows<double, false>}, {grad_rows_of<true>, long_grad_rows<double, true>}},
    {short_logsumexp, logsumexp_rows<double>},
    {{softmax_columns_of<float>, softmax_columns_of<double>},
     {log_softmax_columns<float>, log_softmax_columns<double>}},
    {{grad_columns<float, false>, grad_columns<double, false>},
     {grad_columns<float, true>, grad_columns<double, true>}},
    {logsumexp_columns_of<float>, logsumexp_columns_of<double>}};

}  // namespace elbo::cpu_kernels
