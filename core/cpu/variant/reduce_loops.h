#pragma once
// Sums and extrema over rows and columns, for the files of this folder that reduce. Sums of float32 are taken in
// float64: that costs little beside reading memory, and leaves no rounding to speak of. The order of every sum depends
// on the numbers of rows and columns alone, and is the same in all variants.
#include <stdint.h>

#include "../../scalar_math.h"
#include "loops.h"

namespace elbo::cpu_kernels {
namespace {

#if defined(ELBO_VARIANT_V4)
constexpr int vector_bytes = 64;
#elif defined(ELBO_VARIANT_V3)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif
constexpr int doubles = vector_bytes / 8;  // in a vector
constexpr int lanes = 16;                  // independent sums of a row
constexpr int vectors = lanes / doubles;

typedef double Doubles __attribute__((vector_size(vector_bytes)));

template <class T>
struct Few {  // as many T as there are doubles in a vector
  typedef T type __attribute__((vector_size(doubles * sizeof(T))));
};

template <class T>
__attribute__((always_inline)) inline Doubles load_doubles(const T* p) {
  typename Few<T>::type x;
  __builtin_memcpy(&x, p, sizeof x);
  return __builtin_convertvector(x, Doubles);
}
template <class T>
__attribute__((always_inline)) inline double load_one(const T* p) {
  return static_cast<double>(*p);
}

/// The sum of n terms. term.many(i) gives those from i on in a vector, term.one(i) one.
template <class Term>
__attribute__((always_inline)) inline double sum_terms(int64_t n, const Term& term) {
  Doubles acc[vectors] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int v = 0; v < vectors; ++v) acc[v] += term.many(i + v * doubles);
  double lane[lanes];
  __builtin_memcpy(lane, acc, sizeof lane);
  for (int j = 0; i < n; ++i, ++j) lane[j] += term.one(i);
  for (int width = lanes / 2; width > 0; width /= 2)
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

template <int sign, class T>
T row_extreme(int64_t n, const T* x) {
  T acc = static_cast<T>(sign > 0 ? -math::infinity : math::infinity);
  int64_t i = 0;
  typedef T Vec __attribute__((vector_size(vector_bytes)));
  constexpr int per = vector_bytes / static_cast<int>(sizeof(T));
  if (n >= 2 * per) {
    Vec a, b;
    __builtin_memcpy(&a, x, sizeof a);
    __builtin_memcpy(&b, x + per, sizeof b);
    for (i = 2 * per; i + 2 * per <= n; i += 2 * per) {
      Vec u, v;
      __builtin_memcpy(&u, x + i, sizeof u);
      __builtin_memcpy(&v, x + i + per, sizeof v);
      a = ((sign > 0 ? u > a : u < a) | (u != u)) ? u : a;
      b = ((sign > 0 ? v > b : v < b) | (v != v)) ? v : b;
    }
    for (int j = 0; j < per; ++j) acc = extreme<sign>(acc, extreme<sign>(a[j], b[j]));
  }
  for (; i < n; ++i) acc = extreme<sign>(acc, x[i]);
  return acc;
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

/// The extrema of columns, in the element type (A = T) or double.
template <int sign, class A, class T>
__attribute__((always_inline)) inline void extreme_columns(int64_t k, int64_t m, int64_t step, A* acc, const T* x) {
  for (int64_t r = 0; r < k; ++r) {
    const T* row = x + r * step;
    ELBO_INDEPENDENT
    for (int64_t j = 0; j < m; ++j) acc[j] = extreme<sign>(acc[j], static_cast<A>(row[j]));
  }
}

}  // namespace
}  // namespace elbo::cpu_kernels
