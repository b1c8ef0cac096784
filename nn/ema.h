#pragma once
#include <string>
#include <utility>
#include <vector>

#include "../core/api.h"
#include "module.h"

namespace ELBO_API elbo {
namespace nn {

/// A running mean of parameters, which often does better than the parameters themselves (Polyak and Juditsky 1992):
///
///     nn::EMA ema(model, 0.999);
///     ... optimizer.step(); ema.update(); ...
///     {
///       const auto averaged = ema.apply();
///       evaluate(model);  // with the means
///     }                   // and the parameters are back
///
/// Buffers, such as BatchNorm's running statistics, are the model's as they are.
class EMA {
 public:
  /// The means begin as copies of the parameters. Throws ValueError unless 0 <= decay <= 1, for no parameters and for a
  /// name that comes twice.
  explicit EMA(NamedTensors parameters, double decay = 0.999);
  explicit EMA(const Module& model, double decay = 0.999) : EMA(model.named_parameters(), decay) {}
  EMA(const EMA&) = delete;
  EMA& operator=(const EMA&) = delete;

  /// mean = decay mean + (1 - decay) parameter, after a step of the optimiser; on the device, so that it may be part of
  /// a captured step. Throws what adding them does where a parameter was moved or converted since.
  void update();

  /// While one lives, the parameters have the values of the means. No memory is copied.
  class [[nodiscard]] Scope {
   public:
    ~Scope() { ema_.swap(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    friend class EMA;
    explicit Scope(EMA& ema) : ema_(ema) { ema_.swap(); }
    EMA& ema_;
  };
  /// Must not outlive this object. While the scope lives, all functions here throw ValueError, and no optimiser should
  /// take a step, nor a captured one be replayed.
  Scope apply();

  /// The means, by the parameters' names: the object's own arrays, to be saved at once. A model takes them as they are,
  /// with `load_state_dict`, where it has no buffers.
  NamedArrays state() const;
  /// Takes such a state, in place. Throws ValueError listing all that does not fit, and then changes nothing.
  void load_state(const NamedArrays& state);

 private:
  void swap() noexcept;
  void check_not_applied(const char* function) const;

  NamedTensors parameters_;
  std::vector<Tensor> means_;
  double decay_;
  bool applied_ = false;
};

}  // namespace nn
}  // namespace elbo
