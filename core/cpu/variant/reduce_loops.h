#pragma once
// Sums and extrema over rows and columns, for the files of this folder that reduce. Sums of float32 are taken in
// float64: that costs little beside reading memory, and leaves no rounding to speak of. The order of every sum depends
// on the numbers of rows and columns alone, and is the same in all variants.
#include <stdint.h>

#include "../../scalar_math.h"
#include "loops.h"
#include "vectors.h"

namespace elbo::cpu_kernels {
namespace {

// A Zen 4 converts four floats at once faster than eight: sums are taken in vectors of 32 bytes at most.
constexpr int double_bytes = vector_bytes < 32 ? vector_bytes : 32;
constexpr int doubles = double_bytes / 8;  // in a vector
constexpr int lanes = 32;                  // independent sums of a row
constexpr int vectors = lanes / doubles;

typedef double Doubles __attribute__((vector_size(double_bytes)));

/// As many elements as there are doubles in a vector.
template <class T>
struct Part;
template <>
struct Part<double> {
  typedef Doubles Vec;
};
template <>
struct Part<float> {
  typedef float Vec __attribute__((vector_size(double_bytes / 2)));
};
template <class T>
__attribute__((always_inline)) inline typename Part<T>::Vec load_part(const T* p) {
  typename Part<T>::Vec x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
__attribute__((always_inline)) inline Doubles widen(Doubles x) { return x; }
/// By the instruction for it: of __builtin_convertvector GCC 12 makes three.
__attribute__((always_inline)) inline Doubles widen(Part<float>::Vec x) {
#ifdef ELBO_AVX
  return _mm256_cvtps_pd(x);
#else
  return Doubles{x[0], x[1]};
#endif
}
template <class T>
__attribute__((always_inline)) inline Doubles load_doubles(const T* p) {
  return widen(load_part(p));
}
template <class T>
__attribute__((always_inline)) inline double load_one(const T* p) {
  return static_cast<double>(*p);
}

/// The lanes of a vector of doubles, numbered.
__attribute__((always_inline)) inline Doubles numbered() {
  Doubles out;
  for (int j = 0; j < doubles; ++j) out[j] = j;
  return out;
}

/// acc + x, to the bits. Zen has other units for fused operations than for sums and conversions, which these share.
__attribute__((always_inline)) inline Doubles plus(Doubles acc, Doubles x) {
#ifdef ELBO_AVX
  return _mm256_fmadd_pd(x, _mm256_set1_pd(1.0), acc);
#else
  return acc + x;
#endif
}

/// The sum of n terms. term.many(i) gives those from i on in a vector, term.one(i) one.
template <class Term>
__attribute__((always_inline)) inline double sum_terms(int64_t n, const Term& term) {
  if (n < lanes) {
    double lane[lanes] = {};
    for (int64_t i = 0; i < n; ++i) lane[i] = term.one(i);
    for (int width = n > lanes / 2 ? lanes / 2 : lanes / 4; width > 0; width /= 2)
      for (int j = 0; j < width; ++j) lane[j] += lane[j + width];
    return lane[0];
  }
  Doubles acc[vectors] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int v = 0; v < vectors; ++v) acc[v] = plus(acc[v], term.many(i + v * doubles));
  if (i < n) {  // the last `lanes` terms, without those that have been added
    const double added = static_cast<double>(lanes - (n - i));
    for (int v = 0; v < vectors; ++v) {
      const Doubles last = term.many(n - lanes + v * doubles);
      acc[v] += numbered() + v * doubles >= added ? last : Doubles{};
    }
  }
  for (int width = vectors / 2; width > 0; width /= 2)
    for (int v = 0; v < width; ++v) acc[v] += acc[v + width];
  double lane[doubles];
  __builtin_memcpy(lane, acc, sizeof lane);
  for (int width = doubles / 2; width > 0; width /= 2)
    for (int j = 0; j < width; ++j) lane[j] += lane[j + width];
  return lane[0];
}

template <class T>
struct Plain {
  const T* x;
  Doubles many(int64_t i) const { return load_doubles(x + i); }
  double one(int64_t i) const { return load_one(x + i); }
};
template <class T>
struct Product {
  const T *x, *y;
  Doubles many(int64_t i) const { return load_doubles(x + i) * load_doubles(y + i); }
  double one(int64_t i) const { return load_one(x + i) * load_one(y + i); }
};
template <class T>
struct SquaredDeviation {
  const T* x;
  double mean;
  Doubles many(int64_t i) const {
    const Doubles d = load_doubles(x + i) - mean;
    return d * d;
  }
  double one(int64_t i) const {
    const double d = load_one(x + i) - mean;
    return d * d;
  }
};

// The larger (for sign 1) or smaller (sign -1) of two; NaN wins.
template <int sign, class T>
__attribute__((always_inline)) inline T extreme(T acc, T x) {
  const bool better = sign > 0 ? x > acc : x < acc;
  return better || x != x ? x : acc;
}

/// As `extreme`, but NaN loses.
template <int sign, class Vec>
__attribute__((always_inline)) inline void take_extreme(Vec& acc, const Vec& x) {
  acc = (sign > 0 ? x > acc : x < acc) ? x : acc;
}

/// Where u or v is NaN, in the lanes of an integer vector.
template <class Vec>
__attribute__((always_inline)) inline auto either_nan(const Vec& u, const Vec& v) {
#ifdef ELBO_AVX
  typedef decltype(u != v) Lanes;
  if constexpr (sizeof(u[0]) == sizeof(float))
    return reinterpret_cast<Lanes>(_mm256_cmp_ps(u, v, _CMP_UNORD_Q));
  else
    return reinterpret_cast<Lanes>(_mm256_cmp_pd(u, v, _CMP_UNORD_Q));
#else
  return (u != u) | (v != v);
#endif
}

template <int sign, class T>
T row_extreme(int64_t n, const T* x) {
  typedef T Vec __attribute__((vector_size(double_bytes)));
  constexpr int per = double_bytes / static_cast<int>(sizeof(T)), step = 4 * per;
  T acc = static_cast<T>(sign > 0 ? -math::infinity : math::infinity);
  if (n < step) {
    for (int64_t i = 0; i < n; ++i) acc = extreme<sign>(acc, x[i]);
    return acc;
  }
  const auto load = [](const T* p) {
    Vec v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  };
  Vec a = load(x), b = load(x + per), c = load(x + 2 * per), d = load(x + 3 * per);
  auto nan = either_nan(a, b) | either_nan(c, d);
  for (int64_t i = step; i < n; i += step) {
    const T* p = x + (i + step <= n ? i : n - step);  // the last may be looked at twice
    const Vec u = load(p), v = load(p + per), w = load(p + 2 * per), z = load(p + 3 * per);
    nan |= either_nan(u, v) | either_nan(w, z);
    take_extreme<sign>(a, u);
    take_extreme<sign>(b, v);
    take_extreme<sign>(c, w);
    take_extreme<sign>(d, z);
  }
  take_extreme<sign>(a, b);
  take_extreme<sign>(c, d);
  take_extreme<sign>(a, c);
  int64_t any[double_bytes / 8];
  __builtin_memcpy(any, &nan, sizeof any);
  for (int j = 1; j < double_bytes / 8; ++j) any[0] |= any[j];
  for (int64_t i = 0; any[0] != 0; ++i)
    if (x[i] != x[i]) return x[i];
  T lane[per];
  __builtin_memcpy(lane, &a, sizeof lane);
  for (int width = per / 2; width > 0; width /= 2)
    for (int j = 0; j < width; ++j)
      lane[j] = (sign > 0 ? lane[j + width] > lane[j] : lane[j + width] < lane[j]) ? lane[j + width] : lane[j];
  return lane[0];
}

/// acc[j] += the sum over k rows, `step` elements apart, of term(row * step + j), for j < m.
template <class Term>
__attribute__((always_inline)) inline void sum_columns(int64_t k, int64_t m, int64_t step, double* acc,
                                                       const Term& term) {
  int64_t r = 0;
  for (; r + 4 <= k; r += 4) {
    const int64_t a = r * step, b = a + step, c = b + step, d = c + step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) acc[j] += (term(a + j, j) + term(b + j, j)) + (term(c + j, j) + term(d + j, j));
  }
  for (; r < k; ++r) {
    const int64_t a = r * step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) acc[j] += term(a + j, j);
  }
}

/// The same of plain float32 elements.
__attribute__((always_inline)) inline void sum_float_columns(int64_t k, int64_t m, int64_t step, double* acc,
                                                             const float* x) {
  constexpr int64_t at_once = 8;
  const int64_t whole = m - m % doubles;
  int64_t r = 0;
  for (; r + at_once <= k; r += at_once) {
    const float* row = x + r * step;
    for (int64_t j = 0; j < whole; j += doubles) {
      Doubles sum = load_doubles(acc + j);
      for (int64_t i = 0; i < at_once; ++i) sum = plus(sum, load_doubles(row + i * step + j));
      __builtin_memcpy(acc + j, &sum, sizeof sum);
    }
    for (int64_t j = whole; j < m; ++j)
      for (int64_t i = 0; i < at_once; ++i) acc[j] += load_one(row + i * step + j);
  }
  for (; r < k; ++r) {
    const float* row = x + r * step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) acc[j] += load_one(row + j);
  }
}

/// The extrema of columns.
template <int sign, class T>
__attribute__((always_inline)) inline void extreme_columns(int64_t k, int64_t m, int64_t step, T* acc, const T* x) {
  int64_t r = 0;
  for (; r + 4 <= k; r += 4) {
    const T *a = x + r * step, *b = a + step, *c = b + step, *d = c + step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j)
      acc[j] = extreme<sign>(extreme<sign>(extreme<sign>(extreme<sign>(acc[j], a[j]), b[j]), c[j]), d[j]);
  }
  for (; r < k; ++r) {
    const T* row = x + r * step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) acc[j] = extreme<sign>(acc[j], row[j]);
  }
}

}  // namespace
}  // namespace elbo::cpu_kernels
