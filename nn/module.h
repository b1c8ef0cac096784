#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../core/safetensors.h"
#include "../core/tensor.h"

/// Neural-network modules: parameters with names, and the layers made of them. Names are PyTorch's.
namespace elbo::nn {

/// Tensors by name, in order.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Something with parameters. Parameters, buffers and submodules are plain members of the derived class, registered by
/// name in its constructor; the module remembers where they are, so modules are neither copied nor moved.
///
///     struct Net : nn::Module {
///       nn::Linear fc1{784, 400}, fc2{400, 10};
///       Net() { register_module("fc1", fc1), register_module("fc2", fc2); }
///       Tensor forward(const Tensor& x) { return fc2(relu(fc1(x))); }
///     };
class Module {
 public:
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Handles of all parameters, this module's before its submodules', in the order of registration. One that is shared
  /// comes once.
  std::vector<Tensor> parameters() const;
  /// The same with their dotted names, such as `encoder.0.weight`; a shared one under its first name.
  NamedTensors named_parameters() const;
  /// State that is not trained, such as `running_mean`, with dotted names.
  NamedTensors named_buffers() const;
  /// How many numbers are trained.
  std::int64_t num_parameters() const;

  /// All parameters and buffers under PyTorch's names and in its order: a module's parameters, its buffers, then its
  /// submodules. The arrays are the module's own, not copies: save them at once or `copy()` them.
  NamedArrays state_dict() const;
  /// Writes `state` into this module, in place. `rename` maps names of `state`, or their beginnings up to a dot, to
  /// names here: {"fc1", "encoder.0"} loads `fc1.weight` into `encoder.0.weight`; the longest match counts. float32 and
  /// float64 convert to each other. Throws ValueError listing every missing, unexpected, doubled and mis-shaped name,
  /// or for a name in `rename` that `state` lacks, and then leaves the module as it was.
  void load_state_dict(const NamedArrays& state, const std::map<std::string, std::string>& rename = {});

  /// Switches this module and its submodules to training, or to evaluation: what Dropout and BatchNorm2d do depends on
  /// it. A module starts in training.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const { return training_; }

  /// Drops the gradients of all parameters.
  void zero_grad();
  /// Moves parameters and buffers to `device`, or floating ones to another floating type; what moves loses its
  /// gradient. Move a module before making its optimiser. `to(DType)` throws DTypeError unless the type is floating.
  void to(Device device);
  void to(DType dtype);

 protected:
  Module() = default;

  /// Register members of the derived class. An undefined tensor, such as the bias of a layer without one, is no
  /// parameter as long as it is undefined. All throw ValueError for a name that is empty, taken, or has a dot.
  /// The parameter must be floating (DTypeError); it now requires a gradient.
  void register_parameter(std::string name, Tensor& parameter);
  void register_buffer(std::string name, Tensor& buffer);
  void register_module(std::string name, Module& module);

 private:
  void check_name(const std::string& name) const;

  // The members registered; they live as long as this module, of which they are part.
  std::vector<std::pair<std::string, Tensor*>> parameters_;
  std::vector<std::pair<std::string, Tensor*>> buffers_;
  std::vector<std::pair<std::string, Module*>> modules_;
  bool training_ = true;

  /// Calls visit(dotted name, tensor, is a parameter) for every defined tensor in the order of state_dict.
  template <class Visit>
  void for_each(const std::string& prefix, const Visit& visit) const;
};

/// A module that takes one tensor to another: what a Sequential is made of.
class Layer : public Module {
 public:
  virtual Tensor forward(const Tensor& x) = 0;
  Tensor operator()(const Tensor& x) { return forward(x); }
};

}  // namespace elbo::nn
