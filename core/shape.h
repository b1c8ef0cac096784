#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "errors.h"

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
  /// The size of a dimension; negative ones count from the end. Throws IndexError outside [-rank, rank).
  constexpr std::int64_t operator[](int dim) const {
    const int from_front = dim < 0 ? dim + rank_ : dim;
    if (from_front < 0 || from_front >= rank_) fail_dimension(dim);
    return sizes_[static_cast<std::size_t>(from_front)];
  }
  constexpr std::int64_t numel() const {
    std::int64_t n = 1;
    for (std::int64_t size : *this) n *= size;
    return n;
  }
  constexpr const std::int64_t* begin() const { return sizes_.data(); }
  constexpr const std::int64_t* end() const { return sizes_.data() + rank_; }
  constexpr bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (std::size_t i = 0; i < static_cast<std::size_t>(rank_); ++i)
      if (sizes_[i] != other.sizes_[i]) return false;
    return true;
  }

  /// The last size.
  constexpr std::int64_t back() const { return (*this)[-1]; }
  /// Axis in [0, rank) for an axis in [-rank, rank). Throws IndexError outside that, naming the op that was called, or
  /// else `op`.
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
  [[noreturn]] void fail_dimension(int dim) const {
    fail<IndexError>("[Shape] expected a dimension in [", -rank_, ", ", rank_, "), found ", dim);
  }

  std::array<std::int64_t, max_rank> sizes_{};
  int rank_ = 0;
};

/// The axes that a reduction goes over, as an argument: one number, or several in braces; none of them means all.
/// Negative ones count from the end.
class Axes {
 public:
  Axes() = default;
  Axes(int axis) : axes_{axis} {}                          // NOLINT(google-explicit-constructor)
  Axes(std::initializer_list<int> axes) : axes_(axes) {}   // NOLINT(google-explicit-constructor)
  Axes(std::vector<int> axes) : axes_(std::move(axes)) {}  // NOLINT(google-explicit-constructor)

  bool empty() const { return axes_.empty(); }
  std::size_t size() const { return axes_.size(); }
  void push_back(int axis) { axes_.push_back(axis); }
  std::vector<int>::const_iterator begin() const { return axes_.begin(); }
  std::vector<int>::const_iterator end() const { return axes_.end(); }

 private:
  std::vector<int> axes_;
};

/// NumPy's broadcasting: aligned at the last dimension, sizes equal or 1. Throws ShapeError naming both and the op that
/// was called, or else `op`.
Shape broadcast(const Shape& a, const Shape& b, const char* op);

std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace elbo
