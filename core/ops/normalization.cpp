#include <algorithm>
#include <cmath>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

/// xhat * weight + bias, where there are any; both broadcast.
Array affine(const Array& xhat, const Array& weight, const Array& bias) {
  Array y = weight.defined() ? kernels::binary(BinaryOp::mul, xhat, weight, xhat.shape()) : xhat;
  return bias.defined() ? kernels::binary(BinaryOp::add, y, bias, xhat.shape()) : y;
}

/// The gradients of weight and bias into grads[1] and grads[2]; `shape` is what they broadcast as, `own` their own.
void affine_grads(Grads& grads, const Needs& need, const Array& xhat, const Array& g, const Shape& shape,
                  const Shape& own) {
  if (need[1]) grads[1] = kernels::sum_to(kernels::mul(g, xhat), shape).reshape(own);
  if (need[2]) grads[2] = kernels::sum_to(g, shape).reshape(own);
}

Array reshape_if(const Tensor& x, const Shape& shape) { return x.defined() ? x.array().reshape(shape) : Array(); }

/// g * weight, the gradient of xhat.
Array through_weight(const Array& g, const Array& weight) {
  return weight.defined() ? kernels::binary(BinaryOp::mul, g, weight, g.shape()) : g;
}

/// The rule where xhat was made with x's own mean and variance, seen as [a, groups, b].
Rule normalized_rule(const Tensor& x, const Array& xhat, const Array& var, double eps, std::int64_t a,
                     const Array& weight, const Shape& shape, const Shape& own) {
  return [X = save(xhat), V = save(var), W = save_if(x.requires_grad(), weight), eps, a, shape, own](
             const Array& g, const Needs& need) {
    Grads grads(3);
    if (need[0]) grads[0] = kernels::normalize_grad(X(), V(), through_weight(g, W()), eps, a);
    affine_grads(grads, need, X(), g, shape, own);
    return grads;
  };
}

/// running += momentum * (batch - running), in place.
void move_towards(Tensor& running, const Array& batch, double momentum) {
  if (!running.defined()) return;
  Array kept = kernels::scale(running.array(), 1 - momentum);
  kernels::add_(kept, kernels::scale(batch, momentum));
  running.mutable_array().assign(kept);
}

void check_batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                      const Tensor& running_var, bool training) {
  const char* op = "batch_norm";
  ops::check_floating(op, x);
  ELBO_CHECK(x.shape().rank() >= 2, ShapeError, "[", op, "] expected x [N, C, ...], found shape ", x.shape());
  Shape channels{x.shape()[1]};
  ops::check_optional(op, "a weight", x, weight, channels);
  ops::check_optional(op, "a bias", x, bias, channels);
  ops::check_optional(op, "a running mean", x, running_mean, channels);
  ops::check_optional(op, "a running variance", x, running_var, channels);
  ELBO_CHECK(!ops::wants_grad(running_mean) && !ops::wants_grad(running_var), AutogradError, "[", op,
             "] has no gradient for the running mean and variance, but one requires it: detach() it");
  ELBO_CHECK(training || (running_mean.defined() && running_var.defined()), ValueError, "[", op,
             "] expected a running mean and variance outside training, found none");
}

/// With the running statistics, which are constants here.
Tensor batch_norm_inference(const Tensor& x, const Tensor& weight, const Tensor& bias, const Array& mean,
                            const Array& var, double eps, const Shape& shape) {
  Array xhat = kernels::normalize(x.array(), mean, var, eps, x.shape()[0]);
  // Kept instead of `var`, which the next training step writes in place.
  Array deviation = kernels::unary(UnaryOp::sqrt, kernels::unary(UnaryOp::add_scalar, var, eps));
  Array w = reshape_if(weight, shape);
  return record("batch_norm", {x, weight, bias}, affine(xhat, w, reshape_if(bias, shape)),
                [X = save_if(ops::wants_grad(weight), xhat), D = save(deviation.reshape(shape)),
                 W = save_if(x.requires_grad(), w), shape](const Array& g, const Needs& need) {
                  Grads grads(3);
                  if (need[0]) {
                    Array slope = W().defined() ? kernels::div(W(), D()) : kernels::unary(UnaryOp::pow, D(), -1);
                    grads[0] = kernels::binary(BinaryOp::mul, g, slope, g.shape());
                  }
                  affine_grads(grads, need, X(), g, shape, {shape[1]});
                  return grads;
                });
}

void check_eps(const char* op, double eps) {
  ELBO_CHECK(std::isfinite(eps) && eps >= 0, ValueError, "[", op, "] eps: expected a number of at least 0, found ",
             eps);
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& running_mean, Tensor& running_var,
                  bool training, double momentum, double eps) {
  const ops::CalledOp called("batch_norm");
  check_batch_norm(x, weight, bias, running_mean, running_var, training);
  check_eps("batch_norm", eps);
  ELBO_CHECK(momentum >= 0 && momentum <= 1, ValueError, "[batch_norm] momentum: expected 0 to 1, found ", momentum);
  std::int64_t n = x.shape()[0], channels = x.shape()[1], each = n;
  Shape shape = Shape{1, channels};  // what [C] broadcasts as
  for (int i = 2; i < x.shape().rank(); ++i) {
    each *= x.shape()[i];
    shape = shape.insert(i, 1);
  }
  if (!training) return batch_norm_inference(x, weight, bias, running_mean.array(), running_var.array(), eps, shape);
  ELBO_CHECK(each != 1, ShapeError, "[batch_norm] expected more than one element a channel in training, found shape ",
             x.shape());
  kernels::Moments batch = kernels::moments(x.array(), n, channels);
  Array xhat = kernels::normalize(x.array(), batch.mean, batch.var, eps, n);
  if (each > 0) {
    double count = static_cast<double>(each);
    move_towards(running_mean, batch.mean, momentum);
    move_towards(running_var, kernels::scale(batch.var, count / (count - 1)), momentum);
  }
  Array w = reshape_if(weight, shape);
  return record("batch_norm", {x, weight, bias}, affine(xhat, w, reshape_if(bias, shape)),
                normalized_rule(x, xhat, batch.var, eps, n, w, shape, {channels}));
}

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  const char* op = "layer_norm";
  const ops::CalledOp called(op);
  ops::check_floating(op, x);
  const Shape& shape = x.shape();
  int lead = shape.rank() - normalized_shape.rank();
  ELBO_CHECK(normalized_shape.rank() > 0 && lead >= 0 &&
                 std::equal(normalized_shape.begin(), normalized_shape.end(), shape.begin() + lead),
             ShapeError, "[", op, "] expected a shape ending in ", normalized_shape, ", found ", shape);
  check_eps(op, eps);
  ops::check_optional(op, "a weight", x, weight, normalized_shape);
  ops::check_optional(op, "a bias", x, bias, normalized_shape);
  std::int64_t rows = 1;
  for (int i = 0; i < lead; ++i) rows *= shape[i];
  const Array w = ops::array_or_none(weight);
  const kernels::LayerNormed normed = kernels::layer_norm(x.array(), rows, w, ops::array_or_none(bias), eps);
  return record(op, {x, weight, bias}, normed.y,
                [X = save(x), M = save(normed.mean), V = save(normed.var), W = save_if(x.requires_grad(), w), eps,
                 normalized_shape](const Array& g, const Needs& need) {
                  auto grads = kernels::layer_norm_grad(X(), M(), V(), W(), g, eps, {need[0], need[1], need[2]},
                                                        normalized_shape);
                  return Grads(grads.begin(), grads.end());
                });
}

}  // namespace elbo
