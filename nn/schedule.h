#pragma once
#include <cstdint>
#include <functional>
#include <span>

#include "../core/api.h"

/// Learning rates as functions of the step (or the epoch, as you count), from 0. They keep no state, so that a resumed
/// run needs none: `optimizer.set_lr(schedule(step))`. A schedule throws ValueError for a step below 0.
namespace ELBO_API elbo {
namespace nn {

using Schedule = std::function<double(std::int64_t step)>;

/// Always `base`. Throws ValueError unless it is finite and at least 0.
Schedule constant(double base);

/// base gamma^floor(step / step_size). Throws ValueError unless base and gamma are finite and at least 0 and step_size
/// is at least 1.
Schedule step_lr(double base, std::int64_t step_size, double gamma = 0.1);
/// min + (base - min) (1 + cos(pi step / total)) / 2: from base at step 0 to min at `total` and after (Loshchilov and
/// Hutter 2017, without restarts). Throws ValueError unless base and min are finite and at least 0 and total at
/// least 1.
Schedule cosine(double base, std::int64_t total, double min = 0);
/// inner(0) (step + 1) / (steps + 1) for the first `steps` steps, then inner(step - steps). Throws ValueError for
/// negative steps or no inner schedule.
Schedule warmup(std::int64_t steps, Schedule inner);

struct OneCycleOptions {
  double pct_start = 0.3;         ///< of the steps, in which the rate rises
  double div_factor = 25;         ///< it begins at max / div_factor
  double final_div_factor = 1e4;  ///< and ends at that divided by this
};
/// Up to `max` and down to nearly nothing over `total` steps, along two halves of a cosine (Smith and Topin 2018):
/// PyTorch's OneCycleLR. With low = max / div_factor and top = pct_start total - 1 it is
/// low + (max - low) (1 - cos(pi step / top)) / 2 until step `top`, and from there the cosine's other half down to
/// low / final_div_factor at step total - 1; that, too, after it. Throws ValueError unless max is finite and at least
/// 0, total at least 1, pct_start in [0, 1), and the factors are finite and above 0.
Schedule one_cycle(double max, std::int64_t total, const OneCycleOptions& options = {});

struct PlateauOptions {
  double factor = 0.1;
  std::int64_t patience = 10;
  double threshold = 1e-4;
  double min = 0;
};
/// The learning rate after epochs with these losses, usually those of validation: `base`, multiplied by `factor` each
/// time that more than `patience` epochs in a row did not better the best loss before them, but not below `min`. A loss
/// is better that is below best (1 - threshold). PyTorch's ReduceLROnPlateau without its `eps`, as a function of all
/// losses since the beginning: `optimizer.set_lr(plateau(1e-3, losses))`. Throws ValueError unless base, factor
/// and min are finite and at least 0 and the threshold in [0, 1), and for a patience below 0.
double plateau(double base, std::span<const double> losses, const PlateauOptions& options = {});

}  // namespace nn
}  // namespace elbo
