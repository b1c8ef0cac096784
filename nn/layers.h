#pragma once
#include "../core/api.h"
#include "activations.h"

/// Layers with parameters. Those that draw their initial values draw from the default generator: see GeneratorScope.
/// Parameters are made as float32 on the CPU; `to` moves them. Sizes that make no sense throw ValueError.
namespace ELBO_API elbo {
namespace nn {

struct LinearOptions {
  bool bias = true;
};

/// y = x weight^T + bias: x [..., in] -> [..., out].
class Linear : public Layer {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, const LinearOptions& options = {});
  Tensor forward(const Tensor& x) override { return linear(x, weight, bias); }
  /// The same with an activation in the same pass over the output.
  Tensor forward(const Tensor& x, Activation activation) { return linear(x, weight, bias, activation); }

  std::int64_t in_features, out_features;
  Tensor weight;  ///< [out, in]
  Tensor bias;    ///< [out], or undefined
};

struct ConvOptions {
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 dilation = 1;
  bool bias = true;
};

/// x [N, in, H, W] -> [N, out, OH, OW]; see elbo::conv2d.
class Conv2d : public Layer {
 public:
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, Size2 kernel_size, const ConvOptions& options = {});
  Tensor forward(const Tensor& x) override { return conv2d(x, weight, bias, options_); }

  Tensor weight;  ///< [out, in, kh, kw]
  Tensor bias;    ///< [out], or undefined

 private:
  Conv2dOptions options_;
};

struct ConvTransposeOptions {
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 output_padding = 0;
  Size2 dilation = 1;
  bool bias = true;
};

/// x [N, in, H, W] -> [N, out, OH, OW]; see elbo::conv_transpose2d.
class ConvTranspose2d : public Layer {
 public:
  ConvTranspose2d(std::int64_t in_channels, std::int64_t out_channels, Size2 kernel_size,
                  const ConvTransposeOptions& options = {});
  Tensor forward(const Tensor& x) override { return conv_transpose2d(x, weight, bias, options_); }

  Tensor weight;  ///< [in, out, kh, kw]
  Tensor bias;    ///< [out], or undefined

 private:
  ConvTranspose2dOptions options_;
};

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;
  bool affine = true;  ///< with weight and bias
};

/// Normalises each channel of x [N, C, H, W] over the batch and all positions; in evaluation by the running statistics
/// (Ioffe and Szegedy 2015).
class BatchNorm2d : public Layer {
 public:
  explicit BatchNorm2d(std::int64_t num_features, const BatchNormOptions& options = {});
  /// Throws ShapeError unless x is [N, num_features, H, W]. In training moves the running statistics.
  Tensor forward(const Tensor& x) override;

  Tensor weight, bias;               ///< [C], ones and zeros; undefined without affine
  Tensor running_mean, running_var;  ///< [C], buffers
  Tensor num_batches_tracked;        ///< int64 [], a buffer: how many batches moved the statistics

 private:
  BatchNormOptions options_;
};

struct LayerNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< with weight and bias
};

/// Normalises over the last dimensions, which are `normalized_shape` (Ba et al. 2016).
class LayerNorm : public Layer {
 public:
  explicit LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options = {});
  Tensor forward(const Tensor& x) override { return layer_norm(x, normalized_shape, weight, bias, options_.eps); }

  Shape normalized_shape;
  Tensor weight, bias;  ///< of normalized_shape, ones and zeros; undefined without affine

 private:
  LayerNormOptions options_;
};

}  // namespace nn
}  // namespace elbo
