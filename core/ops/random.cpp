#include <numeric>
#include <vector>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"
#include "generators.h"

namespace elbo {

Generator& ops::choose_generator(const char* op, Generator* generator, Device device) {
  if (!generator) return default_generator(device);
  ELBO_CHECK(generator->device() == device, DeviceError, "[", called(op), "] expected a generator on ", device,
             ", found one on ", generator->device());
  return *generator;
}

namespace {

Array draw(const char* op, RandomKind kind, const Shape& shape, TensorOptions options, Generator* generator,
           double p = 0.5) {
  const ops::CalledOp called(op);
  ops::check_floating(op, options.dtype);
  return kernels::random(kind, shape, options.dtype, ops::choose_generator(op, generator, options.device), p);
}

}  // namespace

Tensor randn(const Shape& shape, TensorOptions options, Generator* generator) {
  return Tensor(draw("randn", RandomKind::normal, shape, options, generator));
}

Tensor rand(const Shape& shape, TensorOptions options, Generator* generator) {
  return Tensor(draw("rand", RandomKind::uniform, shape, options, generator));
}

Tensor randn_like(const Tensor& x, Generator* generator) {
  const ops::CalledOp called("randn_like");
  ops::check_floating("randn_like", x);
  return randn(x.shape(), x.array().options(), generator);
}

Tensor rand_like(const Tensor& x, Generator* generator) {
  const ops::CalledOp called("rand_like");
  ops::check_floating("rand_like", x);
  return rand(x.shape(), x.array().options(), generator);
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Device device, Generator* generator) {
  const ops::CalledOp called("randint");
  constexpr std::int64_t most = std::int64_t{1} << 53;  // what float64 holds exactly
  ELBO_CHECK(low < high && low >= -most && high <= most && high - low <= most, ValueError,
             "[randint] expected low < high, at most 2^53 and so far apart, found ", low, " and ", high);
  const Array uniform = draw("randint", RandomKind::uniform, shape, {DType::float64, device}, generator);
  // Rounded down by the cast, which is why low comes after it.
  const Array above = kernels::cast(kernels::scale(uniform, static_cast<double>(high - low)), DType::int64);
  const Array numbers =
      kernels::unary(UnaryOp::add_scalar, kernels::cast(above, DType::float64), static_cast<double>(low));
  return Tensor(kernels::cast(numbers, DType::int64));
}

Tensor randperm(std::int64_t n, Device device, Generator* generator) {
  const ops::CalledOp called("randperm");
  const Array uniform = draw("randperm", RandomKind::uniform, {n}, {DType::float64, device}, generator);
  const std::vector<double> draws = uniform.to_vector<double>();
  std::vector<std::int64_t> order(draws.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[static_cast<std::size_t>(draws[left - 1] * static_cast<double>(left))]);
  return Tensor(Array::from(order, {n}, device));
}

Tensor bernoulli(double p, const Shape& shape, TensorOptions options, Generator* generator) {
  ELBO_CHECK(p >= 0 && p <= 1, ValueError, "[bernoulli] expected a probability in [0, 1], found ", p);
  return Tensor(draw("bernoulli", RandomKind::bernoulli, shape, options, generator, p));
}

Tensor bernoulli(const Tensor& probs, Generator* generator) {
  const ops::CalledOp called("bernoulli");
  ops::check_floating("bernoulli", probs);
  ops::check_range(probs, 0, 1);
  Array uniform = draw("bernoulli", RandomKind::uniform, probs.shape(), probs.array().options(), generator);
  Array below = kernels::compare(CompareOp::lt, uniform, probs.array(), probs.shape());
  return record_constant("bernoulli", {probs}, kernels::cast(below, probs.dtype()));
}

Tensor dropout(const Tensor& x, double p, bool training, Generator* generator) {
  const ops::CalledOp called("dropout");
  ops::check_floating("dropout", x);
  ELBO_CHECK(p >= 0 && p < 1, ValueError, "[dropout] expected a probability in [0, 1), found ", p);
  if (!training || p == 0) return x;
  Array kept = draw("dropout", RandomKind::bernoulli, x.shape(), x.array().options(), generator, 1 - p);
  Array mask = kernels::divide(kept, 1 - p);
  return record("dropout", {x}, kernels::mul(x.array(), mask),
                [M = save(mask)](const Array& g, const Needs&) { return Grads{kernels::mul(g, M())}; });
}

}  // namespace elbo
