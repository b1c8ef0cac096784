#include <cuda_bf16.h>

#include <algorithm>

#include "../core/index_kernels.h"
#include "blas.h"
#include "conv.h"
#include "gemm.h"
#include "launch.h"
#include "vector.h"

/// All matrices here have a column for each place of an output of some pictures: picture by picture, `row` elements
/// from one row to the next.
namespace elbo::cuda::im2col {
namespace {

using std::int64_t;

/// Element types of products' operands. bfloat16 is 16 bits that only the library and these two know.
template <class To>
__device__ inline To converted(float x) {
  return x;
}
template <>
__device__ inline __nv_bfloat16 converted<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}
template <class To>
__device__ inline To converted(double x) {
  return x;
}

// ---- kernels: thread (x, y) of the grid has columns x, x + ... of the matrix, and its rows y, y + ...
// -----------------

/// The columns of `count` pictures x.
template <class T, class To>
__global__ void columns_kernel(Conv2dArgs a, To* columns, const T* x, int64_t count, int64_t row) {
  wait_for_earlier();
  const int64_t points = a.out_h * a.out_w, taps = a.c_in * a.kh * a.kw;
  for (int64_t i = thread_index(); i < count * points; i += thread_count()) {
    const int64_t image = divide(i, points), point = i - image * points;
    const int64_t out_y = divide(point, a.out_w), out_x = point - out_y * a.out_w;
    const T* picture = x + image * a.c_in * a.h * a.w;
    for (int64_t r = blockIdx.y; r < taps; r += gridDim.y)
      columns[r * row + i] = converted<To>(index::im2col(a, picture, r, out_y, out_x));
  }
}

/// out [channels, places] = y [count, channels, points].
template <class T, class To>
__global__ void side_by_side_kernel(To* out, const T* y, int64_t count, int64_t channels, int64_t points, int64_t row) {
  wait_for_earlier();
  for (int64_t i = thread_index(); i < count * points; i += thread_count()) {
    const int64_t image = divide(i, points), point = i - image * points;
    for (int64_t c = blockIdx.y; c < channels; c += gridDim.y)
      out[c * row + i] = converted<To>(y[(image * channels + c) * points + point]);
  }
}

/// y [count, channels, points] = in [channels, places] + bias [channels].
template <class T>
__global__ void apart_kernel(T* y, const T* in, const T* bias, int64_t count, int64_t channels, int64_t points,
                             int64_t row) {
  wait_for_earlier();
  for (int64_t i = thread_index(); i < count * points; i += thread_count()) {
    const int64_t image = divide(i, points), point = i - image * points;
    for (int64_t c = blockIdx.y; c < channels; c += gridDim.y)
      y[(image * channels + c) * points + point] = in[c * row + i] + (bias ? bias[c] : T(0));
  }
}

/// Pixels of `count` pictures x: the sums of what met them, as index::col2im, + bias [c_in]. Rows are the channels.
template <class T>
__global__ void pixels_kernel(Conv2dArgs a, T* x, const T* columns, const T* bias, int64_t count, int64_t row) {
  wait_for_earlier();
  const int64_t points = a.out_h * a.out_w, pixels = a.h * a.w;
  for (int64_t at = thread_index(); at < count * pixels; at += thread_count()) {
    const int64_t image = divide(at, pixels), pixel = at - image * pixels;
    const int64_t line = divide(pixel, a.w), column = pixel - line * a.w;
    for (int64_t c = blockIdx.y; c < a.c_in; c += gridDim.y) {
      T sum = T(0);
      for (int64_t i = 0; i < a.kh; ++i) {
        const int64_t y = line + a.pad_h - i * a.dilation_h;
        if (y < 0) continue;
        const int64_t out_y = divide(y, a.stride_h);
        if (out_y * a.stride_h != y || out_y >= a.out_h) continue;
        for (int64_t j = 0; j < a.kw; ++j) {
          const int64_t met = column + a.pad_w - j * a.dilation_w;
          if (met < 0) continue;
          const int64_t out_x = divide(met, a.stride_w);
          if (out_x * a.stride_w != met || out_x >= a.out_w) continue;
          sum += columns[((c * a.kh + i) * a.kw + j) * row + image * points + out_y * a.out_w + out_x];
        }
      }
      x[(image * a.c_in + c) * pixels + pixel] = sum + (bias ? bias[c] : T(0));
    }
  }
}

// ---- pieces --------------------------------------------------------------------------------------------------------

// Of columns at a time: what a large GPU's second-level cache holds, so that the product need not read them from
// memory.
constexpr int64_t most_bytes = int64_t{32} << 20;

/// A convolution in groups of pictures. Depends on the shape alone.
struct Plan {
  int64_t taps, points, group;
  Arithmetic arithmetic;

  explicit Plan(const Conv2dArgs& a) : taps(a.c_in * a.kh * a.kw), points(a.out_h * a.out_w) {
    arithmetic = a.dtype == DType::float64        ? Arithmetic::float64
                 : a.precision == Precision::tf32 ? Arithmetic::tf32
                 : a.precision == Precision::bf16 ? Arithmetic::bf16
                                                  : Arithmetic::float32;
    const int64_t bytes = taps * points * static_cast<int64_t>(size_of(a.dtype));
    group = std::clamp(most_bytes / bytes, int64_t{1}, a.n);
  }
  /// Rows of matrices begin at multiples of 16 bytes, whatever their type.
  int64_t row(int64_t count) const { return padded_row(count * points); }
  template <class Fn>
  void for_each_group(int64_t n, const Fn& fn) const {
    for (int64_t first = 0; first < n; first += group) fn(first, std::min(group, n - first));
  }
  Product product(int64_t m, int64_t n, int64_t k) const {
    Product p{};
    p.m = m, p.n = n, p.k = k;
    p.arithmetic = arithmetic;
    return p;
  }
};

/// A thread takes all rows of a column where that makes blocks enough: it finds out where the column lies only once.
dim3 grid(int64_t columns, int64_t rows) {
  constexpr int64_t enough_blocks = 2048;
  const unsigned across = blocks_for(columns);
  return dim3(across, static_cast<unsigned>(std::clamp<int64_t>(enough_blocks / across, 1, rows)));
}
std::size_t bytes_of(int64_t elements, std::size_t each) { return static_cast<std::size_t>(elements) * each; }

/// Calls fn(T{}, To{}): the element type of the convolution and that of its products' operands.
template <class Fn>
void for_types(const Conv2dArgs& a, Arithmetic arithmetic, const Fn& fn) {
  if (a.dtype == DType::float64) return fn(double{}, double{});
  if (arithmetic == Arithmetic::bf16) return fn(float{}, __nv_bfloat16{});
  fn(float{}, float{});
}

/// The weights [c_out, taps] as an operand: themselves, or a bfloat16 copy.
struct Weights {
  const void* data;
  int64_t row;
  Workspace memory;

  Weights(const Context& context, const Conv2dArgs& a, const Plan& plan, const void* weight)
      : data(weight),
        row(plan.taps),
        memory(context, plan.arithmetic == Arithmetic::bf16 ? bytes_of(a.c_out * padded_row(plan.taps), 2) : 0) {
    if (plan.arithmetic != Arithmetic::bf16) return;
    data = memory.as<void>(), row = padded_row(plan.taps);
    narrow(context, {static_cast<const float*>(weight), memory.as<void>(), 1, a.c_out, plan.taps, 0}, {});
  }
};

void multiply(const Context& context, const Product& product) {
  // There is no bias or activation to be left over.
  static_cast<void>(context.blas.multiply(context.stream, product));
}

}  // namespace

void forward(const Context& context, const Conv2dArgs& a, void* y, const void* x, const void* weight,
             const void* bias) {
  const Plan plan(a);
  const Weights weights(context, a, plan, weight);
  for_types(a, plan.arithmetic, [&]<class T, class To>(T, To) {
    const Workspace columns(context, bytes_of(plan.taps * plan.row(plan.group), sizeof(To)));
    const Workspace out(context, bytes_of(a.c_out * plan.row(plan.group), sizeof(T)));
    plan.for_each_group(a.n, [&](int64_t first, int64_t count) {
      const int64_t row = plan.row(count), places = count * plan.points;
      const T* from = static_cast<const T*>(x) + first * a.c_in * a.h * a.w;
      launch(context.stream, columns_kernel<T, To>, grid(places, plan.taps), block_threads, a, columns.as<To>(), from,
             count, row);
      Product p = plan.product(a.c_out, places, plan.taps);
      p.a = weights.data, p.b = columns.as<void>(), p.out = out.as<void>();
      p.row_a = weights.row, p.row_b = p.row_out = row;
      multiply(context, p);
      T* to = static_cast<T*>(y) + first * a.c_out * plan.points;
      launch(context.stream, apart_kernel<T>, grid(places, a.c_out), block_threads, to, out.as<T>(),
             static_cast<const T*>(bias), count, a.c_out, plan.points, row);
    });
  });
}

void grad_data(const Context& context, const Conv2dArgs& a, void* gx, const void* gy, const void* weight,
               const void* bias) {
  const Plan plan(a);
  const Weights weights(context, a, plan, weight);
  for_types(a, plan.arithmetic, [&]<class T, class To>(T, To) {
    const Workspace columns(context, bytes_of(plan.taps * plan.row(plan.group), sizeof(T)));
    const Workspace in(context, bytes_of(a.c_out * plan.row(plan.group), sizeof(To)));
    plan.for_each_group(a.n, [&](int64_t first, int64_t count) {
      const int64_t row = plan.row(count), places = count * plan.points;
      const T* from = static_cast<const T*>(gy) + first * a.c_out * plan.points;
      launch(context.stream, side_by_side_kernel<T, To>, grid(places, a.c_out), block_threads, in.as<To>(), from, count,
             a.c_out, plan.points, row);
      Product p = plan.product(plan.taps, places, a.c_out);
      p.a = weights.data, p.b = in.as<void>(), p.out = columns.as<void>();
      p.transpose_a = true;
      p.row_a = weights.row, p.row_b = p.row_out = row;
      multiply(context, p);
      T* to = static_cast<T*>(gx) + first * a.c_in * a.h * a.w;
      launch(context.stream, pixels_kernel<T>, grid(count * a.h * a.w, a.c_in), block_threads, a, to, columns.as<T>(),
             static_cast<const T*>(bias), count, row);
    });
  });
}

void grad_weight(const Context& context, const Conv2dArgs& a, void* gw, const void* gy, const void* x) {
  const Plan plan(a);
  for_types(a, plan.arithmetic, [&]<class T, class To>(T, To) {
    const Workspace columns(context, bytes_of(plan.taps * plan.row(plan.group), sizeof(To)));
    const Workspace in(context, bytes_of(a.c_out * plan.row(plan.group), sizeof(To)));
    plan.for_each_group(a.n, [&](int64_t first, int64_t count) {
      const int64_t row = plan.row(count), places = count * plan.points;
      launch(context.stream, columns_kernel<T, To>, grid(places, plan.taps), block_threads, a, columns.as<To>(),
             static_cast<const T*>(x) + first * a.c_in * a.h * a.w, count, row);
      launch(context.stream, side_by_side_kernel<T, To>, grid(places, a.c_out), block_threads, in.as<To>(),
             static_cast<const T*>(gy) + first * a.c_out * plan.points, count, a.c_out, plan.points, row);
      Product p = plan.product(a.c_out, plan.taps, places);
      p.a = in.as<void>(), p.b = columns.as<void>(), p.out = gw;
      p.transpose_b = true;
      p.accumulate = first > 0;  // group after group, in order
      p.row_a = p.row_b = row, p.row_out = plan.taps;
      multiply(context, p);
    });
  });
}

}  // namespace elbo::cuda::im2col
