#pragma once
#include "variant.h"

namespace elbo::cpu_kernels {

/// What an Adam step does to each element; see adam() in ../kernels.h for the formulas.
struct AdamStep {
  double beta1, beta2;
  double step_size;   ///< lr / (1 - beta1^t)
  double root_scale;  ///< 1 / sqrt(1 - beta2^t)
  double eps;
  double l2;     ///< weight decay through the gradient, 0 for AdamW
  double decay;  ///< what the parameter is multiplied by first: 1 for Adam
};

/// One pass over n elements; the index is float32 or float64.
struct OptimizerTable {
  void (*sgd[2])(std::int64_t n, void* param, const void* grad, void* buffer, double lr, double momentum, double l2);
  void (*adam[2])(std::int64_t n, void* param, const void* grad, void* first, void* second, const AdamStep& step);
};

extern const OptimizerTable elbo_optimizer_table_baseline, elbo_optimizer_table_v3, elbo_optimizer_table_v4;

}  // namespace elbo::cpu_kernels
