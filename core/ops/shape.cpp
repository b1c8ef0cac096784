// Ops that rearrange elements without computing; they take any dtype.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>

#include "../autograd.h"
#include "../checked_size_detail.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

using Index = std::array<std::int64_t, Shape::max_rank>;
Index filled(std::int64_t value) {
  Index out;
  out.fill(value);
  return out;
}

/// A step of one along each axis.
const Index every = filled(1);

Tensor permuted(const char* op, const Tensor& x, const std::vector<int>& dims) {
  std::vector<int> inverse(dims.size());
  for (std::size_t i = 0; i < dims.size(); ++i) inverse[static_cast<std::size_t>(dims[i])] = static_cast<int>(i);
  return ops::copy_of_part(record(op, {x}, kernels::permute(x.array(), dims), [inverse](const Array& g, const Needs&) {
    return Grads{kernels::permute(g, inverse)};
  }));
}

/// Rows [begin, end) along `axis`: a view along the first.
Array rows(const Array& x, int axis, std::int64_t begin, std::int64_t end) {
  if (axis == 0) return x.slice(begin, end);
  Index starts = filled(0);
  starts[static_cast<std::size_t>(axis)] = begin;
  return kernels::slice(x, starts, x.shape().with(axis, end - begin), every);
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  const ops::CalledOp called("reshape");
  ops::check_defined("reshape", x);
  return record("reshape", {x}, x.array().reshape(shape),
                [from = x.shape()](const Array& g, const Needs&) { return Grads{g.reshape(from)}; });
}

Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> sizes) {
  const ops::CalledOp called("reshape");
  ops::check_defined("reshape", x);
  std::vector<std::int64_t> known(sizes);
  auto wild = std::find(known.begin(), known.end(), -1);
  if (wild != known.end()) {
    *wild = 1;
    std::int64_t rest = Shape(known).numel();
    ELBO_CHECK(rest > 0 && x.numel() % rest == 0, ShapeError, "[reshape] ", x.shape(), " to ", Shape(known),
               ": no size in place of -1 (dimension ", wild - known.begin(), ") gives ", x.numel(), " elements");
    *wild = x.numel() / rest;
  }
  return reshape(x, Shape(known));
}

Tensor clone(const Tensor& x) {
  const ops::CalledOp called("clone");
  ops::check_defined("clone", x);
  return record("clone", {x}, x.array().copy(), [](const Array& g, const Needs&) { return Grads{g}; });
}

Tensor flatten(const Tensor& x, int start) {
  const ops::CalledOp called("flatten");
  ops::check_defined("flatten", x);
  const Shape& shape = x.shape();
  if (shape.rank() == 0) return reshape(x, Shape{1});
  int first = shape.axis(start, "flatten");
  std::int64_t rest = 1;
  for (int i = first; i < shape.rank(); ++i) rest *= shape[i];
  return reshape(x, Shape(std::span(shape.begin(), static_cast<std::size_t>(first))).insert(first, rest));
}

Tensor transpose(const Tensor& x, int axis_a, int axis_b) {
  const ops::CalledOp called("transpose");
  ops::check_defined("transpose", x);
  std::vector<int> dims(static_cast<std::size_t>(x.shape().rank()));
  std::iota(dims.begin(), dims.end(), 0);
  std::swap(dims[static_cast<std::size_t>(x.shape().axis(axis_a, "transpose"))],
            dims[static_cast<std::size_t>(x.shape().axis(axis_b, "transpose"))]);
  return permuted("transpose", x, dims);
}

Tensor permute(const Tensor& x, const std::vector<int>& dims) {
  const ops::CalledOp called("permute");
  ops::check_defined("permute", x);
  ELBO_CHECK(static_cast<int>(dims.size()) == x.shape().rank(), ShapeError, "[permute] expected ", x.shape().rank(),
             " axes for shape ", x.shape(), ", found ", dims.size());
  std::vector<int> axes;
  for (int dim : dims) {
    int axis = x.shape().axis(dim, "permute");
    ELBO_CHECK(std::find(axes.begin(), axes.end(), axis) == axes.end(), ShapeError, "[permute] axis ", dim,
               " of shape ", x.shape(), " is named twice");
    axes.push_back(axis);
  }
  return permuted("permute", x, axes);
}

Tensor concatenate(std::span<const Tensor> parts, int axis) {
  const char* op = "concatenate";
  const ops::CalledOp called(op);
  ELBO_CHECK(!parts.empty(), ShapeError, "[", op, "] expected at least one tensor, found none");
  ops::check_defined(op, parts[0]);
  // PyTorch's rule: [0] holds nothing, and goes with any shape.
  const Shape nothing{0};
  const auto like = std::find_if(parts.begin(), parts.end(),
                                 [&](const Tensor& part) { return part.defined() && part.shape() != nothing; });
  const Shape& first = (like == parts.end() ? parts.front() : *like).shape();
  ELBO_CHECK(first.rank() > 0, ShapeError, "[", op, "] expected at least 1 dimension, found a scalar");
  int dim = first.axis(axis, op);
  std::vector<Array> arrays;
  std::vector<Shape> shapes;
  for (const Tensor& part : parts) {
    ops::check_pair(op, parts[0], part);
    const Shape& shape = part.shape();
    shapes.push_back(shape);
    if (shape == nothing) continue;
    ELBO_CHECK(shape.rank() == first.rank() && shape.without(dim) == first.without(dim), ShapeError, "[", op,
               "] sizes differ outside axis ", dim, ": ", first, " and ", shape);
    arrays.push_back(part.array());
  }
  if (arrays.empty()) arrays.push_back(parts[0].array());
  return record(op, parts, kernels::concatenate(arrays, dim),
                [dim, nothing, shapes](const Array& g, const Needs& need) {
                  Grads grads(shapes.size());
                  std::int64_t begin = 0;
                  for (std::size_t i = 0; i < shapes.size(); ++i) {
                    const std::int64_t end = begin + (shapes[i] == nothing ? 0 : shapes[i][dim]);
                    if (need[i]) grads[i] = rows(g, dim, begin, end).reshape(shapes[i]);
                    begin = end;
                  }
                  return grads;
                });
}

Tensor concatenate(std::initializer_list<Tensor> parts, int axis) {
  return concatenate(std::span(parts.begin(), parts.size()), axis);
}

Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end, std::int64_t step) {
  const ops::CalledOp called("slice");
  ops::check_defined("slice", x);
  const Shape& shape = x.shape();
  int dim = shape.axis(axis, "slice");
  ELBO_CHECK(step > 0, ValueError, "[slice] expected a step of at least 1, found ", step);
  std::int64_t n = shape[dim];
  begin = std::clamp(begin < 0 ? begin + n : begin, std::int64_t{0}, n);
  end = std::clamp(end < 0 ? end + n : end, begin, n);
  const bool view = dim == 0 && step == 1;
  step = std::min(step, std::max<std::int64_t>(n, 1));  // a longer one leads beyond the end all the same
  Index starts = filled(0), steps = every;
  starts[static_cast<std::size_t>(dim)] = begin;
  steps[static_cast<std::size_t>(dim)] = step;
  const Shape out = shape.with(dim, (end - begin + step - 1) / step);
  const Tensor y =
      record("slice", {x}, view ? x.array().slice(begin, end) : kernels::slice(x.array(), starts, out, steps),
             [shape, starts, steps](const Array& g, const Needs&) {
               return Grads{kernels::unslice(g, shape, starts, steps)};
             });
  return view ? y : ops::copy_of_part(y);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  const ops::CalledOp called("expand");
  ops::check_defined("expand", x);
  ELBO_CHECK(broadcast(x.shape(), shape, "expand") == shape, ShapeError, "[expand] ", x.shape(),
             " does not broadcast to ", shape);
  Array y = kernels::expand(x.array(), shape);
  if (shape == x.shape()) y = y.copy();
  return ops::copy_of_part(record(
      "expand", {x}, y, [from = x.shape()](const Array& g, const Needs&) { return Grads{kernels::sum_to(g, from)}; }));
}

Tensor Tensor::to(Device device) const {
  const ops::CalledOp called("to");
  ops::check_defined("to", *this);
  if (device == this->device()) return *this;
  return record("to", {*this}, array().to(device),
                [from = this->device()](const Array& g, const Needs&) { return Grads{g.to(from)}; });
}

namespace {

/// The shape of x with so many elements before and after along each axis.
Shape padded(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after) {
  ops::check_defined("pad", x);
  Shape shape = x.shape();
  std::size_t rank = static_cast<std::size_t>(shape.rank());
  ELBO_CHECK(before.size() == rank && after.size() == rank, ShapeError, "[pad] expected ", rank,
             " sizes before and after for shape ", shape, ", found ", before.size(), " and ", after.size());
  for (std::size_t i = 0; i < rank; ++i) {
    ELBO_CHECK(before[i] >= 0 && after[i] >= 0, ValueError, "[pad] expected sizes of at least 0, found ", before[i],
               " and ", after[i], " for axis ", i);
    const std::int64_t size = detail::checked_add(before[i], shape[static_cast<int>(i)]);
    shape = shape.with(static_cast<int>(i), detail::checked_add(size, after[i]));
  }
  return shape;
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           double value) {
  const ops::CalledOp called("pad");
  const Shape shape = padded(x, before, after);
  Index starts = filled(0);
  std::copy(before.begin(), before.end(), starts.begin());
  return record("pad", {x}, kernels::unslice(x.array(), shape, starts, every, value),
                [from = x.shape(), starts](const Array& g, const Needs&) {
                  return Grads{kernels::slice(g, starts, from, every)};
                });
}

Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           PadMode mode) {
  const ops::CalledOp called("pad");
  if (mode == PadMode::zeros) return pad(x, before, after);
  const Shape shape = padded(x, before, after);
  Tensor y = x;
  for (int axis = 0; axis < x.dim(); ++axis) {
    const std::int64_t n = x.size(axis), front = before[static_cast<std::size_t>(axis)];
    if (shape[axis] == n) continue;
    const std::int64_t most = mode == PadMode::replicate && n > 0 ? shape[axis] : n - 1;
    ELBO_CHECK(front <= most && shape[axis] - n - front <= most, ShapeError, "[pad] expected at most ",
               std::max<std::int64_t>(most, 0), " elements on each side of axis ", axis, " of shape ", x.shape(),
               ", found ", front, " and ", shape[axis] - n - front);
    Array places = Array::empty({shape[axis]}, {DType::int64, cpu});
    const auto to = places.mutable_values<std::int64_t>();
    for (std::int64_t i = 0; i < shape[axis]; ++i) {
      const std::int64_t mirrored = std::abs(i - front);
      to[static_cast<std::size_t>(i)] = mode == PadMode::replicate ? std::clamp(i - front, std::int64_t{0}, n - 1)
                                        : mirrored < n             ? mirrored
                                                                   : 2 * (n - 1) - mirrored;
    }
    y = index_select(y, axis, Tensor(places.to(x.device())));
  }
  return y;
}

}  // namespace elbo
