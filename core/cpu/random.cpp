#include <algorithm>

#include "../parallel_for.h"
#include "cpu_kernels.h"

namespace elbo::cpu_kernels {
namespace {

constexpr std::int64_t grain = 4096;  // a multiple of a block's elements

}  // namespace

void random(const Context& context, RandomKind kind, View out, const RandomArgs& args, double p) {
  const auto fill = context.tables.random.fill[floating(out.dtype)];
  const std::int64_t offset = take_offset(args);
  parallel_for(out.shape.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
    fill(kind, out.data, begin, end, args.seed, args.stream, offset, p);
  });
}

void reparameterize(const Context& context, View z, View noise, ConstView mu, ConstView logvar,
                    const RandomArgs& args) {
  const int t = floating(z.dtype);
  const auto& table = context.tables.elementwise;
  const auto fill = context.tables.random.fill[t];
  const UnaryFn mul_scalar = table.unary[static_cast<int>(UnaryOp::mul_scalar)][t];
  const UnaryFn exp = table.unary[static_cast<int>(UnaryOp::exp)][t];
  const BinaryFn mul = table.binary[static_cast<int>(BinaryOp::mul)][t];
  const BinaryFn add = table.binary[static_cast<int>(BinaryOp::add)][t];
  const std::int64_t offset = take_offset(args);
  constexpr std::int64_t piece = 1024;  // all four arrays' pieces fit into a first-level cache
  parallel_for(z.shape.numel(), piece, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t begin = first; begin < last; begin += piece) {
      const std::int64_t end = std::min(last, begin + piece), n = end - begin;
      void *to = at(z.data, begin, z.dtype), *eps = at(noise.data, begin, z.dtype);
      fill(RandomKind::normal, noise.data, begin, end, args.seed, args.stream, offset, 0);
      mul_scalar(n, to, at(logvar.data, begin, z.dtype), 0.5, 0);
      exp(n, to, to, 0, 0);
      mul(n, eps, to, eps);
      add(n, to, at(mu.data, begin, z.dtype), eps);
    }
  });
}

}  // namespace elbo::cpu_kernels
