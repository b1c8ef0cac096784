#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

/// The sum of `count` elements, or their mean.
Array sum_or_mean(const Array& sum, Reduction reduction, std::int64_t count, double sign = 1) {
  double divisor = reduction == Reduction::mean ? sign * static_cast<double>(count) : sign;
  return divisor == 1 ? sum : kernels::divide(sum, divisor);
}

/// The gradient of one element's loss: of the elements' shape for none, else a single number for all of them.
Array element_grad(const Array& g, Reduction reduction, std::int64_t count) {
  return reduction == Reduction::mean ? kernels::divide(g, static_cast<double>(count)) : g;
}

Tensor pair_loss(BinaryOp op, const char* name, const char* second, const Tensor& a, const Tensor& b,
                 Reduction reduction) {
  const ops::CalledOp called(name);
  ops::check_floating_pair(name, a, b);
  ops::check_shape(name, second, a.shape(), b.shape());
  if (op == BinaryOp::bce) ops::check_range(a, 0, 1);
  Array y = reduction == Reduction::none
                ? kernels::binary(op, a.array(), b.array())
                : sum_or_mean(kernels::binary_sum(op, a.array(), b.array()), reduction, a.numel());
  return record(name, {a, b}, y, [op, reduction, A = save(a), B = save(b)](const Array& g, const Needs& need) {
    const Shape& shape = A().shape();
    Array scaled = element_grad(g, reduction, shape.numel());
    Grads grads(2);
    if (need[0]) grads[0] = kernels::binary_grad(op, 0, A(), B(), scaled, shape);
    if (need[1]) grads[1] = kernels::binary_grad(op, 1, A(), B(), scaled, shape);
    return grads;
  });
}

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return pair_loss(BinaryOp::squared_difference, "mse_loss", "a target", input, target, reduction);
}

Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, Reduction reduction) {
  return pair_loss(BinaryOp::bce, "binary_cross_entropy", "a target", p, target, reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target, Reduction reduction) {
  return pair_loss(BinaryOp::bce_with_logits, "binary_cross_entropy_with_logits", "a target", logits, target,
                   reduction);
}

Tensor gaussian_kl(const Tensor& mu, const Tensor& logvar, Reduction reduction) {
  return pair_loss(BinaryOp::gaussian_kl, "gaussian_kl", "logvar", mu, logvar, reduction);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Reduction reduction) {
  const char* op = "cross_entropy";
  const ops::CalledOp called(op);
  ops::check_floating(op, logits);
  ops::check_int64(op, "labels", labels);
  ops::check_same_device(op, logits, labels);
  ops::check_rank(op, "logits", 2, logits.shape());
  std::int64_t n = logits.shape()[0], classes = logits.shape()[1];
  ops::check_shape(op, "labels", {n}, labels.shape());
  Array log_p = kernels::softmax(SoftmaxKind::log_softmax, logits.array(), 1);
  Array is_label = kernels::cast(kernels::one_hot(labels.array(), classes, logits.dtype()), DType::uint8);
  // Picked, not multiplied: log p of another class may be -infinity.
  Array zero = Array::zeros({}, log_p.options());
  Array picked = kernels::where(is_label, log_p, zero, log_p.shape());
  Array rows = kernels::sum_to(picked, {n, 1}).reshape({n});
  Array y =
      reduction == Reduction::none ? kernels::scale(rows, -1) : sum_or_mean(kernels::sum_all(rows), reduction, n, -1);
  return record(op, {logits}, y, [reduction, n, L = save(log_p), M = save(is_label)](const Array& g, const Needs&) {
    // p, less 1 at the label: exp(log p) - 1, which is what ELU computes below 0, without the cancelling.
    const Shape& shape = L().shape();
    Array p = kernels::where(M(), kernels::unary(UnaryOp::elu, L(), 1), kernels::unary(UnaryOp::exp, L()), shape);
    Array scaled = element_grad(g, reduction, n);
    if (reduction == Reduction::none) scaled = scaled.reshape({n, 1});
    return Grads{kernels::binary(BinaryOp::mul, p, scaled, shape)};
  });
}

}  // namespace elbo
