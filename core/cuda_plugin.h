#pragma once
#include "backend.h"
#include "cuda_plugin_abi.h"

/// What libelbo and the CUDA backend agree on. The backend is a shared library of its own, loaded at run time, so that
/// one program runs on machines with CUDA and without. It takes no symbol from libelbo and gives one,
/// `elbo_cuda_plugin`; nothing thrown crosses the border.
///
/// `cuda_plugin_abi` is a hash of this file and of all that it includes, and of index_kernels.h, made when the build is
/// configured (cmake/ElboPluginAbi.cmake): a plugin of another number is refused.
namespace elbo {

/// What was found of CUDA on this machine.
struct CudaSystem {
  int driver = 0;      ///< the newest CUDA that the driver can run, as 1000 * major + 10 * minor; 0 without a driver
  int runtime = 0;     ///< that of the plugin, likewise
  int devices = 0;     ///< GPUs that are there
  char why[256] = "";  ///< where there are none: the reason
};

/// A GPU.
struct CudaDeviceInfo {
  char name[128] = "";
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;
  std::int64_t total_memory = 0;  ///< bytes
};

/// The plugin's functions. A status' message belongs to the plugin and lives until its next call on this thread.
struct CudaPlugin {
  int abi;
  const char* build;  ///< for people: "CUDA 13.0 for sm_80, sm_90, PTX 9.0"
  void (*probe)(CudaSystem* system);
  Status (*describe)(int index, CudaDeviceInfo* info);
  /// Bytes that are free on device `index`. Unlike the two above it makes this process a user of the device, which
  /// takes a fraction of a second and some of that memory.
  Status (*free_memory)(int index, std::int64_t* bytes);
  /// Makes the backend of device `index`, on which a kernel and a product have then run; it lives as long as the
  /// program.
  Status (*open)(int index, Backend** backend);

  // ---- for tests of what is done about faults
  /// The allocation after `after` more from now, by anyone on device `index`, finds no memory, trimmed or not;
  /// negative: none does.
  void (*fail_allocation)(int index, std::int64_t after);
  /// Queues a kernel that stops with an error, after which the device is of no more use to this process.
  void (*inject_fault)(int index);
};

}  // namespace elbo

/// The one symbol. Null where `abi` is not the plugin's own; the plugin's number is then left in *found.
extern "C" const elbo::CudaPlugin* elbo_cuda_plugin(int abi, int* found);
