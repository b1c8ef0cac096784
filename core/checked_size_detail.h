#pragma once
#include <cstdint>

#include "called_op_detail.h"
#include "errors.h"

/// Sums and products of sizes, counts and offsets. Whatever numbers a caller gives, what is computed from them is
/// either right or a ShapeError: an int64 that wraps around would ask for the wrong amount of memory, or write outside
/// of it.
namespace elbo::detail {

[[noreturn]] inline void size_overflow(std::int64_t a, const char* sign, std::int64_t b) {
  fail<ShapeError>("[", CalledOp::name_or("shape"), "] expected sizes below 2^63, found ", a, " ", sign, " ", b);
}

inline std::int64_t checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t out;
  if (__builtin_add_overflow(a, b, &out)) size_overflow(a, "+", b);
  return out;
}
inline std::int64_t checked_sub(std::int64_t a, std::int64_t b) {
  std::int64_t out;
  if (__builtin_sub_overflow(a, b, &out)) size_overflow(a, "-", b);
  return out;
}
inline std::int64_t checked_mul(std::int64_t a, std::int64_t b) {
  std::int64_t out;
  if (__builtin_mul_overflow(a, b, &out)) size_overflow(a, "*", b);
  return out;
}

}  // namespace elbo::detail
