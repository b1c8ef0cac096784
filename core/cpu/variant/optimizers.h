#pragma once
#include "../../optimizer_math.h"
#include "variant.h"

namespace elbo::cpu_kernels {

/// One pass over n elements; the index is float32 or float64.
struct OptimizerTable {
  void (*sgd[2])(std::int64_t n, void* param, const void* grad, void* buffer, double lr, double momentum, double l2);
  void (*adam[2])(std::int64_t n, void* param, const void* grad, void* first, void* second, const AdamScales& scales);
};

extern const OptimizerTable elbo_optimizer_table_baseline, elbo_optimizer_table_v3, elbo_optimizer_table_v4;

}  // namespace elbo::cpu_kernels
