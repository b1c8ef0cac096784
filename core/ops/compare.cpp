// Ops whose result is a constant: comparisons, logic, argmax and argmin; and cast.
#include <cmath>
#include <limits>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

/// Whether a tensor's integer type lacks the number: a fraction, or one outside its range.
bool lacks(const Operand& number, const Tensor& x) {
  if (is_floating(x.dtype())) return false;
  const double value = number.number();
  if (x.dtype() == DType::uint8) return !(value >= 0 && value <= 255 && value == std::floor(value));
  return !number.whole() && !(value >= -0x1p63 && value < 0x1p63 && value == std::floor(value));
}

Tensor compare_op(CompareOp op, const char* name, const Operand& a, const Operand& b) {
  const ops::CalledOp called(name);
  if (!a.is_tensor() && b.is_tensor() && b.tensor().defined() && lacks(a, b.tensor()))
    return compare_op(op, name, a, cast(b.tensor(), DType::float64));
  if (a.is_tensor() && !b.is_tensor() && a.tensor().defined() && lacks(b, a.tensor()))
    return compare_op(op, name, cast(a.tensor(), DType::float64), b);
  const ops::Pair pair(name, a, b);
  Shape shape = broadcast(pair.a.shape(), pair.b.shape(), name);
  return record_constant(name, {pair.a, pair.b}, kernels::compare(op, pair.a.array(), pair.b.array(), shape));
}

}  // namespace

#define ELBO_DEFINE_COMPARE(op, functor) \
  Tensor op(const Operand& a, const Operand& b) { return compare_op(CompareOp::op, #op, a, b); }
ELBO_COMPARE_OPS(ELBO_DEFINE_COMPARE)

Tensor logical_not(const Tensor& x) {
  const ops::CalledOp called("logical_not");
  ops::check_defined("logical_not", x);
  Array zero = Array::zeros({}, x.array().options());
  return record_constant("logical_not", {x}, kernels::compare(CompareOp::eq, x.array(), zero, x.shape()));
}

Tensor isnan(const Tensor& x) {
  const ops::CalledOp called("isnan");
  ops::check_defined("isnan", x);
  return record_constant("isnan", {x}, kernels::compare(CompareOp::ne, x.array(), x.array(), x.shape()));
}

Tensor isfinite(const Tensor& x) {
  const ops::CalledOp called("isfinite");
  ops::check_defined("isfinite", x);
  if (!is_floating(x.dtype())) return ones(x.shape(), {DType::uint8, x.device()});
  const Array infinite = Array::full({}, std::numeric_limits<double>::infinity(), x.array().options());
  const Array size = kernels::unary(UnaryOp::abs, x.array());
  return record_constant("isfinite", {x}, kernels::compare(CompareOp::lt, size, infinite, x.shape()));
}

namespace {

/// What has its maximum where x has its minimum: -x, or of integers -1 - x, which does not overflow.
Array turned(const Array& x) {
  if (is_floating(x.dtype())) return kernels::unary(UnaryOp::neg, x);
  const Array ones = Array::full({}, x.dtype() == DType::uint8 ? 255 : -1, x.options());
  return kernels::binary(BinaryOp::sub, ones, x, x.shape());
}

/// argmax, or with `least` argmin.
Tensor place_of_extremum(const char* op, bool least, const Tensor& x, int axis, bool keepdim) {
  const ops::CalledOp called(op);
  ops::check_defined(op, x);
  int dim = ops::resolve_axis(op, x.shape(), axis);
  ELBO_CHECK(x.shape().rank() == 0 || x.shape()[dim] > 0, ShapeError, "[", op,
             "] expected at least one element along axis ", axis, ", found shape ", x.shape());
  Array y = kernels::argmax(least ? turned(x.array()) : x.array(), dim);
  return record_constant(op, {x}, keepdim ? y : y.reshape(x.shape().without(dim)));
}

}  // namespace

Tensor argmax(const Tensor& x, int axis, bool keepdim) { return place_of_extremum("argmax", false, x, axis, keepdim); }
Tensor argmin(const Tensor& x, int axis, bool keepdim) { return place_of_extremum("argmin", true, x, axis, keepdim); }

Tensor cast(const Tensor& x, DType dtype) {
  const ops::CalledOp called("cast");
  ops::check_defined("cast", x);
  if (x.dtype() == dtype) return x;
  // What C++ leaves open: numbers that the integer type cannot hold.
  const bool narrower = dtype == DType::uint8 || (dtype == DType::int64 && is_floating(x.dtype()));
  if (narrower)
    ops::check_range(x, dtype == DType::uint8 ? 0 : -0x1p63, dtype == DType::uint8 ? 255 : 0x1.fffffffffffffp62);
  Array y = kernels::cast(x.array(), dtype);
  if (!is_floating(x.dtype()) || !is_floating(dtype)) return record_constant("cast", {x}, y);
  return record("cast", {x}, y,
                [from = x.dtype()](const Array& g, const Needs&) { return Grads{kernels::cast(g, from)}; });
}

}  // namespace elbo
