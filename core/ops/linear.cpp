#include <algorithm>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

void check_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  ops::check_floating_pair("linear", x, weight);
  ops::check_rank("linear", "weight", 2, weight.shape());
  std::int64_t in = weight.shape()[1], out = weight.shape()[0];
  ELBO_CHECK(x.shape().rank() >= 1 && x.shape().back() == in, ShapeError, "[", ops::called("linear"),
             "] expected x [..., ", in, "] for weight ", weight.shape(), ", found ", x.shape());
  ops::check_optional("linear", "a bias", x, bias, {out});
}

/// x [..., in] as rows.
Array as_rows(const Array& x, std::int64_t in) {
  return x.reshape({x.shape().without(x.shape().rank() - 1).numel(), in});
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Activation activation) {
  const ops::CalledOp called("linear");
  check_linear(x, weight, bias);
  const Activation within = ops::fused(activation, x, weight, bias);
  if (within != activation) return ops::activated(linear(x, weight, bias, within), activation);
  const Shape& shape = x.shape();
  const std::int64_t in = weight.shape()[1], out = weight.shape()[0];
  Array y = kernels::matmul(as_rows(x.array(), in), weight.array(), {.transpose_b = true, .activation = activation},
                            ops::array_or_none(bias));
  return record(
      "linear", {x, weight, bias}, y.reshape(shape.with(shape.rank() - 1, out)),
      [shape, in, out, X = save_if(weight.requires_grad(), x), W = save_if(x.requires_grad(), weight),
       Y = save_if(activation == Activation::relu, y)](const Array& g, const Needs& need) {
        kernels::LinearGrad layer{
            .gy = as_rows(g, out), .y = Y(), .weight = W(), .n = out, .wants_weight = need[1], .wants_bias = need[2]};
        const Array x_rows = need[1] ? as_rows(X(), in) : Array();
        const Array gx = kernels::linear_grad(x_rows, {&layer, 1}, in, need[0]);
        return Grads{need[0] ? gx.reshape(shape) : Array(), layer.gweight, layer.gbias};
      });
}

std::vector<Tensor> linear_heads(const Tensor& x, std::span<const Tensor> weights, std::span<const Tensor> biases) {
  const ops::CalledOp called("linear_heads");
  ELBO_CHECK(!weights.empty() && weights.size() == biases.size(), ValueError, "[", ops::called("linear_heads"),
             "] expected weights, and a bias for each, which may be undefined; found ", weights.size(), " and ",
             biases.size());
  std::vector<Tensor> inputs{x};
  std::vector<Array> weight_arrays, bias_arrays;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    check_linear(x, weights[i], biases[i]);
    ops::check_pair("linear_heads", weights[0], weights[i]);
    weight_arrays.push_back(weights[i].array());
    bias_arrays.push_back(ops::array_or_none(biases[i]));
  }
  inputs.insert(inputs.end(), weights.begin(), weights.end());
  inputs.insert(inputs.end(), biases.begin(), biases.end());
  const Shape shape = x.shape();
  const std::int64_t in = shape.back();
  std::vector<Array> ys = kernels::linear(as_rows(x.array(), in), weight_arrays, bias_arrays);
  std::vector<std::int64_t> sizes;
  for (Array& y : ys) {
    sizes.push_back(y.shape()[1]);
    y = y.reshape(shape.with(shape.rank() - 1, sizes.back()));
  }
  const bool reads_x = std::any_of(weights.begin(), weights.end(), [](const Tensor& w) { return w.requires_grad(); });
  std::vector<SavedArray> saved;
  saved.reserve(weights.size());
  for (const Array& weight : weight_arrays) saved.push_back(save_if(x.requires_grad(), weight));
  return record_many("linear_heads", inputs, std::move(ys),
                     [shape, in, sizes, saved, options = x.array().options(), X = save_if(reads_x, x)](
                         std::span<const Array> gs, const Needs& need) {
                       const std::size_t count = sizes.size();
                       std::vector<kernels::LinearGrad> layers;
                       for (std::size_t i = 0; i < count; ++i) {
                         // Of a head that nothing was computed from, zeros.
                         const Array g =
                             gs[i].defined() ? gs[i] : Array::zeros(shape.with(shape.rank() - 1, sizes[i]), options);
                         layers.push_back({.gy = as_rows(g, sizes[i]),
                                           .weight = saved[i](),
                                           .n = sizes[i],
                                           .wants_weight = need[1 + i],
                                           .wants_bias = need[1 + count + i]});
                       }
                       const Array& input = X();
                       const Array rows = input.defined() ? as_rows(input, in) : Array();
                       Grads grads{kernels::linear_grad(rows, layers, in, need[0])};
                       if (need[0]) grads[0] = grads[0].reshape(shape);
                       for (const kernels::LinearGrad& layer : layers) grads.push_back(layer.gweight);
                       for (const kernels::LinearGrad& layer : layers) grads.push_back(layer.gbias);
                       return grads;
                     });
}

}  // namespace elbo
