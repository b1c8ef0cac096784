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

void reparameterize_kl(const Context& context, View z, View noise, View kl, ConstView mu, ConstView logvar,
                       const RandomArgs& args) {
  reparameterize(context, z, noise, mu, logvar, args);
  binary_sum(context, BinaryOp::gaussian_kl, kl, mu, logvar, {}, nullptr);
}

void reparameterize_kl_grad(const Context& context, View gmu, View glogvar, ConstView mu, ConstView logvar,
                            ConstView noise, ConstView gz, ConstView gkl) {
  const int t = floating(mu.dtype);
  const auto& table = context.tables.elementwise;
  const BinaryFn mul = table.binary[static_cast<int>(BinaryOp::mul)][t];
  const BinaryFn add = table.binary[static_cast<int>(BinaryOp::add)][t];
  const UnaryFn mul_scalar = table.unary[static_cast<int>(UnaryOp::mul_scalar)][t];
  const auto& kl_grad = table.binary_grad[static_cast<int>(BinaryOp::gaussian_kl)];
  constexpr std::int64_t piece = 512;
  parallel_for(mu.shape.numel(), piece, [&](std::int64_t first, std::int64_t last) {
    alignas(64) std::byte of_kl[piece * sizeof(double)], copies[piece * sizeof(double)];
    if (gkl) context.tables.move.fill[size_index(size_of(mu.dtype))](copies, gkl.data, piece);
    for (std::int64_t begin = first; begin < last; begin += piece) {
      const std::int64_t n = std::min(last - begin, piece);
      const auto here = [&](const ConstView& x) { return at(x.data, begin, mu.dtype); };
      // What z brings, then what the KL does.
      const auto one = [&](const View& out, int side) {
        if (!out.data) return;
        void* to = at(out.data, begin, mu.dtype);
        if (gz && side == 0) mul_scalar(n, to, here(gz), 1, 0);
        if (gz && side == 1) mul(n, to, here(gz), here(noise)), mul_scalar(n, to, to, 0.5, 0);
        if (!gkl) return;
        kl_grad[side][t](n, gz ? of_kl : to, here(mu), here(logvar), copies);
        if (gz) add(n, to, of_kl, to);
      };
      one(gmu, 0);
      one(glogvar, 1);
    }
  });
}

}  // namespace elbo::cpu_kernels
