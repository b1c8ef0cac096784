#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

Tensor softmax_op(SoftmaxKind kind, const char* name, const Tensor& x, int axis) {
  ops::check_floating(name, x);
  int dim = x.shape().axis(axis, name);
  Array y = kernels::softmax(kind, x.array(), dim);
  return record(name, {x}, y, [kind, dim, Y = save(y)](const Array& g, const Needs&) {
    return Grads{kernels::softmax_grad(kind, Y(), g, dim)};
  });
}

}  // namespace

Tensor softmax(const Tensor& x, int axis) { return softmax_op(SoftmaxKind::softmax, "softmax", x, axis); }
Tensor log_softmax(const Tensor& x, int axis) { return softmax_op(SoftmaxKind::log_softmax, "log_softmax", x, axis); }

Tensor logsumexp(const Tensor& x, int axis, bool keepdim) {
  ops::check_floating("logsumexp", x);
  int dim = x.shape().axis(axis, "logsumexp");
  Array y = kernels::logsumexp(x.array(), dim);
  return record("logsumexp", {x}, keepdim ? y : y.reshape(x.shape().without(dim)),
                [dim, X = save(x)](const Array& g, const Needs&) {
                  Array p = kernels::softmax(SoftmaxKind::softmax, X(), dim);
                  return Grads{kernels::binary(BinaryOp::mul, p, g.reshape(p.shape().with(dim, 1)), p.shape())};
                });
}

}  // namespace elbo
