#include "conv.h"

#include "cuda_kernels.h"

namespace elbo::cuda {
namespace {

/// Whether a convolution's sizes are within what the tiles hold. One without elements is.
bool in_tiles(const Conv2dArgs& args) {
  for (const std::int64_t size : {args.n, args.c_in, args.c_out, args.h, args.w, args.out_h, args.out_w})
    if (size == 0) return true;
  return implicit::fits(args);
}

}  // namespace

void conv2d(const Context& context, const Conv2dArgs& args, void* y, const void* x, const void* weight,
            const void* bias) {
  if (in_tiles(args)) return implicit::forward(context, args, y, x, weight, bias, nullptr);
  direct::forward(context, args, y, x, weight, bias);
}

void conv2d_grad_data(const Context& context, const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
                      const void* bias) {
  if (in_tiles(args)) return implicit::grad_data(context, args, gx, gy, weight, bias, nullptr);
  direct::grad_data(context, args, gx, gy, weight, bias);
}

void conv2d_grad_weight(const Context& context, const Conv2dArgs& args, void* gw, const void* gy, const void* x) {
  if (in_tiles(args)) return implicit::grad_weight(context, args, false, gw, nullptr, gy, x, nullptr);
  direct::grad_weight(context, args, gw, gy, x);
}

namespace {

/// The gradients of what does not fit the tiles, or of the bias alone, kernel by kernel.
void grad_in_parts(const Context& context, const Conv2dArgs& args, bool transposed, const ConvGradArgs& g) {
  const std::int64_t channels = transposed ? args.c_in : args.c_out;
  const std::int64_t size = transposed ? args.h * args.w : args.out_h * args.out_w, count = args.n * channels * size;
  const Workspace masked(context, g.y ? static_cast<std::size_t>(count) * size_of(args.dtype) : 0);
  const void* gy = g.gy;
  if (g.y) {
    relu_grad(context, args.dtype, masked.as<void>(), g.y, gy, count);
    gy = masked.as<void>();
  }
  if (g.gx && transposed) conv2d(context, args, g.gx, gy, g.weight, nullptr);
  if (g.gx && !transposed) conv2d_grad_data(context, args, g.gx, gy, g.weight, nullptr);
  if (g.gweight) conv2d_grad_weight(context, args, g.gweight, transposed ? g.x : gy, transposed ? gy : g.x);
  if (g.gbias) sum_groups(context, args.dtype, g.gbias, gy, args.n, channels, size);
}

}  // namespace

void conv2d_grad(const Context& context, const Conv2dArgs& with_activation, bool transposed, const ConvGradArgs& g) {
  Conv2dArgs args = with_activation;
  args.activation = Activation::none;
  if (!in_tiles(args)) return grad_in_parts(context, args, transposed, g);
  if (g.gx && transposed) implicit::forward(context, args, g.gx, g.gy, g.weight, nullptr, g.y);
  if (g.gx && !transposed) implicit::grad_data(context, args, g.gx, g.gy, g.weight, nullptr, g.y);
  ConvGradArgs rest = g;
  rest.gx = nullptr;
  if (!g.gweight || args.c_out * args.c_in == 0) return grad_in_parts(context, args, transposed, rest);
  implicit::grad_weight(context, args, transposed, g.gweight, g.gbias, transposed ? g.x : g.gy, transposed ? g.gy : g.x,
                        g.y);
}

}  // namespace elbo::cuda
