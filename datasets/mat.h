#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "../core/api.h"
#include "../core/shape.h"

/// MAT-files of version 5 (also called 6 and 7), as MATLAB's `save` and scipy.io.savemat write them: real numeric
/// arrays, plain or compressed with zlib, in either byte order. The format is described in MathWorks, "MAT-File
/// Format".
namespace ELBO_API elbo {
namespace datasets {

/// The class of a variable, by the number that stands for it in the file. Those up to `sparse` are not read.
enum class MatType : std::uint8_t {
  cell = 1,
  structure = 2,
  object = 3,
  text = 4,
  sparse = 5,
  float64 = 6,
  float32 = 7,
  int8 = 8,
  uint8 = 9,
  int16 = 10,
  uint16 = 11,
  int32 = 12,
  uint32 = 13,
  int64 = 14,
  uint64 = 15
};

/// Bytes of one element; 0 for a class that is not read.
std::size_t size_of(MatType type);
/// `uint8`; `cell array` and the like for a class that is not read.
const char* name(MatType type);

/// mat_type_of<std::uint8_t> == MatType::uint8 and so on; only the format's ten types exist.
template <class T>
inline constexpr MatType mat_type_of = T::not_a_mat_type;
template <>
inline constexpr MatType mat_type_of<double> = MatType::float64;
template <>
inline constexpr MatType mat_type_of<float> = MatType::float32;
template <>
inline constexpr MatType mat_type_of<std::int8_t> = MatType::int8;
template <>
inline constexpr MatType mat_type_of<std::uint8_t> = MatType::uint8;
template <>
inline constexpr MatType mat_type_of<std::int16_t> = MatType::int16;
template <>
inline constexpr MatType mat_type_of<std::uint16_t> = MatType::uint16;
template <>
inline constexpr MatType mat_type_of<std::int32_t> = MatType::int32;
template <>
inline constexpr MatType mat_type_of<std::uint32_t> = MatType::uint32;
template <>
inline constexpr MatType mat_type_of<std::int64_t> = MatType::int64;
template <>
inline constexpr MatType mat_type_of<std::uint64_t> = MatType::uint64;

/// What a file says of a variable before its numbers.
struct MatHeader {
  std::string name = {};
  MatType type = MatType::float64;
  Shape shape = {};  ///< two dimensions at least
  bool complex = false;
  bool is_numeric() const { return size_of(type) > 0 && !complex; }
};

/// A variable: `header.shape.numel()` numbers, column-major as in the file: the FIRST index runs fastest.
struct MatArray {
  MatHeader header = {};
  std::vector<std::uint8_t> bytes = {};  ///< the numbers in this machine's byte order

  /// The numbers as what they are. Throws DTypeError when T is not the variable's type.
  template <class T>
  std::span<const T> values() const {
    check_type(mat_type_of<T>);
    // A vector's memory is aligned for every element type here.
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  /// The numbers of any type; those of 64-bit integers are rounded above 2^53.
  std::vector<double> to_double() const;

 private:
  void check_type(MatType wanted) const;
};

/// Says whether a variable's numbers are to be read; it may throw to end the reading.
using MatFilter = std::function<bool(const MatHeader&)>;

/// Reads those variables of a MAT-file that `wanted` takes, in the file's order; without it all real numeric arrays,
/// and others are passed over. Each size in the file is checked against the file, the compressed data it lies in
/// (deflate packs at most 1032 bytes into one) and the variable's sizes before memory is taken for it; for compressed
/// data, memory grows with what has arrived.
///
/// Throws IoError when the file cannot be opened or read; FormatError when it is truncated or damaged, contradicts
/// itself, is a MAT-file of version 4 or 7.3 (HDF5) or none at all, and when `wanted` takes what is not a real numeric
/// array; OutOfMemory.
std::vector<MatArray> read_mat(const std::filesystem::path& path, const MatFilter& wanted = {});

}  // namespace datasets
}  // namespace elbo
