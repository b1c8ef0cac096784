#pragma once
#include "../core/api.h"
#include "activations.h"

/// Layers with parameters. Those that draw their initial values draw from the default generator: see GeneratorScope.
/// Parameters are made as float32 on the CPU, or within a MetaGuard without numbers; `to` moves them. Sizes that make
/// no sense throw ValueError.
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
  std::int64_t groups = 1;  ///< divides both numbers of channels
  bool bias = true;
};

/// x [N, in, H, W] -> [N, out, OH, OW]; see elbo::conv2d.
class Conv2d : public Layer {
 public:
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, Size2 kernel_size, const ConvOptions& options = {});
  Tensor forward(const Tensor& x) override { return conv2d(x, weight, bias, options_); }
  /// The same with an activation in the same pass over the output, and of pictures in other layouts.
  Tensor forward(const Tensor& x, Activation activation, ConvLayouts layouts = {}) {
    return conv2d(x, weight, bias, options_, activation, layouts);
  }
  const Conv2dOptions& options() const { return options_; }

  Tensor weight;  ///< [out, in / groups, kh, kw]
  Tensor bias;    ///< [out], or undefined

 private:
  Conv2dOptions options_;
};

struct ConvTransposeOptions {
  Size2 stride = 1;
  Size2 padding = 0;
  Size2 output_padding = 0;
  Size2 dilation = 1;
  std::int64_t groups = 1;  ///< divides both numbers of channels
  bool bias = true;
};

/// x [N, in, H, W] -> [N, out, OH, OW]; see elbo::conv_transpose2d.
class ConvTranspose2d : public Layer {
 public:
  ConvTranspose2d(std::int64_t in_channels, std::int64_t out_channels, Size2 kernel_size,
                  const ConvTransposeOptions& options = {});
  Tensor forward(const Tensor& x) override { return conv_transpose2d(x, weight, bias, options_); }
  /// The same with an activation in the same pass over the output, and of pictures in other layouts.
  Tensor forward(const Tensor& x, Activation activation, ConvLayouts layouts = {}) {
    return conv_transpose2d(x, weight, bias, options_, activation, layouts);
  }
  const ConvTranspose2dOptions& options() const { return options_; }

  Tensor weight;  ///< [in, out / groups, kh, kw]
  Tensor bias;    ///< [out], or undefined

 private:
  ConvTranspose2dOptions options_;
};

struct Conv1dOptions {
  std::int64_t stride = 1, padding = 0, dilation = 1;
  std::int64_t groups = 1;  ///< divides both numbers of channels
  bool bias = true;
};

/// x [N, in, L] -> [N, out, OL]; see elbo::conv1d.
class Conv1d : public Layer {
 public:
  Conv1d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size,
         const Conv1dOptions& options = {});
  Tensor forward(const Tensor& x) override { return conv1d(x, weight, bias, options_); }

  Tensor weight;  ///< [out, in / groups, k]
  Tensor bias;    ///< [out], or undefined

 private:
  elbo::Conv1dOptions options_;
};

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;
  bool affine = true;  ///< with weight and bias
};

/// What BatchNorm1d and BatchNorm2d have in common: each channel is normalised over the batch and all positions, in
/// evaluation by the running statistics (Ioffe and Szegedy 2015). In training forward() moves these.
class BatchNorm : public Layer {
 public:
  Tensor weight, bias;               ///< [C], ones and zeros; undefined without affine
  Tensor running_mean, running_var;  ///< [C], buffers
  Tensor num_batches_tracked;        ///< int64 [], a buffer: how many batches moved the statistics

 protected:
  BatchNorm(const char* name, std::int64_t num_features, const BatchNormOptions& options);
  Tensor normalized(const Tensor& x);

 private:
  BatchNormOptions options_;
};

/// x [N, C, H, W].
class BatchNorm2d : public BatchNorm {
 public:
  explicit BatchNorm2d(std::int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm2d", num_features, options) {}
  /// Throws ShapeError unless x is [N, num_features, H, W].
  Tensor forward(const Tensor& x) override;
};

/// x [N, C] or [N, C, L].
class BatchNorm1d : public BatchNorm {
 public:
  explicit BatchNorm1d(std::int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm1d", num_features, options) {}
  /// Throws ShapeError unless x is [N, num_features] or [N, num_features, L].
  Tensor forward(const Tensor& x) override;
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

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< with weight and bias
};

/// Normalises the channels of x [N, C, ...] in groups, each picture by itself (Wu and He 2018).
class GroupNorm : public Layer {
 public:
  /// Throws ValueError unless num_groups divides num_channels.
  GroupNorm(std::int64_t num_groups, std::int64_t num_channels, const GroupNormOptions& options = {});
  /// Throws ShapeError unless x is [N, num_channels, ...].
  Tensor forward(const Tensor& x) override;

  std::int64_t num_groups, num_channels;
  Tensor weight, bias;  ///< [C], ones and zeros; undefined without affine

 private:
  GroupNormOptions options_;
};

/// A row of a table for each index: x (int64) [...] -> [..., dim].
class Embedding : public Layer {
 public:
  /// The rows are drawn from N(0, 1).
  Embedding(std::int64_t num_embeddings, std::int64_t dim);
  /// Throws IndexError for one outside [0, num_embeddings).
  Tensor forward(const Tensor& x) override;

  Tensor weight;  ///< [num_embeddings, dim]
};

}  // namespace nn
}  // namespace elbo
