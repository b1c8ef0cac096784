#pragma once
#include <cmath>
#include <cstdint>

#include "../../core/array.h"
#include "../../core/errors.h"

/// Internal to what reads checkpoints.
namespace elbo::models {

/// A count in a checkpoint, which may be damaged: a whole number from 0 to 2^53. Throws FormatError with its name.
inline std::int64_t count_in(const Array& array, const char* name) {
  const double value = array.item();
  ELBO_CHECK(value >= 0 && value <= 0x1p53 && value == std::floor(value), FormatError,
             "checkpoint: expected a whole number '", name, "' from 0, found ", value);
  return static_cast<std::int64_t>(value);
}

}  // namespace elbo::models
