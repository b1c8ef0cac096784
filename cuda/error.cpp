#include "error.h"

namespace elbo::cuda {
namespace {

StatusCode code_of(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return StatusCode::out_of_memory;
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorNotSupported:
      return StatusCode::unsupported;
    default:
      return StatusCode::device_fault;
  }
}

}  // namespace

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // forgets it, where it is one that can be
  throw Failure(code_of(error), std::string(what) + ": " + cudaGetErrorString(error));
}

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  StatusCode code = status == CUBLAS_STATUS_ALLOC_FAILED    ? StatusCode::out_of_memory
                    : status == CUBLAS_STATUS_NOT_SUPPORTED ? StatusCode::unsupported
                                                            : StatusCode::device_fault;
  throw Failure(code, std::string(what) + ": " + cublasLtGetStatusString(status));
}

}  // namespace elbo::cuda
