#pragma once
#include <cuda_bf16.h>

#include "tile.h"

/// The products of a Tile's panels by tensor cores. A warp computes c [16, 8] += a [16, k] b [k, 8] at once, each of
/// its threads holding some elements of each: thread 4 g + t of a warp has those of rows g and g + 8 of a and c, of
/// column g of b, of columns 2 t and 2 t + 1 of c, and along k those around t (PTX ISA, "Matrix Fragments for mma").
namespace elbo::cuda {

/// Operands rounded to 11 bits of precision.
struct Tf32 {
  static constexpr int k = 8, of_a = 4, of_b = 2;  // steps at once; elements of a thread

  /// What a product by other means takes of x, so that it has what tensor cores would give it.
  __device__ static float rounded(float x) {
#if defined(ELBO_CUDA_EMULATOR)
    return emulator::rounded_tf32(x);
#elif __CUDA_ARCH__ >= 800
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return __uint_as_float(bits & ~0x1fffu);
#else
    return x;
#endif
  }
  /// Along k, of element i.
  __device__ static int step(int i, int t) { return t + 4 * i; }
  __device__ static void multiply(float (&c)[4], const float (&a)[of_a], const float (&b)[of_b]) {
#if defined(ELBO_CUDA_EMULATOR)
    emulator::multiply_tf32(c, a, b);
#elif __CUDA_ARCH__ >= 800
    const auto rounded = [](float x) {
      unsigned bits;
      asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
      return bits;
    };
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
        "%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(rounded(a[0])), "r"(rounded(a[1])), "r"(rounded(a[2])), "r"(rounded(a[3])), "r"(rounded(b[0])),
          "r"(rounded(b[1])));
#endif
  }
};

/// Operands rounded to bfloat16, 8 bits of precision.
struct Bf16 {
  static constexpr int k = 16, of_a = 8, of_b = 4;

  __device__ static float rounded(float x) { return __bfloat162float(__float2bfloat16_rn(x)); }
  __device__ static int step(int i, int t) { return 2 * t + i % 2 + 8 * (i / 2); }
  __device__ static void multiply(float (&c)[4], const float (&a)[of_a], const float (&b)[of_b]) {
#if defined(ELBO_CUDA_EMULATOR)
    emulator::multiply_bf16(c, a, b);
#elif __CUDA_ARCH__ >= 800
    const auto rounded = [](float low, float high) {
      unsigned bits;
      asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
      return bits;
    };
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, "
        "%2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(rounded(a[0], a[1])), "r"(rounded(a[2], a[3])), "r"(rounded(a[4], a[5])), "r"(rounded(a[6], a[7])),
          "r"(rounded(b[0], b[1])), "r"(rounded(b[2], b[3])));
#endif
  }
};

/// How a block multiplies its panels: with fused multiply-adds, each thread its own outputs.
template <class Tile>
struct ByThreads {
  using Shared = typename Tile::Shared;
  Sums<Tile> sums = {};

  __device__ void multiply(const typename Tile::Panel& panel, const Place<Tile>& at) {
    cuda::multiply<Tile>(sums, panel, at);
  }
  /// The thread's outputs, where it is of the first slice.
  __device__ Sums<Tile>& finish(Shared& shared, const Place<Tile>& at) {
    add_slices<Tile>(sums, shared, at);
    return sums;
  }
};

/// The same by tensor cores, each warp its part of the tile.
template <class Tile, class Kind>
struct ByTensorCores {
  static_assert(Tile::slices == 1 && Tile::depth % Kind::k == 0 && Tile::rows % 16 == 0);
  static constexpr int warps = Tile::threads / 32, down = Tile::rows >= 32 ? 2 : 1, across = warps / down;
  static constexpr int rows = Tile::rows / down, cols = Tile::cols / across;  // of a warp
  static constexpr int tiles_down = rows / 16, tiles_across = cols / 8;
  static_assert(rows % 16 == 0 && cols % 8 == 0 && warps % down == 0);

  union alignas(16) Shared {
    typename Tile::Panel panels[2];
    float out[Tile::rows][Tile::cols + 4];
  };
  float parts[tiles_down][tiles_across][4] = {};
  Sums<Tile> sums;

  struct Lane {
    int row, col, g, t;
    __device__ Lane() {
      const int thread = static_cast<int>(threadIdx.x), warp = thread / 32;
      row = warp / across * rows, col = warp % across * cols;
      g = thread % 32 / 4, t = thread % 4;
    }
  };

  __device__ void multiply(const typename Tile::Panel& panel, const Place<Tile>&) {
    const Lane lane;
    for (int k = 0; k < Tile::depth; k += Kind::k) {
      float b[tiles_across][Kind::of_b];
      for (int n = 0; n < tiles_across; ++n)
        for (int i = 0; i < Kind::of_b; ++i) b[n][i] = panel.b[k + Kind::step(i, lane.t)][lane.col + 8 * n + lane.g];
      for (int m = 0; m < tiles_down; ++m) {
        float a[Kind::of_a];
        constexpr int pair = Kind::of_a / 4;  // neighbours along k, of one row
        for (int i = 0; i < Kind::of_a; ++i) {
          const int along_k = i / (2 * pair) * pair + i % pair, lower = i / pair % 2;
          a[i] = panel.a[k + Kind::step(along_k, lane.t)][lane.row + 16 * m + lane.g + 8 * lower];
        }
        for (int n = 0; n < tiles_across; ++n) Kind::multiply(parts[m][n], a, b[n]);
      }
    }
  }
  /// By way of shared memory, so that what comes after finds its outputs where the other way has them.
  __device__ Sums<Tile>& finish(Shared& shared, const Place<Tile>& at) {
    const Lane lane;
    __syncthreads();
    for (int m = 0; m < tiles_down; ++m)
      for (int n = 0; n < tiles_across; ++n)
        for (int i = 0; i < 4; ++i)
          shared.out[lane.row + 16 * m + lane.g + i / 2 * 8][lane.col + 8 * n + 2 * lane.t + i % 2] = parts[m][n][i];
    __syncthreads();
    for (int r = 0; r < Tile::thread_rows; ++r)
      for (int c = 0; c < Tile::thread_cols; ++c) sums[r][c] = shared.out[at.row + r][at.col + c];
    return sums;
  }
};

}  // namespace elbo::cuda
