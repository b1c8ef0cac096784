#pragma once
#include <memory>

#include "../core/backend.h"

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

}  // namespace elbo::cuda
