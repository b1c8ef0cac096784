#include "blocks.h"

#include "../core/autograd.h"
#include "../core/kernels.h"
#include "init.h"
#include "meta.h"

namespace elbo::nn {
namespace {

/// h sigmoid(g), both of one shape. As `h * sigmoid(g)`, but for one array fewer, which that keeps until backward().
Tensor gated(const Tensor& h, const Tensor& g) {
  Array y = kernels::unary(UnaryOp::sigmoid, g.array());
  kernels::binary_(BinaryOp::mul, y, h.array());
  return record("gated", {h, g}, std::move(y),
                [H = save_if(g.requires_grad(), h), G = save(g)](const Array& gradient, const Needs& need) {
                  Grads grads(2);
                  if (need[0]) {
                    grads[0] = kernels::unary(UnaryOp::sigmoid, G());
                    kernels::binary_(BinaryOp::mul, grads[0], gradient);
                  }
                  if (need[1]) grads[1] = kernels::unary_grad(UnaryOp::sigmoid, G(), {}, kernels::mul(H(), gradient));
                  return grads;
                });
}

std::unique_ptr<Layer> make_norm(std::int64_t channels, const ResidualBlock2dOptions& options) {
  switch (options.norm) {
    case BlockNorm::none:
      break;
    case BlockNorm::batch:
      return std::make_unique<BatchNorm2d>(channels);
    case BlockNorm::group:
      return std::make_unique<GroupNorm>(options.groups, channels);
  }
  return nullptr;
}

}  // namespace

GatedLinear::GatedLinear(std::int64_t in, std::int64_t out, const LinearOptions& options)
    : h(in, out, options), g(in, out, options) {
  register_module("h", &GatedLinear::h);
  register_module("g", &GatedLinear::g);
}

Tensor GatedLinear::forward(const Tensor& x) {
  const Tensor value = h(x);
  return gated(value, g(x));
}

GatedConv2d::GatedConv2d(std::int64_t in, std::int64_t out, Size2 kernel, const ConvOptions& options)
    : h(in, out, kernel, options), g(in, out, kernel, options) {
  register_module("h", &GatedConv2d::h);
  register_module("g", &GatedConv2d::g);
}

Tensor GatedConv2d::forward(const Tensor& x) {
  const Tensor value = h(x);
  return gated(value, g(x));
}

ResidualBlock2d::ResidualBlock2d(std::int64_t channels, const ResidualBlock2dOptions& options)
    : norm1(make_norm(channels, options)),
      conv1(channels, channels, 3, {.padding = 1}),
      norm2(make_norm(channels, options)),
      conv2(channels, channels, 3, {.padding = 1}) {
  register_module("norm1", &ResidualBlock2d::norm1);
  register_module("conv1", &ResidualBlock2d::conv1);
  register_module("norm2", &ResidualBlock2d::norm2);
  register_module("conv2", &ResidualBlock2d::conv2);
}

Tensor ResidualBlock2d::forward(const Tensor& x) {
  const Tensor inner = conv1(silu(norm1 ? (*norm1)(x) : x));
  return x + conv2(silu(norm2 ? (*norm2)(inner) : inner));
}

MaskedLinear::MaskedLinear(std::int64_t in, std::int64_t out,
                           const std::function<bool(std::int64_t, std::int64_t)>& keep, const LinearOptions& options) {
  ELBO_CHECK(in >= 1, ValueError, "[MaskedLinear] in_features: expected at least 1, found ", in);
  ELBO_CHECK(out >= 1, ValueError, "[MaskedLinear] out_features: expected at least 1, found ", out);
  ELBO_CHECK(keep, ValueError, "[MaskedLinear] keep: expected a function, found an empty one");
  weight = parameter({out, in});
  if (options.bias) bias = parameter({out});
  init::default_(weight, bias);
  mask = parameter({out, in});
  if (mask.device() == cpu) {
    std::span<float> kept = mask.mutable_array().mutable_values<float>();
    std::size_t at = 0;
    for (std::int64_t o = 0; o < out; ++o)
      for (std::int64_t i = 0; i < in; ++i) kept[at++] = keep(o, i) ? 1.0F : 0.0F;
  }
  register_parameter("weight", &MaskedLinear::weight);
  register_parameter("bias", &MaskedLinear::bias);
  register_buffer("mask", &MaskedLinear::mask);
}

}  // namespace elbo::nn
