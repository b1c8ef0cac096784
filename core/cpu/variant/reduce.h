#pragma once
#include "variant.h"

namespace elbo::cpu_kernels {

/// Columns are reduced in strips of this many.
inline constexpr std::int64_t strip_columns = 256;

/// Reductions of a variant; the last index is the element type, float32 or float64. Sums and extrema of a row are
/// doubles for both, extrema exactly. Columns: k rows of m elements, `step` elements apart; `acc` [m] has a start
/// value.
struct ReduceTable {
  double (*sum[2])(std::int64_t n, const void* x);
  double (*squares[2])(std::int64_t n, const void* x);
  double (*dot[2])(std::int64_t n, const void* x, const void* y);
  double (*squared_deviation[2])(std::int64_t n, const void* x, double mean);
  /// -inf (max) or +inf (min) for n = 0; NaN wins.
  double (*max[2])(std::int64_t n, const void* x);
  double (*min[2])(std::int64_t n, const void* x);

  /// The same of `rows` rows, one after the other, into out [rows] of the element type.
  using Rows = void (*)(std::int64_t rows, std::int64_t n, void* out, const void* x);
  Rows sum_rows[2];
  Rows square_rows[2];
  Rows max_rows[2];
  Rows min_rows[2];
  /// Of the first maximum, or the first NaN; for n > 0. Columns have fewer than 2^31 elements, and m <= strip_columns.
  void (*argmax_rows[2])(std::int64_t rows, std::int64_t n, std::int64_t* out, const void* x);
  void (*argmax_columns[2])(std::int64_t k, std::int64_t m, std::int64_t step, std::int64_t* out, const void* x);

  using Columns = void (*)(std::int64_t k, std::int64_t m, std::int64_t step, double* acc, const void* x);
  Columns sum_columns[2];
  Columns square_columns[2];
  void (*dot_columns[2])(std::int64_t k, std::int64_t m, std::int64_t step, double* acc, const void* x, const void* y);
  void (*squared_deviation_columns[2])(std::int64_t k, std::int64_t m, std::int64_t step, double* acc, const void* x,
                                       const double* mean);
  Columns max_columns[2];  ///< m <= strip_columns
  Columns min_columns[2];
};

extern const ReduceTable elbo_reduce_table_baseline, elbo_reduce_table_v3, elbo_reduce_table_v4;

}  // namespace elbo::cpu_kernels
