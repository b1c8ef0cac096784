#include <array>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

std::string show(Size2 size) { return detail::concat(size.h, " x ", size.w); }

void check_size(const char* op, const char* what, Size2 size, std::int64_t least) {
  ELBO_CHECK(size.h >= least && size.w >= least, ValueError, "[", op, "] expected a ", what, " of at least ", least,
             ", found ", show(size));
}

/// Shapes [N, C, H, W] and [., ., KH, KW], where x's channels must be dimension `channel_dim` of the weight.
void check_operands(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, int channel_dim) {
  ops::check_floating_pair(op, x, weight);
  ops::check_rank(op, "x", 4, x.shape());
  ops::check_rank(op, "weight", 4, weight.shape());
  const Shape& w = weight.shape();
  ELBO_CHECK(x.shape()[1] == w[channel_dim], ShapeError, "[", op, "] expected x with ", w[channel_dim],
             " channels for weight ", w, ", found ", x.shape());
  ELBO_CHECK(w[2] > 0 && w[3] > 0, ShapeError, "[", op, "] expected a kernel of at least 1 x 1, found weight ", w);
  ops::check_optional(op, "a bias", x, bias, {w[1 - channel_dim]});
}

/// The bookkeeping of a convolution from x [n, c_in, h, w] to y [n, c_out, out_h, out_w].
Conv2dArgs conv_args(const Shape& x, const Shape& weight, Size2 out, DType dtype, Size2 stride, Size2 padding,
                     Size2 dilation) {
  Conv2dArgs args{};
  args.dtype = dtype;
  args.n = x[0], args.c_in = x[1], args.h = x[2], args.w = x[3];
  args.c_out = weight[0], args.kh = weight[2], args.kw = weight[3];
  args.out_h = out.h, args.out_w = out.w;
  args.stride_h = stride.h, args.stride_w = stride.w;
  args.pad_h = padding.h, args.pad_w = padding.w;
  args.dilation_h = dilation.h, args.dilation_w = dilation.w;
  return args;
}

/// One gradient number a channel: y [n, channels, h, w] summed over the rest.
Array channel_sums(const Array& g) {
  constexpr std::array axes{0, 2, 3};
  return kernels::reduce(ReduceOp::sum, g, axes).reshape({g.shape()[1]});
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  check_operands("conv2d", x, weight, bias, 1);
  check_size("conv2d", "stride", options.stride, 1);
  check_size("conv2d", "padding", options.padding, 0);
  check_size("conv2d", "dilation", options.dilation, 1);
  const Shape &sx = x.shape(), &sw = weight.shape();
  // How far the kernel can move.
  Size2 room{sx[2] + 2 * options.padding.h - options.dilation.h * (sw[2] - 1) - 1,
             sx[3] + 2 * options.padding.w - options.dilation.w * (sw[3] - 1) - 1};
  ELBO_CHECK(room.h >= 0 && room.w >= 0, ShapeError, "[conv2d] the kernel is larger than the padded picture: x ", sx,
             ", weight ", sw, ", padding ", show(options.padding), ", dilation ", show(options.dilation));
  Size2 out{room.h / options.stride.h + 1, room.w / options.stride.w + 1};
  Conv2dArgs args = conv_args(sx, sw, out, x.dtype(), options.stride, options.padding, options.dilation);
  Array y = kernels::conv2d(args, x.array(), weight.array(), ops::array_or_none(bias));
  return record("conv2d", {x, weight, bias}, y,
                [args, X = save_if(weight.requires_grad(), x), W = save_if(x.requires_grad(), weight)](
                    const Array& g, const Needs& need) {
                  Grads grads(3);
                  if (need[0]) grads[0] = kernels::conv2d_grad_data(args, g, W(), {});
                  if (need[1]) grads[1] = kernels::conv2d_grad_weight(args, g, X());
                  if (need[2]) grads[2] = channel_sums(g);
                  return grads;
                });
}

// A transposed convolution is the data gradient of the convolution from y to x: the roles of the two are swapped in
// everything below.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose2dOptions& options) {
  const char* op = "conv_transpose2d";
  check_operands(op, x, weight, bias, 0);
  const auto& [stride, padding, extra, dilation] = options;
  check_size(op, "stride", stride, 1);
  check_size(op, "padding", padding, 0);
  check_size(op, "output_padding", extra, 0);
  check_size(op, "dilation", dilation, 1);
  ELBO_CHECK(extra.h < std::max(stride.h, dilation.h) && extra.w < std::max(stride.w, dilation.w), ValueError, "[", op,
             "] expected output_padding below stride or dilation, found ", show(extra), " for stride ", show(stride),
             " and dilation ", show(dilation));
  const Shape &sx = x.shape(), &sw = weight.shape();
  Size2 out{(sx[2] - 1) * stride.h - 2 * padding.h + dilation.h * (sw[2] - 1) + extra.h + 1,
            (sx[3] - 1) * stride.w - 2 * padding.w + dilation.w * (sw[3] - 1) + extra.w + 1};
  ELBO_CHECK(sx[2] > 0 && sx[3] > 0 && out.h > 0 && out.w > 0, ShapeError, "[", op,
             "] expected an output of at least 1 x 1, found ", show(out), " for x ", sx, ", weight ", sw);
  Conv2dArgs args = conv_args({sx[0], sw[1], out.h, out.w}, sw, {sx[2], sx[3]}, x.dtype(), stride, padding, dilation);
  Array y = kernels::conv2d_grad_data(args, x.array(), weight.array(), ops::array_or_none(bias));
  return record(op, {x, weight, bias}, y,
                [args, X = save_if(weight.requires_grad(), x), W = save_if(x.requires_grad(), weight)](
                    const Array& g, const Needs& need) {
                  Grads grads(3);
                  if (need[0]) grads[0] = kernels::conv2d(args, g, W(), {});
                  if (need[1]) grads[1] = kernels::conv2d_grad_weight(args, X(), g);
                  if (need[2]) grads[2] = channel_sums(g);
                  return grads;
                });
}

}  // namespace elbo
