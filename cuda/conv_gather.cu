#include "conv_gather.h"

#include <numeric>
#include <vector>

#include "conv.h"
#include "launch.h"

namespace elbo::cuda::implicit {
namespace {

using std::int64_t;

// ---- which tile ----------------------------------------------------------------------------------------------------

using Thin = Tile<float, 4, 128, 4, 4, 8, 32>;     // up to 4 channels: the last layer of a decoder
using Narrow = Tile<float, 16, 128, 4, 4, 2, 32>;  // up to 16
using Wide = Tile<float, 32, 128, 8, 4, 1, 16>;    // up to 32, many places
using Small = Tile<float, 32, 64, 4, 4, 2, 32>;    // few tiles in all
using Large = Tile<float, 64, 128, 8, 4, 1, 16>;
using Double = Tile<double, 32, 64, 4, 4, 1, 8>;
// For tensor cores, which want 16 rows at least, and no slices.
using TensorNarrow = Tile<float, 16, 128, 4, 4, 1, 16>;
using TensorSmall = Tile<float, 32, 64, 4, 4, 1, 16>;

/// Tiles that give every multiprocessor of a large GPU something to do. Fixed, since the tile decides in which order is
/// summed, and the same call shall give the same bits on every GPU.
constexpr int64_t enough_tiles = 200;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
int64_t most_places(const GatherArgs<T>& args) {
  auto most = [](const Axes& axes) {
    int64_t count = 0;
    for (int i = 0; i < axes.count; ++i) count = axes.of[i].count > count ? axes.of[i].count : count;
    return count;
  };
  return args.images * most(args.lines) * most(args.columns);
}

template <class Tile, class T>
int64_t tiles(const GatherArgs<T>& args) {
  return divide_up(args.m, Tile::rows) * divide_up(most_places(args), Tile::cols);
}

template <class Tile, class Math = ByThreads<Tile>, class T>
void start(const Context& context, const GatherArgs<T>& args) {
  const auto pairs = static_cast<unsigned>(args.lines.count * args.columns.count);
  launch(context.stream, args.relu ? gather_kernel<Tile, true, Math> : gather_kernel<Tile, false, Math>,
         dim3(static_cast<unsigned>(tiles<Tile>(args)), 1, pairs), Tile::threads, args);
}

template <class Kind>
void by_tensor_cores(const Context& context, const GatherArgs<float>& args) {
  const int pairs = args.lines.count * args.columns.count;
  if (args.m <= TensorNarrow::rows) return start<TensorNarrow, ByTensorCores<TensorNarrow, Kind>>(context, args);
  if (args.m > TensorSmall::rows && tiles<Large>(args) * pairs >= enough_tiles)
    return start<Large, ByTensorCores<Large, Kind>>(context, args);
  start<TensorSmall, ByTensorCores<TensorSmall, Kind>>(context, args);
}

void gather(const Context& context, const GatherArgs<double>& args, Precision) { start<Double>(context, args); }
void gather(const Context& context, const GatherArgs<float>& args, Precision precision) {
  if (precision == Precision::tf32) return by_tensor_cores<Tf32>(context, args);
  if (precision == Precision::bf16) return by_tensor_cores<Bf16>(context, args);
  const int pairs = args.lines.count * args.columns.count;
  if (args.m <= Thin::rows) return start<Thin>(context, args);
  if (args.m <= Narrow::rows) return start<Narrow>(context, args);
  if (args.m <= Wide::rows && tiles<Wide>(args) * pairs >= enough_tiles) return start<Wide>(context, args);
  if (args.m > Wide::rows && tiles<Large>(args) * pairs >= enough_tiles) return start<Large>(context, args);
  start<Small>(context, args);
}

// ---- axes ----------------------------------------------------------------------------------------------------------

Axes forward_axes(int64_t outputs, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  Axes axes{};
  axes.of[0] = {
      static_cast<int>(outputs), 0, 1, static_cast<int>(kernel), 0, 1, static_cast<int>(-pad), static_cast<int>(stride),
      static_cast<int>(dilation)};
  axes.count = 1;
  return axes;
}

/// Lines r, r + stride, ... of a picture. Output line o of the convolution meets them at tap i where
/// o stride = line + pad - i dilation.
Axis grad_axis(int r, int size, int kernel, int stride, int pad, int dilation) {
  Axis axis{};
  axis.count = (size - r + stride - 1) / stride;
  axis.first = r, axis.step = stride;
  const int common = std::gcd(dilation, stride);
  axis.tap_step = stride / common;
  while (axis.tap_first < kernel && (r + pad - axis.tap_first * dilation) % stride != 0) ++axis.tap_first;
  if (axis.tap_first >= kernel) return axis;
  axis.taps = (kernel - axis.tap_first + axis.tap_step - 1) / axis.tap_step;
  axis.from = (r + pad - axis.tap_first * dilation) / stride;
  axis.from_step = 1;
  axis.from_tap = -(dilation / common);
  return axis;
}

/// The remainders [first, first + most_axes) of those that a picture of `size` has.
Axes grad_axes(int first, int size, int kernel, int stride, int pad, int dilation) {
  Axes axes{};
  for (int r = first; r < stride && r < size && axes.count < most_axes; ++r)
    axes.of[axes.count++] = grad_axis(r, size, kernel, stride, pad, dilation);
  return axes;
}

template <class T>
GatherArgs<T> gather_args(const Conv2dArgs& a, void* out, const void* source, const void* weight, const void* bias,
                          const void* relu) {
  GatherArgs<T> args{};
  args.out = static_cast<T*>(out);
  args.source = static_cast<const T*>(source);
  args.weight = static_cast<const T*>(weight);
  args.bias = static_cast<const T*>(bias);
  args.relu = static_cast<const T*>(relu);
  args.activation = a.activation;
  args.kw = static_cast<int>(a.kw);
  args.images = static_cast<int>(a.n);
  return args;
}

template <class T>
void forward(const Context& context, const Conv2dArgs& a, void* y, const void* x, const void* weight, const void* bias,
             const void* relu) {
  GatherArgs<T> args = gather_args<T>(a, y, x, weight, bias, relu);
  args.weight_row = static_cast<int>(a.c_in * a.kh * a.kw), args.weight_channel = static_cast<int>(a.kh * a.kw);
  args.in_order = true;
  args.m = static_cast<int>(a.c_out), args.channels = static_cast<int>(a.c_in);
  args.source_h = static_cast<int>(a.h), args.source_w = static_cast<int>(a.w);
  args.out_h = static_cast<int>(a.out_h), args.out_w = static_cast<int>(a.out_w);
  args.lines = forward_axes(a.out_h, a.kh, a.stride_h, a.pad_h, a.dilation_h);
  args.columns = forward_axes(a.out_w, a.kw, a.stride_w, a.pad_w, a.dilation_w);
  args.whole = a.out_h * a.out_w % vec_size<T> == 0 && aligned<vec_size<T>>(args.out);
  gather(context, args, a.precision);
}

template <class T>
void grad_data(const Context& context, const Conv2dArgs& a, void* gx, const void* gy, const void* weight,
               const void* bias, const void* relu) {
  GatherArgs<T> args = gather_args<T>(a, gx, gy, weight, bias, relu);
  args.weight_row = static_cast<int>(a.kh * a.kw), args.weight_channel = static_cast<int>(a.c_in * a.kh * a.kw);
  args.m = static_cast<int>(a.c_in), args.channels = static_cast<int>(a.c_out);
  args.source_h = static_cast<int>(a.out_h), args.source_w = static_cast<int>(a.out_w);
  args.out_h = static_cast<int>(a.h), args.out_w = static_cast<int>(a.w);
  auto axes = [](int first, int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    return grad_axes(first, static_cast<int>(size), static_cast<int>(kernel), static_cast<int>(stride),
                     static_cast<int>(pad), static_cast<int>(dilation));
  };
  for (int line = 0; line < a.stride_h && line < a.h; line += most_axes) {
    args.lines = axes(line, a.h, a.kh, a.stride_h, a.pad_h, a.dilation_h);
    for (int column = 0; column < a.stride_w && column < a.w; column += most_axes) {
      args.columns = axes(column, a.w, a.kw, a.stride_w, a.pad_w, a.dilation_w);
      // One remainder in both dimensions is all places, in order.
      args.whole = a.stride_h == 1 && a.stride_w == 1 && a.h * a.w % vec_size<T> == 0 && aligned<vec_size<T>>(args.out);
      gather(context, args, a.precision);
    }
  }
}

}  // namespace

void forward(const Context& context, const Conv2dArgs& args, void* y, const void* x, const void* weight,
             const void* bias, const void* relu) {
  if (args.n * args.c_out * args.out_h * args.out_w == 0) return;
  for_floating(args.dtype, [&]<class T>(T) { forward<T>(context, args, y, x, weight, bias, relu); });
}

void grad_data(const Context& context, const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
               const void* bias, const void* relu) {
  if (args.n * args.c_in * args.h * args.w == 0) return;
  for_floating(args.dtype, [&]<class T>(T) { grad_data<T>(context, args, gx, gy, weight, bias, relu); });
}

}  // namespace elbo::cuda::implicit
