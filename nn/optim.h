#pragma once
#include <span>
#include <vector>

#include "../core/api.h"
#include "../core/backend_types.h"
#include "module.h"

/// Optimisers: they move parameters against their gradients. Names, defaults and formulas are PyTorch's.
namespace ELBO_API elbo {
namespace nn {

/// What all optimisers share. One step is one call of the backend for all parameters; the learning rate and the step
/// count are arrays on the parameters' device, so that a captured training step sees them change.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates all parameters that have a gradient, in place. Throws DeviceError if one was moved to another device since
  /// the optimiser was made, DTypeError if it changed its type, ShapeError if it changed its shape.
  void step();
  /// Drops the gradients.
  void zero_grad();

  /// The learning rate: lr() copies it from the device. set_lr throws ValueError unless it is finite and at least 0.
  double lr() const { return lr_.item(); }
  void set_lr(double lr);

  /// All that the next steps depend on besides the parameters: `lr` (float64 []), for Adam `step` (int64 []), and the
  /// moments, such as `exp_avg.fc1.weight`. The arrays are the optimiser's own: save them at once or `copy()` them.
  NamedArrays state() const;
  /// Takes such a state, in place. Throws ValueError listing all that is missing, unexpected or mis-shaped, and for a
  /// learning rate or a step below 0 and numbers that are not finite, and then changes nothing.
  void load_state(const NamedArrays& state);

  /// Handles of the parameters, with the names used in the state.
  const NamedTensors& parameters() const { return parameters_; }

 protected:
  /// `name` is a literal for messages. Throws ValueError for no parameters, one that comes twice, an undefined or
  /// computed one, or a bad learning rate; DeviceError where they lie on several devices.
  Optimizer(const char* name, NamedTensors parameters, double lr);

  /// Makes room for a moment of each parameter, at zero; call it in the constructor, `second` after `first`.
  void make_moments(std::string first, std::string second = {});
  virtual void update(std::span<const OptimizerSlot> slots) = 0;
  /// The step count, where an optimiser has one.
  virtual void append_counts(NamedArrays&) const {}

  Device device() const { return lr_.device(); }
  const double* lr_data() const { return static_cast<const double*>(lr_.raw()); }
  const char* name() const { return name_; }

 private:
  const char* name_;
  NamedTensors parameters_;
  Array lr_;
  struct Made {
    Shape shape;
    DType dtype;
  };
  std::vector<Made> made_;  ///< what each parameter was when the optimiser was made: the moments are as large
  std::string first_name_, second_name_;
  std::vector<Array> first_, second_;  ///< one a parameter, or none
  std::vector<OptimizerSlot> slots_;   ///< kept, so that a step allocates nothing
};

/// Parameters without names, such as `model.parameters()`: they are called `0`, `1`, ... in the state.
NamedTensors numbered(const std::vector<Tensor>& parameters);

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double weight_decay = 0;
};

/// Gradient descent: g += weight_decay p; with momentum v = momentum v + g, g = v; p -= lr g. The state of a parameter
/// is `momentum_buffer`, where there is momentum.
class SGD : public Optimizer {
 public:
  /// Throws ValueError unless lr, momentum and weight_decay are finite and at least 0.
  explicit SGD(NamedTensors parameters, const SGDOptions& options = {});
  explicit SGD(const std::vector<Tensor>& parameters, const SGDOptions& options = {})
      : SGD(numbered(parameters), options) {}

 private:
  void update(std::span<const OptimizerSlot> slots) override;
  SgdArgs args_;
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
/// `exp_avg_sq` for each parameter. Unlike PyTorch's there is one t: a parameter that had no gradient at first shares
/// it.
class Adam : public Optimizer {
 public:
  /// Throws ValueError unless lr, eps and weight_decay are finite and at least 0, and the betas in [0, 1).
  explicit Adam(NamedTensors parameters, const AdamOptions& options = {})
      : Adam("Adam", std::move(parameters), options, false) {}
  explicit Adam(const std::vector<Tensor>& parameters, const AdamOptions& options = {})
      : Adam(numbered(parameters), options) {}

 protected:
  Adam(const char* name, NamedTensors parameters, const AdamOptions& options, bool decoupled);

 private:
  void update(std::span<const OptimizerSlot> slots) override;
  void append_counts(NamedArrays& state) const override { state.emplace_back("step", step_); }
  AdamArgs args_;
  Array step_;
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
  explicit AdamW(NamedTensors parameters, const AdamWOptions& options = {});
  explicit AdamW(const std::vector<Tensor>& parameters, const AdamWOptions& options = {})
      : AdamW(numbered(parameters), options) {}
};

/// Scales all gradients in place by min(1, max_norm / (norm + 1e-6)), norm being the square root of the sum of all
/// their squares, and returns norm (before scaling; a scalar on the device, which only reading copies to the host).
/// Parameters without a gradient are skipped; without any the norm is 0. As in PyTorch a norm that is NaN makes all
/// gradients NaN; an infinite one makes those 0 that are finite, and NaN those that are not. Throws ValueError for a
/// max_norm that is NaN or negative, DeviceError for gradients on several devices.
Array clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm);

}  // namespace nn
}  // namespace elbo
