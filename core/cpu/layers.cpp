// Layers and convolutions with all that belongs to them, by calls of the kernels for their parts.
#include "cpu_kernels.h"
#include "gemm.h"

namespace elbo::cpu_kernels {
namespace {

using std::int64_t;

/// g [count] where y > 0 and 0 elsewhere, as the ReLU whose output y is says; without y, g itself. In `memory`, which
/// has room for it where there is a y.
const void* through_relu(const Context& context, const void* g, const void* y, void* memory, int64_t count,
                         DType dtype) {
  if (!y) return g;
  const Shape shape{count};
  unary_grad(context, UnaryOp::relu, {memory, shape, dtype}, {}, {y, shape, dtype}, {g, shape, dtype}, 0, 0);
  return memory;
}
std::size_t relu_bytes(const void* y, int64_t count, DType dtype) {
  return y ? static_cast<std::size_t>(count) * size_of(dtype) : 0;
}

MatmulArgs product(const LinearArgs& args, const void* a, const void* b, void* out) {
  MatmulArgs p{};
  p.a = a, p.b = b, p.out = out, p.dtype = args.dtype, p.batch = 1, p.precision = args.precision;
  return p;
}

/// What one layer gives back to x.
void to_input(const Context& context, const LinearArgs& args, const LinearGradHead& head, const void* gy, void* gx) {
  MatmulArgs p = product(args, gy, head.weight, gx);
  p.m = args.m, p.n = args.k, p.k = head.n;
  gemm(p, context.pool, context.isa);
}

}  // namespace

void linear(const Context& context, const LinearArgs& args, std::span<const LinearHead> heads) {
  for (const LinearHead& head : heads) {
    MatmulArgs p = product(args, args.x, head.weight, head.y);
    p.bias = head.bias, p.transpose_b = true;
    p.m = args.m, p.n = head.n, p.k = args.k;
    gemm(p, context.pool, context.isa);
  }
}

void linear_grad(const Context& context, const LinearArgs& args, void* gx, std::span<const LinearGradHead> heads) {
  const DType dtype = args.dtype;
  const int64_t inputs = args.m * args.k;
  const Workspace more(context.pool, gx && heads.size() > 1 ? static_cast<std::size_t>(inputs) * size_of(dtype) : 0);
  bool first = true;
  for (const LinearGradHead& head : heads) {
    const int64_t count = args.m * head.n;
    const Workspace masked(context.pool, relu_bytes(head.y, count, dtype));
    const void* gy = through_relu(context, head.gy, head.y, masked.as<void>(), count, dtype);
    if (gx && first) to_input(context, args, head, gy, gx);
    if (gx && !first) {
      to_input(context, args, head, gy, more.as<void>());
      const View sum{gx, {inputs}, dtype};
      binary(context, BinaryOp::add, sum, sum, {more.as<void>(), {inputs}, dtype});
    }
    first = false;
    if (head.gweight) {
      MatmulArgs p = product(args, gy, args.x, head.gweight);
      p.transpose_a = true;
      p.m = head.n, p.n = args.k, p.k = args.m;
      gemm(p, context.pool, context.isa);
    }
    if (head.gbias) reduce(context, ReduceOp::sum, {head.gbias, {1, head.n}, dtype}, {gy, {1, args.m, head.n}, dtype});
  }
}

void conv2d_grad(const Context& context, const Conv2dArgs& args, bool transposed, const ConvGradArgs& g) {
  const int64_t size_x = args.h * args.w, size_y = args.out_h * args.out_w;
  const int64_t channels = transposed ? args.c_in : args.c_out, size = transposed ? size_x : size_y;
  const int64_t count = args.n * channels * size;
  const Workspace masked(context.pool, relu_bytes(g.y, count, args.dtype));
  const void* gy = through_relu(context, g.gy, g.y, masked.as<void>(), count, args.dtype);
  Conv2dArgs plain = args;
  plain.activation = Activation::none;
  if (g.gx && transposed) conv2d(context, plain, g.gx, gy, g.weight, nullptr);
  if (g.gx && !transposed) conv2d_grad_data(context, plain, g.gx, gy, g.weight, nullptr);
  if (g.gweight) conv2d_grad_weight(context, plain, g.gweight, transposed ? g.x : gy, transposed ? gy : g.x);
  if (g.gbias)
    channel_sums(context, g.gbias, gy, args.dtype, args.n, channels, size, transposed ? args.x_last : args.y_last);
}

}  // namespace elbo::cpu_kernels
