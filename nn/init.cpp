#include "init.h"

#include <cmath>

#include "../core/kernels.h"

namespace elbo::nn::init {
namespace {

/// tensor = scale * draw + shift.
void draw(Tensor& tensor, RandomKind kind, double scale, double shift, Generator* generator) {
  Generator& source = generator ? *generator : default_generator(tensor.device());
  const Array values = kernels::random(kind, tensor.shape(), tensor.dtype(), source);
  tensor.mutable_array().assign(kernels::unary(UnaryOp::add_scalar, kernels::scale(values, scale), shift));
}

}  // namespace

Fans fans(const Shape& weight) {
  ELBO_CHECK(weight.rank() >= 2, ShapeError, "[init] expected a weight of two dimensions or more, found ", weight);
  std::int64_t inner = 1;
  for (int i = 2; i < weight.rank(); ++i) inner *= weight[i];
  return {weight[1] * inner, weight[0] * inner};
}

void constant_(Tensor& tensor, double value) { tensor.mutable_array().fill(value); }

void uniform_(Tensor& tensor, double lo, double hi, Generator* generator) {
  ELBO_CHECK(lo <= hi, ValueError, "[uniform_] expected lo <= hi, found ", lo, " and ", hi);
  draw(tensor, RandomKind::uniform, hi - lo, lo, generator);
}

void normal_(Tensor& tensor, double mean, double std, Generator* generator) {
  ELBO_CHECK(std >= 0, ValueError, "[normal_] std: expected at least 0, found ", std);
  draw(tensor, RandomKind::normal, std, mean, generator);
}

void kaiming_uniform_(Tensor& weight, double a, Generator* generator) {
  const double bound = std::sqrt(6 / ((1 + a * a) * static_cast<double>(fans(weight.shape()).in)));
  uniform_(weight, -bound, bound, generator);
}

void xavier_uniform_(Tensor& weight, double gain, Generator* generator) {
  const Fans f = fans(weight.shape());
  const double bound = gain * std::sqrt(6 / static_cast<double>(f.in + f.out));
  uniform_(weight, -bound, bound, generator);
}

void default_(Tensor& weight, Tensor& bias, Generator* generator) {
  const double bound = 1 / std::sqrt(static_cast<double>(fans(weight.shape()).in));
  uniform_(weight, -bound, bound, generator);
  if (bias.defined()) uniform_(bias, -bound, bound, generator);
}

}  // namespace elbo::nn::init
