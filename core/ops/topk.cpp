// The largest elements along an axis, and draws from weights, which are made of them.
#include "../autograd.h"
#include "../index_kernels.h"
#include "../kernels_detail.h"
#include "checks.h"
#include "generators.h"

namespace elbo {
namespace {

/// The places (int64) of the k largest elements along an axis, or of the smallest, in order.
Array top_places(const Array& x, std::int64_t k, int axis, bool largest) {
  const kernels::Axis a(x.shape(), axis);
  const Shape out = x.shape().with(axis, k);
  if (out.numel() == 0) return Array::empty(out, {DType::int64, x.device()});
  return kernels::index(IndexOp::top_places, out, DType::int64, {a.outer, 1, a.inner}, {x},
                        {a.n, k, largest, static_cast<std::int64_t>(x.dtype())});
}

constexpr double tiny = 1e-300;

/// Places drawn one after the other with probabilities that are proportional to the weights: where the sums of the
/// weights reach (1 - u) of their total, which a weight of 0 does not.
Array drawn_with_replacement(const Array& weights, const Array& total, const Array& uniform) {
  const std::int64_t rows = weights.shape()[0], n = weights.shape()[1];
  const Array sums = kernels::index(IndexOp::cumsum, weights.shape(), DType::float64, {rows, 1, 1}, {weights}, {n, 0});
  const Array rest = kernels::unary(UnaryOp::add_scalar, kernels::scale(uniform, -1), 1);
  const Array marks = kernels::binary(BinaryOp::mul, rest, total, uniform.shape());
  return kernels::index(IndexOp::reaching, uniform.shape(), DType::int64, {rows, 1, uniform.shape()[1]}, {sums, marks},
                        {n});
}

/// The places that come first where each waits for an exponentially distributed time of its weight's rate (Efraimidis
/// and Spirakis 2006): the largest of weight / -log(1 - u).
Array drawn_without_replacement(const Array& weights, const Array& uniform, std::int64_t count) {
  const Array waits = kernels::scale(kernels::unary(UnaryOp::log1p, kernels::scale(uniform, -1)), -1);
  const Array speeds = kernels::div(weights, kernels::unary(UnaryOp::clamp, waits, tiny, 1e300));
  return top_places(speeds, count, 1, true);
}

}  // namespace

TopK topk(const Tensor& x, std::int64_t k, int axis, bool largest) {
  const char* op = "topk";
  const ops::CalledOp called(op);
  ops::check_defined(op, x);
  if (x.dim() == 0) {
    ops::resolve_axis(op, x.shape(), axis);
    ELBO_CHECK(k >= 0 && k <= 1, ValueError, "[topk] expected k in [0, 1] for a scalar, found ", k);
    const TopK one = topk(reshape(x, {1}), k, 0, largest);
    return k == 0 ? one : TopK{reshape(one.values, Shape{}), reshape(one.indices, Shape{})};
  }
  const int dim = x.shape().axis(axis, op);
  ELBO_CHECK(k >= 0 && k <= x.size(dim), ValueError, "[topk] expected k in [0, ", x.size(dim), "] for axis ", axis,
             " of shape ", x.shape(), ", found ", k);
  const Tensor places(top_places(x.array(), k, dim, largest));
  return {gather(x, dim, places), places};
}

Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement, Generator* generator) {
  const char* op = "multinomial";
  const ops::CalledOp called(op);
  ops::check_floating(op, weights);
  ELBO_CHECK(weights.dim() == 1 || weights.dim() == 2, ShapeError,
             "[multinomial] expected weights [C] or [N, C], found ", weights.shape());
  ELBO_CHECK(count >= 0, ValueError, "[multinomial] expected a count of at least 0, found ", count);
  const std::int64_t n = weights.size(-1), rows = weights.dim() == 2 ? weights.size(0) : 1;
  ELBO_CHECK(n > 0 && (replacement || count <= n), ValueError, "[multinomial] expected ",
             replacement ? "at least one weight" : "a count of at most that of the weights", ", found ", count,
             " of shape ", weights.shape());
  constexpr double most = 0x1p1000;  // their sum is finite
  ops::check_range(weights, 0, most);
  const Array wide = kernels::cast(weights.array(), DType::float64).reshape({rows, n});
  const Array total = kernels::sum_to(wide, {rows, 1});
  ops::check_range(Tensor(total), tiny, 2 * most);
  if (!replacement) {
    const Array possible = kernels::compare(CompareOp::gt, wide, Array::zeros({}, wide.options()), wide.shape());
    const int along[] = {1};
    ops::check_range(Tensor(kernels::reduce(ReduceOp::sum, possible, along)), static_cast<double>(count), most);
  }
  Generator& from = ops::choose_generator(op, generator, weights.device());
  const Array uniform = kernels::random(RandomKind::uniform, {rows, replacement ? count : n}, DType::float64, from);
  const Array places =
      replacement ? drawn_with_replacement(wide, total, uniform) : drawn_without_replacement(wide, uniform, count);
  return record_constant(op, {weights}, places.reshape(weights.shape().with(weights.dim() - 1, count)));
}

}  // namespace elbo
