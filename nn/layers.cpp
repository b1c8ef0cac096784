#include "layers.h"

#include <algorithm>
#include <cmath>

#include "../core/kernels.h"
#include "init.h"

namespace elbo::nn {
namespace {

std::int64_t at_least(std::int64_t lowest, std::int64_t value, const char* layer, const char* what) {
  ELBO_CHECK(value >= lowest, ValueError, "[", layer, "] ", what, ": expected at least ", lowest, ", found ", value);
  return value;
}

Size2 at_least(std::int64_t lowest, Size2 value, const char* layer, const char* what) {
  at_least(lowest, value.h, layer, what);
  at_least(lowest, value.w, layer, what);
  return value;
}

double positive(double value, const char* layer, const char* what) {
  ELBO_CHECK(std::isfinite(value) && value > 0, ValueError, "[", layer, "] ", what,
             ": expected a number above 0, found ", value);
  return value;
}

/// A parameter to be initialised.
Tensor parameter(const Shape& shape) { return Tensor(Array::empty(shape)); }
Tensor parameter_if(bool wanted, const Shape& shape) { return wanted ? parameter(shape) : Tensor(); }

}  // namespace

Linear::Linear(std::int64_t in, std::int64_t out, const LinearOptions& options)
    : in_features(at_least(1, in, "Linear", "in_features")),
      out_features(at_least(1, out, "Linear", "out_features")),
      weight(parameter({out, in})),
      bias(parameter_if(options.bias, {out})) {
  init::default_(weight, bias);
  register_parameter("weight", &Linear::weight);
  register_parameter("bias", &Linear::bias);
}

Conv2d::Conv2d(std::int64_t in, std::int64_t out, Size2 kernel, const ConvOptions& options)
    : options_{at_least(1, options.stride, "Conv2d", "stride"), at_least(0, options.padding, "Conv2d", "padding"),
               at_least(1, options.dilation, "Conv2d", "dilation")} {
  at_least(1, in, "Conv2d", "in_channels");
  at_least(1, out, "Conv2d", "out_channels");
  at_least(1, kernel, "Conv2d", "kernel_size");
  weight = parameter({out, in, kernel.h, kernel.w});
  bias = parameter_if(options.bias, {out});
  init::default_(weight, bias);
  register_parameter("weight", &Conv2d::weight);
  register_parameter("bias", &Conv2d::bias);
}

ConvTranspose2d::ConvTranspose2d(std::int64_t in, std::int64_t out, Size2 kernel, const ConvTransposeOptions& options)
    : options_{at_least(1, options.stride, "ConvTranspose2d", "stride"),
               at_least(0, options.padding, "ConvTranspose2d", "padding"),
               at_least(0, options.output_padding, "ConvTranspose2d", "output_padding"),
               at_least(1, options.dilation, "ConvTranspose2d", "dilation")} {
  at_least(1, in, "ConvTranspose2d", "in_channels");
  at_least(1, out, "ConvTranspose2d", "out_channels");
  at_least(1, kernel, "ConvTranspose2d", "kernel_size");
  const Size2 &extra = options.output_padding, &stride = options.stride, &dilation = options.dilation;
  ELBO_CHECK(extra.h < std::max(stride.h, dilation.h) && extra.w < std::max(stride.w, dilation.w), ValueError,
             "[ConvTranspose2d] output_padding: expected less than the stride or the dilation, found ", extra.h,
             " and ", extra.w);
  weight = parameter({in, out, kernel.h, kernel.w});
  bias = parameter_if(options.bias, {out});
  init::default_(weight, bias);
  register_parameter("weight", &ConvTranspose2d::weight);
  register_parameter("bias", &ConvTranspose2d::bias);
}

BatchNorm2d::BatchNorm2d(std::int64_t channels, const BatchNormOptions& options) : options_(options) {
  const Shape shape{at_least(1, channels, "BatchNorm2d", "num_features")};
  positive(options.eps, "BatchNorm2d", "eps");
  ELBO_CHECK(options.momentum >= 0 && options.momentum <= 1, ValueError,
             "[BatchNorm2d] momentum: expected 0 <= momentum <= 1, found ", options.momentum);
  if (options.affine) {
    weight = ones(shape);
    bias = zeros(shape);
  }
  running_mean = zeros(shape);
  running_var = ones(shape);
  num_batches_tracked = zeros({}, {.dtype = DType::int64});
  register_parameter("weight", &BatchNorm2d::weight);
  register_parameter("bias", &BatchNorm2d::bias);
  register_buffer("running_mean", &BatchNorm2d::running_mean);
  register_buffer("running_var", &BatchNorm2d::running_var);
  register_buffer("num_batches_tracked", &BatchNorm2d::num_batches_tracked);
}

Tensor BatchNorm2d::forward(const Tensor& x) {
  const std::int64_t channels = running_mean.shape()[0];
  ELBO_CHECK(x.shape().rank() == 4 && x.shape()[1] == channels, ShapeError, "[BatchNorm2d] expected x [N, ", channels,
             ", H, W], found ", x.shape());
  Tensor y = batch_norm(x, weight, bias, running_mean, running_var, is_training(), options_.momentum, options_.eps);
  if (is_training()) {
    // Counted on the device, and by way of float64, which the kernels add in: exact up to 2^53 batches.
    Array& count = num_batches_tracked.mutable_array();
    const Array next = kernels::unary(UnaryOp::add_scalar, kernels::cast(count, DType::float64), 1);
    count.assign(kernels::cast(next, DType::int64));
  }
  return y;
}

LayerNorm::LayerNorm(const Shape& shape, const LayerNormOptions& options) : normalized_shape(shape), options_(options) {
  ELBO_CHECK(shape.rank() > 0, ValueError, "[LayerNorm] normalized_shape: expected one dimension or more, found ",
             shape);
  for (std::int64_t size : shape) at_least(1, size, "LayerNorm", "normalized_shape");
  positive(options.eps, "LayerNorm", "eps");
  if (options.affine) {
    weight = ones(shape);
    bias = zeros(shape);
  }
  register_parameter("weight", &LayerNorm::weight);
  register_parameter("bias", &LayerNorm::bias);
}

}  // namespace elbo::nn
