#include <array>
#include <functional>
#include <utility>

#include "../autograd.h"
#include "../checked_size_detail.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

std::string show(Size2 size) { return detail::concat(size.h, " x ", size.w); }

void check_size(const char* op, const char* what, Size2 size, std::int64_t least) {
  ELBO_CHECK(size.h >= least && size.w >= least, ValueError, "[", ops::called(op), "] expected a ", what,
             " of at least ", least, ", found ", show(size));
}

/// Shapes [N, C, H, W] or [N, H, W, C] and [., ., KH, KW], where x's channels must be dimension `channel_dim` of the
/// weight. The shape of x as [N, C, H, W].
Shape check_operands(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, int channel_dim,
                     Layout layout) {
  ops::check_floating_pair(op, x, weight);
  ops::check_rank(op, "x", 4, x.shape());
  ops::check_rank(op, "weight", 4, weight.shape());
  const Shape& w = weight.shape();
  const Shape& s = x.shape();
  const Shape planes = layout == Layout::channels_last ? Shape{s[0], s[3], s[1], s[2]} : s;
  ELBO_CHECK(planes[1] == w[channel_dim], ShapeError, "[", ops::called(op), "] expected x with ", w[channel_dim],
             " channels for weight ", w, ", found ", s);
  ELBO_CHECK(w[2] > 0 && w[3] > 0, ShapeError, "[", ops::called(op),
             "] expected a kernel of at least 1 x 1, found weight ", w);
  ops::check_optional(op, "a bias", x, bias, {w[1 - channel_dim]});
  return planes;
}

/// How far a kernel of `taps` elements can move over `size` pixels: size + 2 padding - dilation (taps - 1) - 1.
std::int64_t room(std::int64_t size, std::int64_t taps, std::int64_t padding, std::int64_t dilation) {
  const std::int64_t padded = detail::checked_add(size, detail::checked_mul(2, padding));
  return detail::checked_sub(padded, detail::checked_add(detail::checked_mul(dilation, taps - 1), 1));
}

/// What a kernel works with, in memory and in numbers, is a small multiple of a padded picture and of a matrix of
/// columns: neither may be so large that this multiple could not be counted.
void check_extent(const Conv2dArgs& a) {
  const Shape padded{a.n, a.c_in, a.h + 2 * a.pad_h, a.w + 2 * a.pad_w};
  const Shape columns{a.c_in, a.kh, a.kw, a.out_h, a.out_w};
  constexpr std::int64_t multiple = 1 << 12;
  for (const Shape& each : {padded, columns})
    for (std::int64_t elements = multiple; const std::int64_t size : each)
      elements = detail::checked_mul(elements, std::max<std::int64_t>(size, 1));
}

/// The bookkeeping of a convolution from x [n, c_in, h, w] to y [n, c_out, out_h, out_w]. A stride or a dilation that
/// is never walked, however long, is none: all numbers are within the padded picture.
Conv2dArgs conv_args(const Shape& x, const Shape& weight, Size2 out, DType dtype, Size2 stride, Size2 padding,
                     Size2 dilation) {
  Conv2dArgs args{};
  args.dtype = dtype;
  args.n = x[0], args.c_in = x[1], args.h = x[2], args.w = x[3];
  args.c_out = weight[0], args.kh = weight[2], args.kw = weight[3];
  args.out_h = out.h, args.out_w = out.w;
  args.pad_h = padding.h, args.pad_w = padding.w;
  args.dilation_h = args.kh == 1 ? 1 : dilation.h, args.dilation_w = args.kw == 1 ? 1 : dilation.w;
  args.stride_h = std::min(stride.h, room(args.h, args.kh, padding.h, args.dilation_h) + 1);
  args.stride_w = std::min(stride.w, room(args.w, args.kw, padding.w, args.dilation_w) + 1);
  check_extent(args);
  return args;
}

/// The same convolution with an activation.
Conv2dArgs with(Conv2dArgs args, Activation activation) {
  args.activation = activation;
  return args;
}

/// The channels of x and of the weight's first dimension as so many groups, each convolved by itself. `channels_out`
/// are those of the result.
Tensor grouped(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t groups,
               std::int64_t channels_out, const std::function<Tensor(Tensor, Tensor, Tensor)>& convolve) {
  ops::check_optional(op, "a bias", x, bias, {channels_out});
  const std::int64_t in = x.size(1) / groups, filters = weight.size(0) / groups, out = channels_out / groups;
  std::vector<Tensor> parts;
  for (std::int64_t i = 0; i < groups; ++i) {
    const Tensor offsets = bias.defined() ? slice(bias, 0, i * out, (i + 1) * out) : Tensor();
    parts.push_back(
        convolve(slice(x, 1, i * in, (i + 1) * in), slice(weight, 0, i * filters, (i + 1) * filters), offsets));
  }
  return concatenate(parts, 1);
}

/// That x, of dimension 1, and the weight, of dimension 0, can be divided into groups.
void check_groups(const char* op, const Tensor& x, const Tensor& weight, std::int64_t groups) {
  ops::check_floating_pair(op, x, weight);
  ops::check_rank(op, "x", 4, x.shape());
  ops::check_rank(op, "weight", 4, weight.shape());
  ELBO_CHECK(groups >= 1, ValueError, "[", ops::called(op), "] expected at least one group, found ", groups);
  ELBO_CHECK(x.size(1) > 0 && x.size(1) % groups == 0 && weight.size(0) % groups == 0, ShapeError, "[", ops::called(op),
             "] expected channels that ", groups, " groups divide, found x ", x.shape(), ", weight ", weight.shape());
}

Tensor grouped_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options,
                      Activation activation) {
  const std::int64_t groups = std::exchange(options.groups, 1);
  check_groups("conv2d", x, weight, groups);
  ELBO_CHECK(x.size(1) / groups == weight.size(1), ShapeError, "[", ops::called("conv2d"), "] expected x with ",
             weight.size(1), " channels a group for weight ", weight.shape(), ", found ", x.shape(), " in ", groups,
             " groups");
  return grouped(
      "conv2d", x, weight, bias, groups, weight.size(0),
      [&](const Tensor& a, const Tensor& b, const Tensor& c) { return conv2d(a, b, c, options, activation); });
}

Tensor grouped_conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                ConvTranspose2dOptions options, Activation activation) {
  const char* op = "conv_transpose2d";
  const std::int64_t groups = std::exchange(options.groups, 1);
  check_groups(op, x, weight, groups);
  ELBO_CHECK(x.size(1) == weight.size(0), ShapeError, "[", ops::called(op), "] expected x with ", weight.size(0),
             " channels for weight ", weight.shape(), ", found ", x.shape());
  return grouped(op, x, weight, bias, groups, detail::checked_mul(weight.size(1), groups),
                 [&](const Tensor& a, const Tensor& b, const Tensor& c) {
                   return conv_transpose2d(a, b, c, options, activation);
                 });
}

/// A line [N, C, L] as a picture of one row.
Tensor as_picture(const Tensor& x) { return unsqueeze(x, 2); }

/// What the convolution of pictures would refuse, in the words of a line: x [N, C, L], weight [., ., K], where x's
/// channels are dimension `channel_dim` of the weight. The rest of its refusals names no shape of a picture.
void check_line(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t groups,
                int channel_dim) {
  ops::check_floating_pair(op, x, weight);
  ops::check_rank(op, "x", 3, x.shape());
  ops::check_rank(op, "weight", 3, weight.shape());
  ELBO_CHECK(groups >= 1, ValueError, "[", op, "] expected at least one group, found ", groups);
  const Shape &sx = x.shape(), &sw = weight.shape();
  const bool transposed = channel_dim == 0;
  const std::int64_t channels = transposed ? sw[0] : detail::checked_mul(sw[1], groups);
  ELBO_CHECK(sx[1] == channels, ShapeError, "[", op, "] expected x with ", channels, " channels for weight ", sw,
             " in ", groups, groups == 1 ? " group" : " groups", ", found ", sx);
  ELBO_CHECK(groups == 1 || (sx[1] > 0 && sw[0] % groups == 0), ShapeError, "[", op, "] expected channels that ",
             groups, " groups divide, found x ", sx, ", weight ", sw);
  ELBO_CHECK(sw[2] > 0, ShapeError, "[", op, "] expected a kernel of at least 1, found weight ", sw);
  ops::check_optional(op, "a bias", x, bias, {transposed ? detail::checked_mul(sw[1], groups) : sw[0]});
}

void check_number(const char* op, const char* what, std::int64_t number, std::int64_t least) {
  ELBO_CHECK(number >= least, ValueError, "[", op, "] expected a ", what, " of at least ", least, ", found ", number);
}

Tensor turned(const Tensor& x, Layout from, Layout to) {
  if (from == to) return x;
  return to == Layout::channels_last ? permute(x, {0, 2, 3, 1}) : permute(x, {0, 3, 1, 2});
}

bool any_last(ConvLayouts layouts) {
  return layouts.in == Layout::channels_last || layouts.out == Layout::channels_last;
}

/// Whether there are kernels for the layouts of a convolution to, or a transposed one from, so many places. Few
/// channels have kernels for planes; one place is left to plain products of planes.
bool have_kernels(const Tensor& x, const Conv2dArgs& args) {
  return x.device().type == DeviceType::cpu && (!args.x_last || args.c_in >= 4) && (!args.y_last || args.c_out >= 4) &&
         (args.out_h > 1 || args.out_w > 1);
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
              Activation activation, ConvLayouts layouts) {
  const ops::CalledOp called("conv2d");
  const auto in_planes = [&] {
    const Tensor planes = turned(x, layouts.in, Layout::channels_first);
    return turned(conv2d(planes, weight, bias, options, activation), Layout::channels_first, layouts.out);
  };
  if (options.groups != 1)
    return any_last(layouts) ? in_planes() : grouped_conv2d(x, weight, bias, options, activation);
  const Shape sx = check_operands("conv2d", x, weight, bias, 1, layouts.in);
  check_size("conv2d", "stride", options.stride, 1);
  check_size("conv2d", "padding", options.padding, 0);
  check_size("conv2d", "dilation", options.dilation, 1);
  const Shape& sw = weight.shape();
  const Size2 steps{room(sx[2], sw[2], options.padding.h, options.dilation.h),
                    room(sx[3], sw[3], options.padding.w, options.dilation.w)};
  ELBO_CHECK(steps.h >= 0 && steps.w >= 0, ShapeError, "[", ops::called("conv2d"),
             "] the kernel is larger than the padded picture: x ", x.shape(), ", weight ", sw, ", padding ",
             show(options.padding), ", dilation ", show(options.dilation));
  const Size2 out{steps.h / options.stride.h + 1, steps.w / options.stride.w + 1};
  Conv2dArgs args = conv_args(sx, sw, out, x.dtype(), options.stride, options.padding, options.dilation);
  args.x_last = layouts.in == Layout::channels_last, args.y_last = layouts.out == Layout::channels_last;
  if (any_last(layouts) && !have_kernels(x, args)) return in_planes();
  const Activation within = ops::fused(activation, x, weight, bias);
  if (within != activation) return ops::activated(conv2d(x, weight, bias, options, within, layouts), activation);
  Array y = kernels::conv2d(with(args, activation), x.array(), weight.array(), ops::array_or_none(bias));
  return record(
      "conv2d", {x, weight, bias}, y,
      [args, X = save_if(weight.requires_grad(), x), W = save_if(x.requires_grad(), weight),
       Y = save_if(activation == Activation::relu, y)](const Array& gy, const Needs& need) {
        const auto [gx, gw, gb] = kernels::conv2d_grad(args, false, gy, Y(), X(), W(), {need[0], need[1], need[2]});
        return Grads{gx, gw, gb};
      });
}

namespace {

/// (size - 1) stride - 2 padding + dilation (taps - 1) + extra + 1, what a transposed convolution makes of `size`
/// pixels.
std::int64_t transposed_size(std::int64_t size, std::int64_t taps, std::int64_t stride, std::int64_t padding,
                             std::int64_t extra, std::int64_t dilation) {
  const std::int64_t spread = detail::checked_mul(size - 1, stride), kernel = detail::checked_mul(dilation, taps - 1);
  const std::int64_t whole = detail::checked_add(detail::checked_add(spread, kernel), detail::checked_add(extra, 1));
  return detail::checked_sub(whole, detail::checked_mul(2, padding));
}

}  // namespace

// A transposed convolution is the data gradient of the convolution from y to x: the roles of the two are swapped in
// everything below.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose2dOptions& options, Activation activation, ConvLayouts layouts) {
  const ops::CalledOp called("conv_transpose2d");
  const char* op = ops::called("conv_transpose2d");
  const auto in_planes = [&] {
    const Tensor planes = turned(x, layouts.in, Layout::channels_first);
    return turned(conv_transpose2d(planes, weight, bias, options, activation), Layout::channels_first, layouts.out);
  };
  if (options.groups != 1)
    return any_last(layouts) ? in_planes() : grouped_conv_transpose2d(x, weight, bias, options, activation);
  const Shape sx = check_operands(op, x, weight, bias, 0, layouts.in);
  const auto& [stride, padding, extra, dilation, groups] = options;
  check_size(op, "stride", stride, 1);
  check_size(op, "padding", padding, 0);
  check_size(op, "output_padding", extra, 0);
  check_size(op, "dilation", dilation, 1);
  ELBO_CHECK(extra.h < std::max(stride.h, dilation.h) && extra.w < std::max(stride.w, dilation.w), ValueError, "[", op,
             "] expected output_padding below stride or dilation, found ", show(extra), " for stride ", show(stride),
             " and dilation ", show(dilation));
  const Shape& sw = weight.shape();
  const Size2 out{transposed_size(sx[2], sw[2], stride.h, padding.h, extra.h, dilation.h),
                  transposed_size(sx[3], sw[3], stride.w, padding.w, extra.w, dilation.w)};
  ELBO_CHECK(sx[2] > 0 && sx[3] > 0 && out.h > 0 && out.w > 0, ShapeError, "[", op,
             "] expected an output of at least 1 x 1, found ", show(out), " for x ", x.shape(), ", weight ", sw);
  Conv2dArgs args = conv_args({sx[0], sw[1], out.h, out.w}, sw, {sx[2], sx[3]}, x.dtype(), stride, padding, dilation);
  args.x_last = layouts.out == Layout::channels_last, args.y_last = layouts.in == Layout::channels_last;
  if (any_last(layouts) && !have_kernels(x, args)) return in_planes();
  const Activation within = ops::fused(activation, x, weight, bias);
  if (within != activation)
    return ops::activated(conv_transpose2d(x, weight, bias, options, within, layouts), activation);
  Array y = kernels::conv2d_grad_data(with(args, activation), x.array(), weight.array(), ops::array_or_none(bias));
  return record(
      "conv_transpose2d", {x, weight, bias}, y,
      [args, X = save_if(weight.requires_grad(), x), W = save_if(x.requires_grad(), weight),
       Y = save_if(activation == Activation::relu, y)](const Array& gy, const Needs& need) {
        const auto [gx, gw, gb] = kernels::conv2d_grad(args, true, gy, Y(), X(), W(), {need[0], need[1], need[2]});
        return Grads{gx, gw, gb};
      });
}

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& options) {
  const char* op = "conv1d";
  const ops::CalledOp called(op);
  const auto& [stride, padding, dilation, groups] = options;
  check_line(op, x, weight, bias, groups, 1);
  check_number(op, "stride", stride, 1);
  check_number(op, "padding", padding, 0);
  check_number(op, "dilation", dilation, 1);
  ELBO_CHECK(room(x.size(2), weight.size(2), padding, dilation) >= 0, ShapeError, "[", op,
             "] the kernel is longer than the padded line: x ", x.shape(), ", weight ", weight.shape(), ", padding ",
             padding, ", dilation ", dilation);
  const Conv2dOptions flat{{1, stride}, {0, padding}, {1, dilation}, groups};
  return squeeze(conv2d(as_picture(x), as_picture(weight), bias, flat), 2);
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose1dOptions& options) {
  const char* op = "conv_transpose1d";
  const ops::CalledOp called(op);
  const auto& [stride, padding, extra, dilation, groups] = options;
  check_line(op, x, weight, bias, groups, 0);
  check_number(op, "stride", stride, 1);
  check_number(op, "padding", padding, 0);
  check_number(op, "output_padding", extra, 0);
  check_number(op, "dilation", dilation, 1);
  ELBO_CHECK(extra < std::max(stride, dilation), ValueError, "[", op,
             "] expected output_padding below stride or dilation, found ", extra, " for stride ", stride,
             " and dilation ", dilation);
  const std::int64_t out = transposed_size(x.size(2), weight.size(2), stride, padding, extra, dilation);
  ELBO_CHECK(x.size(2) > 0 && out > 0, ShapeError, "[", op, "] expected an output of at least 1, found ", out,
             " for x ", x.shape(), ", weight ", weight.shape());
  const ConvTranspose2dOptions flat{{1, stride}, {0, padding}, {0, extra}, {1, dilation}, groups};
  return squeeze(conv_transpose2d(as_picture(x), as_picture(weight), bias, flat), 2);
}

}  // namespace elbo
