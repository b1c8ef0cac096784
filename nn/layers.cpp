#include "layers.h"

#include <algorithm>
#include <cmath>

#include "../core/kernels.h"
#include "init.h"
#include "meta.h"

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

/// Throws unless the groups divide both numbers of channels, which are at least 1.
void check_channels(const char* layer, std::int64_t in, std::int64_t out, std::int64_t groups) {
  at_least(1, in, layer, "in_channels");
  at_least(1, out, layer, "out_channels");
  at_least(1, groups, layer, "groups");
  ELBO_CHECK(in % groups == 0 && out % groups == 0, ValueError, "[", layer,
             "] groups: expected a number that divides the channels ", in, " and ", out, ", found ", groups);
}

double positive(double value, const char* layer, const char* what) {
  ELBO_CHECK(std::isfinite(value) && value > 0, ValueError, "[", layer, "] ", what,
             ": expected a number above 0, found ", value);
  return value;
}

/// A parameter to be initialised, or none.
Tensor parameter_if(bool wanted, const Shape& shape) { return wanted ? parameter(shape) : Tensor(); }

/// The weight and bias of a normalisation: ones and zeros.
void make_affine(const Shape& shape, Tensor& weight, Tensor& bias) {
  weight = parameter(shape);
  bias = parameter(shape);
  init::constant_(weight, 1);
  init::constant_(bias, 0);
}

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
               at_least(1, options.dilation, "Conv2d", "dilation"), options.groups} {
  check_channels("Conv2d", in, out, options.groups);
  at_least(1, kernel, "Conv2d", "kernel_size");
  weight = parameter({out, in / options.groups, kernel.h, kernel.w});
  bias = parameter_if(options.bias, {out});
  init::default_(weight, bias);
  register_parameter("weight", &Conv2d::weight);
  register_parameter("bias", &Conv2d::bias);
}

ConvTranspose2d::ConvTranspose2d(std::int64_t in, std::int64_t out, Size2 kernel, const ConvTransposeOptions& options)
    : options_{at_least(1, options.stride, "ConvTranspose2d", "stride"),
               at_least(0, options.padding, "ConvTranspose2d", "padding"),
               at_least(0, options.output_padding, "ConvTranspose2d", "output_padding"),
               at_least(1, options.dilation, "ConvTranspose2d", "dilation"), options.groups} {
  check_channels("ConvTranspose2d", in, out, options.groups);
  at_least(1, kernel, "ConvTranspose2d", "kernel_size");
  const Size2 &extra = options.output_padding, &stride = options.stride, &dilation = options.dilation;
  ELBO_CHECK(extra.h < std::max(stride.h, dilation.h) && extra.w < std::max(stride.w, dilation.w), ValueError,
             "[ConvTranspose2d] output_padding: expected less than the stride or the dilation, found ", extra.h,
             " and ", extra.w);
  weight = parameter({in, out / options.groups, kernel.h, kernel.w});
  bias = parameter_if(options.bias, {out});
  init::default_(weight, bias);
  register_parameter("weight", &ConvTranspose2d::weight);
  register_parameter("bias", &ConvTranspose2d::bias);
}

Conv1d::Conv1d(std::int64_t in, std::int64_t out, std::int64_t kernel, const Conv1dOptions& options)
    : options_{at_least(1, options.stride, "Conv1d", "stride"), at_least(0, options.padding, "Conv1d", "padding"),
               at_least(1, options.dilation, "Conv1d", "dilation"), options.groups} {
  check_channels("Conv1d", in, out, options.groups);
  at_least(1, kernel, "Conv1d", "kernel_size");
  weight = parameter({out, in / options.groups, kernel});
  bias = parameter_if(options.bias, {out});
  init::default_(weight, bias);
  register_parameter("weight", &Conv1d::weight);
  register_parameter("bias", &Conv1d::bias);
}

BatchNorm::BatchNorm(const char* name, std::int64_t channels, const BatchNormOptions& options) : options_(options) {
  const Shape shape{at_least(1, channels, name, "num_features")};
  positive(options.eps, name, "eps");
  ELBO_CHECK(options.momentum >= 0 && options.momentum <= 1, ValueError, "[", name,
             "] momentum: expected 0 <= momentum <= 1, found ", options.momentum);
  if (options.affine) make_affine(shape, weight, bias);
  running_mean = buffer(shape, 0);
  running_var = buffer(shape, 1);
  num_batches_tracked = buffer({}, 0, DType::int64);
  register_parameter("weight", &BatchNorm::weight);
  register_parameter("bias", &BatchNorm::bias);
  register_buffer("running_mean", &BatchNorm::running_mean);
  register_buffer("running_var", &BatchNorm::running_var);
  register_buffer("num_batches_tracked", &BatchNorm::num_batches_tracked);
}

Tensor BatchNorm::normalized(const Tensor& x) {
  Tensor y = batch_norm(x, weight, bias, running_mean, running_var, is_training(), options_.momentum, options_.eps);
  if (is_training()) {
    // Counted on the device, and by way of float64, which the kernels add in: exact up to 2^53 batches.
    Array& count = num_batches_tracked.mutable_array();
    const Array next = kernels::unary(UnaryOp::add_scalar, kernels::cast(count, DType::float64), 1);
    count.assign(kernels::cast(next, DType::int64));
  }
  return y;
}

Tensor BatchNorm2d::forward(const Tensor& x) {
  const std::int64_t channels = running_mean.size(0);
  ELBO_CHECK(x.dim() == 4 && x.size(1) == channels, ShapeError, "[BatchNorm2d] expected x [N, ", channels,
             ", H, W], found ", x.shape());
  return normalized(x);
}

Tensor BatchNorm1d::forward(const Tensor& x) {
  const std::int64_t channels = running_mean.size(0);
  ELBO_CHECK((x.dim() == 2 || x.dim() == 3) && x.size(1) == channels, ShapeError, "[BatchNorm1d] expected x [N, ",
             channels, "] or [N, ", channels, ", L], found ", x.shape());
  return normalized(x);
}

LayerNorm::LayerNorm(const Shape& shape, const LayerNormOptions& options) : normalized_shape(shape), options_(options) {
  ELBO_CHECK(shape.rank() > 0, ValueError, "[LayerNorm] normalized_shape: expected one dimension or more, found ",
             shape);
  for (std::int64_t size : shape) at_least(1, size, "LayerNorm", "normalized_shape");
  positive(options.eps, "LayerNorm", "eps");
  if (options.affine) make_affine(shape, weight, bias);
  register_parameter("weight", &LayerNorm::weight);
  register_parameter("bias", &LayerNorm::bias);
}

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, const GroupNormOptions& options)
    : num_groups(at_least(1, groups, "GroupNorm", "num_groups")),
      num_channels(at_least(1, channels, "GroupNorm", "num_channels")),
      options_(options) {
  ELBO_CHECK(channels % groups == 0, ValueError, "[GroupNorm] num_groups: expected a number that divides the ",
             channels, " channels, found ", groups);
  positive(options.eps, "GroupNorm", "eps");
  if (options.affine) make_affine({channels}, weight, bias);
  register_parameter("weight", &GroupNorm::weight);
  register_parameter("bias", &GroupNorm::bias);
}

Tensor GroupNorm::forward(const Tensor& x) {
  ELBO_CHECK(x.dim() >= 2 && x.size(1) == num_channels, ShapeError, "[GroupNorm] expected x [N, ", num_channels,
             ", ...], found ", x.shape());
  const std::int64_t rows = x.size(0) * num_groups, in_group = x.numel() / std::max<std::int64_t>(rows, 1);
  Tensor y = reshape(layer_norm(reshape(x, Shape{rows, in_group}), {in_group}, {}, {}, options_.eps), x.shape());
  if (!weight.defined()) return y;
  Shape per_channel{num_channels};
  for (int i = 2; i < x.dim(); ++i) per_channel = per_channel.insert(i - 1, 1);
  return y * reshape(weight, per_channel) + reshape(bias, per_channel);
}

Embedding::Embedding(std::int64_t count, std::int64_t dim)
    : weight(parameter({at_least(1, count, "Embedding", "num_embeddings"), at_least(1, dim, "Embedding", "dim")})) {
  init::normal_(weight);
  register_parameter("weight", &Embedding::weight);
}

Tensor Embedding::forward(const Tensor& x) {
  const Tensor rows = index_select(weight, 0, reshape(x, {x.numel()}));
  return reshape(rows, x.shape().insert(x.dim(), weight.size(1)));
}

}  // namespace elbo::nn
