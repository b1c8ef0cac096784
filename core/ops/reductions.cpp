#include <algorithm>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"

namespace elbo {

std::vector<int> ops::resolve_axes(const char* op, const Shape& shape, const Axes& axes) {
  std::vector<int> out;
  for (int axis : axes) out.push_back(resolve_axis(op, shape, axis));
  if (axes.empty())
    for (int i = 0; i < shape.rank(); ++i) out.push_back(i);
  std::sort(out.begin(), out.end());
  auto twice = std::adjacent_find(out.begin(), out.end());
  ELBO_CHECK(twice == out.end(), ShapeError, "[", op, "] axis ", *twice, " of shape ", shape, " is named twice");
  if (shape.rank() == 0) out.clear();
  return out;
}

namespace {

/// What a reduction over some axes does to a shape.
struct Plan {
  std::vector<int> axes;
  Shape in, kept, out;     ///< of the operand; with size 1 along the axes; as the caller wants it
  std::int64_t count = 1;  ///< elements that become one

  Plan(const char* op, const Tensor& x, const Axes& wanted, bool keepdim) {
    ops::check_floating(op, x);
    axes = ops::resolve_axes(op, x.shape(), wanted);
    in = kept = x.shape();
    for (int axis : axes) {
      count *= in[axis];
      kept = kept.with(axis, 1);
    }
    out = kept;
    if (!keepdim)
      for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) out = out.without(*axis);
  }
};

/// sum(x) / divisor.
Tensor divided_sum(const char* name, const Tensor& x, const Plan& plan, double divisor) {
  Array y = kernels::reduce(ReduceOp::sum, x.array(), plan.axes).reshape(plan.out);
  if (divisor != 1) y = kernels::divide(y, divisor);
  return record(name, {x}, y, [in = plan.in, kept = plan.kept, divisor](const Array& g, const Needs&) {
    return Grads{kernels::expand((divisor == 1 ? g : kernels::divide(g, divisor)).reshape(kept), in)};
  });
}

/// max or min. The elements that tie share the gradient equally; where the result is NaN, those that are NaN.
Tensor extremum(ReduceOp op, const char* name, const Tensor& x, const Axes& axes, bool keepdim) {
  const ops::CalledOp called(name);
  Plan plan(name, x, axes, keepdim);
  ELBO_CHECK(plan.count > 0 || plan.kept.numel() == 0, ShapeError, "[", name,
             "] expected at least one element, found shape ", plan.in);
  Array y = kernels::reduce(op, x.array(), plan.axes);
  return record(name, {x}, y.reshape(plan.out),
                [X = save(x), Y = save(y), reduced = plan.axes](const Array& g, const Needs&) {
                  const Shape& in = X().shape();
                  // NaN equals nothing, and one makes the result NaN.
                  const Array equal = kernels::compare(CompareOp::eq, X(), Y(), in);
                  const Array nan = kernels::compare(CompareOp::ne, X(), X(), in);
                  Array hit = kernels::cast(kernels::compare(CompareOp::logical_or, equal, nan, in), g.dtype());
                  Array share = kernels::div(g.reshape(Y().shape()), kernels::reduce(ReduceOp::sum, hit, reduced));
                  return Grads{kernels::binary(BinaryOp::mul, hit, share, in)};
                });
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  const ops::CalledOp called("sum");
  return divided_sum("sum", x, Plan("sum", x, axes, keepdim), 1);
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  const ops::CalledOp called("mean");
  Plan plan("mean", x, axes, keepdim);
  return divided_sum("mean", x, plan, static_cast<double>(plan.count));
}

Tensor var(const Tensor& x, const Axes& axes, double correction, bool keepdim) {
  const ops::CalledOp called("var");
  Plan plan("var", x, axes, keepdim);
  double n = static_cast<double>(plan.count), degrees = std::max(n - correction, 0.0);
  const auto centre = [&](const Array& values) {
    Array mean = kernels::divide(kernels::reduce(ReduceOp::sum, values, plan.axes), n);
    return kernels::binary(BinaryOp::sub, values, mean, plan.in);
  };
  // Twice: the mean of large numbers is rounded, which leaves a mean in what should have none.
  Array centred = centre(centre(x.array()));
  Array squares = kernels::unary(UnaryOp::square, centred);
  Array y = kernels::divide(kernels::reduce(ReduceOp::sum, squares, plan.axes), degrees);
  return record("var", {x}, y.reshape(plan.out),
                [D = save(centred), kept = plan.kept, degrees](const Array& g, const Needs&) {
                  Array scaled = kernels::divide(g, degrees / 2).reshape(kept);
                  return Grads{kernels::binary(BinaryOp::mul, D(), scaled, D().shape())};
                });
}

Tensor max(const Tensor& x, const Axes& axes, bool keepdim) { return extremum(ReduceOp::max, "max", x, axes, keepdim); }
Tensor min(const Tensor& x, const Axes& axes, bool keepdim) { return extremum(ReduceOp::min, "min", x, axes, keepdim); }

}  // namespace elbo
