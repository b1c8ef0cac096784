#pragma once
#include <cublasLt.h>
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "../core/backend.h"

namespace elbo::cuda {

/// What kernels and the pool throw; the backend makes a Status of it before it returns to libelbo.
class Failure : public std::runtime_error {
 public:
  Failure(StatusCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  StatusCode code() const { return code_; }

 private:
  StatusCode code_;
};

/// Throws Failure unless the call went well; `what` names it: "cudaMemcpyAsync: an illegal memory access ...".
void check(cudaError_t error, const char* what);
void check(cublasStatus_t status, const char* what);

}  // namespace elbo::cuda
