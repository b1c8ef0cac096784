#pragma once
#include "variant.h"

namespace elbo::cpu_kernels {

/// A variant's part of the float32 matrix product, and what fuses into it. The driver (../gemm.h) cuts the product into
/// blocks; a block of b is packed into panels, one per register tile, in which the values of one k lie side by side;
/// `block` multiplies a, as it lies, by packed panels. Every output element is the same chain of operations wherever it
/// lies in a block, so no cut changes a bit.
struct GemmTable {
  /// Rows and columns of the register tile; 0 where the variant has no product of its own and Eigen does it. The
  /// functions down to `few_rows` are null then.
  int tile_rows, tile_cols;
  /// Packs a block of b [k, cols] into panels of tile_cols columns, each tile_cols * k long. With `k_contiguous`,
  /// element (p, j) is from[j * ld + p]; otherwise it is from[p * ld + j].
  void (*pack_b)(float* to, const float* from, std::int64_t ld, bool k_contiguous, std::int64_t cols, std::int64_t k);
  /// c [m, n] (row step ld) = a b, or += a b with `add`; k > 0. b is packed; element (i, p) of a is a[i * ld_a + p]
  /// with `k_contiguous`, otherwise a[p * ld_a + i].
  void (*block)(const float* a, std::int64_t ld_a, bool k_contiguous, const float* b, float* c, std::int64_t ld,
                std::int64_t m, std::int64_t n, std::int64_t k, bool add);
  /// y [rows, n] (row step ld_y) = x [rows, k] (ld_x) m, or += x m with `add`, where m(p, j) is m[j * ld + p] with
  /// `k_contiguous`, otherwise m[p * ld + j]: without packing, with the bits of `block`. One row with `k_contiguous` is
  /// summed in an order of its own, without `add`.
  void (*few_rows)(float* y, std::int64_t ld_y, const float* x, std::int64_t ld_x, const float* m, std::int64_t ld,
                   bool k_contiguous, std::int64_t rows, std::int64_t n, std::int64_t k, bool add);
  /// c [rows, cols] = act(c + bias), bias [cols] or null; activation as in enum class Activation.
  void (*finish_f32)(float* c, std::int64_t ld, std::int64_t rows, std::int64_t cols, const float* bias,
                     int activation);
  void (*finish_f64)(double* c, std::int64_t ld, std::int64_t rows, std::int64_t cols, const double* bias,
                     int activation);
  /// Runs n rounds of independent multiply-adds in registers, fma_flops operations each; for roofline.h.
  float (*fma_rounds)(std::int64_t n);
  int fma_flops;
};

extern const GemmTable elbo_gemm_table_baseline, elbo_gemm_table_v3, elbo_gemm_table_v4;

}  // namespace elbo::cpu_kernels
