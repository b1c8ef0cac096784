#pragma once
#include <cstdint>
#include <functional>

#include "../core/api.h"

/// Learning rates as functions of the step (or the epoch, as you count), from 0. They keep no state, so that a resumed
/// run needs none: `optimizer.set_lr(schedule(step))`. A schedule throws ValueError for a step below 0.
namespace ELBO_API elbo {
namespace nn {

using Schedule = std::function<double(std::int64_t step)>;

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

}  // namespace nn
}  // namespace elbo
