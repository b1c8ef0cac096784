#pragma once
#include "../../functors.h"
#include "variant.h"

namespace elbo::cpu_kernels {

// Loops over n elements side by side. An output may be exactly an input, and may not overlap one otherwise. Element i
// has the same bits wherever it lies in a loop.
using UnaryFn = void (*)(std::int64_t n, void* out, const void* x, double p0, double p1);
using UnaryGradFn = void (*)(std::int64_t n, void* gx, const void* x, const void* y, const void* g, double p0,
                             double p1);
using BinaryFn = void (*)(std::int64_t n, void* out, const void* a, const void* b);
using BinaryGradFn = void (*)(std::int64_t n, void* out, const void* a, const void* b, const void* g);
using WhereFn = void (*)(std::int64_t n, void* out, const void* condition, const void* a, const void* b);
using CastFn = void (*)(std::int64_t n, void* out, const void* x);
/// out (float32 or float64) = byte * scale + shift.
using ScaleBytesFn = void (*)(std::int64_t n, void* out, const std::uint8_t* x, double scale, double shift);

/// The elementwise loops of a variant, instantiated from the lists in functors.h. The last index is the element type as
/// in enum class DType: float32, float64, and where there are four, uint8 and int64.
struct ElementwiseTable {
  UnaryFn unary[static_cast<int>(UnaryOp::count)][2];
  UnaryGradFn unary_grad[static_cast<int>(UnaryOp::count)][2];
  BinaryFn binary[static_cast<int>(BinaryOp::count)][4];              ///< null for integers where the op has them not
  BinaryGradFn binary_grad[static_cast<int>(BinaryOp::count)][2][2];  ///< [op][side][dtype]
  BinaryFn compare[static_cast<int>(CompareOp::count)][4];            ///< out is uint8
  WhereFn where[4];
  CastFn cast[4][4];  ///< [to][from]
  ScaleBytesFn scale_bytes[2];
  /// The same of 255 where the uniform number in out is below byte / 255, else of 0.
  ScaleBytesFn scale_drawn_bytes[2];
};

extern const ElementwiseTable elbo_elementwise_table_baseline, elbo_elementwise_table_v3, elbo_elementwise_table_v4;

}  // namespace elbo::cpu_kernels
