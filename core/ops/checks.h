#pragma once
#include <cmath>
#include <initializer_list>
#include <vector>

#include "../autograd.h"
#include "../called_op_detail.h"
#include "../kernels.h"
#include "../ops.h"

/// The argument checks, and what activations need, that ops share. `op` is the op's name, put in front of every
/// message; for an op that is part of another, that one's.
namespace elbo::ops {

using detail::CalledOp;

/// The name for a message.
inline const char* called(const char* op) { return CalledOp::name_or(op); }

/// Throws AutogradError for a tensor that was never given a value.
inline void check_defined(const char* op, const Tensor& x) {
  ELBO_CHECK(x.defined(), AutogradError, "[", called(op), "] expected a tensor, found an undefined one");
}

/// Throws DTypeError unless x is float32 or float64.
inline void check_floating(const char* op, const Tensor& x) {
  check_defined(op, x);
  ELBO_CHECK(is_floating(x.dtype()), DTypeError, "[", called(op), "] expected float32 or float64, found ", x.dtype());
}

/// The same for the dtype of a tensor yet to be made.
inline void check_floating(const char* op, DType dtype) {
  ELBO_CHECK(is_floating(dtype), DTypeError, "[", called(op), "] expected float32 or float64, found ", dtype);
}

/// Throws DeviceError unless both lie on one device.
inline void check_same_device(const char* op, const Tensor& a, const Tensor& b) {
  ELBO_CHECK(a.device() == b.device(), DeviceError, "[", called(op), "] expected operands on one device, found ",
             a.device(), " and ", b.device());
}

/// Throws DTypeError or DeviceError unless a and b can be computed with each other.
inline void check_pair(const char* op, const Tensor& a, const Tensor& b) {
  check_defined(op, a);
  check_defined(op, b);
  ELBO_CHECK(a.dtype() == b.dtype(), DTypeError, "[", called(op), "] expected operands of one dtype, found ", a.dtype(),
             " and ", b.dtype());
  check_same_device(op, a, b);
}

/// Two operands as tensors that can be computed with each other: a number becomes a tensor [] of the other one's dtype
/// and device. Throws ValueError for two numbers or one that an integer type cannot hold, DTypeError for a fraction
/// beside integers; and what check_pair throws.
struct Pair {
  Tensor a, b;
  Pair(const char* op, const Operand& a, const Operand& b);
};

/// check_pair for floating operands.
inline void check_floating_pair(const char* op, const Tensor& a, const Tensor& b) {
  check_floating(op, a);
  check_pair(op, a, b);
}

/// Whether a backend's `binary` takes integers too.
inline bool takes_integers(BinaryOp op) {
  return op == BinaryOp::add || op == BinaryOp::sub || op == BinaryOp::mul || op == BinaryOp::maximum ||
         op == BinaryOp::minimum;
}

/// Throws DTypeError unless x is int64.
inline void check_int64(const char* op, const char* what, const Tensor& x) {
  check_defined(op, x);
  ELBO_CHECK(x.dtype() == DType::int64, DTypeError, "[", called(op), "] expected ", what, " of int64, found ",
             x.dtype());
}

/// Throws ValueError unless all elements are in [least, most]; NaN is not. On a GPU the next call that waits for it
/// does.
inline void check_range(const Tensor& x, double least, double most) { kernels::check_range(x.array(), least, most); }

/// Throws ShapeError unless the shapes are equal.
inline void check_shape(const char* op, const char* what, const Shape& expected, const Shape& found) {
  ELBO_CHECK(found == expected, ShapeError, "[", called(op), "] expected ", what, " of shape ", expected, ", found ",
             found);
}

/// Throws ShapeError unless a shape has so many dimensions.
inline void check_rank(const char* op, const char* what, int expected, const Shape& found) {
  ELBO_CHECK(found.rank() == expected, ShapeError, "[", called(op), "] expected ", what, " with ", expected,
             " dimensions, found shape ", found);
}

/// An optional parameter such as a bias: of x's dtype and device and of this shape, or undefined.
inline void check_optional(const char* op, const char* what, const Tensor& x, const Tensor& parameter,
                           const Shape& shape) {
  if (!parameter.defined()) return;
  check_pair(op, x, parameter);
  check_shape(op, what, shape, parameter.shape());
}

/// The axis to reduce along, in [0, rank). A scalar is one number along its axis 0 or -1, as in PyTorch; the answer
/// then is 0. Throws IndexError outside.
inline int resolve_axis(const char* op, const Shape& shape, int axis) {
  return shape.rank() == 0 && (axis == 0 || axis == -1) ? 0 : shape.axis(axis, op);
}

/// The axes in ascending order, each in [0, rank); all of them for an empty list; of a scalar, which may name one,
/// none. Throws IndexError outside, ShapeError for an axis named twice.
std::vector<int> resolve_axes(const char* op, const Shape& shape, const Axes& axes);

/// A parameter that may be undefined, as an array.
inline Array array_or_none(const Tensor& x) { return x.defined() ? x.array() : Array(); }

/// y, marked as a copy of a part of another tensor, or of all of it in another order: in place methods refuse it where
/// it has no name.
Tensor copy_of_part(Tensor y);

/// True if the tensor is there and a gradient for it may be asked for.
inline bool wants_grad(const Tensor& x) { return x.defined() && x.requires_grad(); }

/// The activation that is applied in the same pass: all but sigmoid and tanh where they are recorded, since their
/// gradients read what they are applied to, which such a pass does not keep.
inline Activation fused(Activation activation, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const bool recorded = grad_enabled() && (wants_grad(x) || wants_grad(weight) || wants_grad(bias));
  return recorded && activation != Activation::relu ? Activation::none : activation;
}
/// What `fused` has left out, of the result.
inline Tensor activated(const Tensor& y, Activation activation) {
  return activation == Activation::sigmoid ? sigmoid(y) : activation == Activation::tanh ? tanh(y) : y;
}

}  // namespace elbo::ops
