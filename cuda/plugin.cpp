// The plugin's one entry.
#include <cstdio>
#include <mutex>
#include <vector>

#include "../core/cuda_plugin.h"
#include "cuda_backend.h"

namespace elbo::cuda {
namespace {

/// The backends that were opened, by device. Never destroyed: at exit the driver may be gone before them.
std::vector<CudaBackend*>& opened() {
  static auto* backends = new std::vector<CudaBackend*>;  // NOLINT: see above
  return *backends;
}
std::mutex& opening() {
  static std::mutex mutex;
  return mutex;
}

/// "13.0" of 13000.
std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

void probe(CudaSystem* system) {
  *system = {};
  if (cudaRuntimeGetVersion(&system->runtime) != cudaSuccess) cudaGetLastError();
  if (cudaDriverGetVersion(&system->driver) != cudaSuccess) cudaGetLastError();
  const cudaError_t error = cudaGetDeviceCount(&system->devices);
  if (error == cudaSuccess && system->devices > 0) return;
  cudaGetLastError();
  system->devices = 0;
  std::string why;
  if (system->driver == 0) {
    why = "no NVIDIA driver found";
  } else if (error == cudaErrorInsufficientDriver) {
    why = "the NVIDIA driver knows CUDA up to " + version(system->driver) + ", expected " + version(system->runtime);
  } else if (error == cudaErrorNoDevice || error == cudaSuccess) {
    why = "no GPU found";
  } else {
    why = cudaGetErrorString(error);
  }
  std::snprintf(system->why, sizeof system->why, "%s", why.c_str());
}

Status describe(int index, CudaDeviceInfo* info) {
  return status_of([&] {
    *info = {};
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
    std::snprintf(info->name, sizeof info->name, "%.*s", static_cast<int>(sizeof info->name) - 1, properties.name);
    info->major = properties.major;
    info->minor = properties.minor;
    info->multiprocessors = properties.multiProcessorCount;
    info->total_memory = static_cast<std::int64_t>(properties.totalGlobalMem);
  });
}

Status free_memory(int index, std::int64_t* bytes) {
  return status_of([&] {
    check(cudaSetDevice(index), "cudaSetDevice");
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    *bytes = static_cast<std::int64_t>(free);
  });
}

constexpr char build_text[] = "CUDA " ELBO_CUDA_VERSION " for " ELBO_CUDA_TARGETS;

/// make_cuda_backend, with what a GPU that the kernels were not compiled for has to be told.
std::unique_ptr<CudaBackend> make_backend(int index) {
  try {
    return make_cuda_backend(index);
  } catch (const Failure& error) {
    CudaDeviceInfo info;
    if (error.code() != StatusCode::unsupported || !describe(index, &info).ok()) throw;
    throw Failure(error.code(), std::string(error.what()) + " (" + info.name + ", sm_" + std::to_string(info.major) +
                                    std::to_string(info.minor) + "; the plugin was built with " + build_text + ")");
  }
}

Status open(int index, Backend** backend) {
  return status_of([&] {
    *backend = nullptr;
    const std::lock_guard lock(opening());
    const auto at = static_cast<std::size_t>(index);
    if (opened().size() <= at) opened().resize(at + 1);
    if (!opened()[at]) opened()[at] = make_backend(index).release();
    *backend = opened()[at];
  });
}

CudaBackend* opened_at(int index) {
  const std::lock_guard lock(opening());
  const auto at = static_cast<std::size_t>(index);
  return at < opened().size() ? opened()[at] : nullptr;
}

void fail_allocation(int index, std::int64_t after) {
  if (CudaBackend* backend = opened_at(index)) backend->fail_allocation(after);
}

void inject_fault(int index) {
  if (CudaBackend* backend = opened_at(index)) (void)backend->inject_fault();
}

constexpr CudaPlugin plugin{cuda_plugin_abi, build_text, probe,           describe,
                            free_memory,     open,       fail_allocation, inject_fault};

}  // namespace
}  // namespace elbo::cuda

__attribute__((visibility("default"))) const elbo::CudaPlugin* elbo_cuda_plugin(int abi, int* found) {
  if (found) *found = elbo::cuda_plugin_abi;
  return abi == elbo::cuda_plugin_abi ? &elbo::cuda::plugin : nullptr;
}
