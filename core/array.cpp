#include "array.h"

#include <cmath>
#include <cstring>

#include "backend.h"
#include "called_op_detail.h"
#include "checked_size_detail.h"
#include "whole_number_detail.h"

namespace elbo {
namespace {

using detail::CalledOp;

/// Throws DeviceError on meta, as a kernel would.
void check_holds_numbers(const char* op, Device device) {
  if (device == meta) detail::check({StatusCode::unsupported}, op, device);
}

}  // namespace

Array Array::empty(const Shape& shape, const TensorOptions& options) {
  const CalledOp called("empty");
  detail::checked_mul(shape.numel(), static_cast<std::int64_t>(size_of(options.dtype)));
  Array out;
  out.shape_ = shape;
  out.numel_ = shape.numel();
  out.dtype_ = options.dtype;
  out.storage_ = std::make_shared<Storage>(options.device, out.bytes());
  return out;
}

Array Array::full(const Shape& shape, double value, TensorOptions options) {
  const CalledOp called("full");
  detail::check_holds(options.dtype, value);  // before there is memory for it
  Array out = empty(shape, options);
  out.fill(value);
  return out;
}

Array Array::from_host(const void* values, std::int64_t count, const Shape& shape, DType dtype, Device device) {
  const CalledOp called("from");
  ELBO_CHECK(count == shape.numel(), ShapeError, "[from] shape ", shape, " holds ", shape.numel(), " elements, found ",
             count);
  Array out = empty(shape, {dtype, device});
  if (count > 0) {
    detail::check(backend(device).copy(out.raw(), values, out.bytes(), CopyKind::host_to_device), "copy", device);
  }
  return out;
}

void Array::check_defined(const char* op) const {
  ELBO_CHECK(defined(), AutogradError, "[", CalledOp::name_or(op), "] expected an array, found an undefined one");
}

void Array::check_numbers(const char* op) const {
  check_defined(op);
  check_holds_numbers(op, device());
}

void Array::check_type(const char* op, DType wanted) const {
  check_numbers(op);
  ELBO_CHECK(dtype_ == wanted, DTypeError, "[", op, "] the array is ", dtype_, ", asked for ", wanted);
}

void Array::check_host(DType wanted) const {
  check_numbers("values");
  ELBO_CHECK(device() == elbo::cpu, DeviceError, "[values] the array lies on ", device(), ": copy it with to(cpu)");
  check_type("values", wanted);
}

Array Array::reshape(const Shape& shape) const {
  check_defined("reshape");
  ELBO_CHECK(shape.numel() == numel_, ShapeError, "[", CalledOp::name_or("reshape"), "] ", shape_, " to ", shape, ": ",
             numel_, " elements to ", shape.numel());
  Array out = *this;
  out.shape_ = shape;
  return out;
}

Array Array::slice(std::int64_t begin, std::int64_t end) const {
  check_defined("slice");
  ELBO_CHECK(shape_.rank() > 0, ShapeError, "[slice] a scalar has no rows");
  ELBO_CHECK(0 <= begin && begin <= end && end <= shape_[0], IndexError, "[slice] rows [", begin, ", ", end,
             ") are out of range for shape ", shape_);
  Array out = *this;
  out.shape_ = shape_.with(0, end - begin);
  out.numel_ = out.shape_.numel();
  if (shape_[0] > 0) out.offset_ += static_cast<std::size_t>(begin * (numel_ / shape_[0])) * size_of(dtype_);
  return out;
}

Array Array::copy() const {
  check_numbers("copy");
  Array out = empty(shape_, options());
  out.assign(*this);
  return out;
}

Array Array::to(Device device) const {
  check_defined("to");
  if (device == this->device()) return *this;
  check_numbers("to");
  check_holds_numbers("to", device);
  Array out = empty(shape_, {dtype_, device});
  out.assign(*this);
  return out;
}

void Array::assign(const Array& source) {
  check_numbers("assign");
  source.check_numbers("assign");
  ELBO_CHECK(source.shape_ == shape_, ShapeError, "[assign] expected shape ", shape_, ", found ", source.shape_);
  ELBO_CHECK(source.dtype_ == dtype_, DTypeError, "[assign] expected ", dtype_, ", found ", source.dtype_);
  if (numel_ == 0) return;
  if (storage_ == source.storage_ && offset_ != source.offset_) {
    const std::size_t apart = offset_ < source.offset_ ? source.offset_ - offset_ : offset_ - source.offset_;
    if (apart < bytes()) return assign(source.copy());  // a copy in one piece does not take ranges that overlap
  }
  Device to = device(), from = source.device();
  mark_written();
  if (to.type != DeviceType::cpu && from.type != DeviceType::cpu && to != from) {
    assign(source.to(elbo::cpu));
    return;
  }
  CopyKind kind = to == from                     ? CopyKind::device_to_device
                  : from.type == DeviceType::cpu ? CopyKind::host_to_device
                                                 : CopyKind::device_to_host;
  Device worker = to.type == DeviceType::cpu ? from : to;
  detail::check(backend(worker).copy(raw(), source.raw(), bytes(), kind), "copy", worker);
}

void Array::fill(double value) {
  const CalledOp called("fill");
  check_numbers("fill");
  detail::check_holds(dtype_, value);
  if (numel_ > 0) detail::check(backend(device()).fill(mutable_view(), value), "fill", device());
}

void Array::copy_to_host(void* out) const {
  if (numel_ > 0) {
    detail::check(backend(device()).copy(out, raw(), bytes(), CopyKind::device_to_host), "copy", device());
  }
}

double Array::item() const {
  check_numbers("item");
  ELBO_CHECK(numel_ == 1, ShapeError, "[item] expected one element, found shape ", shape_);
  std::byte bytes[8];
  copy_to_host(bytes);
  switch (dtype_) {
    case DType::float32: {
      float value;
      std::memcpy(&value, bytes, sizeof value);
      return value;
    }
    case DType::float64: {
      double value;
      std::memcpy(&value, bytes, sizeof value);
      return value;
    }
    case DType::uint8:
      return std::to_integer<int>(bytes[0]);
    case DType::int64: {
      std::int64_t value;
      std::memcpy(&value, bytes, sizeof value);
      const double number = static_cast<double>(value);
      ELBO_CHECK(number < 0x1p63 && static_cast<std::int64_t>(number) == value, ValueError,
                 "[item] expected a number that a double can hold, found ", value, ": read it with to_vector");
      return number;
    }
  }
  return 0;
}

}  // namespace elbo
