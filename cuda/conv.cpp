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
  (by_columns(args) ? im2col::forward : implicit::forward)(context, args, y, x, weight, bias);
  activate(context, args.activation, args.dtype, y, args.n * args.c_out * args.out_h * args.out_w);
}

void conv2d_grad_data(const Context& context, const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
                      const void* bias) {
  (by_columns(args) ? im2col::grad_data : implicit::grad_data)(context, args, gx, gy, weight, bias);
  activate(context, args.activation, args.dtype, gx, args.n * args.c_in * args.h * args.w);
}

void conv2d_grad_weight(const Context& context, const Conv2dArgs& args, void* gw, const void* gy, const void* x) {
  (by_columns(args) ? im2col::grad_weight : implicit::grad_weight)(context, args, gw, gy, x);
}

}  // namespace elbo::cuda
