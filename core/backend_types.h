#pragma once
#include <cstddef>
#include <cstdint>

#include "api.h"
#include "dtype.h"
#include "shape.h"

/// What users of arrays and optimisers see of backends. All else is in backend.h.
namespace ELBO_API elbo {

/// Memory to read or write: row-major, contiguous.
struct View {
  void* data = nullptr;
  Shape shape = {};
  DType dtype = DType::float32;
};
struct ConstView {
  const void* data = nullptr;
  Shape shape = {};
  DType dtype = DType::float32;

  ConstView() = default;
  ConstView(const void* data_, Shape shape_, DType dtype_) : data(data_), shape(shape_), dtype(dtype_) {}
  ConstView(const View& view) : data(view.data), shape(view.shape), dtype(view.dtype) {}  // NOLINT: a view converts
  /// False for an operand that is not there, such as no bias.
  explicit operator bool() const { return data != nullptr; }
};

/// Counters of a device's caching pool, in bytes but for the first.
struct MemoryStats {
  std::int64_t backing_allocations = 0;  ///< blocks ever taken from the system or the driver
  std::int64_t active = 0;               ///< handed out now
  std::int64_t peak = 0;                 ///< the most that was ever handed out
  std::int64_t cached = 0;               ///< held, ready to be handed out again
};

/// What a matrix product may do to its output on the way out; all have gradients that need the output alone.
enum class Activation : int { none, relu, sigmoid, tanh };

/// One parameter of an optimiser step, all float32 or float64 and of `count` elements.
struct OptimizerSlot {
  void* param;
  const void* grad;
  void* first;   ///< SGD's momentum buffer or Adam's first moment
  void* second;  ///< Adam's second moment; null for SGD
  std::int64_t count;
  DType dtype;
};
struct SgdArgs {
  double momentum, weight_decay;
};
struct AdamArgs {
  double beta1, beta2, eps, weight_decay;
  bool decoupled;  ///< AdamW: decay the parameter itself, not through the gradient
};

/// Work of a few numbers on a device, which would be a launch of its own on a GPU: a call that launches anyway takes it
/// along. Errands are run in their order while that call's kernel runs, before or after any part of it: they may not
/// touch what it reads or writes.
struct Errand {
  enum class Kind : int {
    add,       ///< *to (float64) += *from (of `dtype`), times *factor (of `dtype`) where there is one
    count,     ///< *to (int64) += amount
    adam_step  ///< *step (int64) += 1; *to (AdamScales) = that step's factors at the learning rate *from (float64)
  };
  Kind kind;
  void* to;
  const void* from = nullptr;
  const void* factor = nullptr;
  DType dtype = DType::float32;
  std::int64_t amount = 0;
  std::int64_t* step = nullptr;
  AdamArgs adam = {};
};

}  // namespace elbo
