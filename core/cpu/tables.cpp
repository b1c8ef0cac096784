#include "cpu_kernels.h"

namespace elbo::cpu_kernels {

const Tables& tables(Isa isa) {
  static const Tables baseline = {elbo_elementwise_table_baseline, elbo_reduce_table_baseline,
                                  elbo_softmax_table_baseline,     elbo_normalize_table_baseline,
                                  elbo_optimizer_table_baseline,   elbo_random_table_baseline,
                                  elbo_move_table_baseline};
#if defined(ELBO_HAS_VARIANT_V3)
  static const Tables v3 = {elbo_elementwise_table_v3, elbo_reduce_table_v3,    elbo_softmax_table_v3,
                            elbo_normalize_table_v3,   elbo_optimizer_table_v3, elbo_random_table_v3,
                            elbo_move_table_v3};
  if (isa == Isa::v3) return v3;
#endif
#if defined(ELBO_HAS_VARIANT_V4)
  static const Tables v4 = {elbo_elementwise_table_v4, elbo_reduce_table_v4,    elbo_softmax_table_v4,
                            elbo_normalize_table_v4,   elbo_optimizer_table_v4, elbo_random_table_v4,
                            elbo_move_table_v4};
  if (isa == Isa::v4) return v4;
#endif
  (void)isa;
  return baseline;
}

}  // namespace elbo::cpu_kernels
