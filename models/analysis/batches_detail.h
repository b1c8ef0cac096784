#pragma once
#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "../../core/kernels.h"
#include "../model.h"

/// Internal to models: how pictures that lie on a model's device come to it.
namespace elbo::models::internal {

/// 0 to n - 1.
inline std::vector<std::int64_t> all_up_to(std::int64_t n) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

/// The pictures at `indices` (int64 [k]) as the model takes them: float32 as they are, bytes scaled to its config's
/// pixels.
inline Tensor as_input(const Model& model, const Array& pictures, const Array& indices) {
  if (pictures.dtype() == DType::float32) return Tensor(kernels::gather(pictures, indices, 0));
  ELBO_CHECK(pictures.dtype() == DType::uint8, DTypeError, "pictures: expected uint8 or float32, found ",
             pictures.dtype());
  const auto [low, high] = model.config().pixels;
  return Tensor(kernels::gather_pictures(pictures, indices, (high - low) / 255, low));
}

/// Calls visit(x, labels) for one batch after the other of the pictures at `indices`, without gradients and in
/// evaluation mode. `pictures` (uint8 or float32) and `labels` (int64, or undefined; for conditional models) lie
/// on the model's device.
template <class Visit>
void for_batches(const Model& model, const Array& pictures, const Array& labels, std::span<const std::int64_t> indices,
                 std::int64_t batch_size, const Visit& visit) {
  ELBO_CHECK(batch_size >= 1, ValueError, "batch size: expected at least 1, found ", batch_size);
  const NoGradGuard no_grad;
  const nn::EvalGuard eval;
  const auto n = static_cast<std::int64_t>(indices.size());
  const Array places = Array::from(indices, {n}, pictures.device());
  for (std::int64_t begin = 0; begin < n; begin += batch_size) {
    const Array batch = places.slice(begin, std::min(begin + batch_size, n));
    const bool labelled = model.is_conditional() && labels.defined();
    visit(as_input(model, pictures, batch), labelled ? Tensor(kernels::gather(labels, batch, 0)) : Tensor());
  }
}

}  // namespace elbo::models::internal
