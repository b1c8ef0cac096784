#include <type_traits>

#include "cuda_kernels.h"
#include "vector.h"

namespace elbo::cuda {
namespace {

using std::int64_t;
using std::uint8_t;

// ---- one operand ---------------------------------------------------------------------------------------------------

template <class F, class T>
__global__ void unary_kernel(F f, T* out, const T* x, int64_t n, bool whole) {
  wait_for_earlier();
  const int64_t first = per_thread * thread_index();
  if (first >= n) return;
  const Pack<T, per_thread> in = load(x, first, n, whole);
  Pack<T, per_thread> result;
  for (int i = 0; i < per_thread; ++i) result.values[i] = f(in.values[i]);
  store(out, first, n, whole, result);
}

template <class F, class T>
__global__ void unary_grad_kernel(F f, T* gx, const T* x, const T* y, const T* g, int64_t n, bool whole) {
  wait_for_earlier();
  const int64_t first = per_thread * thread_index();
  if (first >= n) return;
  const Pack<T, per_thread> in = load(x, first, n, whole), out = load(y, first, n, whole);
  const Pack<T, per_thread> grad = load(g, first, n, whole);
  Pack<T, per_thread> result;
  for (int i = 0; i < per_thread; ++i) result.values[i] = f.grad(in.values[i], out.values[i], grad.values[i]);
  store(gx, first, n, whole, result);
}

template <class T>
__global__ void add_kernel(T* sum, const T* x, int64_t n) {
  wait_for_earlier();
  for (int64_t i = thread_index(); i < n; i += thread_count()) sum[i] += x[i];
}

template <class F, class T>
void unary_of(const Context& context, View out, ConstView x, double p0, double p1) {
  T* to = static_cast<T*>(out.data);
  const T* from = static_cast<const T*>(x.data);
  const int64_t n = out.shape.numel();
  launch(context.stream, unary_kernel<F, T>, pack_blocks(n), block_threads, make_functor<F, T>(p0, p1), to, from, n,
         aligned(to, from));
}

template <class F, class T>
void unary_grad_of(const Context& context, View gx, ConstView x, ConstView y, ConstView g, double p0, double p1) {
  T* to = static_cast<T*>(gx.data);
  // An operand that is not there is not looked at: any readable memory will do.
  const T* grad = static_cast<const T*>(g.data);
  const T *in = x ? static_cast<const T*>(x.data) : grad, *out = y ? static_cast<const T*>(y.data) : grad;
  const int64_t n = gx.shape.numel();
  launch(context.stream, unary_grad_kernel<F, T>, pack_blocks(n), block_threads, make_functor<F, T>(p0, p1), to, in,
         out, grad, n, aligned(to, in, out, grad));
}

#define ELBO_UNARY(op, F, ...) {unary_of<F<float>, float>, unary_of<F<double>, double>},
#define ELBO_UNARY_GRAD(op, F, ...) {unary_grad_of<F<float>, float>, unary_grad_of<F<double>, double>},
constexpr int unary_ops = static_cast<int>(UnaryOp::count);
/// The last index is float32 or float64.
constexpr void (*unary_table[unary_ops][2])(const Context&, View, ConstView, double, double) = {
    ELBO_UNARY_OPS(ELBO_UNARY) ELBO_UNARY_OPS_1(ELBO_UNARY) ELBO_UNARY_OPS_2(ELBO_UNARY)};
constexpr void (*unary_grad_table[unary_ops][2])(const Context&, View, ConstView, ConstView, ConstView, double,
                                                 double) = {
    ELBO_UNARY_OPS(ELBO_UNARY_GRAD) ELBO_UNARY_OPS_1(ELBO_UNARY_GRAD) ELBO_UNARY_OPS_2(ELBO_UNARY_GRAD)};
#undef ELBO_UNARY
#undef ELBO_UNARY_GRAD

// ---- filling and casting -------------------------------------------------------------------------------------------

template <class T, int count>
__global__ void fill_kernel(T* out, T value, int64_t n, bool whole) {
  wait_for_earlier();
  const int64_t first = count * thread_index();
  if (first >= n) return;
  Pack<T, count> pack;
  for (int i = 0; i < count; ++i) pack.values[i] = value;
  store(out, first, n, whole, pack);
}

/// C++'s conversion; where that is undefined, what x86 gives: what does not fit an integer becomes the smallest one,
/// bytes being the low ones of 32 bits.
template <class To, class From>
__device__ inline To convert(From x) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using Integer = std::conditional_t<sizeof(To) == 1, std::int32_t, int64_t>;
    constexpr From limit = sizeof(To) == 1 ? From(0x1p31) : From(0x1p63);
    return static_cast<To>(static_cast<Integer>(x >= -limit && x < limit ? x : -limit));
  } else {
    return static_cast<To>(x);
  }
}

template <class T>
__global__ void accumulate_kernel(double* total, const T* x, int64_t n) {
  wait_for_earlier();
  for (int64_t i = thread_index(); i < n; i += thread_count()) total[i] += static_cast<double>(x[i]);
}

template <class To, class From>
__global__ void cast_kernel(To* out, const From* x, int64_t n, bool whole) {
  wait_for_earlier();
  const int64_t first = per_thread * thread_index();
  if (first >= n) return;
  const Pack<From, per_thread> in = load(x, first, n, whole);
  Pack<To, per_thread> result;
  for (int i = 0; i < per_thread; ++i) result.values[i] = convert<To>(in.values[i]);
  store(out, first, n, whole, result);
}

template <class T>
__global__ void check_range_kernel(const T* x, int64_t n, double least, double most, DataFault* fault) {
  wait_for_earlier();
  const int64_t first = per_thread * thread_index();
  for (int64_t i = first; i < n && i < first + per_thread; ++i)
    check_number(static_cast<double>(x[i]), i, least, most, fault);
}

}  // namespace

void fill(const Context& context, View out, double value) {
  for_any(out.dtype, [&]<class T>(T) {
    constexpr int count = 16 / sizeof(T);
    T* to = static_cast<T*>(out.data);
    const int64_t n = out.shape.numel();
    launch(context.stream, fill_kernel<T, count>, pack_blocks(n, count), block_threads, to, static_cast<T>(value), n,
           aligned<count>(to));
  });
}

void unary(const Context& context, UnaryOp op, View out, ConstView x, double p0, double p1) {
  unary_table[static_cast<int>(op)][static_cast<int>(out.dtype)](context, out, x, p0, p1);
}

void unary_grad(const Context& context, UnaryOp op, View gx, ConstView x, ConstView y, ConstView g, double p0,
                double p1) {
  unary_grad_table[static_cast<int>(op)][static_cast<int>(gx.dtype)](context, gx, x, y, g, p0, p1);
}

void relu_grad(const Context& context, DType dtype, void* gx, const void* y, const void* g, int64_t n) {
  for_floating(dtype, [&]<class T>(T) {
    T* to = static_cast<T*>(gx);
    const T *out = static_cast<const T*>(y), *grad = static_cast<const T*>(g);
    launch(context.stream, unary_grad_kernel<Relu<T>, T>, pack_blocks(n), block_threads, Relu<T>{}, to, out, out, grad,
           n, aligned(to, out, grad));
  });
}

void add(const Context& context, DType dtype, void* sum, const void* x, int64_t n) {
  for_floating(dtype, [&]<class T>(T) {
    launch(context.stream, add_kernel<T>, blocks_for(n), block_threads, static_cast<T*>(sum), static_cast<const T*>(x),
           n);
  });
}

void cast(const Context& context, View out, ConstView x) {
  const int64_t n = out.shape.numel();
  for_any(out.dtype, [&]<class To>(To) {
    for_any(x.dtype, [&]<class From>(From) {
      To* to = static_cast<To*>(out.data);
      const From* from = static_cast<const From*>(x.data);
      launch(context.stream, cast_kernel<To, From>, pack_blocks(n), block_threads, to, from, n, aligned(to, from));
    });
  });
}

void check_range(const Context& context, ConstView x, double least, double most) {
  const int64_t n = x.shape.numel();
  for_any(x.dtype, [&]<class T>(T) {
    launch(context.stream, check_range_kernel<T>, pack_blocks(n), block_threads, static_cast<const T*>(x.data), n,
           least, most, context.data_fault);
  });
}

void accumulate(const Context& context, View total, ConstView x) {
  const int64_t n = total.shape.numel();
  for_floating(x.dtype, [&]<class T>(T) {
    launch(context.stream, accumulate_kernel<T>, blocks_for(n), block_threads, static_cast<double*>(total.data),
           static_cast<const T*>(x.data), n);
  });
}

}  // namespace elbo::cuda
