#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "../core/api.h"
#include "../core/ops.h"
#include "../core/tensor.h"

namespace ELBO_API elbo {
namespace datasets {

/// What is done to each batch: it takes the arrays of one, [size, ...], as tensors on their device, and leaves others
/// in their places, of any shape and dtype; it may add some. What it draws from that device's default generator is a
/// function of the seed, the epoch and the batch's number alone (Batches has a GeneratorScope around it), so that a
/// transform that uses no other source gives the same batch again. Nothing it does is recorded for gradients. It may be
/// called on the thread that prepares batches, for one batch at a time; what it throws, next() throws.
///
///     [](std::vector<Tensor>& batch) { batch[0] = batch[0] + randn_like(batch[0]) * 0.1; }
using Transform = std::function<void(std::vector<Tensor>& batch)>;

/// Transforms for BatchOptions::transforms. `array` is the place, in the batch, of what they change, and `arrays` of
/// what they change alike, such as pictures and their masks. They throw IndexError for a place that is not there, and
/// ShapeError, DTypeError or ValueError naming the transform.
namespace transforms {

/// x * factor + shift. Integers become float32.
Transform scale(double factor, double shift = 0, std::size_t array = 0);
/// 1 with probability x, else 0, anew in every epoch; x is floating and in [0, 1].
Transform binarize(std::size_t array = 0);
/// Adds normal noise of this standard deviation to floating x. Throws ValueError unless it is finite and at least 0.
Transform gaussian_noise(double std, std::size_t array = 0);
/// Mirrors each picture [..., width] with probability p: left becomes right. Any dtype. Throws ValueError unless p is
/// in [0, 1].
Transform random_horizontal_flip(double p = 0.5, std::vector<std::size_t> arrays = {0});
/// Cuts a window of `size` out of each picture [..., height, width], at a place of its own, all equally likely, after
/// `padding` rows and columns of 0 are put around it. Any dtype. Throws ValueError for a size below 1 or a padding
/// below 0, ShapeError where the window does not fit.
Transform random_crop(Size2 size, std::int64_t padding = 0, std::vector<std::size_t> arrays = {0});

}  // namespace transforms
}  // namespace datasets
}  // namespace elbo
