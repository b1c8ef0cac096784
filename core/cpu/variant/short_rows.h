#pragma once
// Rows of few float32 elements, eight rows at once: a vector holds one element of each. What a row's result is made of
// is the same wherever the row stands among the eight.
#include <stdint.h>

#include "reduce_loops.h"

namespace elbo::cpu_kernels {
namespace {

constexpr int64_t short_row = 32;  // elements at most
constexpr int tile_rows = 8;

typedef float Floats __attribute__((vector_size(32)));
typedef float FourFloats __attribute__((vector_size(16)));

/// Element k of row r is at[k][r].
struct Tile {
  Floats at[short_row];
  float* floats() { return reinterpret_cast<float*>(at); }
  const float* floats() const { return reinterpret_cast<const float*>(at); }
};

/// Four elements each of eight rows: from rows {0, 4}, {1, 5}, {2, 6}, {3, 7} to the elements of all, and back.
__attribute__((always_inline)) inline void transpose(Floats (&v)[4]) {
  const Floats low = __builtin_shufflevector(v[0], v[1], 0, 8, 1, 9, 4, 12, 5, 13);
  const Floats high = __builtin_shufflevector(v[0], v[1], 2, 10, 3, 11, 6, 14, 7, 15);
  const Floats low2 = __builtin_shufflevector(v[2], v[3], 0, 8, 1, 9, 4, 12, 5, 13);
  const Floats high2 = __builtin_shufflevector(v[2], v[3], 2, 10, 3, 11, 6, 14, 7, 15);
  v[0] = __builtin_shufflevector(low, low2, 0, 1, 8, 9, 4, 5, 12, 13);
  v[1] = __builtin_shufflevector(low, low2, 2, 3, 10, 11, 6, 7, 14, 15);
  v[2] = __builtin_shufflevector(high, high2, 0, 1, 8, 9, 4, 5, 12, 13);
  v[3] = __builtin_shufflevector(high, high2, 2, 3, 10, 11, 6, 7, 14, 15);
}

/// Where block i of four elements begins in a row of n >= 4: the last may overlap the one before.
__attribute__((always_inline)) inline int64_t block_of(int64_t i, int64_t n) { return 4 * i + 4 <= n ? 4 * i : n - 4; }

/// Eight rows of n elements, one after the other, at x.
__attribute__((always_inline)) inline void load_tile(int64_t n, const float* x, Tile& tile) {
  if (n < 4) {
    for (int64_t k = 0; k < n; ++k)
      tile.at[k] =
          Floats{x[k], x[n + k], x[2 * n + k], x[3 * n + k], x[4 * n + k], x[5 * n + k], x[6 * n + k], x[7 * n + k]};
    return;
  }
  for (int64_t i = 0; 4 * i < n; ++i) {
    const int64_t begin = block_of(i, n);
    Floats v[4];
    for (int r = 0; r < 4; ++r) {
      FourFloats a, b;
      __builtin_memcpy(&a, x + r * n + begin, sizeof a);
      __builtin_memcpy(&b, x + (r + 4) * n + begin, sizeof b);
      v[r] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
    }
    transpose(v);
    for (int r = 0; r < 4; ++r) tile.at[begin + r] = v[r];
  }
}

__attribute__((always_inline)) inline void store_tile(int64_t n, float* y, const Tile& tile) {
  if (n < 4) {
    for (int64_t k = 0; k < n; ++k)
      for (int r = 0; r < tile_rows; ++r) y[r * n + k] = tile.floats()[k * tile_rows + r];
    return;
  }
  for (int64_t i = 0; 4 * i < n; ++i) {
    const int64_t begin = block_of(i, n);
    Floats v[4];
    for (int r = 0; r < 4; ++r) v[r] = tile.at[begin + r];
    transpose(v);
    for (int r = 0; r < 4; ++r) {
      const FourFloats a = __builtin_shufflevector(v[r], v[r], 0, 1, 2, 3);
      const FourFloats b = __builtin_shufflevector(v[r], v[r], 4, 5, 6, 7);
      __builtin_memcpy(y + r * n + begin, &a, sizeof a);
      __builtin_memcpy(y + (r + 4) * n + begin, &b, sizeof b);
    }
  }
}

/// fn(first row, x, out) for each eight of `rows` rows: `in` elements a row from x, `to` a row into out. The last are
/// copied into eight of their own, the rest of which are zeros.
template <class T, class Fn>
__attribute__((always_inline)) inline void by_eight(int64_t rows, int64_t in, int64_t to, const float* x, T* out,
                                                    const Fn& fn) {
  int64_t row = 0;
  for (; row + tile_rows <= rows; row += tile_rows) fn(row, x + row * in, out + row * to);
  if (row == rows) return;
  float from[tile_rows * short_row] = {};
  T results[tile_rows * short_row];
  __builtin_memcpy(from, x + row * in, static_cast<uint64_t>((rows - row) * in) * sizeof(float));
  fn(row, from, results);
  __builtin_memcpy(out + row * to, results, static_cast<uint64_t>((rows - row) * to) * sizeof(T));
}

/// sums[r] = the sum of row r, taken in float64.
__attribute__((always_inline)) inline void sum_tile(int64_t n, const Tile& tile, double* sums) {
  constexpr int count = tile_rows / doubles;
  Doubles acc[count] = {};
  for (int64_t k = 0; k < n; ++k)
    for (int v = 0; v < count; ++v) acc[v] = plus(acc[v], load_doubles(tile.floats() + k * tile_rows + v * doubles));
  __builtin_memcpy(sums, acc, sizeof acc);
}

/// sums[r] = the sum of a * b over row r.
__attribute__((always_inline)) inline void dot_tile(int64_t n, const Tile& a, const Tile& b, double* sums) {
  constexpr int count = tile_rows / doubles;
  Doubles acc[count] = {};
  for (int64_t k = 0; k < n; ++k)
    for (int v = 0; v < count; ++v) {
      const int64_t i = k * tile_rows + v * doubles;
      acc[v] = plus(acc[v], load_doubles(a.floats() + i) * load_doubles(b.floats() + i));
    }
  __builtin_memcpy(sums, acc, sizeof acc);
}

/// As row_extreme: NaN wins.
template <int sign>
__attribute__((always_inline)) inline void extreme_tile(int64_t n, const Tile& tile, Floats& acc) {
  acc = Floats{} + static_cast<float>(sign > 0 ? -math::infinity : math::infinity);
  for (int64_t k = 0; k < n; ++k) {
    const Floats x = tile.at[k];
    acc = ((sign > 0 ? x > acc : x < acc) | (x != x)) ? x : acc;
  }
}

}  // namespace
}  // namespace elbo::cpu_kernels
