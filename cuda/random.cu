#include <algorithm>

#include "block_reduce.h"
#include "cuda_kernels.h"
#include "draw.h"

namespace elbo::cuda {
namespace {

using std::int64_t;

template <class T>
__global__ void random_kernel(RandomKind kind, T* out, int64_t n, bool whole, RandomArgs args, T p, unsigned* ticket) {
  wait_for_earlier();
  const int64_t group = thread_index(), first = per_thread * group;
  if (first < n) store(out, first, n, whole, four_numbers(kind, source_of(args), group, p));
  advance(args.offset, ticket);
}

template <class T>
struct Latent {
  T *z, *noise;
  const T *mu, *logvar;
  int64_t n;
  bool whole;
};

template <class T>
struct Drawn {
  Pack<T, per_thread> z, noise;
};
/// What the ops of these names would compute one after the other, and so their bits.
template <class T>
__device__ inline Drawn<T> drawn(const Pack<T, per_thread>& mu, const Pack<T, per_thread>& logvar,
                                 const Pack<T, per_thread>& eps) {
  Drawn<T> out;
  for (int i = 0; i < per_thread; ++i) {
    const T deviation = Exp<T>{}(MulScalar<T>{T(0.5)}(logvar.values[i]));
    out.noise.values[i] = Mul<T>{}(deviation, eps.values[i]);
    out.z.values[i] = Add<T>{}(mu.values[i], out.noise.values[i]);
  }
  return out;
}

template <class T>
__global__ void reparameterize_kernel(Latent<T> a, RandomArgs args, unsigned* ticket) {
  wait_for_earlier();
  const int64_t group = thread_index(), first = per_thread * group;
  if (first < a.n) {
    const auto mu = load(a.mu, first, a.n, a.whole), logvar = load(a.logvar, first, a.n, a.whole);
    const auto [z, noise] = drawn(mu, logvar, four_numbers(RandomKind::normal, source_of(args), group, T(0)));
    store(a.noise, first, a.n, a.whole, noise);
    store(a.z, first, a.n, a.whole, z);
  }
  advance(args.offset, ticket);
}

/// What the kernel above makes of a group of four, and the sum of their KL.
template <class T>
struct LatentJob {
  using Acc = double;
  using Combine = Sum;
  Latent<T> a;
  T* kl;
  RandomArgs args;

  struct Line {
    Latent<T> a;
    philox::Source source;
    __device__ double operator()(int64_t group, int64_t) const {
      const int64_t first = per_thread * group;
      const auto mu = load(a.mu, first, a.n, a.whole), logvar = load(a.logvar, first, a.n, a.whole);
      const auto [z, noise] = drawn(mu, logvar, four_numbers(RandomKind::normal, source, group, T(0)));
      cuda::store(a.noise, first, a.n, a.whole, noise);
      cuda::store(a.z, first, a.n, a.whole, z);
      double sum = 0;
      for (int i = 0; i < per_thread; ++i)
        if (first + i < a.n) sum += static_cast<double>(GaussianKl<T>{}(mu.values[i], logvar.values[i]));
      return sum;
    }
  };
  __device__ double start() const { return 0; }
  __device__ Line line(int64_t, int64_t) const { return {a, source_of(args)}; }
  /// Called once, when all have read the offset.
  __device__ void store(int64_t, int64_t, double total) const {
    *kl = static_cast<T>(total);
    *args.offset += 1;
  }
};

template <class T>
struct LatentGrad {
  T *gmu, *glogvar;
  const T *mu, *logvar, *noise, *gz, *gkl;
  int64_t n;
  bool whole;
};

template <class T>
__global__ void latent_grad_kernel(LatentGrad<T> a) {
  wait_for_earlier();
  const int64_t first = per_thread * thread_index();
  if (first >= a.n) return;
  const auto of = [&](const T* x) { return load(x, first, x ? a.n : 0, a.whole); };
  const auto mu = of(a.mu), logvar = of(a.logvar), noise = of(a.noise), gz = of(a.gz);
  const T gkl = a.gkl ? *a.gkl : T(0);
  Pack<T, per_thread> gmu = gz, glogvar;
  for (int i = 0; i < per_thread; ++i) {
    glogvar.values[i] = (gz.values[i] * noise.values[i]) * T(0.5);
    if (!a.gkl) continue;
    const T m = GaussianKl<T>{}.grad_a(mu.values[i], logvar.values[i], gkl);
    const T v = GaussianKl<T>{}.grad_b(mu.values[i], logvar.values[i], gkl);
    gmu.values[i] = a.gz ? m + gmu.values[i] : m;
    glogvar.values[i] = a.gz ? v + glogvar.values[i] : v;
  }
  if (a.gmu) store(a.gmu, first, a.n, a.whole, gmu);
  if (a.glogvar) store(a.glogvar, first, a.n, a.whole, glogvar);
}

template <class T>
Latent<T> latent(View z, View noise, ConstView mu, ConstView logvar) {
  Latent<T> a{static_cast<T*>(z.data),
              static_cast<T*>(noise.data),
              static_cast<const T*>(mu.data),
              static_cast<const T*>(logvar.data),
              z.shape.numel(),
              false};
  a.whole = aligned(a.z, a.noise, a.mu, a.logvar);
  return a;
}

/// At least one, which advances the offset.
unsigned draw_blocks(int64_t n) { return std::max(pack_blocks(n), 1u); }

}  // namespace

void random(const Context& context, RandomKind kind, View out, const RandomArgs& args, double p) {
  const int64_t n = out.shape.numel();
  for_floating(out.dtype, [&]<class T>(T) {
    T* to = static_cast<T*>(out.data);
    launch(context.stream, random_kernel<T>, draw_blocks(n), block_threads, kind, to, n, aligned(to), args,
           static_cast<T>(p), context.ticket);
  });
}

void reparameterize(const Context& context, View z, View noise, ConstView mu, ConstView logvar,
                    const RandomArgs& args) {
  for_floating(z.dtype, [&]<class T>(T) {
    const Latent<T> a = latent<T>(z, noise, mu, logvar);
    launch(context.stream, reparameterize_kernel<T>, draw_blocks(a.n), block_threads, a, args, context.ticket);
  });
}

void reparameterize_kl(const Context& context, View z, View noise, View kl, ConstView mu, ConstView logvar,
                       const RandomArgs& args) {
  for_floating(z.dtype, [&]<class T>(T) {
    const Latent<T> a = latent<T>(z, noise, mu, logvar);
    const int64_t groups = (a.n + per_thread - 1) / per_thread;
    reduce_lines(context, LatentJob<T>{a, static_cast<T*>(kl.data), args}, Lines{1, 1, groups, groups, 1, 1});
  });
}

void reparameterize_kl_grad(const Context& context, View gmu, View glogvar, ConstView mu, ConstView logvar,
                            ConstView noise, ConstView gz, ConstView gkl) {
  for_floating(mu.dtype, [&]<class T>(T) {
    const auto in = [](const ConstView& x) { return static_cast<const T*>(x.data); };
    LatentGrad<T> a{static_cast<T*>(gmu.data),
                    static_cast<T*>(glogvar.data),
                    in(mu),
                    in(logvar),
                    in(noise),
                    in(gz),
                    in(gkl),
                    mu.shape.numel(),
                    false};
    a.whole = aligned(a.gmu, a.glogvar, a.mu, a.logvar, a.noise, a.gz);
    launch(context.stream, latent_grad_kernel<T>, pack_blocks(a.n), block_threads, a);
  });
}

}  // namespace elbo::cuda
