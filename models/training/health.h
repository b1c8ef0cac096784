#pragma once
#include <set>
#include <string>
#include <vector>

#include "../../core/api.h"
#include "trainer.h"

namespace ELBO_API elbo {
namespace models {

/// Looks for what goes astray in a training without being an error. A warning is one line that says what was found and
/// what to try; each comes once.
class Health {
 public:
  /// Throws ValueError for a model that makes no sense.
  explicit Health(const RunConfig& config);

  /// Of the pictures, before training: all alike, or bytes of 0 and 1 that mean black and white.
  std::vector<std::string> of_pictures(const datasets::Dataset& data);
  /// After an epoch of the trainer: a validation loss far from training at the start, a term of the objective that
  /// float32 loses beside the other, a collapsed posterior, and after the last epoch, latent dimensions without use.
  std::vector<std::string> after_epoch(const Trainer& trainer, const EpochRecord& record);

 private:
  /// The warnings that have not been given.
  std::vector<std::string> once(const std::vector<std::pair<const char*, std::string>>& found);

  RunConfig config_;
  std::set<std::string> given_;
};

}  // namespace models
}  // namespace elbo
