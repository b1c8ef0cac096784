#pragma once
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/api.h"
#include "../core/backend_types.h"
#include "module.h"

/// Optimisers: they move parameters against their gradients. Names, defaults and formulas are PyTorch's.
namespace ELBO_API elbo {
namespace nn {

/// Parameters without names, such as `model.parameters()`: they are called `0`, `1`, ... in the state.
NamedTensors numbered(const std::vector<Tensor>& parameters);

/// Parameters and how they are trained: `nn::Adam opt({{encoder.parameters(), {.lr = 1e-4}}, {decoder.parameters()}})`.
template <class Options>
struct ParameterGroup {
  ParameterGroup(NamedTensors tensors, const Options& how = {})  // NOLINT(google-explicit-constructor)
      : parameters(std::move(tensors)), options(how) {}
  ParameterGroup(const std::vector<Tensor>& tensors, const Options& how = {})  // NOLINT(google-explicit-constructor)
      : parameters(numbered(tensors)), options(how) {}

  NamedTensors parameters;
  Options options;
};

/// What all optimisers share: parameters in one group or several, their state, and the learning rates.
///
/// An optimiser of your own derives from this class, names its state in its constructor, and says in `update` what a
/// step does to one parameter. Lion (Chen et al. 2023) in full:
///
///     class Lion : public nn::Optimizer {
///      public:
///       Lion(nn::NamedTensors parameters, double lr) : Optimizer("Lion", std::move(parameters), lr) {
///         add_state("exp_avg");
///       }
///
///      private:
///       void update(Parameter& p) override {
///         Tensor m = p.state("exp_avg");
///         p.value -= p.lr * sign(m * 0.9 + p.grad * 0.1);
///         m *= 0.99;
///         m += p.grad * 0.01;
///       }
///     };
///
/// Learning rates and all other state are arrays on the parameters' device, so that a captured training step sees them
/// change; nothing is read back.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates all parameters that have a gradient and are not frozen by requires_grad_(false), in place. Throws
  /// DeviceError if one was moved to another device since the optimiser was made, DTypeError if it changed its type,
  /// ShapeError if it changed its shape.
  void step() { step({}); }
  /// The same, and with it these errands (core/backend_types.h) on the parameters' device: a training's running sums,
  /// each of which would be a launch of its own on a GPU. They may touch nothing that a step reads or writes.
  void step(std::span<const Errand> errands);
  /// What the next step needs to be computed before it, as errands for another call to take along: appended to
  /// `errands`, which are to be run before step() is called. An optimiser that was not asked runs them itself.
  virtual void prepare(std::vector<Errand>& errands) { (void)errands; }
  /// Drops the gradients.
  void zero_grad();

  /// How many groups of parameters there are, numbered from 0 in the order given.
  std::size_t groups() const { return lrs_.size(); }
  /// The learning rate of a group: lr() copies it from the device. set_lr without a group sets that of all. Throws
  /// IndexError for a group that is not there; set_lr throws ValueError unless the rate is finite and at least 0.
  double lr(std::size_t group = 0) const;
  void set_lr(double lr);
  void set_lr(double lr, std::size_t group);

  /// All that the next steps depend on besides the parameters: `lr` (float64 []), for Adam `step` (int64 []), and what
  /// is kept for each parameter, such as `exp_avg.fc1.weight`. With several groups, the group's number comes before the
  /// parameter's name, `exp_avg.0.fc1.weight`, and each has an `lr.0` and a `step.0`. The arrays are the optimiser's
  /// own: save them at once or `copy()` them.
  NamedArrays state() const;
  /// Takes such a state, in place. Throws ValueError listing all that is missing, unexpected or mis-shaped, and for a
  /// learning rate or a step below 0 and numbers that are not finite, and then changes nothing.
  void load_state(const NamedArrays& state);

  /// Handles of the parameters, with the names used in the state.
  const NamedTensors& parameters() const { return parameters_; }

 protected:
  /// What `update` is given.
  struct Parameter {
    Tensor value;           ///< to be written in place, as by `p.value -= ...`
    Tensor grad;            ///< of its shape and dtype, to be read
    Tensor lr;              ///< of its group, [], in its dtype, on its device
    std::size_t group = 0;  ///< its number
    std::span<const std::string> state_names = {};
    std::span<const Tensor> states = {};

    /// What add_state() made under this name, to be written in place. Throws ValueError for a name that is none.
    Tensor state(std::string_view name) const;
  };

  /// `name` is a literal for messages; Options have a member `lr`. Throws ValueError for a group without parameters, a
  /// parameter that comes twice, an undefined or computed one, or a bad learning rate; DeviceError where they lie on
  /// several devices.
  template <class Options>
  Optimizer(const char* name, const std::vector<ParameterGroup<Options>>& groups) : name_(name) {
    for (const auto& group : groups) add_group(group.parameters, group.options.lr, groups.size() > 1);
    check_parameters();
  }
  /// One group.
  Optimizer(const char* name, const NamedTensors& parameters, double lr) : name_(name) {
    add_group(parameters, lr, false);
    check_parameters();
  }

  /// Makes room for something that is kept for each parameter, at zero: in its shape or in another, in its dtype. For
  /// the constructor. Throws ValueError for a name that is taken.
  void add_state(const std::string& name, const std::optional<Shape>& shape = {});

  /// One step of one parameter. Nothing is recorded meanwhile.
  virtual void update(Parameter& parameter);
  /// One step of a group: of the parameters with these numbers, which have a gradient. Calls update() for each; what
  /// has a kernel for all at once overrides it.
  virtual void update_group(std::size_t group, std::span<const std::size_t> which);
  /// Errands of this step that have not been run: an update_group whose kernel takes them along takes them.
  std::span<const Errand> take_errands() { return std::exchange(errands_, {}); }
  /// Those parameters for such a kernel, the first two states of each beside it; all of them count as written.
  std::span<const OptimizerSlot> slots(std::span<const std::size_t> which);
  /// Step counts, where an optimiser has them: numbers of at least 0.
  virtual void append_counts(NamedArrays&) const {}

  Device device() const { return lrs_[0].device(); }
  const double* lr_data(std::size_t group) const { return static_cast<const double*>(lrs_[group].raw()); }
  const char* name() const { return name_; }
  /// `step`, or with several groups `step.0`.
  std::string group_name(const char* what, std::size_t group) const;

 private:
  void add_group(const NamedTensors& parameters, double lr, bool several);
  void check_parameters() const;
  /// Throws where a parameter is not what it was when the optimiser was made.
  void check_unchanged(std::size_t i, const Array& grad) const;
  /// Counts and learning rates.
  NamedArrays settings() const;

  const char* name_;
  NamedTensors parameters_;
  std::vector<Array> lrs_;  ///< one a group
  struct Made {
    std::size_t group;
    Shape shape;
    DType dtype;
    std::vector<Tensor> states;
  };
  std::vector<Made> made_;  ///< what each parameter was when the optimiser was made
  std::vector<std::string> state_names_;
  std::vector<std::size_t> with_gradient_;  ///< these two are kept, so that a step allocates nothing
  std::vector<OptimizerSlot> slots_;
  std::span<const Errand> errands_;  ///< of the step that runs
};

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;  ///< needs momentum
};

/// Gradient descent: g += weight_decay p; with momentum v = momentum v + g, g = v; p -= lr g. With `nesterov` g is
/// g + momentum v instead. The state of a parameter is `momentum_buffer`, where some group has momentum.
class SGD : public Optimizer {
 public:
  /// Throws ValueError unless lr, momentum and weight_decay are finite and at least 0, and for nesterov without
  /// momentum.
  explicit SGD(const std::vector<ParameterGroup<SGDOptions>>& groups);
  explicit SGD(std::initializer_list<ParameterGroup<SGDOptions>> groups)  // so that braces around one are no puzzle
      : SGD(std::vector<ParameterGroup<SGDOptions>>(groups)) {}
  explicit SGD(NamedTensors parameters, const SGDOptions& options = {})
      : SGD(std::vector<ParameterGroup<SGDOptions>>{{std::move(parameters), options}}) {}
  explicit SGD(const std::vector<Tensor>& parameters, const SGDOptions& options = {})
      : SGD(numbered(parameters), options) {}

 private:
  void update(Parameter& p) override;
  void update_group(std::size_t group, std::span<const std::size_t> which) override;
  std::vector<SGDOptions> options_;
};

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
};

/// Adam (Kingma and Ba 2015): g += weight_decay p; m and v are running means of g and g^2 with decay beta1 and beta2;
/// p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps). The state is `step`, that is t, and `exp_avg` and
/// `exp_avg_sq` for each parameter. Unlike PyTorch's there is one t for a group: a parameter that had no gradient at
/// first shares it.
class Adam : public Optimizer {
 public:
  /// Throws ValueError unless lr, eps and weight_decay are finite and at least 0, and the betas in [0, 1).
  explicit Adam(const std::vector<ParameterGroup<AdamOptions>>& groups) : Adam("Adam", groups, false) {}
  explicit Adam(std::initializer_list<ParameterGroup<AdamOptions>> groups)  // so that braces around one are no puzzle
      : Adam(std::vector<ParameterGroup<AdamOptions>>(groups)) {}
  explicit Adam(NamedTensors parameters, const AdamOptions& options = {})
      : Adam(std::vector<ParameterGroup<AdamOptions>>{{std::move(parameters), options}}) {}
  explicit Adam(const std::vector<Tensor>& parameters, const AdamOptions& options = {})
      : Adam(numbered(parameters), options) {}

  void prepare(std::vector<Errand>& errands) override;

 protected:
  Adam(const char* name, const std::vector<ParameterGroup<AdamOptions>>& groups, bool decoupled);

 private:
  void update_group(std::size_t group, std::span<const std::size_t> which) override;
  void append_counts(NamedArrays& state) const override;
  Errand prepare_group(std::size_t group);
  std::vector<AdamArgs> args_;  ///< these one a group
  std::vector<Array> steps_;
  std::vector<Array> scales_;  ///< AdamScales, as bytes: the factors of the step that runs
  std::vector<char> prepared_;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
};

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019): p -= lr weight_decay p, and g stays as it is.
class AdamW : public Adam {
 public:
  explicit AdamW(const std::vector<ParameterGroup<AdamWOptions>>& groups);
  explicit AdamW(std::initializer_list<ParameterGroup<AdamWOptions>> groups)  // so that braces around one are no puzzle
      : AdamW(std::vector<ParameterGroup<AdamWOptions>>(groups)) {}
  explicit AdamW(NamedTensors parameters, const AdamWOptions& options = {})
      : AdamW(std::vector<ParameterGroup<AdamWOptions>>{{std::move(parameters), options}}) {}
  explicit AdamW(const std::vector<Tensor>& parameters, const AdamWOptions& options = {})
      : AdamW(numbered(parameters), options) {}
};

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool centered = false;
};

/// RMSprop (Tieleman and Hinton 2012): g += weight_decay p; v is a running mean of g^2 with decay alpha; with
/// `centered` the square of g's own running mean is taken from it (Graves 2013). g /= sqrt(v) + eps; with momentum
/// b = momentum b + g, g = b; p -= lr g. The state of a parameter is `square_avg`, and `momentum_buffer` and `grad_avg`
/// where some group needs them.
class RMSprop : public Optimizer {
 public:
  /// Throws ValueError unless lr, eps, weight_decay and momentum are finite and at least 0, and alpha in [0, 1].
  explicit RMSprop(const std::vector<ParameterGroup<RMSpropOptions>>& groups);
  explicit RMSprop(
      std::initializer_list<ParameterGroup<RMSpropOptions>> groups)  // so that braces around one are no puzzle
      : RMSprop(std::vector<ParameterGroup<RMSpropOptions>>(groups)) {}
  explicit RMSprop(NamedTensors parameters, const RMSpropOptions& options = {})
      : RMSprop(std::vector<ParameterGroup<RMSpropOptions>>{{std::move(parameters), options}}) {}
  explicit RMSprop(const std::vector<Tensor>& parameters, const RMSpropOptions& options = {})
      : RMSprop(numbered(parameters), options) {}

 private:
  void update(Parameter& p) override;
  std::vector<RMSpropOptions> options_;
};

/// Scales all gradients in place by min(1, max_norm / (norm + 1e-6)), norm being the square root of the sum of all
/// their squares, and returns norm (before scaling; a scalar on the device, which only reading copies to the host).
/// Parameters without a gradient are skipped; without any the norm is 0. As in PyTorch a norm that is NaN makes all
/// gradients NaN; an infinite one makes those 0 that are finite, and NaN those that are not. Throws ValueError for a
/// max_norm that is NaN or negative, DeviceError for gradients on several devices.
Array clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm);

/// Clamps all gradients in place to [-value, value]; NaN stays NaN. Parameters without a gradient are skipped. Throws
/// ValueError for a value that is NaN or negative.
void clip_grad_value_(const std::vector<Tensor>& parameters, double value);

}  // namespace nn
}  // namespace elbo
