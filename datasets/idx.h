#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "../core/api.h"
#include "../core/shape.h"

/// The IDX format, in which MNIST and its relatives are published (yann.lecun.com/exdb/mnist): two zero bytes, an
/// element type, the number of dimensions, each size as 4 bytes, then the elements, all big-endian.
namespace ELBO_API elbo {
namespace datasets {

/// Element types, by the number that stands for each in the file.
enum class IdxType : std::uint8_t {
  uint8 = 0x08,
  int8 = 0x09,
  int16 = 0x0B,
  int32 = 0x0C,
  float32 = 0x0D,
  float64 = 0x0E
};

/// Bytes of one element, and its name (`uint8`).
std::size_t size_of(IdxType type);
const char* name(IdxType type);

/// idx_type_of<std::uint8_t> == IdxType::uint8 and so on; only the format's six types exist.
template <class T>
inline constexpr IdxType idx_type_of = T::not_an_idx_type;
template <>
inline constexpr IdxType idx_type_of<std::uint8_t> = IdxType::uint8;
template <>
inline constexpr IdxType idx_type_of<std::int8_t> = IdxType::int8;
template <>
inline constexpr IdxType idx_type_of<std::int16_t> = IdxType::int16;
template <>
inline constexpr IdxType idx_type_of<std::int32_t> = IdxType::int32;
template <>
inline constexpr IdxType idx_type_of<float> = IdxType::float32;
template <>
inline constexpr IdxType idx_type_of<double> = IdxType::float64;

/// What an IDX file holds: `shape.numel()` elements, row-major.
struct IdxArray {
  IdxType type = IdxType::uint8;
  Shape shape = {};
  std::vector<std::uint8_t> bytes = {};  ///< the elements in this machine's byte order

  /// The elements as what they are. Throws DTypeError when T is not the file's type.
  template <class T>
  std::span<const T> values() const {
    check_type(idx_type_of<T>);
    // A vector's memory is aligned for every element type here.
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

 private:
  void check_type(IdxType wanted) const;
};

/// Reads an IDX file, plain or gzip'd (told apart by content, not by name). All that the header says is checked
/// against the file before memory is taken for it; for a gzip'd file, memory grows with what has arrived.
/// Throws IoError when the file cannot be opened or read; FormatError when it is empty, too short, too long, damaged or
/// not IDX at all, or has more than 8 dimensions or none.
IdxArray read_idx(const std::filesystem::path& path);

/// Writes an IDX file, gzip'd if `path` ends in `.gz`: into a temporary file beside it that then takes its name, so
/// that no half-written file is ever seen. `bytes` are shape.numel() elements in this machine's byte order. Throws
/// ShapeError when they are not, or when the shape has no dimension or a size above 2^32 - 1, IoError when writing
/// fails.
void write_idx(const std::filesystem::path& path, IdxType type, const Shape& shape,
               std::span<const std::uint8_t> bytes);

/// The same for elements of one of the format's types.
template <class T>
void write_idx(const std::filesystem::path& path, const Shape& shape, std::span<const T> values) {
  write_idx(path, idx_type_of<T>, shape,
            std::span<const std::uint8_t>(reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()));
}

}  // namespace datasets
}  // namespace elbo
