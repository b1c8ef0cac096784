#pragma once
#include <span>

#include "../core/errands.h"
#include "context.h"
#include "launch.h"

/// Errands (core/backend_types.h) that a kernel takes along.
namespace elbo::cuda {

/// As a kernel's argument.
struct Errands {
  static constexpr int most = 8;
  int count = 0;
  Errand list[most] = {};
};

/// The last of them, as many as a kernel takes along; those before it are run by a launch of their own.
Errands errands_of(const Context& context, std::span<const Errand> errands);

/// Blocks for a kernel that takes errands along: one more than its work needs.
inline unsigned with_errands(unsigned blocks, const Errands& errands) { return blocks + (errands.count > 0 ? 1 : 0); }

/// Called first by all blocks: true in the one that is there for the errands, which are done then.
__device__ inline bool runs_errands(const Errands& errands) {
  if (errands.count == 0 || blockIdx.x + 1 < gridDim.x) return false;
  if (threadIdx.x == 0)
    for (int i = 0; i < errands.count; ++i) optimizer::run_errand(errands.list[i]);
  return true;
}

}  // namespace elbo::cuda
