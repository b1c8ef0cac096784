#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "api.h"

/// What is known of CUDA on this machine. The CUDA backend is a library of its own, the plugin `libelbo_cuda.so`. It is
/// looked for once, when a GPU or one of these functions is first asked for:
/// at $ELBO_CUDA_LIBRARY and nowhere else where that is set (`none`: there is no plugin); else beside the file that
/// holds libelbo's code, in `../lib/elbo` and `../lib` as seen from there, in `elbo` below it, and in the folder that
/// the build installs plugins to. What is found first is taken.
namespace ELBO_API elbo {

/// A GPU.
struct CudaDevice {
  std::string name = {};
  int major = 0, minor = 0;  ///< compute capability: 9 and 0 for sm_90
  int multiprocessors = 0;
  std::int64_t total_memory = 0;  ///< bytes
  std::string why = {};           ///< where the driver cannot describe it: the reason; the rest is then empty
};

struct CudaReport {
  std::filesystem::path plugin = {};  ///< the plugin that was loaded or tried; empty where none was found
  std::string build = {};             ///< what it was built for; empty where it was not loaded
  int driver = 0;                     ///< the newest CUDA that the driver can run: 13000 for 13.0; 0 without a driver
  int runtime = 0;                    ///< that of the plugin, likewise
  std::vector<CudaDevice> devices = {};  ///< cuda:0, cuda:1, ...
  std::string why = {};                  ///< where no GPU can be used: the reason, in one line; else empty
};

/// What was found, the same at every call.
const CudaReport& cuda_report();
/// How many GPUs are there, the devices cuda:0 to cuda:n-1. Whether one can be used, `available` tries.
int cuda_device_count();
/// The bytes that nobody has taken on GPU `index`. Makes this process a user of the device, which takes a fraction of a
/// second the first time. Throws DeviceError where there is no such device, or it cannot say.
std::int64_t cuda_free_memory(int index);

}  // namespace elbo
