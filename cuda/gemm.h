#pragma once
#include "context.h"

namespace elbo::cuda {

/// Matrices [rows, cols] of float32, `stride` elements from one to the next, to be written as bfloat16 one after the
/// other, with `padded_row(cols)` elements from one row to the next.
struct Narrowing {
  const float* from = nullptr;
  void* to = nullptr;
  std::int64_t count = 0, rows = 0, cols = 0, stride = 0;
};

/// Rows of this many bfloat16 elements begin at multiples of 16 bytes, which the fast products ask for.
constexpr std::int64_t padded_row(std::int64_t cols) { return (cols + 7) / 8 * 8; }

/// Both, in one launch; either may be empty.
void narrow(const Context& context, const Narrowing& first, const Narrowing& second);

}  // namespace elbo::cuda
