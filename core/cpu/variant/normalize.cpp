#include "normalize.h"

#include "short_rows.h"

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

// ---- rows that are groups ------------------------------------------------------------------------------------------

template <class T>
T* to(void* p) {
  return static_cast<T*>(p);
}

template <class T>
void row_moments(int64_t count, int64_t n, void* mean, void* var, const void* x) {
  for (int64_t r = 0; r < count; ++r) {
    const T* row = as<T>(x) + r * n;
    const double m = sum_terms(n, Plain<T>{row}) / static_cast<double>(n);
    to<T>(mean)[r] = static_cast<T>(m);
    to<T>(var)[r] = static_cast<T>(sum_terms(n, SquaredDeviation<T>{row, m}) / static_cast<double>(n));
  }
}
template <class T>
void row_normalize(int64_t count, int64_t n, void* out, const void* x, const void* mean, const void* inverse) {
  for (int64_t r = 0; r < count; ++r)
    rows<T>(n, to<T>(out) + r * n, as<T>(x) + r * n, static_cast<double>(as<T>(mean)[r]),
            static_cast<double>(as<T>(inverse)[r]));
}
template <class T>
void row_grad(int64_t count, int64_t n, void* gx, const void* xhat, const void* g, const void* inverse) {
  for (int64_t r = 0; r < count; ++r) {
    const T *x = as<T>(xhat) + r * n, *grad = as<T>(g) + r * n;
    const double mean_g = sum_terms(n, Plain<T>{grad}) / static_cast<double>(n);
    const double mean_gx = sum_terms(n, Product<T>{grad, x}) / static_cast<double>(n);
    grad_rows<T>(n, to<T>(gx) + r * n, x, grad, static_cast<double>(as<T>(inverse)[r]), mean_g, mean_gx);
  }
}

/// The numbers of eight rows from `row` on, of which there are `count`; the rest 0.
__attribute__((always_inline)) inline void load_numbers(int64_t row, int64_t count, const void* p, Floats& out) {
  out = Floats{};
  const int64_t n = count - row < tile_rows ? count - row : tile_rows;
  __builtin_memcpy(&out, as<float>(p) + row, static_cast<uint64_t>(n) * sizeof(float));
}
/// sums / n in float32.
__attribute__((always_inline)) inline void to_means(int64_t n, const double* sums, Floats& out) {
  for (int r = 0; r < tile_rows; ++r) out[r] = static_cast<float>(sums[r] / static_cast<double>(n));
}

void short_moments(int64_t count, int64_t n, void* mean, void* var, const void* x) {
  if (n > short_row) return row_moments<float>(count, n, mean, var, x);
  float* variances = to<float>(var);
  by_eight(count, n, 1, as<float>(x), to<float>(mean), [=](int64_t row, const float* from, float* means) {
    Tile tile;
    double sums[tile_rows], squares[tile_rows] = {};
    load_tile(n, from, tile);
    sum_tile(n, tile, sums);
    for (int r = 0; r < tile_rows; ++r) sums[r] /= static_cast<double>(n);
    for (int64_t k = 0; k < n; ++k)
      for (int r = 0; r < tile_rows; ++r) {
        const double d = static_cast<double>(tile.floats()[k * tile_rows + r]) - sums[r];
        squares[r] += d * d;
      }
    for (int r = 0; r < tile_rows; ++r) means[r] = static_cast<float>(sums[r]);
    for (int r = 0; r < tile_rows && row + r < count; ++r)
      variances[row + r] = static_cast<float>(squares[r] / static_cast<double>(n));
  });
}

void short_normalize(int64_t count, int64_t n, void* out, const void* x, const void* mean, const void* inverse) {
  if (n > short_row) return row_normalize<float>(count, n, out, x, mean, inverse);
  by_eight(count, n, n, as<float>(x), to<float>(out), [=](int64_t row, const float* from, float* results) {
    Tile tile;
    Floats m, scale;
    load_numbers(row, count, mean, m);
    load_numbers(row, count, inverse, scale);
    load_tile(n, from, tile);
    for (int64_t k = 0; k < n; ++k) tile.at[k] = (tile.at[k] - m) * scale;
    store_tile(n, results, tile);
  });
}

void short_grad(int64_t count, int64_t n, void* gx, const void* xhat, const void* g, const void* inverse) {
  if (n > short_row) return row_grad<float>(count, n, gx, xhat, g, inverse);
  const float* grads = as<float>(g);
  by_eight(count, n, n, as<float>(xhat), to<float>(gx), [=](int64_t row, const float* from, float* results) {
    float padded[tile_rows * short_row] = {};
    const float* own = grads + row * n;
    if (row + tile_rows > count) {
      __builtin_memcpy(padded, own, static_cast<uint64_t>((count - row) * n) * sizeof(float));
      own = padded;
    }
    Tile x, grad;
    double sums[tile_rows];
    Floats scale, a, b;
    load_numbers(row, count, inverse, scale);
    load_tile(n, from, x);
    load_tile(n, own, grad);
    sum_tile(n, grad, sums);
    to_means(n, sums, a);
    dot_tile(n, grad, x, sums);
    to_means(n, sums, b);
    for (int64_t k = 0; k < n; ++k) x.at[k] = scale * ((grad.at[k] - a) - x.at[k] * b);
    store_tile(n, results, x);
  });
}

}  // namespace

extern const NormalizeTable ELBO_VARIANT_NAME(elbo_normalize_table_) = {
    {rows<float>, rows<double>},           {columns<float>, columns<double>},
    {grad_rows<float>, grad_rows<double>}, {grad_columns<float>, grad_columns<double>},
    {short_moments, row_moments<double>},  {short_normalize, row_normalize<double>},
    {short_grad, row_grad<double>}};

}  // namespace elbo::cpu_kernels
