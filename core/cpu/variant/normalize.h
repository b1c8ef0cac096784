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

  /// layer_norm of `rows` rows of n elements, one after the other, with weight and bias [n]: out, mean and var (biased)
  /// [rows].
  void (*layer_rows[2])(std::int64_t rows, std::int64_t n, void* out, void* mean, void* var, const void* x,
                        const void* weight, const void* bias, double eps);
  /// Its gradients: gx, or null, and what to add to sums [2, n], or null, for the rows' part of the gradients of weight
  /// and bias.
  void (*layer_grad[2])(std::int64_t rows, std::int64_t n, void* gx, double* sums, const void* x, const void* mean,
                        const void* var, const void* weight, const void* g, double eps);
};

extern const NormalizeTable elbo_normalize_table_baseline, elbo_normalize_table_v3, elbo_normalize_table_v4;

}  // namespace elbo::cpu_kernels
