#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "../autograd.h"
#include "../index_kernels.h"
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

/// The shape of the losses of two operands, one of which must have it: of [n, 1] and [n] they would be [n, n], and
/// never meant.
Shape loss_shape(const char* op, const Tensor& a, const Tensor& b) {
  ops::check_pair(op, a, b);
  const Shape shape = broadcast(a.shape(), b.shape(), op);
  ELBO_CHECK(shape == a.shape() || shape == b.shape(), ShapeError, "[", ops::called(op),
             "] expected operands of one shape, or one that broadcasts to the other's, found ", a.shape(), " and ",
             b.shape());
  return shape;
}

Tensor pair_loss(BinaryOp op, const char* name, const Tensor& a, const Tensor& b, Reduction reduction) {
  const ops::CalledOp called(name);
  ops::check_floating_pair(name, a, b);
  const Shape shape = loss_shape(name, a, b);
  if (op == BinaryOp::bce) ops::check_range(a, 0, 1);
  const auto sum = [&] {
    return kernels::binary_sum(op, kernels::expand(a.array(), shape), kernels::expand(b.array(), shape));
  };
  Array y = reduction == Reduction::none ? kernels::binary(op, a.array(), b.array(), shape)
                                         : sum_or_mean(sum(), reduction, shape.numel());
  return record(name, {a, b}, y, [op, reduction, shape, A = save(a), B = save(b)](const Array& g, const Needs& need) {
    Array scaled = element_grad(g, reduction, shape.numel());
    const auto side = [&](int i, const Shape& to) {
      return kernels::sum_to(kernels::binary_grad(op, i, A(), B(), scaled, shape), to);
    };
    Grads grads(2);
    if (need[0]) grads[0] = side(0, A().shape());
    if (need[1]) grads[1] = side(1, B().shape());
    return grads;
  });
}

Tensor seeded_sum(BinaryOp op, const char* name, const Tensor& a, const Tensor& b, const Array& seed) {
  const ops::CalledOp called(name);
  ops::check_floating_pair(name, a, b);
  const Shape shape = loss_shape(name, a, b);
  const bool known = seed.defined() && seed.numel() == 1 && seed.dtype() == a.dtype() && seed.device() == a.device();
  const bool fits = a.shape() == shape && grad_enabled() && a.requires_grad() && !b.requires_grad();
  if (!known || !fits) return pair_loss(op, name, a, b, Reduction::sum);
  auto [sum, ga] = kernels::binary_sum_and_grad(op, a.array(), kernels::expand(b.array(), shape), seed);
  return record(name, {a, b}, std::move(sum),
                [op, shape, A = save(a), B = save(b), G = save(ga), seed, version = seed.storage()->version()](
                    const Array& g, const Needs&) {
                  const bool same = g.raw() == seed.raw() && seed.storage()->version() == version;
                  return Grads{same ? G() : kernels::binary_grad(op, 0, A(), B(), g, shape), Array()};
                });
}

Tensor reduced(const Tensor& elements, Reduction reduction) {
  if (reduction == Reduction::none) return elements;
  return reduction == Reduction::mean ? mean(elements) : sum(elements);
}

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  return pair_loss(BinaryOp::squared_difference, "mse_loss", input, target, reduction);
}

Tensor mse_loss_sum(const Tensor& input, const Tensor& target, const Array& seed) {
  return seeded_sum(BinaryOp::squared_difference, "mse_loss_sum", input, target, seed);
}

Tensor binary_cross_entropy_with_logits_sum(const Tensor& logits, const Tensor& target, const Array& seed) {
  return seeded_sum(BinaryOp::bce_with_logits, "binary_cross_entropy_with_logits_sum", logits, target, seed);
}

Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, Reduction reduction) {
  return pair_loss(BinaryOp::bce, "binary_cross_entropy", p, target, reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target, Reduction reduction) {
  return pair_loss(BinaryOp::bce_with_logits, "binary_cross_entropy_with_logits", logits, target, reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target, const BceOptions& options) {
  const char* op = "binary_cross_entropy_with_logits";
  const ops::CalledOp called(op);
  if (!options.pos_weight.defined()) return binary_cross_entropy_with_logits(logits, target, options.reduction);
  ops::check_floating_pair(op, logits, target);
  loss_shape(op, logits, target);
  // -log sigmoid(x) is softplus(-x), -log(1 - sigmoid(x)) softplus(x): exact for large logits.
  const Tensor positive = target * options.pos_weight * softplus(-logits), negative = (1 - target) * softplus(logits);
  return reduced(positive + negative, options.reduction);
}

Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  const ops::CalledOp called("l1_loss");
  loss_shape("l1_loss", input, target);
  return reduced(abs(input - target), reduction);
}

Tensor huber_loss(const Tensor& input, const Tensor& target, double delta, Reduction reduction) {
  const ops::CalledOp called("huber_loss");
  ELBO_CHECK(delta > 0 && std::isfinite(delta), ValueError, "[huber_loss] expected a finite delta above 0, found ",
             delta);
  loss_shape("huber_loss", input, target);
  const Tensor distance = abs(input - target), near = minimum(distance, delta);
  return reduced(0.5 * square(near) + delta * (distance - near), reduction);
}

Tensor gaussian_kl(const Tensor& mu, const Tensor& logvar, Reduction reduction) {
  return pair_loss(BinaryOp::gaussian_kl, "gaussian_kl", mu, logvar, reduction);
}

namespace {

/// x [N, C] plus values [N, 1] at the labels [N, 1].
Array added_at(const Array& x, const Array& labels, const Array& values) {
  const std::int64_t n = x.shape()[0], classes = x.shape()[1];
  return kernels::index(IndexOp::scatter_add_along, x.shape(), x.dtype(), {n, 1, 1}, {labels, values, x}, {classes, 1});
}

/// [N, C] and labels [N], without options, by the fewest kernels.
Tensor plain_cross_entropy(const Tensor& logits, const Tensor& labels, Reduction reduction) {
  const char* op = "cross_entropy";
  std::int64_t n = logits.shape()[0], classes = logits.shape()[1];
  Array log_p = kernels::softmax(SoftmaxKind::log_softmax, logits.array(), 1);
  Array places = labels.array().reshape({n, 1});
  // Picked, not multiplied: log p of another class may be -infinity.
  Array picked = kernels::index(IndexOp::gather_along, {n, 1}, log_p.dtype(), {n, 1, 1}, {places, log_p}, {classes});
  Array rows = picked.reshape({n});
  Array y =
      reduction == Reduction::none ? kernels::scale(rows, -1) : sum_or_mean(kernels::sum_all(rows), reduction, n, -1);
  return record(
      op, {logits}, y,
      [reduction, n, L = save(log_p), P = save(picked), I = save(places)](const Array& g, const Needs&) {
        // p, less 1 at the label: exp(log p) - 1, which is what ELU computes below 0, without the cancelling, added to
        // exp(-infinity).
        Array scaled = element_grad(g, reduction, n);
        if (reduction == Reduction::none) scaled = scaled.reshape({n, 1});
        const Array lowest = Array::full({n, 1}, -std::numeric_limits<double>::infinity(), L().options());
        Array others = kernels::unary(UnaryOp::exp, added_at(L(), I(), lowest));
        kernels::binary_(BinaryOp::mul, others, scaled);
        const Array own = kernels::binary(BinaryOp::mul, kernels::unary(UnaryOp::elu, P(), 1), scaled, {n, 1});
        return Grads{added_at(others, I(), own)};
      });
}

/// [N, C, d1, ...] as rows of classes [N d1 ..., C].
Tensor class_rows(const Tensor& x) {
  if (x.dim() == 2) return x;
  std::vector<int> dims{0};
  for (int i = 2; i < x.dim(); ++i) dims.push_back(i);
  dims.push_back(1);
  return reshape(permute(x, dims), Shape{x.shape().without(1).numel(), x.size(1)});
}

/// -sum over classes of weight q log p; where q and p are 0, 0.
Tensor cross_entropy_rows(const Tensor& logits, const Tensor& q, const CrossEntropyOptions& options) {
  const Tensor log_p = log_softmax(logits, 1);
  const double smoothing = options.label_smoothing;
  const Tensor smooth = smoothing == 0 ? q : q * (1 - smoothing) + smoothing / static_cast<double>(q.size(1));
  const Tensor weighted = options.weight.defined() ? smooth * options.weight : smooth;
  const Tensor nothing = logical_and(weighted == 0, log_p == -std::numeric_limits<double>::infinity());
  return -sum(weighted * where(nothing, 0, log_p), 1);
}

/// The losses of labels [M], and the weights that their mean is divided by.
std::pair<Tensor, Tensor> label_rows(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options) {
  const Tensor ignored =
      options.ignore_index ? labels == *options.ignore_index : zeros({1}, {DType::uint8, labels.device()});
  const Tensor known = where(ignored, 0, labels);
  const Tensor rows = cross_entropy_rows(logits, one_hot(known, logits.size(1), logits.dtype()), options);
  const Tensor weights = options.weight.defined() ? index_select(options.weight, 0, known)
                                                  : ones(labels.shape(), logits.array().options());
  return {where(ignored, 0, rows), where(ignored, 0, weights)};
}

/// What the options and the operands must be like for each other.
void check_cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  const char* op = "cross_entropy";
  ops::check_floating(op, logits);
  ops::check_defined(op, target);
  ELBO_CHECK(target.dtype() == DType::int64 || target.dtype() == logits.dtype(), DTypeError, "[", op,
             "] expected labels of int64 or probabilities of ", logits.dtype(), ", found ", target.dtype());
  ops::check_same_device(op, logits, target);
  ELBO_CHECK(logits.dim() >= 2, ShapeError, "[", op, "] expected logits [N, C, ...], found shape ", logits.shape());
  if (target.dtype() == DType::int64)
    ops::check_shape(op, "labels", logits.shape().without(1), target.shape());
  else
    ops::check_shape(op, "probabilities", logits.shape(), target.shape());
  ops::check_optional(op, "a weight", logits, options.weight, {logits.size(1)});
  ELBO_CHECK(options.label_smoothing >= 0 && options.label_smoothing <= 1, ValueError, "[", op,
             "] expected label_smoothing in [0, 1], found ", options.label_smoothing);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, Reduction reduction) {
  return cross_entropy(logits, target, CrossEntropyOptions{.reduction = reduction});
}

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  const ops::CalledOp called("cross_entropy");
  check_cross_entropy(logits, target, options);
  const Reduction reduction = options.reduction;
  const Shape out = logits.shape().without(1);
  const Tensor rows = class_rows(logits);
  if (target.dtype() != DType::int64) {
    const Tensor losses = cross_entropy_rows(rows, class_rows(target), options);
    return reduced(reduction == Reduction::none ? reshape(losses, out) : losses, reduction);
  }
  const Tensor labels = reshape(target, Shape{target.numel()});
  if (!options.weight.defined() && !options.ignore_index && options.label_smoothing == 0) {
    const Tensor losses = plain_cross_entropy(rows, labels, reduction);
    return reduction == Reduction::none && out.rank() != 1 ? reshape(losses, out) : losses;
  }
  const auto [losses, weights] = label_rows(rows, labels, options);
  if (reduction == Reduction::mean) return sum(losses) / sum(weights);
  return reduction == Reduction::none ? reshape(losses, out) : sum(losses);
}

}  // namespace elbo
