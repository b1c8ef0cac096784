#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {
namespace {

void check_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  ops::check_floating_pair("linear", x, weight);
  ops::check_rank("linear", "weight", 2, weight.shape());
  std::int64_t in = weight.shape()[1], out = weight.shape()[0];
  ELBO_CHECK(x.shape().rank() >= 1 && x.shape().back() == in, ShapeError, "[linear] expected x [..., ", in,
             "] for weight ", weight.shape(), ", found ", x.shape());
  ops::check_optional("linear", "a bias", x, bias, {out});
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Activation activation) {
  const ops::CalledOp called("linear");
  check_linear(x, weight, bias);
  const Activation within = ops::fused(activation, x, weight, bias);
  if (within != activation) return ops::activated(linear(x, weight, bias, within), activation);
  const Shape& shape = x.shape();
  std::int64_t in = weight.shape()[1], out = weight.shape()[0], rows = 1;
  for (int i = 0; i < shape.rank() - 1; ++i) rows *= shape[i];
  Array y = kernels::matmul(x.array().reshape({rows, in}), weight.array(),
                            {.transpose_b = true, .activation = activation}, ops::array_or_none(bias));
  return record("linear", {x, weight, bias}, y.reshape(shape.with(shape.rank() - 1, out)),
                [shape, rows, in, out, X = save_if(weight.requires_grad(), x), W = save_if(x.requires_grad(), weight),
                 Y = save_if(activation == Activation::relu, y)](const Array& g, const Needs& need) {
                  const Array gy = ops::through_relu(g.reshape({rows, out}), Y());
                  Grads grads(3);
                  if (need[0]) grads[0] = kernels::matmul(gy, W()).reshape(shape);
                  if (need[1]) grads[1] = kernels::matmul_tn(gy, X().reshape({rows, in}));
                  if (need[2]) grads[2] = kernels::sum_to(gy, {out});
                  return grads;
                });
}

}  // namespace elbo
