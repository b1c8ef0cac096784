#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

#include "api.h"

namespace ELBO_API elbo {

/// The sizes of an array's dimensions: up to 8, held inline. `Shape{}` is a scalar's shape, with one element.
/// Everything that a backend needs is inline here, so that a plugin links against nothing.
class Shape {
 public:
  static constexpr int max_rank = 8;

  constexpr Shape() = default;
  /// Throws ShapeError for more than 8 dimensions, a negative size, or a product of the sizes that are not 0 above
  /// 2^62: neither numel() nor a step from one element to another can overflow.
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(std::span<const std::int64_t> sizes);

  constexpr int rank() const { return rank_; }
  constexpr std::int64_t operator[](int dim) const { return sizes_[static_cast<std::size_t>(dim)]; }
  constexpr std::int64_t numel() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= (*this)[i];
    return n;
  }
  constexpr const std::int64_t* begin() const { return sizes_.data(); }
  constexpr const std::int64_t* end() const { return sizes_.data() + rank_; }
  constexpr bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i)
      if ((*this)[i] != other[i]) return false;
    return true;
  }

  /// The dimension counted from the end: back() is the last, back(1) the one before it.
  constexpr std::int64_t back(int from_end = 0) const { return (*this)[rank_ - 1 - from_end]; }
  /// Axis in [0, rank) for an axis in [-rank, rank). Throws IndexError outside that, naming `op`.
  int axis(int dim, const char* op) const;
  /// This shape with dimension `dim` (0 <= dim < rank) of another size, removed, or inserted before it. Throws as the
  /// constructor does.
  Shape with(int dim, std::int64_t size) const;
  Shape without(int dim) const;
  Shape insert(int dim, std::int64_t size) const;
  /// `[2, 3]`; `[]` for a scalar.
  std::string to_string() const;

 private:
  /// Throws unless this is a shape that the constructor would make.
  void check() const;

  std::array<std::int64_t, max_rank> sizes_{};
  int rank_ = 0;
};

/// NumPy's broadcasting: aligned at the last dimension, sizes equal or 1. Throws ShapeError naming `op` and both.
Shape broadcast(const Shape& a, const Shape& b, const char* op);

std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace elbo
