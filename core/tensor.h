#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "api.h"
#include "array.h"

namespace ELBO_API elbo {

namespace detail {
struct Node;
struct InPlace;
}  // namespace detail

class Generator;
class Operand;
struct TopK;
class TensorIndex;

/// An array that remembers how it was computed, so that `backward()` can tell the gradient of a scalar with respect to
/// every leaf that asked for one. A handle: copies share the array, the gradient and the history. Gradients are first
/// order: `backward()` itself is not recorded. Methods that have the name of an op in ops.h are that op.
///
/// Views share memory: what is written into one is seen in the other. The kind of the op and of its indices decides,
/// never the sizes. Views are reshape, flatten, unsqueeze, squeeze, x[i], slice() and split() of step 1 along
/// dimension 0, and index() of numbers first, then at most one Slice of step 1, then only whole ones, `Slice()`. All
/// other parts and orders of elements are copies. To write where there is no view, use index_put_. A write into a copy
/// of a part that has no name, such as x.t().fill_(1), would be lost: it throws ValueError.
class Tensor {
 public:
  /// A tensor that is not there: `defined()` is false, and every other method and op throws AutogradError.
  Tensor() = default;
  /// A leaf holding `array`; of an undefined array, a tensor that is not there. Throws DTypeError if a gradient is
  /// asked for of something not floating.
  Tensor(Array array, bool requires_grad = false);  // NOLINT(google-explicit-constructor): an array is a constant
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  ~Tensor() = default;
  /// The name stands for another tensor from now on. Not for one without a name: `x[0] = y` would write nothing, and
  /// does not compile. Written are `x[0].copy_(y)`, `x[0].fill_(1)` and `x.index_put_({0}, y)`.
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;

  bool defined() const { return impl_ && impl_->array.defined(); }
  const Array& array() const& { return impl().array; }
  Array array() && { return impl().array; }
  /// The array, to write in place, as an optimiser does; see Array::mutable_values and Array::assign.
  Array& mutable_array() { return impl().array; }
  const Shape& shape() const& { return array().shape(); }
  Shape shape() && { return impl().array.shape(); }
  DType dtype() const { return array().dtype(); }
  Device device() const { return array().device(); }
  std::int64_t numel() const { return array().numel(); }
  /// The number of dimensions, and the size of one; negative ones count from the end. Throws IndexError outside.
  int dim() const { return shape().rank(); }
  std::int64_t size(int axis) const { return shape()[axis]; }

  /// True if this is a leaf that asked for its gradient, or was computed from one.
  bool requires_grad() const;
  /// Asks for the gradient of a leaf, or no longer. One that no longer asks is a constant to the ops that follow, and
  /// backward() adds nothing to its gradient, which it keeps with its hooks. Asked again, it has its part in graphs
  /// recorded before. Throws AutogradError on a computed tensor.
  Tensor& requires_grad_(bool wanted = true);
  bool is_leaf() const;
  /// The gradient that backward() left at this leaf (or computed tensor with retain_grad), a constant; undefined before
  /// that. It shares its memory with the one kept here, so that `w.grad() *= 0.5` scales that.
  Tensor grad() const;
  /// Keeps the gradient of a computed tensor too. Throws AutogradError if it has none.
  Tensor& retain_grad();
  /// Drops the gradient, so that the next backward() starts anew.
  void zero_grad();

  /// Adds to the gradient of every leaf below this tensor its derivative. Throws AutogradError if nothing here requires
  /// a gradient, if this is no single number, if the graph was freed by an earlier backward() without `retain_graph`,
  /// or if a value that a rule needs was written in place since.
  void backward(bool retain_graph = false);
  /// The same for a tensor of any shape: `gradient`, of that shape and dtype, is the derivative of the unnamed scalar.
  void backward(const Tensor& gradient, bool retain_graph = false);
  /// Calls `hook` in backward() with the gradient of this tensor, once all of it is there; what it returns takes the
  /// gradient's place, an undefined tensor leaves it. Where a gradient is recorded through a write in place, the hook
  /// stays with the value before it. Throws AutogradError if this tensor has no gradient. Returns a number for
  /// remove_hook, which throws IndexError for one that is not there.
  std::size_t register_hook(std::function<Tensor(const Tensor& gradient)> hook) const;
  void remove_hook(std::size_t number) const;

  /// The same array as a constant, without history.
  Tensor detach() const { return Tensor(array()); }
  /// The one element as a number. Throws ShapeError unless there is exactly one.
  double item() const { return array().item(); }
  /// All elements in row-major order, copied to the host. Throws DTypeError for another type.
  template <class T>
  std::vector<T> to_vector() const {
    return array().to_vector<T>();
  }

  /// This tensor on another device, or in another dtype (see cast); itself where it is that already. The gradient goes
  /// back.
  Tensor to(Device device) const;
  Tensor to(DType dtype) const;

  // ---- writing in place: what shares this tensor's memory, as views do, sees it. Where a gradient was recorded
  // through the value before, backward() throws AutogradError instead of giving a wrong one. While gradients are
  // recorded, they throw AutogradError for a leaf that requires one, and where a gradient would have to be recorded
  // although a view or a gradient rule holds the same memory: `x = x + y` makes a new tensor.
  /// The operand broadcasts to this shape. Throws ShapeError where this one would have to grow.
  Tensor& operator+=(const Operand& other) &;
  Tensor& operator-=(const Operand& other) &;
  Tensor& operator*=(const Operand& other) &;
  Tensor& operator/=(const Operand& other) &;
  /// Takes the values of `source`, which broadcasts to this shape, of any dtype (see cast) and device.
  Tensor& copy_(const Tensor& source) &;
  /// Throws ValueError where an integer type cannot hold `value`.
  Tensor& fill_(double value) &;
  Tensor& zero_() & { return fill_(0); }
  /// Writes at these indices; the value broadcasts to what index() gives. Throws ValueError for an index that is a
  /// tensor.
  Tensor& index_put_(std::initializer_list<TensorIndex> indices, const Operand& value) &;
  /// The same of a tensor without a name. They throw ValueError where it is a copy of a part of another.
  Tensor operator+=(const Operand& other) &&;
  Tensor operator-=(const Operand& other) &&;
  Tensor operator*=(const Operand& other) &&;
  Tensor operator/=(const Operand& other) &&;
  Tensor copy_(const Tensor& source) &&;
  Tensor fill_(double value) &&;
  Tensor zero_() && { return std::move(*this).fill_(0); }
  Tensor index_put_(std::initializer_list<TensorIndex> indices, const Operand& value) &&;

  // ---- parts
  /// Element, row, ... i along dimension 0: a view. Negative ones count from the end. Throws IndexError.
  Tensor operator[](std::int64_t i) const&;
  Tensor operator[](std::int64_t i) &&;
  /// `x.index({Slice(1, {}), 0})` is NumPy's `x[1:, 0]`: see TensorIndex. A view or a copy, as said above.
  Tensor index(std::initializer_list<TensorIndex> indices) const&;
  Tensor index(std::initializer_list<TensorIndex> indices) &&;
  /// Elements begin, begin + step, ... below end along `axis`: the op of this name.
  Tensor slice(int axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1) const;
  Tensor index_select(int axis, const Tensor& indices) const;

  // ---- ops as methods
  Tensor reshape(std::initializer_list<std::int64_t> sizes) const;
  Tensor reshape(const Shape& shape) const;
  Tensor flatten(int start = 1) const;
  Tensor clone() const;
  Tensor transpose(int axis_a, int axis_b) const;
  /// The transpose of a matrix; with fewer dimensions itself. Throws ShapeError for more than 2.
  Tensor t() const;
  Tensor permute(const std::vector<int>& dims) const;
  Tensor unsqueeze(int axis) const;
  Tensor squeeze(const Axes& axes = {}) const;
  Tensor expand(const Shape& shape) const;
  std::vector<Tensor> split(std::int64_t size, int axis = 0) const;
  std::vector<Tensor> split(std::initializer_list<std::int64_t> sizes, int axis = 0) const;
  std::vector<Tensor> chunk(std::int64_t chunks, int axis = 0) const;
  Tensor repeat(const std::vector<std::int64_t>& repeats) const;
  Tensor flip(const Axes& axes) const;
  Tensor tril(std::int64_t diagonal = 0) const;
  Tensor triu(std::int64_t diagonal = 0) const;
  Tensor gather(int axis, const Tensor& indices) const;
  Tensor scatter_add(int axis, const Tensor& indices, const Tensor& source) const;
  Tensor masked_fill(const Tensor& mask, const Operand& value) const;
  Tensor neg() const;
  Tensor square() const;
  Tensor sqrt() const;
  Tensor exp() const;
  Tensor log() const;
  Tensor abs() const;
  Tensor relu() const;
  Tensor sigmoid() const;
  Tensor tanh() const;
  Tensor sign() const;
  Tensor round() const;
  Tensor floor() const;
  Tensor ceil() const;
  Tensor trunc() const;
  Tensor expm1() const;
  Tensor log1p() const;
  Tensor sin() const;
  Tensor cos() const;
  Tensor erf() const;
  Tensor lgamma() const;
  Tensor pow(double exponent) const;
  Tensor pow(const Operand& exponent) const;
  Tensor clamp(std::optional<double> lo, std::optional<double> hi) const;
  Tensor maximum(const Operand& other) const;
  Tensor minimum(const Operand& other) const;
  Tensor isnan() const;
  Tensor isfinite() const;
  Tensor sum(const Axes& axes = {}, bool keepdim = false) const;
  Tensor mean(const Axes& axes = {}, bool keepdim = false) const;
  Tensor var(const Axes& axes = {}, double correction = 1, bool keepdim = false) const;
  Tensor std(const Axes& axes = {}, double correction = 1, bool keepdim = false) const;
  Tensor norm(double p = 2, const Axes& axes = {}, bool keepdim = false) const;
  Tensor max(const Axes& axes = {}, bool keepdim = false) const;
  Tensor min(const Axes& axes = {}, bool keepdim = false) const;
  Tensor multinomial(std::int64_t count, bool replacement = false, Generator* generator = nullptr) const;
  TopK topk(std::int64_t k, int axis = -1, bool largest = true) const;
  Tensor argmax(int axis, bool keepdim = false) const;
  Tensor argmin(int axis, bool keepdim = false) const;
  Tensor all(const Axes& axes = {}, bool keepdim = false) const;
  Tensor any(const Axes& axes = {}, bool keepdim = false) const;
  Tensor cumsum(int axis) const;
  Tensor logsumexp(const Axes& axes, bool keepdim = false) const;
  Tensor softmax(int axis) const;
  Tensor log_softmax(int axis) const;
  Tensor matmul(const Tensor& other) const;

  /// The graph behind this tensor; null for a constant that never asked for a gradient.
  const std::shared_ptr<detail::Node>& node() const { return impl().node; }

 private:
  friend struct detail::Node;
  friend struct detail::InPlace;
  friend Tensor make_computed(Array array, std::shared_ptr<detail::Node> node);
  struct Impl {
    explicit Impl(Array&& values) : array(std::move(values)) {}
    Array array;
    std::shared_ptr<detail::Node> node;
    bool copied_part = false;  ///< of another tensor: what is written here, that one does not see
  };
  Impl& impl() const {
    if (!defined()) fail_undefined();
    return *impl_;
  }
  [[noreturn]] static void fail_undefined();
  std::shared_ptr<Impl> impl_;
};

/// An operand of an op on two: a tensor, or a number, which takes the dtype and the device of the other one. Made where
/// it is passed; it does not outlive the call.
class Operand {
 public:
  Operand(const Tensor& tensor) : tensor_(&tensor) {}  // NOLINT(google-explicit-constructor)
  Operand(std::floating_point auto number)             // NOLINT(google-explicit-constructor)
      : number_(static_cast<double>(number)) {}
  template <std::integral T>
  Operand(T number) : number_(static_cast<double>(number)) {  // NOLINT(google-explicit-constructor)
    // A number beyond int64 has its value as a double alone.
    constexpr auto most = static_cast<std::uint64_t>(INT64_MAX);
    if (std::is_signed_v<T> || static_cast<std::uint64_t>(number) <= most) whole_ = static_cast<std::int64_t>(number);
  }

  bool is_tensor() const { return tensor_ != nullptr; }
  const Tensor& tensor() const { return *tensor_; }
  double number() const { return number_; }
  /// A number of an integer type that int64 can hold.
  const std::optional<std::int64_t>& whole() const { return whole_; }

 private:
  const Tensor* tensor_ = nullptr;
  double number_ = 0;
  std::optional<std::int64_t> whole_;
};

/// Tensor::backward from several tensors at once, in one walk through the graph that they share: `gradients[i]` is the
/// derivative of the unnamed scalar with respect to `tensors[i]`, of its shape and dtype. A tensor that requires no
/// gradient is passed over; throws AutogradError if that leaves none.
void backward(std::span<const Tensor> tensors, std::span<const Array> gradients, bool retain_graph = false);

std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

/// Numbers in nested braces: `tensor({{1, 2}, {3, 4}})`.
class NestedList {
 public:
  /// Numbers stand for themselves. Throws ValueError for a whole one that a double cannot hold.
  template <class T>
  requires std::is_arithmetic_v<T> NestedList(T value)
      : value_(static_cast<double>(value)) {  // NOLINT(google-explicit-constructor)
    if constexpr (std::is_integral_v<T>) {
      // 2^digits is T's largest number and 1.
      constexpr double beyond = 2 * static_cast<double>(std::numeric_limits<T>::max() / 2 + 1);
      ELBO_CHECK(value_ < beyond && static_cast<T>(value_) == value, ValueError,
                 "[tensor] expected a number that a double can hold, found ", value);
    }
  }
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
/// A tensor of the shape, dtype and device of another.
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
Tensor full_like(const Tensor& x, double value);
/// 0, 1, ..., n - 1. Throws ValueError where uint8 cannot hold them.
Tensor arange(std::int64_t n, TensorOptions options = {});
/// begin, begin + step, ... before end, none if that lies the other way. Throws ValueError for bounds or a step that
/// are not finite, a step of 0, and numbers that an integer type cannot hold.
Tensor arange(double begin, double end, double step = 1, TensorOptions options = {});
/// `count` numbers in equal steps, the first `begin`, the last `end`; float32 or float64.
Tensor linspace(double begin, double end, std::int64_t count, TensorOptions options = {});
/// The identity matrix [n, n].
Tensor eye(std::int64_t n, TensorOptions options = {});

namespace autograd {

/// The gradients of `outputs` with respect to `inputs`, leaves or computed, without touching grad() of any leaf.
/// `gradients[i]` is the derivative of the unnamed scalar with respect to outputs[i]; without them, outputs are single
/// numbers. An input that the outputs do not depend on gets an undefined tensor with `allow_unused`, and otherwise
/// throws AutogradError. Gradients are first order: what comes back is a constant.
std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> gradients = {}, bool retain_graph = false, bool allow_unused = false);
std::vector<Tensor> grad(std::initializer_list<Tensor> outputs, std::initializer_list<Tensor> inputs,
                         std::initializer_list<Tensor> gradients = {}, bool retain_graph = false,
                         bool allow_unused = false);

}  // namespace autograd

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
