#include <algorithm>

#include "cuda_kernels.h"
#include "draw.h"

namespace elbo::cuda {
namespace {

using std::int64_t;

template <class T>
__global__ void random_kernel(RandomKind kind, T* out, int64_t n, bool whole, RandomArgs args, T p, unsigned* ticket) {
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

/// What the ops of these names would compute one after the other, and so their bits.
template <class T>
__global__ void reparameterize_kernel(Latent<T> a, RandomArgs args, unsigned* ticket) {
  const int64_t group = thread_index(), first = per_thread * group;
  if (first < a.n) {
    const auto mu = load(a.mu, first, a.n, a.whole), logvar = load(a.logvar, first, a.n, a.whole);
    const auto eps = four_numbers(RandomKind::normal, source_of(args), group, T(0));
    Pack<T, per_thread> z, noise;
    for (int i = 0; i < per_thread; ++i) {
      const T deviation = Exp<T>{}(MulScalar<T>{T(0.5)}(logvar.values[i]));
      noise.values[i] = Mul<T>{}(deviation, eps.values[i]);
      z.values[i] = Add<T>{}(mu.values[i], noise.values[i]);
    }
    store(a.noise, first, a.n, a.whole, noise);
    store(a.z, first, a.n, a.whole, z);
  }
  advance(args.offset, ticket);
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
    Latent<T> a{static_cast<T*>(z.data),
                static_cast<T*>(noise.data),
                static_cast<const T*>(mu.data),
                static_cast<const T*>(logvar.data),
                z.shape.numel(),
                false};
    a.whole = aligned(a.z, a.noise, a.mu, a.logvar);
    launch(context.stream, reparameterize_kernel<T>, draw_blocks(a.n), block_threads, a, args, context.ticket);
  });
}

}  // namespace elbo::cuda
