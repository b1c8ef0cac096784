#pragma once
#include "error.h"
#include "pool.h"

namespace elbo::cuda {

class Blas;

/// The first index or number outside its range that a kernel met, in memory that host and device share. A kernel that
/// meets one reports it, uses 0 in place of an index, and goes on.
struct DataFault {
  int found;           ///< 0, 1 for an index, 2 for a number
  std::int64_t index;  ///< what was there
  std::int64_t place;  ///< where in its array
  std::int64_t limit;  ///< of an index: 0 to limit - 1 was expected
  double value;        ///< the number that was there
  double least, most;  ///< what was expected of it
};

/// A stream, and whether its kernels may be started before those ahead of them are over: see wait_for_earlier.
struct Stream {
  cudaStream_t handle;
  bool starts_early = false;
  operator cudaStream_t() const { return handle; }  // NOLINT(google-explicit-constructor): for the runtime's calls
};

/// What kernels work with: one device, one stream.
struct Context {
  Stream stream;
  Pool& pool;
  Blas& blas;
  DataFault* data_fault;
  unsigned* ticket;  ///< a zero on the device, for last_block(): on one stream, kernels use it one after the other
  int multiprocessors;
};

/// A block of the pool for the length of a scope. What was queued before its end may still use it: the next owner's
/// work comes later on the same stream.
class Workspace {
 public:
  Workspace(const Context& context, std::size_t bytes)
      : pool_(context.pool), bytes_(bytes), data_(bytes > 0 ? context.pool.take(bytes) : nullptr) {}
  ~Workspace() {
    if (data_) pool_.give(data_, bytes_);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  Pool& pool_;
  std::size_t bytes_;
  void* data_;
};

/// Throws Failure(index or value) for what a kernel reported, and forgets it. The stream must be idle.
void check_data_fault(const Context& context);

/// Calls fn(T{}) with the element type of a floating dtype.
template <class Fn>
void for_floating(DType dtype, const Fn& fn) {
  if (dtype == DType::float32) return fn(float{});
  if (dtype == DType::float64) return fn(double{});
  throw Failure(StatusCode::unsupported, std::string("expected float32 or float64, found ") + name(dtype));
}
/// The same with any.
template <class Fn>
void for_any(DType dtype, const Fn& fn) {
  if (dtype == DType::uint8) return fn(std::uint8_t{});
  if (dtype == DType::int64) return fn(std::int64_t{});
  for_floating(dtype, fn);
}

}  // namespace elbo::cuda
