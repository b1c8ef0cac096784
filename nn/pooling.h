#pragma once
#include "../core/api.h"
#include "../core/ops.h"
#include "module.h"

/// Layers without parameters that make pictures smaller or larger.
namespace ELBO_API elbo {
namespace nn {

/// The maximum of each window: see elbo::max_pool2d.
class MaxPool2d : public Layer {
 public:
  explicit MaxPool2d(Size2 kernel_size, const Pool2dOptions& options = {}) : kernel_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override { return max_pool2d(x, kernel_, options_); }

 private:
  Size2 kernel_;
  Pool2dOptions options_;
};

/// The mean of each window: see elbo::avg_pool2d.
class AvgPool2d : public Layer {
 public:
  explicit AvgPool2d(Size2 kernel_size, const Pool2dOptions& options = {}) : kernel_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override { return avg_pool2d(x, kernel_, options_); }

 private:
  Size2 kernel_;
  Pool2dOptions options_;
};

/// Pictures of another size: see elbo::upsample.
class Upsample : public Layer {
 public:
  explicit Upsample(const UpsampleOptions& options = {}) : options_(options) {}
  Tensor forward(const Tensor& x) override { return upsample(x, options_); }

 private:
  UpsampleOptions options_;
};

/// x [N, C r^2, H, W] -> [N, C, H r, W r]: each pixel's channels become a square (Shi et al. 2016).
class PixelShuffle : public Layer {
 public:
  /// Throws ValueError for a factor below 1.
  explicit PixelShuffle(std::int64_t upscale_factor);
  /// Throws ShapeError unless x is [N, C r^2, H, W].
  Tensor forward(const Tensor& x) override;
  std::int64_t upscale_factor;
};

}  // namespace nn
}  // namespace elbo
