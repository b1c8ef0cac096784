// Tensors made of numbers in order.
#include <algorithm>
#include <cmath>
#include <functional>

#include "../kernels.h"
#include "../whole_number_detail.h"
#include "checks.h"

namespace elbo {
namespace {

/// number(0), number(1), ..., computed in float64.
Tensor in_order(std::int64_t count, TensorOptions options, const std::function<double(std::int64_t)>& number) {
  Array out = Array::empty({count}, {DType::float64, cpu});
  const auto to = out.mutable_values<double>();
  for (std::int64_t i = 0; i < count; ++i) to[static_cast<std::size_t>(i)] = number(i);
  return Tensor(kernels::cast(out, options.dtype).to(options.device));
}

}  // namespace

Tensor arange(double begin, double end, double step, TensorOptions options) {
  const ops::CalledOp called("arange");
  ELBO_CHECK(std::isfinite(begin) && std::isfinite(end) && std::isfinite(step) && step != 0, ValueError,
             "[arange] expected finite bounds and a step other than 0, found ", begin, ", ", end, " and ", step);
  const double steps = std::max(std::ceil((end - begin) / step), 0.0);
  ELBO_CHECK(steps < 0x1p62, ShapeError, "[arange] expected fewer than 2^62 elements, found ", steps);
  const auto count = static_cast<std::int64_t>(steps);
  if (count > 0) {
    detail::check_holds(options.dtype, begin);
    detail::check_holds(options.dtype, begin + static_cast<double>(count - 1) * step);
    if (!is_floating(options.dtype)) detail::check_holds(DType::int64, step);
  }
  return in_order(count, options, [=](std::int64_t i) { return begin + static_cast<double>(i) * step; });
}

Tensor linspace(double begin, double end, std::int64_t count, TensorOptions options) {
  const ops::CalledOp called("linspace");
  ops::check_floating("linspace", options.dtype);
  const double gaps = static_cast<double>(count - (count > 1)), step = end / gaps - begin / gaps;
  // From the nearer end, so that both are what was asked for.
  return in_order(count, options, [=](std::int64_t i) {
    return i < (count + 1) / 2 ? begin + static_cast<double>(i) * step
                               : end - static_cast<double>(count - 1 - i) * step;
  });
}

Tensor eye(std::int64_t n, TensorOptions options) {
  const ops::CalledOp called("eye");
  if (Shape{n, n}.numel() == 0) return zeros({n, n}, options);
  const DType floating = is_floating(options.dtype) ? options.dtype : DType::float32;
  return cast(one_hot(arange(n, {DType::int64, options.device}), n, floating), options.dtype);
}

}  // namespace elbo
