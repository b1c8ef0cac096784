#pragma once
#include "../core/functors.h"
#include "context.h"
#include "vector.h"

/// Tiles of a matrix product out [m, n] = a [m, k] b [k, n] whose operands a kernel brings to shared memory itself:
/// what small products (products.cu) and convolutions share.
namespace elbo::cuda {

__device__ inline float fused(float a, float b, float c) { return math::fma(a, b, c); }
__device__ inline double fused(double a, double b, double c) { return ::fma(a, b, c); }

/// 16 bytes.
template <class T>
constexpr int vec_size = 16 / static_cast<int>(sizeof(T));
template <class T>
using Vec = Pack<T, vec_size<T>>;

/// How a block computes rows_ x cols_ outputs: each thread thread_rows_ x thread_cols_ of them. depth_ steps along k
/// are in shared memory at a time. Where few threads cover the tile, several slices of threads do, each its share of
/// the steps; their sums are added at the end, in order.
template <class T, int rows_, int cols_, int thread_rows_, int thread_cols_, int slices_, int depth_>
struct Tile {
  using Value = T;
  static constexpr int rows = rows_, cols = cols_, thread_rows = thread_rows_, thread_cols = thread_cols_;
  static constexpr int slices = slices_, depth = depth_, steps = depth / slices;
  static constexpr int down = rows / thread_rows, across = cols / thread_cols, slice_threads = down * across;
  static constexpr int threads = slice_threads * slices;
  // A warp covers some 4 x 8 threads, so that it reads few different elements of shared memory.
  static constexpr int lanes_down = down < 4 ? down : 4, lanes_across = 32 / lanes_down;
  // Rows of shared memory are a little longer, so that what is stored along k meets different banks.
  static constexpr int pitch_a = rows + vec_size<T>, pitch_b = cols + vec_size<T>;

  static_assert(rows % thread_rows == 0 && cols % thread_cols == 0 && depth % slices == 0);
  static_assert(thread_rows % vec_size<T> == 0 && thread_cols % vec_size<T> == 0);
  static_assert(across % lanes_across == 0 && down % lanes_down == 0 && slice_threads % 32 == 0);
  static_assert(depth % vec_size<T> == 0 && cols % 32 == 0);

  struct Panel {
    T a[depth][pitch_a];
    T b[depth][pitch_b];
  };
  union alignas(16) Shared {
    Panel panels[2];
    T sums[slices > 1 ? slices - 1 : 1][thread_rows * thread_cols][slices > 1 ? slice_threads : 1];
  };
};

/// The part of the tile that is this thread's.
template <class Tile>
struct Place {
  int slice, id, row, col;
  __device__ Place() {
    const int thread = static_cast<int>(threadIdx.x);
    slice = thread / Tile::slice_threads;
    id = thread % Tile::slice_threads;
    constexpr int warps_across = Tile::across / Tile::lanes_across;
    const int warp = id / 32, lane = id % 32;
    row = (warp / warps_across * Tile::lanes_down + lane / Tile::lanes_across) * Tile::thread_rows;
    col = (warp % warps_across * Tile::lanes_across + lane % Tile::lanes_across) * Tile::thread_cols;
  }
};

template <class Tile>
using Sums = typename Tile::Value[Tile::thread_rows][Tile::thread_cols];

/// Operands as they are.
struct Exact {
  template <class T>
  __device__ static T rounded(T x) {
    return x;
  }
};

/// sums += the panel's a times its b, both rounded, over this slice's steps.
template <class Tile, class Rounding = Exact>
__device__ inline void multiply(Sums<Tile>& sums, const typename Tile::Panel& panel, const Place<Tile>& place) {
  using T = typename Tile::Value;
  constexpr int width = vec_size<T>;
#pragma unroll 4
  for (int i = 0; i < Tile::steps; ++i) {
    const int k = place.slice * Tile::steps + i;
    Vec<T> a[Tile::thread_rows / width], b[Tile::thread_cols / width];
    for (int r = 0; r < Tile::thread_rows / width; ++r)
      a[r] = *reinterpret_cast<const Vec<T>*>(&panel.a[k][place.row + r * width]);
    for (int c = 0; c < Tile::thread_cols / width; ++c)
      b[c] = *reinterpret_cast<const Vec<T>*>(&panel.b[k][place.col + c * width]);
    for (int e = 0; e < width; ++e) {
      for (Vec<T>& each : a) each.values[e] = Rounding::rounded(each.values[e]);
      for (Vec<T>& each : b) each.values[e] = Rounding::rounded(each.values[e]);
    }
    for (int r = 0; r < Tile::thread_rows; ++r)
      for (int c = 0; c < Tile::thread_cols; ++c)
        sums[r][c] = fused(a[r / width].values[r % width], b[c / width].values[c % width], sums[r][c]);
  }
}

/// Adds the other slices' sums to those of the first, which alone goes on with them. All threads call it.
template <class Tile>
__device__ inline void add_slices(Sums<Tile>& sums, typename Tile::Shared& shared, const Place<Tile>& place) {
  if constexpr (Tile::slices > 1) {
    __syncthreads();
    if (place.slice > 0)
      for (int r = 0; r < Tile::thread_rows; ++r)
        for (int c = 0; c < Tile::thread_cols; ++c)
          shared.sums[place.slice - 1][r * Tile::thread_cols + c][place.id] = sums[r][c];
    __syncthreads();
    if (place.slice > 0) return;
    for (int s = 1; s < Tile::slices; ++s)
      for (int r = 0; r < Tile::thread_rows; ++r)
        for (int c = 0; c < Tile::thread_cols; ++c)
          sums[r][c] += shared.sums[s - 1][r * Tile::thread_cols + c][place.id];
  }
}

/// What a layer does to a result on its way out.
template <class T>
__device__ inline T activated(Activation activation, T x) {
  switch (activation) {
    case Activation::relu:
      return Relu<T>{}(x);
    case Activation::sigmoid:
      return Sigmoid<T>{}(x);
    case Activation::tanh:
      return Tanh<T>{}(x);
    case Activation::none:
      break;
  }
  return x;
}

/// The gradient g of what a ReLU gave as y, before it.
template <class T>
__device__ inline T through_relu(T y, T g) {
  return Relu<T>{}.grad(T(0), y, g);
}

}  // namespace elbo::cuda
