// Ops that go along one axis, element by element.
#include "../autograd.h"
#include "../index_kernels.h"
#include "../kernels_detail.h"
#include "checks.h"

namespace elbo {
namespace {

using kernels::Axis;

/// Throws ShapeError unless `indices` has x's rank and, but along `axis`, none of its sizes is greater.
void check_indices_fit(const char* op, const Shape& x, const Shape& indices, int axis) {
  bool fits = indices.rank() == x.rank();
  for (int d = 0; fits && d < x.rank(); ++d) fits = d == axis || indices[d] <= x[d];
  ELBO_CHECK(fits, ShapeError, "[", op, "] expected indices that fit into shape ", x, " but along axis ", axis,
             ", found shape ", indices);
}

Array gathered(const Array& x, const Array& indices, int axis) {
  const Axis from(x.shape(), axis), to(indices.shape(), axis);
  return kernels::index(IndexOp::gather_along, indices.shape(), x.dtype(), to.full(), {indices, x}, {from.n});
}

/// x, or 0 where it is undefined, plus source at indices.
Array scattered(const Array& x, const Array& indices, const Array& source, const Shape& shape, int axis) {
  const Axis to(shape, axis), from(indices.shape(), axis);
  return kernels::index(IndexOp::scatter_add_along, shape, source.dtype(), {to.outer, 1, to.inner},
                        {indices, source, x}, {to.n, from.n});
}

Array summed_up(const Array& x, int axis, bool backwards) {
  const Axis a(x.shape(), axis);
  return kernels::index(IndexOp::cumsum, x.shape(), x.dtype(), {a.outer, 1, a.inner}, {x}, {a.n, backwards});
}

Array flipped(const Array& x, std::span<const int> axes) {
  std::array<std::int64_t, Shape::max_rank> starts{}, steps{};
  steps.fill(1);
  for (int axis : axes) {
    starts[static_cast<std::size_t>(axis)] = x.shape()[axis] - 1;
    steps[static_cast<std::size_t>(axis)] = -1;
  }
  return kernels::slice(x, starts, x.shape(), steps);
}

}  // namespace

Tensor gather(const Tensor& x, int axis, const Tensor& indices) {
  const char* op = "gather";
  const ops::CalledOp called(op);
  ops::check_defined(op, x);
  ops::check_int64(op, "indices", indices);
  ops::check_same_device(op, x, indices);
  const int dim = x.shape().axis(axis, op);
  check_indices_fit(op, x.shape(), indices.shape(), dim);
  Tensor part = x;
  for (int d = 0; d < x.shape().rank(); ++d)
    if (d != dim && indices.shape()[d] < x.shape()[d]) part = slice(part, d, 0, indices.shape()[d]);
  return record(op, {part}, gathered(part.array(), indices.array(), dim),
                [dim, shape = part.shape(), I = save(indices)](const Array& g, const Needs&) {
                  return Grads{scattered({}, I(), g, shape, dim)};
                });
}

Tensor scatter_add(const Tensor& x, int axis, const Tensor& indices, const Tensor& source) {
  const char* op = "scatter_add";
  const ops::CalledOp called(op);
  ops::check_pair(op, x, source);
  ops::check_int64(op, "indices", indices);
  ops::check_same_device(op, x, indices);
  const int dim = x.shape().axis(axis, op);
  ops::check_rank(op, "indices", x.shape().rank(), indices.shape());
  ops::check_shape(op, "indices", x.shape().with(dim, indices.shape()[dim]), indices.shape());
  ops::check_shape(op, "a source", indices.shape(), source.shape());
  return record(op, {x, source}, scattered(x.array(), indices.array(), source.array(), x.shape(), dim),
                [dim, I = save(indices)](const Array& g, const Needs& need) {
                  return Grads{g, need[1] ? gathered(g, I(), dim) : Array{}};
                });
}

Tensor cumsum(const Tensor& x, int axis) {
  const ops::CalledOp called("cumsum");
  ops::check_floating("cumsum", x);
  const int dim = ops::resolve_axis("cumsum", x.shape(), axis);
  return record("cumsum", {x}, summed_up(x.array(), dim, false),
                [dim](const Array& g, const Needs&) { return Grads{summed_up(g, dim, true)}; });
}

Tensor flip(const Tensor& x, const Axes& axes) {
  const ops::CalledOp called("flip");
  ops::check_defined("flip", x);
  const std::vector<int> dims = ops::resolve_axes("flip", x.shape(), axes);
  return record("flip", {x}, flipped(x.array(), dims),
                [dims](const Array& g, const Needs&) { return Grads{flipped(g, dims)}; });
}

}  // namespace elbo
