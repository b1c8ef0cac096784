#pragma once
#include <cstdint>

#include "called_op_detail.h"
#include "dtype.h"
#include "errors.h"

// Which numbers an integer type holds: C++ leaves open what the conversion of any other gives.
namespace elbo::detail {

/// Numbers from `least` to below `end`; no type holds NaN but the floating ones, which hold all.
struct HeldRange {
  double least, end;
};
inline HeldRange held_by(DType integer) {
  return integer == DType::uint8 ? HeldRange{0, 0x1p8} : HeldRange{-0x1p63, 0x1p63};
}
/// `[0, 255]`.
inline const char* range_name(DType integer) { return integer == DType::uint8 ? "[0, 255]" : "[-2^63, 2^63 - 1]"; }

/// Throws ValueError unless `value` is a number that elements of `dtype` can have, rounding aside.
inline void check_holds(DType dtype, double value) {
  if (is_floating(dtype)) return;
  const HeldRange range = held_by(dtype);
  const bool whole =
      value >= range.least && value < range.end && value == static_cast<double>(static_cast<std::int64_t>(value));
  ELBO_CHECK(whole, ValueError, "[", CalledOp::name_or("fill"), "] expected a whole number in ", range_name(dtype),
             " for ", dtype, ", found ", value);
}

}  // namespace elbo::detail
