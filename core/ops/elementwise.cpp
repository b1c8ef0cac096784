// The elementwise ops, generated from the lists in functors.h.
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {

namespace {

/// A number as a tensor [] like `other`.
Tensor number_like(const char* op, const Operand& number, const Tensor& other) {
  ops::check_defined(op, other);
  ELBO_CHECK(is_floating(other.dtype()) || number.whole() || number.number() == std::floor(number.number()), DTypeError,
             "[", ops::called(op), "] expected a whole number beside ", other.dtype(), ", found ", number.number());
  return Tensor(number.whole() && other.dtype() == DType::int64
                    ? Array::from(std::vector{*number.whole()}, {}, other.device())
                    : Array::full({}, number.number(), other.array().options()));
}

}  // namespace

ops::Pair::Pair(const char* op, const Operand& left, const Operand& right) {
  ELBO_CHECK(left.is_tensor() || right.is_tensor(), ValueError, "[", called(op),
             "] expected a tensor among the operands, found two numbers");
  a = left.is_tensor() ? left.tensor() : number_like(op, left, right.tensor());
  b = right.is_tensor() ? right.tensor() : number_like(op, right, left.tensor());
  check_pair(op, a, b);
}

namespace {

/// What a gradient reads: the third column of the lists.
enum class Saves { none, x, y };

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Of integers: the ops on one operand that are made of those on two.
std::optional<Tensor> of_integers(UnaryOp op, const Tensor& x, double p0, double p1) {
  if (op == UnaryOp::neg) return 0 - x;
  if (op == UnaryOp::square) return x * x;
  if (op == UnaryOp::abs) return x.dtype() == DType::uint8 ? x : maximum(x, 0 - x);
  if (op != UnaryOp::clamp) return {};
  const Tensor above = p0 == -infinity ? x : maximum(x, p0);
  return p1 == infinity ? above : minimum(above, p1);
}

Tensor unary_op(UnaryOp op, const char* name, Saves saves, const Tensor& x, double p0 = 0, double p1 = 0) {
  const ops::CalledOp called(name);
  if (x.defined() && !is_floating(x.dtype()))
    if (const auto y = of_integers(op, x, p0, p1)) return *y;
  ops::check_floating(name, x);
  Array y = kernels::unary(op, x.array(), p0, p1);
  if (!grad_enabled() || !x.requires_grad()) return Tensor(std::move(y));
  return record(
      name, {x}, y,
      [op, p0, p1, X = save_if(saves == Saves::x, x), Y = save_if(saves == Saves::y, y)](const Array& g, const Needs&) {
        if (op == UnaryOp::add_scalar) return Grads{g};
        return Grads{kernels::unary_grad(op, X(), Y(), g, p0, p1)};
      });
}

/// a + b and a - b: the gradients are g itself and +-g, summed to the operands' shapes.
Tensor sum_op(BinaryOp op, const char* name, const Tensor& a, const Tensor& b, Array&& y) {
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
  ops::check_pair(name, a, b);
  if (!ops::takes_integers(op)) ops::check_floating(name, a);
  Shape shape = broadcast(a.shape(), b.shape(), name);
  Array y = kernels::binary(op, a.array(), b.array(), shape);
  // Before a rule is made, and arrays kept for it.
  if (!grad_enabled() || !(a.requires_grad() || b.requires_grad())) return Tensor(std::move(y));
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

/// x op c, by the ops on one operand, which make no array of c; their names do not show in messages.
std::optional<Tensor> with_number(BinaryOp op, const Tensor& x, double c) {
  if (op == BinaryOp::add) return add_scalar(x, c);
  if (op == BinaryOp::sub) return add_scalar(x, -c);
  if (op == BinaryOp::mul) return mul_scalar(x, c);
  if (op == BinaryOp::div) return div_scalar(x, c);
  if (op == BinaryOp::pow) return pow(x, c);
  return {};
}

/// c op x, the same.
std::optional<Tensor> number_with(BinaryOp op, double c, const Tensor& x) {
  if (op == BinaryOp::add || op == BinaryOp::mul) return with_number(op, x, c);
  if (op == BinaryOp::sub) return add_scalar(neg(x), c);
  return {};
}

Tensor of_operands(BinaryOp op, const char* name, const Operand& a, const Operand& b) {
  const ops::CalledOp called(name);
  if (a.is_tensor() && b.is_tensor()) return binary_op(op, name, a.tensor(), b.tensor());
  const auto floating = [](const Operand& x) {
    return x.is_tensor() && (!x.tensor().defined() || is_floating(x.tensor().dtype()));
  };
  if (floating(a))
    if (auto y = with_number(op, a.tensor(), b.number())) return *y;
  if (floating(b))
    if (auto y = number_with(op, a.number(), b.tensor())) return *y;
  const ops::Pair pair(name, a, b);
  return binary_op(op, name, pair.a, pair.b);
}

}  // namespace

#define ELBO_DEFINE(op, functor, saves, ...) \
  Tensor op(const Tensor& x) { return unary_op(UnaryOp::op, #op, Saves::saves, x); }
#define ELBO_DEFINE_1(op, functor, saves, ...) \
  Tensor op(const Tensor& x, double p) { return unary_op(UnaryOp::op, #op, Saves::saves, x, p); }
#define ELBO_DEFINE_2(op, functor, saves, ...)                                                         \
  Tensor op(const Tensor& x, std::optional<double> p0, std::optional<double> p1) {                     \
    return unary_op(UnaryOp::op, #op, Saves::saves, x, p0.value_or(-infinity), p1.value_or(infinity)); \
  }
#define ELBO_DEFINE_BINARY(op, ...) \
  Tensor op(const Operand& a, const Operand& b) { return of_operands(BinaryOp::op, #op, a, b); }

ELBO_UNARY_OPS(ELBO_DEFINE)
ELBO_UNARY_OPS_1(ELBO_DEFINE_1)
ELBO_UNARY_OPS_2(ELBO_DEFINE_2)
ELBO_BINARY_OPS(ELBO_DEFINE_BINARY)

Tensor log_sigmoid(const Tensor& x) {
  const ops::CalledOp called("log_sigmoid");
  return neg(softplus(neg(x)));
}

}  // namespace elbo
