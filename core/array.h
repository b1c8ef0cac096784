#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "api.h"
#include "device.h"
#include "dtype.h"
#include "errors.h"
#include "shape.h"
#include "storage.h"

namespace ELBO_API elbo {

struct TensorOptions {
  DType dtype = DType::float32;
  Device device = cpu;
};

/// Numbers on a device: a storage, an offset, a shape and an element type; row-major and contiguous. Knows nothing of
/// gradients. Copying an Array shares its storage; reshape and slices along dimension 0 are views of it.
class Array {
 public:
  /// An array that is not there, as a gradient is before backward(): `defined()` is false, there is no element to see,
  /// and what would read, write, view or copy it throws AutogradError.
  Array() = default;

  /// Uninitialised memory. Throws OutOfMemory, or ShapeError where the bytes cannot even be counted.
  static Array empty(const Shape& shape, const TensorOptions& options = {});
  static Array zeros(const Shape& shape, TensorOptions options = {}) { return full(shape, 0, options); }
  /// Throws ValueError where an integer type cannot hold `value`.
  static Array full(const Shape& shape, double value, TensorOptions options = {});
  /// A copy of `values`, in row-major order. Throws ShapeError unless their count is the shape's.
  template <class T>
  static Array from(std::span<const T> values, const Shape& shape, Device device = elbo::cpu) {
    return from_host(values.data(), static_cast<std::int64_t>(values.size()), shape, dtype_of<T>, device);
  }
  template <class T>
  static Array from(const std::vector<T>& values, const Shape& shape, Device device = elbo::cpu) {
    return from(std::span<const T>(values), shape, device);
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  std::int64_t numel() const { return numel_; }
  std::size_t bytes() const { return static_cast<std::size_t>(numel_) * size_of(dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : elbo::cpu; }
  TensorOptions options() const { return {dtype_, device()}; }
  const std::shared_ptr<Storage>& storage() const { return storage_; }

  /// The first element's address, on the array's device; null on meta.
  void* raw() const {
    void* block = storage_ ? storage_->data() : nullptr;
    return block ? static_cast<std::byte*>(block) + offset_ : nullptr;
  }
  /// The elements of a CPU array, to read. Throws DeviceError on another device, DTypeError for another type. Not of an
  /// array without a name, which could be gone before its elements are read: name it, or take to_vector().
  template <class T>
  std::span<const T> values() const& {
    check_host(dtype_of<T>);
    return {static_cast<const T*>(raw()), static_cast<std::size_t>(numel_)};
  }
  template <class T>
  std::span<const T> values() const&& = delete;
  /// The same to write; counts as a write in place.
  template <class T>
  std::span<T> mutable_values() {
    check_host(dtype_of<T>);
    mark_written();
    return {static_cast<T*>(raw()), static_cast<std::size_t>(numel_)};
  }

  ConstView view() const { return {raw(), shape_, dtype_}; }
  /// The view through which a kernel writes in place: bumps the storage's version.
  View mutable_view() {
    mark_written();
    return {raw(), shape_, dtype_};
  }
  /// Tells the storage that it was written.
  void mark_written() {
    if (storage_) storage_->bump_version();
  }

  /// A view in another shape of as many elements. Throws ShapeError otherwise.
  Array reshape(const Shape& shape) const;
  /// A view of rows [begin, end) along dimension 0. Throws IndexError.
  Array slice(std::int64_t begin, std::int64_t end) const;
  /// A copy in memory of its own.
  Array copy() const;
  /// This array on `device`; itself where it lies there already. Else throws DeviceError to and from meta.
  Array to(Device device) const;
  /// Writes `source`, of the same shape, dtype and on any device, into this array. A write in place.
  void assign(const Array& source);
  /// Sets every element. A write in place. Throws ValueError where an integer type cannot hold `value`.
  void fill(double value);
  /// All elements, copied to the host. Throws DTypeError for another type.
  template <class T>
  std::vector<T> to_vector() const {
    check_type("to_vector", dtype_of<T>);
    std::vector<T> out(static_cast<std::size_t>(numel_));
    copy_to_host(out.data());
    return out;
  }
  /// The one element as a number. Throws ShapeError unless there is exactly one.
  double item() const;
  /// As NumPy's str() prints: nested brackets, the fewest decimals (at most 8) that show the numbers, lines of 75
  /// columns, the middle of axes left out above 1,000 elements.
  std::string to_string() const;

 private:
  static Array from_host(const void* values, std::int64_t count, const Shape& shape, DType dtype, Device device);
  void check_defined(const char* op) const;
  /// check_defined, and DeviceError on meta.
  void check_numbers(const char* op) const;
  void check_type(const char* op, DType wanted) const;
  void check_host(DType wanted) const;
  void copy_to_host(void* out) const;

  std::shared_ptr<Storage> storage_;
  std::size_t offset_ = 0;  // bytes
  std::int64_t numel_ = 0;
  Shape shape_;
  DType dtype_ = DType::float32;
};

std::ostream& operator<<(std::ostream& out, const Array& array);

}  // namespace elbo
