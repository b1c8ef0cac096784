#pragma once
#include "api.h"

namespace ELBO_API elbo {

/// What a matrix product or convolution of float32 may round its operands to on the way into the multipliers; sums are
/// float32 or better in any case. Only a GPU knows the last two.
enum class Precision : int {
  float32,
  tf32,  ///< 10 bits of mantissa and float32's range
  bf16   ///< 7 bits of mantissa and float32's range; parameters and results stay float32
};

/// `float32`, `tf32`, `bf16`.
constexpr const char* name(Precision precision) {
  constexpr const char* names[] = {"float32", "tf32", "bf16"};
  return names[static_cast<int>(precision)];
}

/// While one lives, matrix products and convolutions on this thread, and their gradients, use `precision`. float64
/// stays float64.
class PrecisionGuard {
 public:
  explicit PrecisionGuard(Precision precision);
  ~PrecisionGuard();
  PrecisionGuard(const PrecisionGuard&) = delete;
  PrecisionGuard& operator=(const PrecisionGuard&) = delete;

 private:
  Precision before_;
};

/// What the innermost guard of this thread asks for; float32 without one.
Precision active_precision();

}  // namespace elbo
