// What writes into the tensor that it is called on.
#include <utility>

#include "../autograd.h"
#include "../kernels.h"
#include "checks.h"
#include "index_plan.h"

namespace elbo {

namespace detail {

/// Writes into tensors, or records that they were written.
struct InPlace {
  /// Whether a gradient is to be recorded through the write. Throws where that cannot be.
  static bool records(const char* op, const Tensor& x, const Tensor& from) {
    ops::check_defined(op, x);
    ops::check_defined(op, from);
    if (!grad_enabled() || !(x.requires_grad() || from.requires_grad())) return false;
    ELBO_CHECK(!x.requires_grad() || !x.is_leaf(), AutogradError, "[", op,
               "] a leaf that requires a gradient can be written under a NoGradGuard alone");
    // Its own array is the only one on its memory, unless a view or a gradient rule holds another.
    ELBO_CHECK(
        x.array().storage().use_count() == 1, AutogradError, "[", op,
        "] a view or a gradient rule holds the same memory: write with index_put_ on the whole tensor, a leaf under a "
        "NoGradGuard, or make a new tensor, as x = x + y does");
    return true;
  }

  static Tensor mark_copied_part(Tensor y) {
    y.impl().copied_part = true;
    return y;
  }

  /// x, which has no name. Throws where nobody would see what is written into it.
  static Tensor& unnamed(const char* op, Tensor& x) {
    ELBO_CHECK(!x.defined() || !x.impl().copied_part, ValueError, "[", op,
               "] expected a view, found a copy of a part of another tensor, in which the write would be lost: use "
               "index_put_, or name the copy");
    return x;
  }

  /// Takes the value and the history of `result`, computed from x. retain_grad stays with the tensor.
  static Tensor& become(const char* op, Tensor& x, const Tensor& result) {
    check_grows_not(op, x, result.shape());
    const std::shared_ptr<Node> before = std::exchange(x.impl().node, result.node());
    x.impl().array = result.array();
    if (before && before->retains_grad && x.node()) {
      before->retains_grad = false;
      x.node()->retains_grad = true;
      x.node()->grad = std::exchange(before->grad, Array());
    }
    return x;
  }

  static void check_grows_not(const char* op, const Tensor& x, const Shape& result) {
    ELBO_CHECK(result == x.shape(), ShapeError, "[", op, "] expected an operand that broadcasts to ", x.shape(),
               ", found one that makes it ", result);
  }

  static Tensor& apply(Tensor& x, const char* name, BinaryOp op, Tensor (*recorded)(const Operand&, const Operand&),
                       const Operand& other) {
    const CalledOp called(name);
    ops::check_defined(name, x);
    if (!other.is_tensor() && is_floating(x.dtype())) {
      if (records(name, x, x)) return become(name, x, recorded(x, other));
      add_or_scale(x.mutable_array(), op, other.number());
      return x;
    }
    const ops::Pair pair(name, x, other);
    if (!ops::takes_integers(op)) ops::check_floating(name, x);
    check_grows_not(name, x, broadcast(x.shape(), pair.b.shape(), name));
    if (records(name, x, pair.b)) return become(name, x, recorded(x, other));
    kernels::binary_(op, x.mutable_array(), without_overlap(pair.b.array(), x.array()));
    return x;
  }

  /// x op c, in place, without an array of c.
  static void add_or_scale(Array& x, BinaryOp op, double c) {
    if (op == BinaryOp::add) return kernels::unary_(UnaryOp::add_scalar, x, c);
    if (op == BinaryOp::sub) return kernels::unary_(UnaryOp::add_scalar, x, -c);
    kernels::unary_(op == BinaryOp::mul ? UnaryOp::mul_scalar : UnaryOp::div_scalar, x, c);
  }

  /// `from`, or a copy of it where writing `to` would change what is still to be read.
  static Array without_overlap(const Array& from, const Array& to) {
    const bool overlap = from.storage() == to.storage() && !(from.raw() == to.raw() && from.shape() == to.shape());
    return overlap ? from.copy() : from;
  }
};

}  // namespace detail

using detail::InPlace;

Tensor& Tensor::operator+=(const Operand& other) & { return InPlace::apply(*this, "+=", BinaryOp::add, add, other); }
Tensor& Tensor::operator-=(const Operand& other) & { return InPlace::apply(*this, "-=", BinaryOp::sub, sub, other); }
Tensor& Tensor::operator*=(const Operand& other) & { return InPlace::apply(*this, "*=", BinaryOp::mul, mul, other); }
Tensor& Tensor::operator/=(const Operand& other) & { return InPlace::apply(*this, "/=", BinaryOp::div, div, other); }

Tensor& Tensor::copy_(const Tensor& source) & {
  const detail::CalledOp called("copy_");
  const bool records = InPlace::records("copy_", *this, source);
  const Tensor values = cast(source.to(device()), dtype());
  InPlace::check_grows_not("copy_", *this, broadcast(shape(), values.shape(), "copy_"));
  const Array repeated = kernels::expand(values.array(), shape());
  if (!records) {
    mutable_array().assign(InPlace::without_overlap(repeated, array()));
    return *this;
  }
  // A copy also where nothing is repeated: this tensor keeps memory of its own.
  const auto rule = [from = values.shape()](const Array& g, const Needs&) { return Grads{kernels::sum_to(g, from)}; };
  return InPlace::become("copy_", *this, record("copy_", {values}, repeated.copy(), rule));
}

Tensor& Tensor::fill_(double value) & {
  const detail::CalledOp called("fill_");
  if (InPlace::records("fill_", *this, *this)) impl().node = nullptr;
  mutable_array().fill(value);
  return *this;
}

Tensor& Tensor::index_put_(std::initializer_list<TensorIndex> indices, const Operand& value) & {
  const detail::CalledOp called("index_put_");
  const ops::IndexPlan plan("index_put_", *this, {indices.begin(), indices.size()});
  ELBO_CHECK(!plan.picks.defined(), ValueError, "[index_put_] expected numbers and slices, found a tensor of indices");
  const ops::Pair pair("index_put_", *this, value);
  ELBO_CHECK(broadcast(plan.out, pair.b.shape(), "index_put_") == plan.out, ShapeError,
             "[index_put_] expected a value that broadcasts to ", plan.out, ", found shape ", pair.b.shape());
  const bool records = InPlace::records("index_put_", *this, pair.b);
  const Array box = kernels::expand(pair.b.array(), plan.out).reshape(plan.box);
  if (!records) {
    kernels::assign_box(mutable_array(), InPlace::without_overlap(box, array()), plan.starts, plan.steps);
    return *this;
  }
  Array y = array().copy();
  kernels::assign_box(y, box, plan.starts, plan.steps);
  return InPlace::become(
      "index_put_", *this,
      record("index_put_", {*this, pair.b}, y, [plan, value_shape = pair.b.shape()](const Array& g, const Needs& need) {
        Grads grads(2);
        if (need[0]) {
          grads[0] = g.copy();
          kernels::assign_box(grads[0], Array::zeros(plan.box, g.options()), plan.starts, plan.steps);
        }
        if (need[1]) {
          const Array part = kernels::slice(g, plan.starts, plan.box, plan.steps);
          grads[1] = kernels::sum_to(part.reshape(plan.out), value_shape);
        }
        return grads;
      }));
}

Tensor ops::copy_of_part(Tensor y) { return InPlace::mark_copied_part(std::move(y)); }

Tensor Tensor::operator+=(const Operand& other) && { return InPlace::unnamed("+=", *this) += other; }
Tensor Tensor::operator-=(const Operand& other) && { return InPlace::unnamed("-=", *this) -= other; }
Tensor Tensor::operator*=(const Operand& other) && { return InPlace::unnamed("*=", *this) *= other; }
Tensor Tensor::operator/=(const Operand& other) && { return InPlace::unnamed("/=", *this) /= other; }
Tensor Tensor::copy_(const Tensor& source) && { return InPlace::unnamed("copy_", *this).copy_(source); }
Tensor Tensor::fill_(double value) && { return InPlace::unnamed("fill_", *this).fill_(value); }
Tensor Tensor::index_put_(std::initializer_list<TensorIndex> indices, const Operand& value) && {
  return InPlace::unnamed("index_put_", *this).index_put_(indices, value);
}

}  // namespace elbo
