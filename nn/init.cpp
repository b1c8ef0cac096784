#include "init.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../core/kernels.h"

namespace elbo::nn::init {
namespace {

/// tensor = scale * draw + shift.
void draw(const char* name, Tensor& tensor, RandomKind kind, double scale, double shift, Generator* generator) {
  ELBO_CHECK(tensor.defined(), ValueError, "[", name, "] expected a tensor, found an undefined one");
  ELBO_CHECK(is_floating(tensor.dtype()), DTypeError, "[", name, "] expected float32 or float64, found ",
             tensor.dtype());
  const double largest =
      tensor.dtype() == DType::float32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  ELBO_CHECK(std::abs(scale) <= largest && std::abs(shift) <= largest, ValueError, "[", name,
             "] expected a range that ", tensor.dtype(), " holds, found a width of ", scale, " from ", shift);
  if (tensor.device() == meta) return;
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

void constant_(Tensor& tensor, double value) {
  if (tensor.device() != meta) tensor.mutable_array().fill(value);
}

void uniform_(Tensor& tensor, double lo, double hi, Generator* generator) {
  ELBO_CHECK(lo <= hi, ValueError, "[uniform_] expected lo <= hi, found ", lo, " and ", hi);
  draw("uniform_", tensor, RandomKind::uniform, hi - lo, lo, generator);
}

void normal_(Tensor& tensor, double mean, double std, Generator* generator) {
  ELBO_CHECK(std >= 0, ValueError, "[normal_] std: expected at least 0, found ", std);
  draw("normal_", tensor, RandomKind::normal, std, mean, generator);
}

void kaiming_uniform_(Tensor& weight, double a, Generator* generator) {
  ELBO_CHECK(std::isfinite(a), ValueError, "[kaiming_uniform_] a: expected a finite number, found ", a);
  // Without inputs there is no weight to draw.
  const double in = static_cast<double>(std::max<std::int64_t>(1, fans(weight.shape()).in));
  const double bound = std::sqrt(6 / ((1 + a * a) * in));
  draw("kaiming_uniform_", weight, RandomKind::uniform, 2 * bound, -bound, generator);
}

void xavier_uniform_(Tensor& weight, double gain, Generator* generator) {
  ELBO_CHECK(std::isfinite(gain) && gain >= 0, ValueError, "[xavier_uniform_] gain: expected at least 0, found ", gain);
  const Fans f = fans(weight.shape());
  const double bound = gain * std::sqrt(6 / static_cast<double>(std::max<std::int64_t>(1, f.in + f.out)));
  draw("xavier_uniform_", weight, RandomKind::uniform, 2 * bound, -bound, generator);
}

void default_(Tensor& weight, Tensor& bias, Generator* generator) {
  // Without inputs the bias starts at 0.
  const std::int64_t in = fans(weight.shape()).in;
  const double bound = in == 0 ? 0 : 1 / std::sqrt(static_cast<double>(in));
  draw("default_", weight, RandomKind::uniform, 2 * bound, -bound, generator);
  if (bias.defined()) draw("default_", bias, RandomKind::uniform, 2 * bound, -bound, generator);
}

}  // namespace elbo::nn::init
