#include "block_reduce.h"
#include "cuda_kernels.h"

/// Each line of n elements is worked on by a few threads of one block, which read it again from cache for each step:
/// the maximum, the sum of exponentials, the result. Sums are in double, elements in T.
namespace elbo::cuda {
namespace {

using std::int64_t;

/// One thread's part of one line: elements begin, begin + slices, ... < end, each `inner` apart.
struct Part {
  Seat seat;
  int64_t first;  ///< the place of the line's element 0
  int64_t begin, end, step, inner, output;
  bool here;
};
__device__ inline Part take_part(const Lines& lines, const Cut& cut) {
  Part part{};
  part.seat = take_seat(cut.columns, cut.slices, cut.along_slices);
  part.output = static_cast<int64_t>(blockIdx.x) * cut.columns + part.seat.column;
  part.here = part.output < lines.outputs;
  part.first = part.here ? line_begin(lines, part.output) : 0;
  part.begin = part.seat.slice;
  part.end = part.here ? lines.a : 0;
  part.step = part.seat.slices;
  part.inner = lines.step;
  return part;
}

/// The maximum of a line; NaN wins.
template <class T>
__device__ T line_max(const Part& part, const T* x) {
  const Extreme<1> larger{};
  auto term = [&](int64_t i) { return x[i * part.inner]; };
  const T start = static_cast<T>(-math::infinity);
  return column_total(part.seat, fold(part.begin, part.end, part.step, start, term, larger), larger);
}
/// The sum of term(i), in double, over a line.
template <class Term>
__device__ double line_sum(const Part& part, const Term& term) {
  return column_total(part.seat, fold(part.begin, part.end, part.step, 0.0, term, Sum{}), Sum{});
}
template <class T>
__device__ double line_exp_sum(const Part& part, const T* x, T shift) {
  return line_sum(part, [&](int64_t i) { return static_cast<double>(math::exp(x[i * part.inner] - shift)); });
}

template <class T, SoftmaxKind kind>
__global__ void softmax_kernel(T* out, const T* x, Lines lines, Cut cut) {
  wait_for_earlier();
  const Part part = take_part(lines, cut);
  const T* in = x + part.first;
  T* to = out + part.first;
  const T shift = line_max(part, in);
  const double sum = line_exp_sum(part, in, shift);
  if (kind == SoftmaxKind::softmax) {
    const T scale = static_cast<T>(1.0 / sum);
    for (int64_t i = part.begin; i < part.end; i += part.step)
      to[i * part.inner] = math::exp(in[i * part.inner] - shift) * scale;
  } else {
    const T log_sum = static_cast<T>(math::log(sum));
    for (int64_t i = part.begin; i < part.end; i += part.step)
      to[i * part.inner] = (in[i * part.inner] - shift) - log_sum;
  }
}

template <class T, SoftmaxKind kind>
__global__ void softmax_grad_kernel(T* gx, const T* y, const T* g, Lines lines, Cut cut) {
  wait_for_earlier();
  constexpr bool log = kind == SoftmaxKind::log_softmax;
  const Part part = take_part(lines, cut);
  const T *out = y + part.first, *grad = g + part.first;
  T* to = gx + part.first;
  const T sum = static_cast<T>(line_sum(part, [&](int64_t i) {
    const double term = static_cast<double>(grad[i * part.inner]);
    return log ? term : term * static_cast<double>(out[i * part.inner]);
  }));
  for (int64_t i = part.begin; i < part.end; i += part.step) {
    const T value = out[i * part.inner], incoming = grad[i * part.inner];
    to[i * part.inner] = log ? incoming - math::exp(value) * sum : value * (incoming - sum);
  }
}

template <class T>
__global__ void logsumexp_kernel(T* out, const T* x, Lines lines, Cut cut) {
  wait_for_earlier();
  const Part part = take_part(lines, cut);
  const T* in = x + part.first;
  const T max = line_max(part, in);
  const T shift = max - max == T(0) ? max : T(0);  // infinity less infinity is no number
  const double sum = line_exp_sum(part, in, shift);
  if (part.here && part.seat.slice == 0) out[part.output] = static_cast<T>(static_cast<double>(shift) + math::log(sum));
}

/// fn(T{}, the kind's constant) for a floating dtype and a kind.
template <class Fn>
void for_kind(DType dtype, SoftmaxKind kind, const Fn& fn) {
  for_floating(dtype, [&](auto type) {
    if (kind == SoftmaxKind::softmax)
      fn(type, std::integral_constant<SoftmaxKind, SoftmaxKind::softmax>{});
    else
      fn(type, std::integral_constant<SoftmaxKind, SoftmaxKind::log_softmax>{});
  });
}

}  // namespace

void softmax(const Context& context, SoftmaxKind kind, View out, ConstView x) {
  if (x.shape.numel() == 0) return;
  const Lines lines = lines_along(x.shape);
  const Cut cut = cut_lines(lines, false);
  for_kind(x.dtype, kind, [&](auto type, auto constant) {
    using T = decltype(type);
    launch(context.stream, softmax_kernel<T, constant.value>, blocks_for(lines.outputs, cut.columns), cut.threads(),
           static_cast<T*>(out.data), static_cast<const T*>(x.data), lines, cut);
  });
}

void softmax_grad(const Context& context, SoftmaxKind kind, View gx, ConstView y, ConstView g) {
  if (y.shape.numel() == 0) return;
  const Lines lines = lines_along(y.shape);
  const Cut cut = cut_lines(lines, false);
  for_kind(y.dtype, kind, [&](auto type, auto constant) {
    using T = decltype(type);
    launch(context.stream, softmax_grad_kernel<T, constant.value>, blocks_for(lines.outputs, cut.columns),
           cut.threads(), static_cast<T*>(gx.data), static_cast<const T*>(y.data), static_cast<const T*>(g.data), lines,
           cut);
  });
}

void logsumexp(const Context& context, View out, ConstView x) {
  const Lines lines = lines_along(x.shape);
  if (lines.outputs == 0) return;
  const Cut cut = cut_lines(lines, false);
  for_floating(x.dtype, [&](auto type) {
    using T = decltype(type);
    launch(context.stream, logsumexp_kernel<T>, blocks_for(lines.outputs, cut.columns), cut.threads(),
           static_cast<T*>(out.data), static_cast<const T*>(x.data), lines, cut);
  });
}

}  // namespace elbo::cuda
