// The elementwise ops, generated from the lists in functors.h.
#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

/// What a gradient reads: the third column of the lists.
enum class Saves { none, x, y };

Tensor unary_op(UnaryOp op, const char* name, Saves saves, const Tensor& x, double p0 = 0, double p1 = 0) {
  const ops::CalledOp called(name);
  ops::check_floating(name, x);
  Array y = kernels::unary(op, x.array(), p0, p1);
  return record(
      name, {x}, y,
      [op, p0, p1, X = save_if(saves == Saves::x, x), Y = save_if(saves == Saves::y, y)](const Array& g, const Needs&) {
        if (op == UnaryOp::add_scalar) return Grads{g};
        return Grads{kernels::unary_grad(op, X(), Y(), g, p0, p1)};
      });
}

/// a + b and a - b: the gradients are g itself and +-g, summed to the operands' shapes.
Tensor sum_op(BinaryOp op, const char* name, const Tensor& a, const Tensor& b, Array y) {
  return record(name, {a, b}, std::move(y),
                [op, shape_a = a.shape(), shape_b = b.shape()](const Array& g, const Needs& need) {
                  Grads grads(2);
                  if (need[0]) grads[0] = kernels::sum_to(g, shape_a);
                  if (need[1]) grads[1] = kernels::sum_to(g, shape_b);
                  if (need[1] && op == BinaryOp::sub) grads[1] = kernels::unary(UnaryOp::neg, grads[1]);
                  return grads;
                });
}

Tensor binary_op(BinaryOp op, const char* name, const Tensor& a, const Tensor& b) {
  const ops::CalledOp called(name);
  ops::check_floating_pair(name, a, b);
  Shape shape = broadcast(a.shape(), b.shape(), name);
  Array y = kernels::binary(op, a.array(), b.array(), shape);
  if (op == BinaryOp::add || op == BinaryOp::sub) return sum_op(op, name, a, b, std::move(y));
  // a's gradient reads b, and a too unless the op is linear in it; and the other way round.
  bool linear_in_a = op == BinaryOp::mul || op == BinaryOp::div, linear_in_b = op == BinaryOp::mul;
  bool reads_a = b.requires_grad() || !linear_in_a, reads_b = a.requires_grad() || !linear_in_b;
  return record(name, {a, b}, std::move(y),
                [op, A = save_if(reads_a, a), B = save_if(reads_b, b), shape_a = a.shape(), shape_b = b.shape()](
                    const Array& g, const Needs& need) {
                  const Shape& full = g.shape();
                  // An operand that is not read still needs a shape that broadcasts: g stands in for it.
                  const Array &x = A().defined() ? A() : g, &z = B().defined() ? B() : g;
                  Grads grads(2);
                  if (need[0]) grads[0] = kernels::sum_to(kernels::binary_grad(op, 0, x, z, g, full), shape_a);
                  if (need[1]) grads[1] = kernels::sum_to(kernels::binary_grad(op, 1, x, z, g, full), shape_b);
                  return grads;
                });
}

}  // namespace

#define ELBO_DEFINE(op, functor, saves, ...) \
  Tensor op(const Tensor& x) { return unary_op(UnaryOp::op, #op, Saves::saves, x); }
#define ELBO_DEFINE_1(op, functor, saves, ...) \
  Tensor op(const Tensor& x, double p) { return unary_op(UnaryOp::op, #op, Saves::saves, x, p); }
#define ELBO_DEFINE_2(op, functor, saves, ...) \
  Tensor op(const Tensor& x, double p0, double p1) { return unary_op(UnaryOp::op, #op, Saves::saves, x, p0, p1); }
#define ELBO_DEFINE_BINARY(op, ...) \
  Tensor op(const Tensor& a, const Tensor& b) { return binary_op(BinaryOp::op, #op, a, b); }

ELBO_UNARY_OPS(ELBO_DEFINE)
ELBO_UNARY_OPS_1(ELBO_DEFINE_1)
ELBO_UNARY_OPS_2(ELBO_DEFINE_2)
ELBO_BINARY_OPS(ELBO_DEFINE_BINARY)

// With a number: what is wrong is said of the operator that was written, not of what it is made of.

Tensor operator+(const Tensor& x, double c) {
  const ops::CalledOp called("add");
  return add_scalar(x, c);
}
Tensor operator+(double c, const Tensor& x) { return x + c; }

Tensor operator-(const Tensor& x, double c) {
  const ops::CalledOp called("sub");
  return add_scalar(x, -c);
}
Tensor operator-(double c, const Tensor& x) {
  const ops::CalledOp called("sub");
  return add_scalar(neg(x), c);
}

Tensor operator*(const Tensor& x, double c) {
  const ops::CalledOp called("mul");
  return mul_scalar(x, c);
}
Tensor operator*(double c, const Tensor& x) { return x * c; }

Tensor operator/(const Tensor& x, double c) {
  const ops::CalledOp called("div");
  return div_scalar(x, c);
}
Tensor operator/(double c, const Tensor& x) {
  const ops::CalledOp called("div");
  ops::check_floating("div", x);
  return div(full({}, c, x.array().options()), x);
}

}  // namespace elbo
