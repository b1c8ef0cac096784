// The largest elements along an axis, and draws from weights, which are made of them.
#include <algorithm>
#include <numeric>
#include <span>

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

constexpr double most_weight = 0x1p1000;  // sums of it are finite

/// Weights [rows, n] that `count` of each row can be drawn from, in the CPU's memory.
void check_weights(const Array& weights, std::int64_t count, bool replacement) {
  const std::span<const double> all = weights.values<double>();
  const auto bad = std::find_if_not(all.begin(), all.end(), [](double w) { return w >= 0 && w <= most_weight; });
  ELBO_CHECK(bad == all.end(), ValueError, "[multinomial] expected weights from 0 to 2^1000, found ", *bad,
             " at position ", bad - all.begin());
  const auto n = static_cast<std::size_t>(weights.shape()[1]);
  for (std::size_t row = 0; row < all.size() / n; ++row) {
    const std::span<const double> own = all.subspan(row * n, n);
    const double sum = std::accumulate(own.begin(), own.end(), 0.0);
    ELBO_CHECK(sum >= tiny && sum <= 2 * most_weight, ValueError,
               "[multinomial] expected weights with a sum from 1e-300 to 2^1001 in each row, found ", sum, " in row ",
               row);
    const auto possible = n - static_cast<std::size_t>(std::count(own.begin(), own.end(), 0.0));
    ELBO_CHECK(replacement || possible >= static_cast<std::size_t>(count), ValueError,
               "[multinomial] expected at least ", count, " weights above 0 in each row, to draw ", count,
               " without replacement, found ", possible, " in row ", row);
  }
}

/// The same on a GPU, where a later call says it, in the words of check_range.
void check_weights_later(const Array& weights, const Array& sums, std::int64_t count, bool replacement) {
  kernels::check_range(weights, 0, most_weight);
  kernels::check_range(sums, tiny, 2 * most_weight);
  if (replacement) return;
  const Array possible = kernels::compare(CompareOp::gt, weights, Array::zeros({}, weights.options()), weights.shape());
  const int along[] = {1};
  kernels::check_range(kernels::reduce(ReduceOp::sum, possible, along), static_cast<double>(count), most_weight);
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
  const Array wide = kernels::cast(weights.array(), DType::float64).reshape({rows, n});
  const Array total = kernels::sum_to(wide, {rows, 1});
  if (wide.device() == cpu)
    check_weights(wide, count, replacement);
  else
    check_weights_later(wide, total, count, replacement);
  Generator& from = ops::choose_generator(op, generator, weights.device());
  const Array uniform = kernels::random(RandomKind::uniform, {rows, replacement ? count : n}, DType::float64, from);
  const Array places =
      replacement ? drawn_with_replacement(wide, total, uniform) : drawn_without_replacement(wide, uniform, count);
  return record_constant(op, {weights}, places.reshape(weights.shape().with(weights.dim() - 1, count)));
}

}  // namespace elbo
