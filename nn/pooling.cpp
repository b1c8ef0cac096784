#include "pooling.h"

namespace elbo::nn {

PixelShuffle::PixelShuffle(std::int64_t factor) : upscale_factor(factor) {
  ELBO_CHECK(factor >= 1, ValueError, "[PixelShuffle] upscale_factor: expected at least 1, found ", factor);
}

Tensor PixelShuffle::forward(const Tensor& x) {
  const std::int64_t r = upscale_factor;
  ELBO_CHECK(x.dim() == 4 && x.size(1) % (r * r) == 0, ShapeError, "[PixelShuffle] expected x [N, C * ", r * r,
             ", H, W], found ", x.shape());
  const std::int64_t n = x.size(0), c = x.size(1) / (r * r), h = x.size(2), w = x.size(3);
  return permute(reshape(x, {n, c, r, r, h, w}), {0, 1, 4, 2, 5, 3}).reshape(Shape{n, c, h * r, w * r});
}

}  // namespace elbo::nn
