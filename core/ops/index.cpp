// NumPy's indexing: numbers, slices, new axes, an ellipsis and a tensor of indices.
#include <algorithm>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"
#include "index_plan.h"

namespace elbo {
namespace {

/// How many dimensions of x the indices are for.
int consumed(std::span<const TensorIndex> indices) {
  return static_cast<int>(std::count_if(indices.begin(), indices.end(), [](const TensorIndex& index) {
    return !std::holds_alternative<NewAxis>(index.value()) && !std::holds_alternative<Ellipsis>(index.value());
  }));
}

/// A bound as Python takes it: from the end where it is negative, cut to [0, n].
std::int64_t cut(std::int64_t bound, std::int64_t n) {
  return std::clamp(bound < 0 ? bound + n : bound, std::int64_t{0}, n);
}

/// Goes through the dimensions of x, one index after the other.
class Walk {
 public:
  Walk(ops::IndexPlan& plan, const char* op, const Shape& x) : plan_(plan), op_(op), x_(x) {}

  void operator()(std::int64_t i) {
    const std::int64_t n = x_[axis_], from_front = i < 0 ? i + n : i;
    ELBO_CHECK(from_front >= 0 && from_front < n, IndexError, "[", ops::called(op_), "] expected an index in [", -n,
               ", ", n, ") for axis ", axis_, " of shape ", x_, ", found ", i);
    plan_.view = plan_.view && !sliced_;
    take(from_front, 1, 1);
  }
  void operator()(const Slice& range) {
    ELBO_CHECK(range.step > 0, ValueError, "[", ops::called(op_), "] expected a step of at least 1, found ",
               range.step);
    const bool whole = !range.begin && !range.end && range.step == 1;
    plan_.view = plan_.view && (whole || (!sliced_ && range.step == 1));
    sliced_ = true;
    const std::int64_t n = x_[axis_], begin = cut(range.begin.value_or(0), n);
    const std::int64_t end = std::max(begin, cut(range.end.value_or(n), n));
    const std::int64_t step = std::min(range.step, std::max<std::int64_t>(n, 1));  // a longer one leads beyond the end
    append((end - begin + step - 1) / step);
    take(begin, plan_.out.back(), step);
  }
  void operator()(NewAxis) { append(1); }
  void operator()(Ellipsis) {
    ELBO_CHECK(!ellipsis_, ValueError, "[", ops::called(op_), "] expected one ellipsis, found two");
    ellipsis_ = true;
  }
  void operator()(const Tensor& picks) {
    ops::check_int64(op_, "indices", picks);
    ELBO_CHECK(!plan_.picks.defined(), ValueError, "[", ops::called(op_),
               "] expected one tensor of indices, found two");
    plan_.picks = picks;
    plan_.picks_axis = plan_.out.rank();
    (*this)(Slice());
  }
  void whole(int dims) {
    for (int i = 0; i < dims; ++i) (*this)(Slice());
  }
  int left() const { return x_.rank() - axis_; }

 private:
  void append(std::int64_t size) { plan_.out = plan_.out.insert(plan_.out.rank(), size); }
  void take(std::int64_t start, std::int64_t size, std::int64_t step) {
    plan_.starts[static_cast<std::size_t>(axis_)] = start;
    plan_.steps[static_cast<std::size_t>(axis_)] = step;
    plan_.box = plan_.box.insert(axis_, size);
    ++axis_;
  }

  ops::IndexPlan& plan_;
  const char* op_;
  const Shape& x_;
  int axis_ = 0;
  bool ellipsis_ = false;
  bool sliced_ = false;  // a number behind a slice is not in one piece with what is before it
};

}  // namespace

ops::IndexPlan::IndexPlan(const char* op, const Tensor& x, std::span<const TensorIndex> indices) {
  check_defined(op, x);
  const int given = consumed(indices);
  ELBO_CHECK(given <= x.dim(), IndexError, "[", called(op), "] expected at most ", x.dim(), " indices for shape ",
             x.shape(), ", found ", given);
  Walk walk(*this, op, x.shape());
  for (const TensorIndex& index : indices) {
    std::visit(walk, index.value());
    if (std::holds_alternative<Ellipsis>(index.value())) walk.whole(x.dim() - given);
  }
  walk.whole(walk.left());
}

namespace {

/// The box of a plan: a view of x, or a copy.
Array box_of(const Array& x, const ops::IndexPlan& plan) {
  if (!plan.view) return kernels::slice(x, plan.starts, plan.box, plan.steps);
  if (plan.box.numel() == 0) return Array::empty(plan.box, x.options());
  std::int64_t first = 0;
  for (int i = 0; i < plan.box.rank(); ++i) first = first * x.shape()[i] + plan.starts[static_cast<std::size_t>(i)];
  return x.reshape({x.numel()}).slice(first, first + plan.box.numel());
}

Tensor indexed(const char* op, const Tensor& x, std::span<const TensorIndex> indices) {
  const ops::CalledOp called(op);
  const ops::IndexPlan plan(op, x, indices);
  Tensor y = record(op, {x}, box_of(x.array(), plan).reshape(plan.out),
                    [plan, shape = x.shape()](const Array& g, const Needs&) {
                      return Grads{kernels::unslice(g.reshape(plan.box), shape, plan.starts, plan.steps)};
                    });
  if (!plan.picks.defined()) return plan.view ? y : ops::copy_of_part(y);
  const Tensor flat = index_select(y, plan.picks_axis, reshape(plan.picks, {plan.picks.numel()}));
  Shape out = plan.out.without(plan.picks_axis);
  for (int i = 0; i < plan.picks.dim(); ++i) out = out.insert(plan.picks_axis + i, plan.picks.size(i));
  return ops::copy_of_part(reshape(flat, out));
}

}  // namespace

Tensor Tensor::operator[](std::int64_t i) const& {
  const TensorIndex index(i);
  return indexed("index", *this, {&index, 1});
}

Tensor Tensor::index(std::initializer_list<TensorIndex> indices) const& {
  return indexed("index", *this, {indices.begin(), indices.size()});
}

// A view of a copy that has no name is as good as that one.
Tensor Tensor::operator[](std::int64_t i) && {
  const Tensor y = std::as_const(*this)[i];
  return impl().copied_part ? ops::copy_of_part(y) : y;
}

Tensor Tensor::index(std::initializer_list<TensorIndex> indices) && {
  const Tensor y = std::as_const(*this).index(indices);
  return impl().copied_part ? ops::copy_of_part(y) : y;
}

}  // namespace elbo
