#pragma once
#include <concepts>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "api.h"
#include "tensor.h"

/// An op of your own: compute the value, then `record` it with its gradient rule. docs/own-op.md builds one; the
/// library's own ops are made in the same way (docs/adding-an-op.md).
///
///     Tensor cube(const Tensor& x) {
///       const Tensor value = pow(x.detach(), 3);
///       return record("cube", {x}, value.array(), [X = save(x)](const Array& g, const Needs&) {
///         return Grads{(Tensor(g) * 3 * square(Tensor(X()))).array()};
///       });
///     }
///
/// Gradients are first order: backward() runs the rules without recording them, so that what they give is a constant.
namespace ELBO_API elbo {

/// Which inputs of an op need a gradient; a rule computes only those.
class Needs {
 public:
  explicit Needs(const detail::Node& node) : node_(&node) {}
  /// Throws IndexError for an input that the op has not.
  bool operator[](std::size_t input) const;

 private:
  const detail::Node* node_;
};

/// One gradient per input, in their order; undefined where none is needed.
using Grads = std::vector<Array>;

/// The gradient rule of one recorded op: from the gradient of its output to those of its inputs, each of its input's
/// shape and dtype. It may compute with ops on tensors, which record nothing there. It captures arrays (through
/// `save`), never tensors: a rule that held its own output would own itself, and never be freed. backward() adds up
/// what rules return; it runs a rule again where the graph was retained.
using Rule = std::function<Grads(const Array& g, const Needs& need)>;
/// The same of an op with several outputs: a gradient for each, undefined for one that nothing was computed from. One
/// of them at least is there.
using RuleOfMany = std::function<Grads(std::span<const Array> gs, const Needs& need)>;

/// An array kept for a gradient rule, together with the version it had.
class SavedArray {
 public:
  SavedArray() = default;
  explicit SavedArray(Array array)
      : array_(std::move(array)), version_(array_.defined() ? array_.storage()->version() : 0) {}
  /// The array. Throws AutogradError if it was written in place since.
  const Array& operator()() const;

 private:
  Array array_;
  std::uint64_t version_ = 0;
};

inline SavedArray save(const Tensor& tensor) { return SavedArray(tensor.array()); }
inline SavedArray save(const Array& array) { return SavedArray(array); }
/// The array if a gradient will read it, else nothing: what is not kept can be freed, or written in place.
inline SavedArray save_if(bool needed, const Tensor& tensor) { return needed ? save(tensor) : SavedArray(); }
inline SavedArray save_if(bool needed, const Array& array) { return needed ? save(array) : SavedArray(); }

/// An input of an op, a tensor, as `record` is told of it. Made where it is passed; it does not outlive the call.
class RecordInput {
 public:
  RecordInput(const Tensor& tensor) : tensor_(&tensor) {}  // NOLINT(google-explicit-constructor)
  operator const Tensor&() const { return *tensor_; }      // NOLINT(google-explicit-constructor)

 private:
  const Tensor* tensor_;
};

namespace detail {
/// Whether recording is on and any of these requires a gradient.
bool needs_gradient(std::initializer_list<RecordInput> inputs);
}  // namespace detail

/// The output of op `name`, recorded with its rule if any of `inputs` requires a gradient and recording is on;
/// otherwise a constant, and the rule is dropped with all that it saved. `name` is a string literal. An input may be
/// undefined, such as a bias that is not there; it needs no gradient. Throws AutogradError for an empty rule, or where
/// a gradient would be recorded for an output that is not floating.
Tensor record(const char* name, std::span<const Tensor> inputs, Array output, Rule rule);
Tensor record(const char* name, std::initializer_list<RecordInput> inputs, Array output, Rule rule);
/// The same, of a lambda: nothing is made of it where no gradient is needed.
template <std::invocable<const Array&, const Needs&> Fn>
Tensor record(const char* name, std::initializer_list<RecordInput> inputs, Array output, Fn&& rule) {
  if (!detail::needs_gradient(inputs)) return Tensor(std::move(output));
  return record(name, inputs, std::move(output), Rule(std::forward<Fn>(rule)));
}
/// The outputs of an op with several, recorded with one rule for all of them.
std::vector<Tensor> record_many(const char* name, std::span<const Tensor> inputs, std::vector<Array> outputs,
                                RuleOfMany rule);
/// The output of an op that has no gradient. Throws AutogradError if it is floating, an input requires a gradient and
/// recording is on: a gradient is never dropped silently; `detach()` the input to say that it is a constant. Integers,
/// such as what a comparison gives, have none in any case.
Tensor record_constant(const char* name, std::initializer_list<RecordInput> inputs, Array output);

/// False inside a NoGradGuard.
bool grad_enabled();

namespace detail {

/// One recorded op, or a leaf (without rule). An op with several outputs is a node with their number, and a node for
/// each of them, whose one input it is: these collect a gradient as any other, and hand it on.
struct Node {
  Node(const char* name_, Shape shape_, DType dtype_);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const char* name;
  const void* layer;  ///< that called the op, where a profile asks
  Shape shape;        ///< of the output
  DType dtype;
  std::uint64_t sequence;                     ///< inputs come before outputs
  std::vector<std::shared_ptr<Node>> inputs;  ///< null where no gradient is needed
  Rule rule;
  RuleOfMany rule_of_many;  ///< of a node with several outputs
  std::size_t outputs = 0;  ///< how many, of such a node; else 0
  int output = -1;          ///< which one this is, of a node for one of them; else -1
  bool leaf = false;
  bool frozen = false;  ///< a leaf after requires_grad_(false): it keeps the rest for when it is asked again
  bool retains_grad = false;
  bool freed = false;
  Array grad;                                               ///< of a leaf, or where retain_grad was called
  std::vector<std::function<Tensor(const Tensor&)>> hooks;  ///< empty ones were removed
};

/// The gradient of a leaf, or undefined: Tensor::grad without a tensor around it.
const Array& gradient_of(const Tensor& tensor);

}  // namespace detail
}  // namespace elbo
