#include "conv.h"

#include <cstdlib>
#include <string_view>

#include "cuda_kernels.h"

namespace elbo::cuda {
namespace {

enum class Way { by_precision, implicit, im2col };

/// ELBO_CUDA_CONV, for measurements: `implicit` or `im2col` for all convolutions.
Way asked_for() {
  const char* value = std::getenv("ELBO_CUDA_CONV");
  const std::string_view name = value ? value : "";
  if (name.empty()) return Way::by_precision;
  if (name == "implicit") return Way::implicit;
  if (name == "im2col") return Way::im2col;
  throw Failure(StatusCode::unsupported,
                "expected ELBO_CUDA_CONV to be implicit or im2col, found " + std::string(name));
}

/// Whether a convolution goes through matrices of columns: tf32 and bf16 need cuBLASLt's products, and the other way's
/// indices are 32 bits wide, and its kernels at most 15 x 15.
bool by_columns(const Conv2dArgs& args) {
  static const Way asked = asked_for();
  for (const std::int64_t size : {args.n, args.c_in, args.c_out, args.h, args.w, args.out_h, args.out_w})
    if (size == 0) return false;
  if (!implicit::fits(args)) return true;
  if (asked != Way::by_precision) return asked == Way::im2col;
  return args.dtype == DType::float32 && args.precision != Precision::float32;
}

}  // namespace

void conv2d(const Context& context, const Conv2dArgs& args, void* y, const void* x, const void* weight,
            const void* bias) {
  if (!by_columns(args)) return implicit::forward(context, args, y, x, weight, bias, nullptr);
  im2col::forward(context, args, y, x, weight, bias);
  activate(context, args.activation, args.dtype, y, args.n * args.c_out * args.out_h * args.out_w);
}

void conv2d_grad_data(const Context& context, const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
                      const void* bias) {
  if (!by_columns(args)) return implicit::grad_data(context, args, gx, gy, weight, bias, nullptr);
  im2col::grad_data(context, args, gx, gy, weight, bias);
  activate(context, args.activation, args.dtype, gx, args.n * args.c_in * args.h * args.w);
}

void conv2d_grad_weight(const Context& context, const Conv2dArgs& args, void* gw, const void* gy, const void* x) {
  if (!by_columns(args)) return implicit::grad_weight(context, args, false, gw, nullptr, gy, x, nullptr);
  im2col::grad_weight(context, args, gw, gy, x);
}

namespace {

/// The gradients by columns, or of the bias alone, kernel by kernel.
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
  if (by_columns(args)) return grad_in_parts(context, args, transposed, g);
  if (g.gx && transposed) implicit::forward(context, args, g.gx, g.gy, g.weight, nullptr, g.y);
  if (g.gx && !transposed) implicit::grad_data(context, args, g.gx, g.gy, g.weight, nullptr, g.y);
  ConvGradArgs rest = g;
  rest.gx = nullptr;
  if (!g.gweight) return grad_in_parts(context, args, transposed, rest);
  implicit::grad_weight(context, args, transposed, g.gweight, g.gbias, transposed ? g.x : g.gy, transposed ? g.gy : g.x,
                        g.y);
}

}  // namespace elbo::cuda
