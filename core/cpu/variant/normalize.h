#pragma once
#include "variant.h"

namespace elbo::cpu_kernels {

/// The elements of normalisation, for n elements side by side; the last index is float32 or float64. In a row all
/// elements belong to one group, in a column table element j to group j.
struct NormalizeTable {
  /// out = (x - mean) * inverse.
  void (*rows[2])(std::int64_t n, void* out, const void* x, double mean, double inverse);
  void (*columns[2])(std::int64_t n, void* out, const void* x, const void* mean, const void* inverse);
  /// gx = inverse * (g - mean_g - xhat * mean_gx), mean_g and mean_gx being the group's means of g and of g * xhat.
  void (*grad_rows[2])(std::int64_t n, void* gx, const void* xhat, const void* g, double inverse, double mean_g,
                       double mean_gx);
  void (*grad_columns[2])(std::int64_t n, void* gx, const void* xhat, const void* g, const void* inverse,
                          const void* mean_g, const void* mean_gx);

  /// Rows of n elements, one after the other, each a group of its own: mean and var (biased) [rows] of x; then the two
  /// above with the numbers of each row. grad finds mean_g and mean_gx itself.
  void (*row_moments[2])(std::int64_t rows, std::int64_t n, void* mean, void* var, const void* x);
  void (*row_normalize[2])(std::int64_t rows, std::int64_t n, void* out, const void* x, const void* mean,
                           const void* inverse);
  void (*row_grad[2])(std::int64_t rows, std::int64_t n, void* gx, const void* xhat, const void* g,
                      const void* inverse);
};

extern const NormalizeTable elbo_normalize_table_baseline, elbo_normalize_table_v3, elbo_normalize_table_v4;

}  // namespace elbo::cpu_kernels
