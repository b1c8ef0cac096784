#include "tensor.h"

#include <ostream>

#include "autograd.h"
#include "backend.h"
#include "called_op_detail.h"
#include "whole_number_detail.h"

namespace elbo {

using detail::CalledOp;

Tensor::Tensor(Array array, bool requires_grad) {
  if (array.defined()) impl_ = std::make_shared<Impl>(std::move(array));
  if (requires_grad) requires_grad_();
}

void Tensor::fail_undefined() {
  fail<AutogradError>("[", CalledOp::name_or("tensor"), "] expected a tensor, found an undefined one");
}

Tensor& Tensor::requires_grad_(bool wanted) {
  ELBO_CHECK(is_leaf(), AutogradError, "[requires_grad] only a leaf can change; detach() makes one");
  ELBO_CHECK(!wanted || is_floating(dtype()), DTypeError, "[requires_grad] expected float32 or float64, found ",
             dtype());
  if (wanted && !node()) {
    impl().node = std::make_shared<detail::Node>("leaf", shape(), dtype());
    impl().node->leaf = true;
  }
  if (node()) node()->frozen = !wanted;
  return *this;
}

bool Tensor::requires_grad() const { return node() && !node()->frozen; }

bool Tensor::is_leaf() const { return !node() || node()->leaf; }

const Array& detail::gradient_of(const Tensor& tensor) {
  static const Array none;
  return tensor.node() ? tensor.node()->grad : none;
}

Tensor Tensor::grad() const { return Tensor(detail::gradient_of(*this)); }

Tensor& Tensor::retain_grad() {
  ELBO_CHECK(requires_grad(), AutogradError,
             "[retain_grad] nothing that this tensor was computed from requires a gradient");
  node()->retains_grad = !node()->leaf;
  return *this;
}

void Tensor::zero_grad() {
  if (node()) node()->grad = Array();
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  return tensor.defined() ? out << tensor.array() : out << "undefined";
}

Shape NestedList::shape() const {
  if (!is_list_) return {};
  Shape inner = items_.empty() ? Shape{} : items_[0].shape();
  for (const NestedList& item : items_) {
    ELBO_CHECK(item.shape() == inner, ShapeError, "[tensor] ragged braces: ", inner, " beside ", item.shape());
  }
  return inner.insert(0, static_cast<std::int64_t>(items_.size()));
}

void NestedList::append_to(std::vector<double>& values) const {
  if (!is_list_) values.push_back(value_);
  for (const NestedList& item : items_) item.append_to(values);
}

Tensor tensor(const NestedList& values, TensorOptions options) {
  const CalledOp called("tensor");
  std::vector<double> flat;
  Shape shape = values.shape();
  values.append_to(flat);
  Array out = Array::empty(shape, {options.dtype, cpu});
  auto store = [&]<class T>(T) {
    auto to = out.mutable_values<T>();
    for (std::size_t i = 0; i < flat.size(); ++i) {
      detail::check_holds(options.dtype, flat[i]);
      to[i] = static_cast<T>(flat[i]);
    }
  };
  switch (options.dtype) {
    case DType::float32:
      store(float{});
      break;
    case DType::float64:
      store(double{});
      break;
    case DType::uint8:
      store(std::uint8_t{});
      break;
    case DType::int64:
      store(std::int64_t{});
      break;
  }
  return Tensor(out.to(options.device));
}

Tensor tensor(std::initializer_list<NestedList> values, TensorOptions options) {
  return tensor(NestedList(values), options);
}

Tensor zeros(const Shape& shape, TensorOptions options) {
  const CalledOp called("zeros");
  return Tensor(Array::zeros(shape, options));
}
Tensor ones(const Shape& shape, TensorOptions options) {
  const CalledOp called("ones");
  return Tensor(Array::full(shape, 1, options));
}
Tensor full(const Shape& shape, double value, TensorOptions options) {
  return Tensor(Array::full(shape, value, options));
}

Tensor zeros_like(const Tensor& x) { return full_like(x, 0); }
Tensor ones_like(const Tensor& x) { return full_like(x, 1); }
Tensor full_like(const Tensor& x, double value) { return full(x.shape(), value, x.array().options()); }

Tensor arange(std::int64_t n, TensorOptions options) {
  const CalledOp called("arange");
  ELBO_CHECK(n >= 0, ShapeError, "[arange] expected n >= 0, found ", n);
  if (n > 0) detail::check_holds(options.dtype, static_cast<double>(n - 1));
  Array out = Array::empty({n}, {DType::int64, cpu});
  auto to = out.mutable_values<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) to[static_cast<std::size_t>(i)] = i;
  if (options.dtype == DType::int64) return Tensor(out.to(options.device));
  Array cast = Array::empty({n}, {options.dtype, cpu});
  detail::check(backend(cpu).cast(cast.mutable_view(), out.view()), "arange", cpu);
  return Tensor(cast.to(options.device));
}

}  // namespace elbo
