#include "reduce.h"

#include "short_rows.h"

namespace elbo::cpu_kernels {
namespace {

template <class T>
const T* as(const void* p) {
  return static_cast<const T*>(p);
}

template <class T>
double sum(int64_t n, const void* x) {
  return sum_terms(n, Plain<T>{as<T>(x)});
}
template <class T>
double squares(int64_t n, const void* x) {
  return sum_terms(n, Product<T>{as<T>(x), as<T>(x)});
}
template <class T>
double dot(int64_t n, const void* x, const void* y) {
  return sum_terms(n, Product<T>{as<T>(x), as<T>(y)});
}
template <class T>
double squared_deviation(int64_t n, const void* x, double mean) {
  return sum_terms(n, SquaredDeviation<T>{as<T>(x), mean});
}
template <class T, int sign>
double extremum(int64_t n, const void* x) {
  return row_extreme<sign>(n, as<T>(x));
}

// ---- many rows at once

template <class T>
void sum_rows(int64_t rows, int64_t n, void* out, const void* x) {
  for (int64_t r = 0; r < rows; ++r) static_cast<T*>(out)[r] = static_cast<T>(sum<T>(n, as<T>(x) + r * n));
}
template <class T>
void square_rows(int64_t rows, int64_t n, void* out, const void* x) {
  for (int64_t r = 0; r < rows; ++r) static_cast<T*>(out)[r] = static_cast<T>(squares<T>(n, as<T>(x) + r * n));
}
void short_sums(int64_t rows, int64_t n, void* out, const void* x) {
  if (n > short_row) return sum_rows<float>(rows, n, out, x);
  by_eight(rows, n, 1, as<float>(x), static_cast<float*>(out), [n](int64_t, const float* from, float* results) {
    Tile tile;
    double sums[tile_rows];
    load_tile(n, from, tile);
    sum_tile(n, tile, sums);
    for (int r = 0; r < tile_rows; ++r) results[r] = static_cast<float>(sums[r]);
  });
}

void short_squares(int64_t rows, int64_t n, void* out, const void* x) {
  if (n > short_row) return square_rows<float>(rows, n, out, x);
  by_eight(rows, n, 1, as<float>(x), static_cast<float*>(out), [n](int64_t, const float* from, float* results) {
    Tile tile;
    double sums[tile_rows];
    load_tile(n, from, tile);
    dot_tile(n, tile, tile, sums);
    for (int r = 0; r < tile_rows; ++r) results[r] = static_cast<float>(sums[r]);
  });
}

template <class T, int sign>
void extreme_rows(int64_t rows, int64_t n, void* out, const void* x) {
  for (int64_t r = 0; r < rows; ++r) static_cast<T*>(out)[r] = row_extreme<sign>(n, as<T>(x) + r * n);
}
template <int sign>
void short_extremes(int64_t rows, int64_t n, void* out, const void* x) {
  if (n > short_row) return extreme_rows<float, sign>(rows, n, out, x);
  by_eight(rows, n, 1, as<float>(x), static_cast<float*>(out), [n](int64_t, const float* from, float* results) {
    Tile tile;
    load_tile(n, from, tile);
    Floats best;
    extreme_tile<sign>(n, tile, best);
    __builtin_memcpy(results, &best, sizeof best);
  });
}

/// The first maximum, or the first NaN.
template <class T>
int64_t argmax_row(int64_t n, const T* x) {
  const T top = row_extreme<1>(n, x);
  constexpr int64_t piece = 32;
  int64_t i = 0;
  for (; i + piece <= n; i += piece) {
    int found = 0;
    for (int64_t j = i; j < i + piece; ++j) found |= (x[j] == top) | (x[j] != x[j]);
    if (found) break;
  }
  while (i < n && x[i] != top && x[i] == x[i]) ++i;
  return i;
}
template <class T>
void argmax_rows(int64_t rows, int64_t n, int64_t* out, const void* x) {
  for (int64_t r = 0; r < rows; ++r) out[r] = argmax_row(n, as<T>(x) + r * n);
}
void short_argmax(int64_t rows, int64_t n, int64_t* out, const void* x) {
  if (n > short_row) return argmax_rows<float>(rows, n, out, x);
  by_eight(rows, n, 1, as<float>(x), out, [n](int64_t, const float* from, int64_t* results) {
    typedef int Places __attribute__((vector_size(32)));
    Tile tile;
    load_tile(n, from, tile);
    Floats best = Floats{} - static_cast<float>(math::infinity);
    Places place = {};
    for (int k = 0; k < static_cast<int>(n); ++k) {
      const Floats v = tile.at[k];
      const Places better = (v > best) | ((v != v) & (best == best));
      best = better ? v : best;
      place = better ? Places{} + k : place;
    }
    for (int r = 0; r < tile_rows; ++r) results[r] = place[r];
  });
}

/// Columns of fewer than 2^31 elements.
template <class T>
void argmax_columns(int64_t k, int64_t m, int64_t step, int64_t* out, const void* x) {
  const T* row = as<T>(x);
  T best[strip_columns];
  int place[strip_columns] = {};
  for (int64_t j = 0; j < m; ++j) best[j] = row[j];
  for (int i = 1; i < static_cast<int>(k); ++i) {
    row += step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) {
      const bool better = (row[j] > best[j]) | ((row[j] != row[j]) & (best[j] == best[j]));
      best[j] = better ? row[j] : best[j];
      place[j] = better ? i : place[j];
    }
  }
  for (int64_t j = 0; j < m; ++j) out[j] = place[j];
}

// ---- columns

template <class T>
void sum_of_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x) {
  const T* p = as<T>(x);
  sum_columns(k, m, step, acc, [p](int64_t i, int64_t) { return static_cast<double>(p[i]); });
}
void sum_of_float_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x) {
  sum_float_columns(k, m, step, acc, as<float>(x));
}
template <class T>
void square_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x) {
  const T* p = as<T>(x);
  sum_columns(k, m, step, acc,
              [p](int64_t i, int64_t) { return static_cast<double>(p[i]) * static_cast<double>(p[i]); });
}
template <class T>
void dot_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x, const void* y) {
  const T *p = as<T>(x), *q = as<T>(y);
  sum_columns(k, m, step, acc,
              [p, q](int64_t i, int64_t) { return static_cast<double>(p[i]) * static_cast<double>(q[i]); });
}
template <class T>
void squared_deviation_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x, const double* mean) {
  const T* p = as<T>(x);
  sum_columns(k, m, step, acc, [p, mean](int64_t i, int64_t j) {
    const double d = static_cast<double>(p[i]) - mean[j];
    return d * d;
  });
}
template <class T, int sign>
void extremum_columns(int64_t k, int64_t m, int64_t step, double* acc, const void* x) {
  T best[strip_columns];
  for (int64_t j = 0; j < m; ++j) best[j] = static_cast<T>(acc[j]);
  extreme_columns<sign>(k, m, step, best, as<T>(x));
  for (int64_t j = 0; j < m; ++j) acc[j] = best[j];
}

}  // namespace

extern const ReduceTable ELBO_VARIANT_NAME(elbo_reduce_table_) = {
    {sum<float>, sum<double>},
    {squares<float>, squares<double>},
    {dot<float>, dot<double>},
    {squared_deviation<float>, squared_deviation<double>},
    {extremum<float, 1>, extremum<double, 1>},
    {extremum<float, -1>, extremum<double, -1>},
    {short_sums, sum_rows<double>},
    {short_squares, square_rows<double>},
    {short_extremes<1>, extreme_rows<double, 1>},
    {short_extremes<-1>, extreme_rows<double, -1>},
    {short_argmax, argmax_rows<double>},
    {argmax_columns<float>, argmax_columns<double>},
    {sum_of_float_columns, sum_of_columns<double>},
    {square_columns<float>, square_columns<double>},
    {dot_columns<float>, dot_columns<double>},
    {squared_deviation_columns<float>, squared_deviation_columns<double>},
    {extremum_columns<float, 1>, extremum_columns<double, 1>},
    {extremum_columns<float, -1>, extremum_columns<double, -1>}};

}  // namespace elbo::cpu_kernels
