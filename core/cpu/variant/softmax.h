#pragma once
#include "variant.h"

namespace elbo::cpu_kernels {

/// Softmax and its relations along `rows` rows of n elements, one after the other, or along columns: k rows of m <=
/// softmax_columns elements, `step` elements apart. The indices are [kind][dtype]: softmax or log_softmax, float32 or
/// float64.
inline constexpr int softmax_columns = 128;

struct SoftmaxTable {
  void (*rows[2][2])(std::int64_t rows, std::int64_t n, void* out, const void* x);
  void (*grad_rows[2][2])(std::int64_t rows, std::int64_t n, void* gx, const void* y, const void* g);
  /// log(sum of exp(x)) into out [rows]; -inf for n = 0.
  void (*logsumexp_rows[2])(std::int64_t rows, std::int64_t n, void* out, const void* x);

  void (*columns[2][2])(std::int64_t k, std::int64_t m, std::int64_t step, void* out, const void* x);
  void (*grad_columns[2][2])(std::int64_t k, std::int64_t m, std::int64_t step, void* gx, const void* y, const void* g);
  void (*logsumexp_columns[2])(std::int64_t k, std::int64_t m, std::int64_t step, void* out, const void* x);
};

extern const SoftmaxTable elbo_softmax_table_baseline, elbo_softmax_table_v3, elbo_softmax_table_v4;

}  // namespace elbo::cpu_kernels
