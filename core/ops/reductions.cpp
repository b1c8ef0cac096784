#include <algorithm>
#include <cmath>

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
  ELBO_CHECK(twice == out.end(), ShapeError, "[", called(op), "] axis ", *twice, " of shape ", shape,
             " is named twice");
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
    ops::check_defined(op, x);
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
  ELBO_CHECK(plan.count > 0 || plan.kept.numel() == 0, ShapeError, "[", ops::called(name),
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

/// sqrt(x), the gradient of which is 0 where it is 0, as PyTorch has it for std.
Tensor flat_root(const char* name, const Tensor& x) {
  Array y = kernels::unary(UnaryOp::sqrt, x.array());
  return record(name, {x}, y, [Y = save(y)](const Array& g, const Needs&) {
    const Array zero = Array::zeros({}, g.options());
    const Array flat = kernels::compare(CompareOp::eq, Y(), zero, g.shape());
    return Grads{kernels::where(flat, zero, kernels::unary_grad(UnaryOp::sqrt, {}, Y(), g), g.shape())};
  });
}

/// sum(x^2)^(1/2).
Tensor euclidean_norm(const Tensor& x, const Plan& plan) {
  Array y = kernels::unary(UnaryOp::sqrt, kernels::reduce(ReduceOp::sum_squares, x.array(), plan.axes));
  return record("norm", {x}, y.reshape(plan.out), [X = save(x), Y = save(y)](const Array& g, const Needs&) {
    const Array zero = Array::zeros({}, g.options());
    const Array flat = kernels::compare(CompareOp::eq, Y(), zero, Y().shape());
    const Array slope = kernels::where(flat, zero, kernels::div(g.reshape(Y().shape()), Y()), Y().shape());
    return Grads{kernels::binary(BinaryOp::mul, X(), slope, X().shape())};
  });
}

/// sum(|x|^p)^(1/p). The derivative is sign(x) (|x| / norm)^(p - 1), and 0 at 0.
Tensor power_norm(const Tensor& x, double p, const Plan& plan) {
  Array powers = kernels::unary(UnaryOp::pow, kernels::unary(UnaryOp::abs, x.array()), p);
  Array y = kernels::unary(UnaryOp::pow, kernels::reduce(ReduceOp::sum, powers, plan.axes), 1 / p);
  return record("norm", {x}, y.reshape(plan.out), [p, X = save(x), Y = save(y)](const Array& g, const Needs&) {
    const Shape& in = X().shape();
    const Array zero = Array::zeros({}, g.options());
    const Array share = kernels::binary(BinaryOp::div, kernels::unary(UnaryOp::abs, X()), Y(), in);
    const Array slope =
        kernels::binary(BinaryOp::mul, kernels::unary(UnaryOp::pow, share, p - 1), g.reshape(Y().shape()), in);
    const Array flat = kernels::compare(CompareOp::eq, kernels::binary(BinaryOp::mul, X(), Y(), in), zero, in);
    return Grads{kernels::where(flat, zero, kernels::unary_grad(UnaryOp::abs, X(), {}, slope), in)};
  });
}

/// Whether the elements that `counted` finds against 0 are none (eq) or some (ne).
Tensor count_is(const char* op, CompareOp counted, CompareOp verdict, const Tensor& x, const Axes& axes, bool keepdim) {
  const ops::CalledOp called(op);
  ops::check_defined(op, x);
  const Array zero = Array::zeros({}, x.array().options());
  const Plan plan(op, x, axes, keepdim);
  const Array hits = kernels::compare(counted, x.array(), zero, x.shape());
  const Array count = kernels::reduce(ReduceOp::sum, hits, plan.axes).reshape(plan.out);
  return record_constant(op, {x}, kernels::compare(verdict, count, Array::zeros({}, count.options()), plan.out));
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  const ops::CalledOp called("sum");
  return divided_sum("sum", x, Plan("sum", x, axes, keepdim), 1);
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  const ops::CalledOp called("mean");
  ops::check_floating("mean", x);
  Plan plan("mean", x, axes, keepdim);
  return divided_sum("mean", x, plan, static_cast<double>(plan.count));
}

Tensor var(const Tensor& x, const Axes& axes, double correction, bool keepdim) {
  const ops::CalledOp called("var");
  ops::check_floating("var", x);
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

Tensor std(const Tensor& x, const Axes& axes, double correction, bool keepdim) {
  const ops::CalledOp called("std");
  return flat_root("std", var(x, axes, correction, keepdim));
}

Tensor norm(const Tensor& x, double p, const Axes& axes, bool keepdim) {
  const ops::CalledOp called("norm");
  ops::check_floating("norm", x);
  const Plan plan("norm", x, axes, keepdim);
  ELBO_CHECK(p > 0, ValueError, "[norm] expected p above 0, found ", p);
  if (p == 1) return sum(abs(x), axes, keepdim);
  if (p == 2) return euclidean_norm(x, plan);
  return std::isinf(p) ? max(abs(x), axes, keepdim) : power_norm(x, p, plan);
}

Tensor all(const Tensor& x, const Axes& axes, bool keepdim) {
  return count_is("all", CompareOp::eq, CompareOp::eq, x, axes, keepdim);
}

Tensor any(const Tensor& x, const Axes& axes, bool keepdim) {
  return count_is("any", CompareOp::ne, CompareOp::ne, x, axes, keepdim);
}

Tensor max(const Tensor& x, const Axes& axes, bool keepdim) { return extremum(ReduceOp::max, "max", x, axes, keepdim); }
Tensor min(const Tensor& x, const Axes& axes, bool keepdim) { return extremum(ReduceOp::min, "min", x, axes, keepdim); }

}  // namespace elbo
