#pragma once
#include <functional>
#include <memory>

#include "../model.h"
#include "../parts.h"

namespace ELBO_API elbo {
namespace models {

class LatentModel;

/// What a LatentModel minimises. It may have layers of its own, such as a discriminator.
class Objective : public nn::Module {
 public:
  /// See Model::loss.
  virtual Terms loss(LatentModel& model, const StepInput& in, int player) = 0;
  /// See Model::players. By default one, with all of the model's parameters.
  virtual std::vector<Player> players(const LatentModel& model);
  /// See Model::advance.
  virtual bool advance(const Progress&) { return false; }

 protected:
  Objective() = default;
};

struct ObjectiveRow : Entry {
  /// It makes the codes follow the prior even where the posterior draws nothing, so that there is something to sample
  /// from. Beside other objectives such a posterior has no use for a prior.
  bool matches_prior = false;
  std::function<std::unique_ptr<Objective>(const ModelConfig&)> make = {};
};

Registry<ObjectiveRow>& objectives();

}  // namespace models
}  // namespace elbo
