#include "elementwise.h"

#include "loops.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;
using std::uint8_t;

/// loop(functor). Powers that take no logarithm get loops of their own, in which the exponent is a constant; the last
/// one then has no branch left.
template <class F, class T, class Loop>
inline void with_functor(double p0, double p1, const Loop& loop) {
  if constexpr (requires(F f) { f.exponent; }) {
    if (p0 == 0) return loop(F{0});
    if (p0 == 2) return loop(F{2});
    if (p0 == 3) return loop(F{3});
    if (p0 == -1) return loop(F{-1});
    if (p0 == 0.5) return loop(F{0.5});
    if (p0 == -0.5) return loop(F{-0.5});
  }
  loop(make_functor<F, T>(p0, p1));
}

template <class F, class T>
void unary(int64_t n, void* out, const void* x, double p0, double p1) {
  T* o = static_cast<T*>(out);
  const T* in = static_cast<const T*>(x);
  with_functor<F, T>(p0, p1, [=](const F f) ELBO_INLINE {
    ELBO_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) o[i] = f(in[i]);
  });
}

template <class F, class T>
void unary_grad(int64_t n, void* gx, const void* x, const void* y, const void* g, double p0, double p1) {
  T* o = static_cast<T*>(gx);
  const T *in = static_cast<const T*>(x), *out = static_cast<const T*>(y), *grad = static_cast<const T*>(g);
  with_functor<F, T>(p0, p1, [=](const F f) ELBO_INLINE {
    ELBO_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) o[i] = f.grad(in[i], out[i], grad[i]);
  });
}

template <class F, class T>
void binary(int64_t n, void* out, const void* a, const void* b) {
  const F f{};
  T* o = static_cast<T*>(out);
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = f(x[i], y[i]);
}

/// Of bytes, or of int64, in the type that the functor names; none if it names none.
template <template <class> class F>
constexpr BinaryFn binary_bytes() {
  if constexpr (requires { typename F<uint8_t>::Int64; }) return binary<F<uint8_t>, uint8_t>;
  return nullptr;
}
template <template <class> class F>
constexpr BinaryFn binary_int64() {
  if constexpr (requires { typename F<int64_t>::Int64; }) {
    using T = typename F<int64_t>::Int64;
    return binary<F<T>, T>;
  }
  return nullptr;
}

template <class F, class T>
void grad_a(int64_t n, void* out, const void* a, const void* b, const void* g) {
  const F f{};
  T* o = static_cast<T*>(out);
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b), *grad = static_cast<const T*>(g);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = f.grad_a(x[i], y[i], grad[i]);
}

template <class F, class T>
void grad_b(int64_t n, void* out, const void* a, const void* b, const void* g) {
  const F f{};
  T* o = static_cast<T*>(out);
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b), *grad = static_cast<const T*>(g);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = f.grad_b(x[i], y[i], grad[i]);
}

template <class F, class T>
void compare(int64_t n, void* out, const void* a, const void* b) {
  const F f{};
  uint8_t* o = static_cast<uint8_t*>(out);
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = static_cast<uint8_t>(f(x[i], y[i]));
}

template <class T>
void where(int64_t n, void* out, const void* condition, const void* a, const void* b) {
  T* o = static_cast<T*>(out);
  const uint8_t* c = static_cast<const uint8_t*>(condition);
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = c[i] != 0 ? x[i] : y[i];
}

template <class To, class From>
void cast(int64_t n, void* out, const void* x) {
  To* o = static_cast<To*>(out);
  const From* in = static_cast<const From*>(x);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = static_cast<To>(in[i]);
}

template <class T>
void scale_bytes(int64_t n, void* out, const uint8_t* x, double scale, double shift) {
  T* o = static_cast<T*>(out);
  const T a = static_cast<T>(scale), b = static_cast<T>(shift);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = static_cast<T>(x[i]) * a + b;
}

template <class T>
void scale_drawn_bytes(int64_t n, void* out, const uint8_t* x, double scale, double shift) {
  T* o = static_cast<T*>(out);
  const T a = static_cast<T>(scale), b = static_cast<T>(shift);
  ELBO_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = (o[i] < static_cast<T>(x[i]) / T(255) ? T(255) : T(0)) * a + b;
}

}  // namespace

#define ELBO_UNARY(op, F, ...) {unary<F<float>, float>, unary<F<double>, double>},
#define ELBO_UNARY_GRAD(op, F, ...) {unary_grad<F<float>, float>, unary_grad<F<double>, double>},
#define ELBO_BINARY(op, F, ...) \
  {binary<F<float>, float>, binary<F<double>, double>, binary_bytes<F>(), binary_int64<F>()},
#define ELBO_BINARY_GRAD(op, F, ...) \
  {{grad_a<F<float>, float>, grad_a<F<double>, double>}, {grad_b<F<float>, float>, grad_b<F<double>, double>}},
#define ELBO_COMPARE(op, F) {compare<F, float>, compare<F, double>, compare<F, uint8_t>, compare<F, int64_t>},
#define ELBO_CAST(To) {cast<To, float>, cast<To, double>, cast<To, uint8_t>, cast<To, int64_t>},

extern const ElementwiseTable ELBO_VARIANT_NAME(elbo_elementwise_table_) = {
    {ELBO_UNARY_OPS(ELBO_UNARY) ELBO_UNARY_OPS_1(ELBO_UNARY) ELBO_UNARY_OPS_2(ELBO_UNARY)},
    {ELBO_UNARY_OPS(ELBO_UNARY_GRAD) ELBO_UNARY_OPS_1(ELBO_UNARY_GRAD) ELBO_UNARY_OPS_2(ELBO_UNARY_GRAD)},
    {ELBO_BINARY_OPS(ELBO_BINARY) ELBO_LOSS_OPS(ELBO_BINARY)},
    {ELBO_BINARY_OPS(ELBO_BINARY_GRAD) ELBO_LOSS_OPS(ELBO_BINARY_GRAD)},
    {ELBO_COMPARE_OPS(ELBO_COMPARE)},
    {where<float>, where<double>, where<uint8_t>, where<int64_t>},
    {ELBO_CAST(float) ELBO_CAST(double) ELBO_CAST(uint8_t) ELBO_CAST(int64_t)},
    {scale_bytes<float>, scale_bytes<double>},
    {scale_drawn_bytes<float>, scale_drawn_bytes<double>}};

}  // namespace elbo::cpu_kernels
