#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "tensor.h"

/// What Tensor::index takes.
namespace ELBO_API elbo {

/// A range of indices, Python's begin:end:step: `Slice(1, {})` is `1:`, `Slice({}, -1)` is `:-1`, `Slice()` is `:`.
/// Negative bounds count from the end, and bounds are cut to the size.
struct Slice {
  std::optional<std::int64_t> begin, end;
  std::int64_t step = 1;  ///< at least 1

  explicit Slice(std::optional<std::int64_t> begin_ = {}, std::optional<std::int64_t> end_ = {}, std::int64_t step_ = 1)
      : begin(begin_), end(end_), step(step_) {}
};

/// As an index: a new dimension of size 1 here, NumPy's `np.newaxis`.
struct NewAxis {};
inline constexpr NewAxis newaxis{};
/// As an index: all dimensions that the others leave, NumPy's `...`.
struct Ellipsis {};
inline constexpr Ellipsis ellipsis{};

/// One index of Tensor::index: a number, which takes its dimension away, a Slice, `newaxis`, `ellipsis`, or an int64
/// tensor of any shape, whose dimensions take the place of the one that it picks from. Only one of them may be a
/// tensor.
class TensorIndex {
 public:
  using Value = std::variant<std::int64_t, Slice, NewAxis, Ellipsis, Tensor>;

  TensorIndex(std::integral auto i) : value_(static_cast<std::int64_t>(i)) {}  // NOLINT(google-explicit-constructor)
  TensorIndex(Slice range) : value_(range) {}                                  // NOLINT(google-explicit-constructor)
  TensorIndex(NewAxis axis) : value_(axis) {}                                  // NOLINT(google-explicit-constructor)
  TensorIndex(Ellipsis rest) : value_(rest) {}                                 // NOLINT(google-explicit-constructor)
  TensorIndex(Tensor indices) : value_(std::move(indices)) {}                  // NOLINT(google-explicit-constructor)

  const Value& value() const { return value_; }

 private:
  Value value_;
};

}  // namespace elbo
