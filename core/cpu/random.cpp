#include "../parallel_for.h"
#include "kernels.h"

namespace elbo::cpu_kernels {

void random(const Context& context, RandomKind kind, View out, std::uint64_t seed, std::uint32_t stream,
            std::int64_t* offset, double p) {
  const auto fill = context.tables.random.fill[floating(out.dtype)];
  const std::int64_t n = out.shape.numel(), at = *offset;
  constexpr std::int64_t grain = 4096;  // a multiple of a block's elements
  parallel_for(n, grain,
               [&](std::int64_t begin, std::int64_t end) { fill(kind, out.data, begin, end, seed, stream, at, p); });
  *offset = at + 1;
}

}  // namespace elbo::cpu_kernels
