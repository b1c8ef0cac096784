#pragma once
#include "../../random_kinds.h"
#include "variant.h"

namespace elbo::cpu_kernels {

/// Fills elements [begin, end) of a call's output `out`, which starts at element 0; `begin` is a multiple of 4. The
/// index is float32 or float64.
struct RandomTable {
  void (*fill[2])(RandomKind kind, void* out, std::int64_t begin, std::int64_t end, std::uint64_t seed,
                  std::uint32_t stream, std::int64_t offset, double p);
};

extern const RandomTable elbo_random_table_baseline, elbo_random_table_v3, elbo_random_table_v4;

}  // namespace elbo::cpu_kernels
