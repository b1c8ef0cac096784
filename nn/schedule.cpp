#include "schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "../core/errors.h"

namespace elbo::nn {
namespace {

void check_number(double value, const char* schedule, const char* what) {
  ELBO_CHECK(std::isfinite(value) && value >= 0, ValueError, "[", schedule, "] ", what,
             ": expected a number of at least 0, found ", value);
}

void check_count(std::int64_t value, std::int64_t lowest, const char* schedule, const char* what) {
  ELBO_CHECK(value >= lowest, ValueError, "[", schedule, "] ", what, ": expected at least ", lowest, ", found ", value);
}

/// From `begin` at share 0 to `end` at share 1, along half a wave.
double along_cosine(double begin, double end, double share) {
  return end + (begin - end) * (1 + std::cos(std::numbers::pi * share)) / 2;
}

}  // namespace

Schedule constant(double base) {
  check_number(base, "constant", "base");
  return [=](std::int64_t step) {
    check_count(step, 0, "constant", "step");
    return base;
  };
}

Schedule step_lr(double base, std::int64_t step_size, double gamma) {
  check_number(base, "step_lr", "base");
  check_number(gamma, "step_lr", "gamma");
  check_count(step_size, 1, "step_lr", "step_size");
  return [=](std::int64_t step) {
    check_count(step, 0, "step_lr", "step");
    const std::int64_t falls = step / step_size;
    return base * std::pow(gamma, static_cast<double>(falls));
  };
}

Schedule cosine(double base, std::int64_t total, double min) {
  check_number(base, "cosine", "base");
  check_number(min, "cosine", "min");
  check_count(total, 1, "cosine", "total");
  return [=](std::int64_t step) {
    check_count(step, 0, "cosine", "step");
    if (step >= total) return min;
    return along_cosine(base, min, static_cast<double>(step) / static_cast<double>(total));
  };
}

Schedule warmup(std::int64_t steps, Schedule inner) {
  check_count(steps, 0, "warmup", "steps");
  ELBO_CHECK(inner, ValueError, "[warmup] inner: expected a schedule, found none");
  return [steps, inner = std::move(inner)](std::int64_t step) {
    check_count(step, 0, "warmup", "step");
    if (step >= steps) return inner(step - steps);
    return inner(0) * (static_cast<double>(step) + 1) / (static_cast<double>(steps) + 1);
  };
}

Schedule one_cycle(double max, std::int64_t total, const OneCycleOptions& options) {
  check_number(max, "one_cycle", "max");
  check_count(total, 1, "one_cycle", "total");
  ELBO_CHECK(options.pct_start >= 0 && options.pct_start < 1, ValueError,
             "[one_cycle] pct_start: expected 0 <= pct_start < 1, found ", options.pct_start);
  for (const double factor : {options.div_factor, options.final_div_factor})
    ELBO_CHECK(std::isfinite(factor) && factor > 0, ValueError,
               "[one_cycle] div_factor and final_div_factor: expected numbers above 0, found ", factor);
  const double low = max / options.div_factor, last = static_cast<double>(total - 1);
  const double top = options.pct_start * static_cast<double>(total) - 1;
  return [=, end = low / options.final_div_factor](std::int64_t step) {
    check_count(step, 0, "one_cycle", "step");
    const double at = static_cast<double>(step);
    if (at >= last) return end;
    return at < top ? along_cosine(low, max, at / top) : along_cosine(max, end, (at - top) / (last - top));
  };
}

double plateau(double base, std::span<const double> losses, const PlateauOptions& options) {
  check_number(base, "plateau", "base");
  check_number(options.factor, "plateau", "factor");
  ELBO_CHECK(options.threshold >= 0 && options.threshold < 1, ValueError,
             "[plateau] threshold: expected 0 <= threshold < 1, found ", options.threshold);
  check_number(options.min, "plateau", "min");
  check_count(options.patience, 0, "plateau", "patience");
  double rate = base, best = std::numeric_limits<double>::infinity();
  std::int64_t worse = 0;
  for (const double loss : losses) {
    if (loss < best * (1 - options.threshold)) {
      best = loss;
      worse = 0;
    } else if (++worse > options.patience) {
      rate = std::max(rate * options.factor, options.min);
      worse = 0;
    }
  }
  return rate;
}

}  // namespace elbo::nn
