#pragma once
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "api.h"
#include "array.h"

namespace ELBO_API elbo {

namespace detail {
struct Node;
}

/// An array that remembers how it was computed, so that `backward()` can tell the gradient of a scalar with respect to
/// every leaf that asked for one. A handle: copies share the array, the gradient and the history. Gradients are first
/// order: `backward()` itself is not recorded.
class Tensor {
 public:
  /// A tensor that is not there: `defined()` is false, and every other method and op throws AutogradError.
  Tensor() = default;
  /// A leaf holding `array`; of an undefined array, a tensor that is not there. Throws DTypeError if a gradient is
  /// asked for of something not floating.
  Tensor(Array array, bool requires_grad = false);  // NOLINT(google-explicit-constructor): an array is a constant

  bool defined() const { return impl_ && impl_->array.defined(); }
  const Array& array() const { return impl().array; }
  /// The array, to write in place, as an optimiser does; see Array::mutable_values and Array::assign.
  Array& mutable_array() { return impl().array; }
  const Shape& shape() const { return array().shape(); }
  DType dtype() const { return array().dtype(); }
  Device device() const { return array().device(); }
  std::int64_t numel() const { return array().numel(); }

  /// True if this is a leaf that asked for its gradient, or was computed from one.
  bool requires_grad() const { return impl().node != nullptr; }
  /// Asks for the gradient of a leaf, or no longer. Throws AutogradError on a computed tensor.
  Tensor& requires_grad_(bool wanted = true);
  bool is_leaf() const;
  /// The gradient that backward() left at this leaf (or computed tensor with retain_grad), undefined before that.
  const Array& grad() const;
  /// Keeps the gradient of a computed tensor too. Throws AutogradError if it has none.
  Tensor& retain_grad();
  /// Drops the gradient, so that the next backward() starts anew.
  void zero_grad();

  /// Adds to the gradient of every leaf below this tensor its derivative. Throws AutogradError if nothing here requires
  /// a gradient, if this is no single number, if the graph was freed by an earlier backward() without `retain_graph`,
  /// or if a value that a rule needs was written in place since.
  void backward(bool retain_graph = false);
  /// The same for a tensor of any shape: `gradient`, of that shape and dtype, is the derivative of the unnamed scalar.
  void backward(const Array& gradient, bool retain_graph = false);

  /// The same array as a constant, without history.
  Tensor detach() const { return Tensor(array()); }
  /// The one element as a number. Throws ShapeError unless there is exactly one.
  double item() const { return array().item(); }

  /// The graph behind this tensor; null for a constant.
  const std::shared_ptr<detail::Node>& node() const { return impl().node; }

 private:
  friend struct detail::Node;
  friend Tensor make_computed(Array array, std::shared_ptr<detail::Node> node);
  struct Impl {
    Array array;
    std::shared_ptr<detail::Node> node;
  };
  Impl& impl() const {
    if (!defined()) fail_undefined();
    return *impl_;
  }
  [[noreturn]] static void fail_undefined();
  std::shared_ptr<Impl> impl_;
};

/// Tensor::backward from several tensors at once, in one walk through the graph that they share: `gradients[i]` is the
/// derivative of the unnamed scalar with respect to `tensors[i]`, of its shape and dtype. A tensor that requires no
/// gradient is passed over; throws AutogradError if that leaves none.
void backward(std::span<const Tensor> tensors, std::span<const Array> gradients, bool retain_graph = false);

std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

/// Numbers in nested braces: `tensor({{1, 2}, {3, 4}})`.
class NestedList {
 public:
  NestedList(double value) : value_(value) {}  // NOLINT(google-explicit-constructor): numbers stand for themselves
  NestedList(std::initializer_list<NestedList> items) : items_(items), is_list_(true) {}

  /// Throws ShapeError where siblings differ in shape.
  Shape shape() const;
  void append_to(std::vector<double>& values) const;

 private:
  double value_ = 0;
  std::vector<NestedList> items_;
  bool is_list_ = false;
};

/// A leaf from nested braces, or a scalar: `tensor({{1, 2}, {3, 4}}, {.dtype = DType::float64})`. Throws ShapeError for
/// ragged braces, ValueError for a number that an integer type cannot hold.
Tensor tensor(const NestedList& values, TensorOptions options = {});
/// Two braces deep, as matrices are written; picks this over a list of lists of one number each.
Tensor tensor(std::initializer_list<NestedList> values, TensorOptions options = {});
/// A leaf copied from `values`, in row-major order.
template <class T>
Tensor tensor(std::span<const T> values, const Shape& shape, Device device = cpu) {
  return Tensor(Array::from(values, shape, device));
}
Tensor zeros(const Shape& shape, TensorOptions options = {});
Tensor ones(const Shape& shape, TensorOptions options = {});
/// Throws ValueError where an integer type cannot hold `value`.
Tensor full(const Shape& shape, double value, TensorOptions options = {});
/// 0, 1, ..., n - 1. Throws ValueError where uint8 cannot hold them.
Tensor arange(std::int64_t n, TensorOptions options = {});

/// While one lives, ops on this thread record nothing.
class NoGradGuard {
 public:
  NoGradGuard();
  ~NoGradGuard();
  NoGradGuard(const NoGradGuard&) = delete;
  NoGradGuard& operator=(const NoGradGuard&) = delete;

 private:
  bool before_;
};

}  // namespace elbo
