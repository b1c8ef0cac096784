#include "schedule.h"

#include <cmath>
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

}  // namespace

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
    const double share = static_cast<double>(step) / static_cast<double>(total);
    return min + (base - min) * (1 + std::cos(std::numbers::pi * share)) / 2;
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

}  // namespace elbo::nn
