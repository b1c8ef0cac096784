#include <cuda_bf16.h>

#include "../core/functors.h"
#include "blas.h"
#include "cuda_kernels.h"
#include "launch.h"
#include "products.h"
#include "vector.h"

namespace elbo::cuda {
namespace {

// ---- what the library's epilogue cannot ----------------------------------------------------------------------------

/// out [rows, cols] = act(out + bias), or of bias alone where there was nothing to multiply.
template <class T, template <class> class Act>
__global__ void finish_kernel(T* out, const T* bias, std::int64_t count, std::int64_t cols, bool from_zero) {
  wait_for_earlier();
  for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
    T x = from_zero ? T(0) : out[i];
    if (bias) x += bias[i - divide(i, cols) * cols];
    out[i] = Act<T>{}(x);
  }
}

template <class T>
struct Identity {
  ELBO_HD T operator()(T x) const { return x; }
};

template <class T>
void finish(const Context& context, const MatmulArgs& args, T* out, std::int64_t rows, bool from_zero) {
  const std::int64_t count = rows * args.n;
  void (*kernel)(T*, const T*, std::int64_t, std::int64_t, bool) = finish_kernel<T, Identity>;
  if (args.activation == Activation::relu) kernel = finish_kernel<T, Relu>;
  if (args.activation == Activation::sigmoid) kernel = finish_kernel<T, Sigmoid>;
  if (args.activation == Activation::tanh) kernel = finish_kernel<T, Tanh>;
  launch(context.stream, kernel, blocks_for(count), block_threads, out, static_cast<const T*>(args.bias), count, args.n,
         from_zero);
}

void finish(const Context& context, const MatmulArgs& args, bool from_zero) {
  for_floating(args.dtype, [&]<class T>(T) {
    T* out = static_cast<T*>(args.out);
    if (args.batch == 1 || args.stride_out == args.m * args.n)
      return finish(context, args, out, args.batch * args.m, from_zero);
    for (std::int64_t i = 0; i < args.batch; ++i) finish(context, args, out + i * args.stride_out, args.m, from_zero);
  });
}

// ---- bfloat16 ------------------------------------------------------------------------------------------------------

/// Matrices [rows, cols] of float32, `stride` elements from one to the next, to be written as bfloat16 one after the
/// other, with `padded_row(cols)` elements from one row to the next.
struct Narrowing {
  const float* from = nullptr;
  void* to = nullptr;
  std::int64_t count = 0, rows = 0, cols = 0, stride = 0;
};

/// Rows of this many bfloat16 elements begin at multiples of 16 bytes, which the fast products ask for.
constexpr std::int64_t padded_row(std::int64_t cols) { return (cols + 7) / 8 * 8; }

/// Rows of a Narrowing, all matrices' together where they lie one after the other.
struct Rows {
  const float* from;
  __nv_bfloat16* to;
  std::int64_t rows, cols, row_to;
};
struct TwoRows {
  Rows first, second;
};

__global__ void narrow_kernel(TwoRows both) {
  wait_for_earlier();
  const Rows x = blockIdx.y == 0 ? both.first : both.second;
  const std::int64_t count = x.rows * x.cols;
  for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
    const std::int64_t row = x.rows == 1 ? 0 : divide(i, x.cols);
    x.to[row * x.row_to + (i - row * x.cols)] = __float2bfloat16_rn(x.from[i]);
  }
}

Rows rows_of(const Narrowing& x, std::int64_t first, std::int64_t count) {
  const std::int64_t row_to = padded_row(x.cols);
  auto* to = static_cast<__nv_bfloat16*>(x.to) + first * x.rows * row_to;
  Rows rows{x.from + first * x.stride, to, count * x.rows, x.cols, row_to};
  if (row_to == x.cols) rows = {rows.from, to, 1, rows.rows * x.cols, 0};
  return rows;
}

/// Both, in one launch; either may be empty.
void narrow(const Context& context, const Narrowing& first, const Narrowing& second) {
  auto together = [](const Narrowing& x) { return x.count <= 1 || x.stride == x.rows * x.cols; };
  auto start = [&](const Rows& a, const Rows& b) {
    const std::int64_t count_a = a.rows * a.cols, count_b = b.rows * b.cols;
    const unsigned blocks = blocks_for(count_a > count_b ? count_a : count_b);
    launch(context.stream, narrow_kernel, dim3(blocks, count_b > 0 ? 2 : 1), block_threads, TwoRows{a, b});
  };
  if (together(first) && together(second))
    return start(rows_of(first, 0, first.count), rows_of(second, 0, second.count));
  for (const Narrowing* each : {&first, &second})
    for (std::int64_t i = 0; i < each->count; ++i) start(rows_of(*each, i, 1), Rows{});
}

Arithmetic arithmetic_of(const MatmulArgs& args) {
  if (args.dtype == DType::float64) return Arithmetic::float64;
  if (args.precision == Precision::tf32) return Arithmetic::tf32;
  return args.precision == Precision::bf16 ? Arithmetic::bf16 : Arithmetic::float32;
}

Product product_of(const MatmulArgs& args) {
  Product p{};
  p.a = args.a, p.b = args.b, p.out = args.out, p.bias = args.bias;
  p.activation = args.activation;
  p.transpose_a = args.transpose_a, p.transpose_b = args.transpose_b;
  p.m = args.m, p.n = args.n, p.k = args.k, p.batch = args.batch;
  p.row_a = args.transpose_a ? args.m : args.k;
  p.row_b = args.transpose_b ? args.k : args.n;
  p.row_out = args.n;
  p.stride_a = args.stride_a, p.stride_b = args.stride_b, p.stride_out = args.stride_out;
  p.arithmetic = arithmetic_of(args);
  return p;
}

/// The product of the operands as bfloat16, in memory of its own.
bool multiply_bf16(const Context& context, const MatmulArgs& args) {
  Product p = product_of(args);
  const std::int64_t rows_a = args.transpose_a ? args.k : args.m, rows_b = args.transpose_b ? args.n : args.k;
  Narrowing a{
      static_cast<const float*>(args.a), nullptr, args.stride_a == 0 ? 1 : args.batch, rows_a, p.row_a, args.stride_a};
  Narrowing b{
      static_cast<const float*>(args.b), nullptr, args.stride_b == 0 ? 1 : args.batch, rows_b, p.row_b, args.stride_b};
  p.row_a = padded_row(a.cols), p.row_b = padded_row(b.cols);
  const std::int64_t size_a = rows_a * p.row_a, size_b = rows_b * p.row_b;
  p.stride_a = args.stride_a == 0 ? 0 : size_a, p.stride_b = args.stride_b == 0 ? 0 : size_b;
  auto bytes = [](std::int64_t elements) { return static_cast<std::size_t>(elements) * sizeof(__nv_bfloat16); };
  const Workspace memory_a(context, bytes(a.count * size_a)), memory_b(context, bytes(b.count * size_b));
  a.to = memory_a.as<void>(), b.to = memory_b.as<void>();
  p.a = a.to, p.b = b.to;
  narrow(context, a, b);
  return context.blas.multiply(context.stream, p);
}

}  // namespace

void matmul(const Context& context, const MatmulArgs& args) {
  if (args.m * args.n * args.batch == 0) return;
  if (args.k == 0) return finish(context, args, true);
  if (args.batch == 1 && is_small(args.m, args.n, args.k)) {
    SmallProduct p{};
    p.out = args.out, p.bias = args.bias, p.activation = args.activation, p.m = args.m, p.n = args.n, p.terms = 1;
    p.term[0] = {{args.a, nullptr, args.transpose_a ? args.m : args.k, args.transpose_a},
                 {args.b, nullptr, args.transpose_b ? args.k : args.n, args.transpose_b},
                 args.k};
    return multiply_small(context, args.dtype, args.precision, {&p, 1});
  }
  const bool bf16 = arithmetic_of(args) == Arithmetic::bf16;
  const bool finished = bf16 ? multiply_bf16(context, args) : context.blas.multiply(context.stream, product_of(args));
  if (!finished) finish(context, args, false);
}

void activate(const Context& context, Activation activation, DType dtype, void* out, std::int64_t count) {
  if (activation == Activation::none || count == 0) return;
  MatmulArgs args{};
  args.activation = activation, args.dtype = dtype, args.out = out;
  args.m = count, args.n = 1, args.batch = 1;
  finish(context, args, false);
}

}  // namespace elbo::cuda
