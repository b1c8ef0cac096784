#include "../autograd.h"
#include "../functors.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

Tensor softmax_op(SoftmaxKind kind, const char* name, const Tensor& x, int axis) {
  const ops::CalledOp called(name);
  ops::check_floating(name, x);
  int dim = ops::resolve_axis(name, x.shape(), axis);
  Array y = kernels::softmax(kind, x.array(), dim);
  return record(name, {x}, y, [kind, dim, Y = save(y)](const Array& g, const Needs&) {
    return Grads{kernels::softmax_grad(kind, Y(), g, dim)};
  });
}

}  // namespace

Tensor softmax(const Tensor& x, int axis) { return softmax_op(SoftmaxKind::softmax, "softmax", x, axis); }
Tensor log_softmax(const Tensor& x, int axis) { return softmax_op(SoftmaxKind::log_softmax, "log_softmax", x, axis); }

namespace {

/// Along one axis, which keeps size 1.
Tensor logsumexp_along(const Tensor& x, int dim) {
  Array y = kernels::logsumexp(x.array(), dim);
  return record("logsumexp", {x}, y, [dim, X = save(x), Y = save(y)](const Array& g, const Needs&) {
    const Shape &shape = X().shape(), &kept = Y().shape();
    // softmax(x) is exp(x - y), without the rounding of y. Where y is infinite only the latter is 0 for
    // finite x.
    Array infinite = kernels::compare(CompareOp::eq, Y(), Array::full({}, math::infinity, Y().options()), kept);
    Array finite_p = kernels::softmax(SoftmaxKind::softmax, X(), dim);
    Array p = kernels::unary(UnaryOp::exp, kernels::binary(BinaryOp::sub, X(), Y(), shape));
    p = kernels::where(infinite, p, finite_p, shape);
    return Grads{kernels::binary(BinaryOp::mul, p, g, shape)};
  });
}

}  // namespace

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim) {
  const ops::CalledOp called("logsumexp");
  ops::check_floating("logsumexp", x);
  const std::vector<int> dims = ops::resolve_axes("logsumexp", x.shape(), axes);
  if (x.dim() == 0) return logsumexp_along(x, 0);
  // One axis after the other: the first leaves little to the others.
  Tensor y = x;
  Shape out = x.shape();
  for (auto dim = dims.rbegin(); dim != dims.rend(); ++dim) {
    y = logsumexp_along(y, *dim);
    out = out.without(*dim);
  }
  return keepdim ? y : reshape(y, out);
}

}  // namespace elbo
