#pragma once
#include "../core/philox.h"
#include "vector.h"

/// Random numbers by groups of four elements, for the kernels that draw.
namespace elbo::cuda {
namespace {  // NOLINT(google-build-namespaces): see philox.h

__device__ inline Pack<float, 4> four_numbers(RandomKind kind, const philox::Source& source, std::int64_t group,
                                              float p) {
  const philox::Four x = philox::numbers4(kind, philox::block(source, static_cast<std::uint64_t>(group)), p);
  return {{x.a, x.b, x.c, x.d}};
}
/// Elements 4 * group to 4 * group + 3 of a draw.
__device__ inline Pack<double, 4> four_numbers(RandomKind kind, const philox::Source& source, std::int64_t group,
                                               double p) {
  const std::uint64_t block = 2 * static_cast<std::uint64_t>(group);
  const philox::Pair<double> x = philox::numbers2(kind, philox::block(source, block), p);
  const philox::Pair<double> y = philox::numbers2(kind, philox::block(source, block + 1), p);
  return {{x.first, x.second, y.first, y.second}};
}

__device__ inline philox::Source source_of(const RandomArgs& args) {
  return philox::source(args.seed, args.stream, *args.offset);
}

/// The end of a kernel that drew: adds one to the offset when all blocks have read it. Called by all threads of the
/// `blocks` that drew; by default, of all.
__device__ inline void advance(std::int64_t* offset, unsigned* ticket, unsigned blocks = 0) {
  if (last_block(ticket, blocks) && threadIdx.x == 0) *offset += 1;
}

}  // namespace
}  // namespace elbo::cuda
