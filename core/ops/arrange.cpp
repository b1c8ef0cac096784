// Ops that arrange elements, made of those that move them; they take any dtype.
#include <algorithm>

#include "../checked_size_detail.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

/// The place of a new dimension, in [0, rank]. Throws IndexError outside [-rank - 1, rank].
int new_axis(const char* op, const Tensor& x, int axis) {
  const int rank = x.dim();
  ELBO_CHECK(axis >= -rank - 1 && axis <= rank, IndexError, "[", op, "] axis ", axis,
             " is out of range for a new dimension of shape ", x.shape());
  return axis < 0 ? axis + rank + 1 : axis;
}

/// Parts of `size` along an axis, the last of what is left.
std::vector<Tensor> equal_parts(const Tensor& x, std::int64_t size, int axis) {
  const std::int64_t n = x.size(axis), count = n / size + (n % size != 0 || n == 0);
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(count), size);
  sizes.back() = n - (count - 1) * size;
  return split(x, sizes, axis);
}

/// x `times` times, one after the other, along an axis.
Tensor repeated(const Tensor& x, int axis, std::int64_t times) {
  ELBO_CHECK(times >= 0, ValueError, "[repeat] expected repeats of at least 0, found ", times);
  if (times == 1) return x;
  const Shape out = x.shape().with(axis, detail::checked_mul(x.size(axis), times));
  std::int64_t outer = 1, inner = 1;
  for (int i = 0; i < x.dim(); ++i) (i < axis ? outer : inner) *= x.size(i);
  return reshape(expand(reshape(x, Shape{outer, 1, inner}), {outer, times, inner}), out);
}

/// x where `kept` holds between the column and the row plus `diagonal`, 0 elsewhere.
Tensor triangle(const char* op, CompareOp kept, const Tensor& x, std::int64_t diagonal) {
  const ops::CalledOp called(op);
  ops::check_defined(op, x);
  ELBO_CHECK(x.dim() >= 2, ShapeError, "[", op, "] expected at least 2 dimensions, found shape ", x.shape());
  const std::int64_t rows = x.size(-2), columns = x.size(-1);
  if (x.numel() == 0) return x;
  const TensorOptions options{DType::float64, x.device()};
  const double of_first = static_cast<double>(std::clamp(diagonal, -rows, columns));
  const Tensor limit = reshape(arange(rows, options), {rows, 1}) + of_first, column = arange(columns, options);
  return where(Tensor(kernels::compare(kept, column.array(), limit.array(), {rows, columns})), x, 0);
}

}  // namespace

Tensor unsqueeze(const Tensor& x, int axis) {
  const ops::CalledOp called("unsqueeze");
  ops::check_defined("unsqueeze", x);
  return reshape(x, x.shape().insert(new_axis("unsqueeze", x, axis), 1));
}

Tensor squeeze(const Tensor& x, const Axes& axes) {
  const ops::CalledOp called("squeeze");
  ops::check_defined("squeeze", x);
  const std::vector<int> named = ops::resolve_axes("squeeze", x.shape(), axes);
  Shape out = x.shape();
  for (auto axis = named.rbegin(); axis != named.rend(); ++axis)
    if (out[*axis] == 1) out = out.without(*axis);
  return reshape(x, out);
}

Tensor stack(std::span<const Tensor> parts, int axis) {
  const ops::CalledOp called("stack");
  ELBO_CHECK(!parts.empty(), ShapeError, "[stack] expected at least one tensor, found none");
  ops::check_defined("stack", parts[0]);
  const int dim = new_axis("stack", parts[0], axis);
  std::vector<Tensor> raised;
  for (const Tensor& part : parts) {
    ops::check_pair("stack", parts[0], part);
    ops::check_shape("stack", "parts", parts[0].shape(), part.shape());
    raised.push_back(unsqueeze(part, dim));
  }
  return concatenate(raised, dim);
}

Tensor stack(std::initializer_list<Tensor> parts, int axis) {
  return stack(std::span(parts.begin(), parts.size()), axis);
}

std::vector<Tensor> split(const Tensor& x, std::span<const std::int64_t> sizes, int axis) {
  const ops::CalledOp called("split");
  ops::check_defined("split", x);
  const int dim = x.shape().axis(axis, "split");
  std::int64_t total = 0;
  for (const std::int64_t size : sizes) {
    ELBO_CHECK(size >= 0, ValueError, "[split] expected sizes of at least 0, found ", size);
    total = detail::checked_add(total, size);
  }
  ELBO_CHECK(total == x.size(dim), ShapeError, "[split] expected sizes that add up to ", x.size(dim), " for axis ",
             axis, " of shape ", x.shape(), ", found ", total);
  std::vector<Tensor> parts;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    parts.push_back(slice(x, dim, begin, begin + size));
    begin += size;
  }
  return parts;
}

std::vector<Tensor> split(const Tensor& x, std::initializer_list<std::int64_t> sizes, int axis) {
  return split(x, std::span(sizes.begin(), sizes.size()), axis);
}

std::vector<Tensor> split(const Tensor& x, std::int64_t size, int axis) {
  const ops::CalledOp called("split");
  ops::check_defined("split", x);
  ELBO_CHECK(size > 0, ValueError, "[split] expected a size of at least 1, found ", size);
  return equal_parts(x, size, x.shape().axis(axis, "split"));
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, int axis) {
  const ops::CalledOp called("chunk");
  ops::check_defined("chunk", x);
  ELBO_CHECK(chunks > 0, ValueError, "[chunk] expected at least one chunk, found ", chunks);
  const int dim = x.shape().axis(axis, "chunk");
  const std::int64_t n = x.size(dim);
  return equal_parts(x, std::max<std::int64_t>(n / chunks + (n % chunks != 0), 1), dim);
}

Tensor repeat(const Tensor& x, const std::vector<std::int64_t>& repeats) {
  const ops::CalledOp called("repeat");
  ops::check_defined("repeat", x);
  const int rank = static_cast<int>(repeats.size());
  ELBO_CHECK(rank >= x.dim(), ShapeError, "[repeat] expected at least ", x.dim(), " repeats for shape ", x.shape(),
             ", found ", rank);
  Shape shape = x.shape();
  while (shape.rank() < rank) shape = shape.insert(0, 1);
  Tensor y = reshape(x, shape);
  for (int axis = 0; axis < rank; ++axis) y = repeated(y, axis, repeats[static_cast<std::size_t>(axis)]);
  return y.array().storage() == x.array().storage() ? clone(y) : y;
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value) {
  const ops::CalledOp called("masked_fill");
  ops::check_defined("masked_fill", x);
  return where(mask, value, x);
}

Tensor tril(const Tensor& x, std::int64_t diagonal) { return triangle("tril", CompareOp::le, x, diagonal); }
Tensor triu(const Tensor& x, std::int64_t diagonal) { return triangle("triu", CompareOp::ge, x, diagonal); }

Tensor Tensor::t() const {
  const ops::CalledOp called("t");
  ops::check_defined("t", *this);
  ELBO_CHECK(dim() <= 2, ShapeError, "[t] expected at most 2 dimensions, found shape ", shape());
  return dim() < 2 ? *this : elbo::transpose(*this, 0, 1);
}

}  // namespace elbo
