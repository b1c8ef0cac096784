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

// ---- layer_norm -----------------------------------------------------------------------------------------------------

template <class T>
T* to(void* p) {
  return static_cast<T*>(p);
}

template <class T>
T inverse_deviation(T var, double eps) {
  return T(1) / math::sqrt(var + static_cast<T>(eps));
}

template <class T>
void layer_rows(int64_t count, int64_t n, void* out, void* mean, void* var, const void* x, const void* weight,
                const void* bias, double eps) {
  const T *w = as<T>(weight), *b = as<T>(bias);
  for (int64_t r = 0; r < count; ++r) {
    const T* row = as<T>(x) + r * n;
    T* y = to<T>(out) + r * n;
    const double exact = sum_terms(n, Plain<T>{row}) / static_cast<double>(n);
    const T m = static_cast<T>(exact);
    const T v = static_cast<T>(sum_terms(n, SquaredDeviation<T>{row, exact}) / static_cast<double>(n));
    const T scale = inverse_deviation(v, eps);
    to<T>(mean)[r] = m, to<T>(var)[r] = v;
    ELBO_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) y[i] = ((row[i] - m) * scale) * w[i] + b[i];
  }
}

/// Of one row: the gradient g of its output, and what its normalised elements are made of.
template <class T>
struct LayerRow {
  const T *x, *g;
  T mean, inverse;
  typename Part<T>::Vec normal(int64_t i) const { return (load_part(x + i) - mean) * inverse; }
  T one_normal(int64_t i) const { return (x[i] - mean) * inverse; }
};
/// The gradient of the normalised elements, and its product with them.
template <class T>
struct Scaled {
  LayerRow<T> row;
  const T* weight;
  Doubles many(int64_t i) const { return widen(load_part(row.g + i) * load_part(weight + i)); }
  double one(int64_t i) const { return static_cast<double>(row.g[i] * weight[i]); }
};
template <class T>
struct ScaledDot {
  Scaled<T> scaled;
  Doubles many(int64_t i) const { return scaled.many(i) * widen(scaled.row.normal(i)); }
  double one(int64_t i) const { return scaled.one(i) * static_cast<double>(scaled.row.one_normal(i)); }
};

/// Adds to sums [2, n] the sums over `count` rows of g times the normalised elements, and of g, row after row.
template <class T>
void add_layer_sums(int64_t count, int64_t n, const LayerRow<T>* rows, double* sums) {
  double *weights = sums, *biases = sums + n;
  // A line of memory of each row is used whole: rows a multiple of 4 KiB apart drive each other out of the cache.
  constexpr int parts = 4, width = parts * doubles;
  int64_t j = 0;
  for (; j + width <= n; j += width) {
    Doubles w[parts], b[parts];
    for (int p = 0; p < parts; ++p)
      w[p] = load_doubles(weights + j + p * doubles), b[p] = load_doubles(biases + j + p * doubles);
    for (int64_t r = 0; r < count; ++r) {
      ELBO_UNROLL
      for (int p = 0; p < parts; ++p) {
        const auto g = load_part(rows[r].g + j + p * doubles);
        w[p] = plus(w[p], widen(g * rows[r].normal(j + p * doubles)));
        b[p] = plus(b[p], widen(g));
      }
    }
    for (int p = 0; p < parts; ++p) {
      const Doubles of_weights = w[p], of_biases = b[p];  // copied, so that the sums may stay in registers
      __builtin_memcpy(weights + j + p * doubles, &of_weights, sizeof of_weights);
      __builtin_memcpy(biases + j + p * doubles, &of_biases, sizeof of_biases);
    }
  }
  for (; j < n; ++j)
    for (int64_t r = 0; r < count; ++r) {
      weights[j] += static_cast<double>(rows[r].g[j] * rows[r].one_normal(j));
      biases[j] += static_cast<double>(rows[r].g[j]);
    }
}

template <class T>
void layer_grad(int64_t count, int64_t n, void* gx, double* sums, const void* x, const void* mean, const void* var,
                const void* weight, const void* g, double eps) {
  constexpr int64_t at_once = 8;  // rows that a second-level cache holds
  LayerRow<T> rows[at_once];
  for (int64_t first = 0; first < count; first += at_once) {
    const int64_t some = count - first < at_once ? count - first : at_once;
    for (int64_t r = 0; r < some; ++r) {
      const int64_t row = first + r;
      rows[r] = {as<T>(x) + row * n, as<T>(g) + row * n, as<T>(mean)[row], inverse_deviation(as<T>(var)[row], eps)};
      if (gx == nullptr) continue;
      const Scaled<T> scaled{rows[r], as<T>(weight)};
      const T a = static_cast<T>(sum_terms(n, scaled) / static_cast<double>(n));
      const T b = static_cast<T>(sum_terms(n, ScaledDot<T>{scaled}) / static_cast<double>(n));
      const T *in = rows[r].x, *grad = rows[r].g, *w = as<T>(weight), m = rows[r].mean, scale = rows[r].inverse;
      T* y = to<T>(gx) + row * n;
      ELBO_INDEPENDENT
      for (int64_t i = 0; i < n; ++i) y[i] = scale * ((grad[i] * w[i] - a) - ((in[i] - m) * scale) * b);
    }
    if (sums != nullptr) add_layer_sums(some, n, rows, sums);
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
__attribute__((always_inline)) inline void to_inverse_deviations(double eps, Floats& var) {
  for (int r = 0; r < tile_rows; ++r) var[r] = inverse_deviation(var[r], eps);
}

void short_layer_rows(int64_t count, int64_t n, void* out, void* mean, void* var, const void* x, const void* weight,
                      const void* bias, double eps) {
  if (n > short_row) return layer_rows<float>(count, n, out, mean, var, x, weight, bias, eps);
  const float *w = as<float>(weight), *b = as<float>(bias);
  by_eight(count, n, n, as<float>(x), to<float>(out), [=](int64_t row, const float* from, float* results) {
    Tile tile;
    Floats m, v;
    double sums[tile_rows], squares[tile_rows] = {};
    load_tile(n, from, tile);
    sum_tile(n, tile, sums);
    for (int r = 0; r < tile_rows; ++r) sums[r] /= static_cast<double>(n);
    for (int64_t k = 0; k < n; ++k)
      for (int r = 0; r < tile_rows; ++r) {
        const double d = static_cast<double>(tile.floats()[k * tile_rows + r]) - sums[r];
        squares[r] += d * d;
      }
    for (int r = 0; r < tile_rows; ++r) m[r] = static_cast<float>(sums[r]);
    to_means(n, squares, v);
    const int64_t some = count - row < tile_rows ? count - row : tile_rows;
    __builtin_memcpy(to<float>(mean) + row, &m, static_cast<uint64_t>(some) * sizeof(float));
    __builtin_memcpy(to<float>(var) + row, &v, static_cast<uint64_t>(some) * sizeof(float));
    to_inverse_deviations(eps, v);
    for (int64_t k = 0; k < n; ++k) tile.at[k] = ((tile.at[k] - m) * v) * w[k] + b[k];
    store_tile(n, results, tile);
  });
}

void short_layer_grad(int64_t count, int64_t n, void* gx, double* sums, const void* x, const void* mean,
                      const void* var, const void* weight, const void* g, double eps) {
  if (n > short_row || gx == nullptr) return layer_grad<float>(count, n, gx, sums, x, mean, var, weight, g, eps);
  const float *grads = as<float>(g), *w = as<float>(weight);
  double weights[tile_rows * short_row] = {}, biases[tile_rows * short_row] = {};  // of the rows of each place
  by_eight(count, n, n, as<float>(x), to<float>(gx), [&](int64_t row, const float* from, float* results) {
    float padded[tile_rows * short_row] = {};
    const float* own = grads + row * n;
    if (row + tile_rows > count) {
      __builtin_memcpy(padded, own, static_cast<uint64_t>((count - row) * n) * sizeof(float));
      own = padded;
    }
    Tile normal, grad;
    double totals[tile_rows];
    Floats m, scale, a, b;
    load_numbers(row, count, mean, m);
    load_numbers(row, count, var, scale);
    to_inverse_deviations(eps, scale);
    load_tile(n, from, normal);
    load_tile(n, own, grad);
    for (int64_t k = 0; k < n; ++k) normal.at[k] = (normal.at[k] - m) * scale;
    if (sums != nullptr) {
      Tile products;
      for (int64_t k = 0; k < n; ++k) products.at[k] = grad.at[k] * normal.at[k];
      for (int64_t i = 0; i < n * tile_rows; i += doubles) {
        const Doubles p = plus(load_doubles(weights + i), load_doubles(products.floats() + i));
        const Doubles q = plus(load_doubles(biases + i), load_doubles(grad.floats() + i));
        __builtin_memcpy(weights + i, &p, sizeof p);
        __builtin_memcpy(biases + i, &q, sizeof q);
      }
    }
    for (int64_t k = 0; k < n; ++k) grad.at[k] *= w[k];
    sum_tile(n, grad, totals);
    to_means(n, totals, a);
    dot_tile(n, grad, normal, totals);
    to_means(n, totals, b);
    for (int64_t k = 0; k < n; ++k) grad.at[k] = scale * ((grad.at[k] - a) - normal.at[k] * b);
    store_tile(n, results, grad);
  });
  if (sums == nullptr) return;
  for (int64_t k = 0; k < n; ++k)
    for (int r = 0; r < tile_rows; ++r) {
      sums[k] += weights[k * tile_rows + r];
      sums[n + k] += biases[k * tile_rows + r];
    }
}

}  // namespace

extern const NormalizeTable ELBO_VARIANT_NAME(elbo_normalize_table_) = {{rows<float>, rows<double>},
                                                                        {columns<float>, columns<double>},
                                                                        {grad_rows<float>, grad_rows<double>},
                                                                        {grad_columns<float>, grad_columns<double>},
                                                                        {short_layer_rows, layer_rows<double>},
                                                                        {short_layer_grad, layer_grad<double>}};

}  // namespace elbo::cpu_kernels
