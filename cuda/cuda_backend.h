#pragma once
#include <exception>
#include <memory>
#include <new>

#include "error.h"

namespace elbo::cuda {

/// A backend with what only the plugin's entry uses.
class CudaBackend : public Backend {
 public:
  virtual void fail_allocation(std::int64_t after) = 0;
  virtual Status inject_fault() = 0;
};

/// Throws Failure.
std::unique_ptr<CudaBackend> make_cuda_backend(int index);

/// Keeps a message for this thread until its next failure.
Status failure(StatusCode code, const char* message) noexcept;

/// Calls fn() and makes a status of what it throws.
template <class Fn>
Status status_of(const Fn& fn) noexcept {
  try {
    fn();
    return {};
  } catch (const Failure& error) {
    return failure(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return failure(StatusCode::out_of_memory, "no memory left on the CPU");
  } catch (const std::exception& error) {
    return failure(StatusCode::device_fault, error.what());
  }
}

}  // namespace elbo::cuda
