#pragma once
#include <cstddef>
#include <cstdint>

#include "api.h"

namespace ELBO_API elbo {

/// Element types. float32 and float64 (for gradient checks) compute; uint8 holds pictures and masks, int64 labels
/// and indices.
enum class DType : std::uint8_t { float32, float64, uint8, int64 };

/// Bytes of one element.
constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return 4;
    case DType::float64:
      return 8;
    case DType::uint8:
      return 1;
    case DType::int64:
      return 8;
  }
  return 0;
}

/// `float32`, `float64`, `uint8`, `int64`.
constexpr const char* name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::uint8:
      return "uint8";
    case DType::int64:
      return "int64";
  }
  return "?";
}

constexpr bool is_floating(DType dtype) { return dtype == DType::float32 || dtype == DType::float64; }

/// dtype_of<float> == DType::float32 and so on; only the four element types exist.
template <class T>
inline constexpr DType dtype_of = T::not_an_element_type;
template <>
inline constexpr DType dtype_of<float> = DType::float32;
template <>
inline constexpr DType dtype_of<double> = DType::float64;
template <>
inline constexpr DType dtype_of<std::uint8_t> = DType::uint8;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::int64;

/// Anything with an `operator<<` for C strings prints a DType by its name.
template <class Stream>
requires requires(Stream& s) { s << ""; }
Stream& operator<<(Stream& out, DType dtype) {
  out << name(dtype);
  return out;
}

}  // namespace elbo
