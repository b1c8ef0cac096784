#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "cuda_plugin.h"

// How the plugin is found and loaded, for the backend registry and the tests; not part of the interface.
namespace elbo::detail {

/// More GPUs than this are not seen.
inline constexpr int max_cuda_devices = 64;

/// The file that holds libelbo's code: the shared library or, with a static one, what it was linked into.
std::filesystem::path libelbo_file();
/// Where the plugin is looked for, in order, when libelbo's code is in `file`.
std::vector<std::filesystem::path> cuda_plugin_places(const std::filesystem::path& file);
/// Loads a plugin, which then stays until the program ends. Throws DeviceError for a file that cannot be loaded, is no
/// plugin of elbo, or one of another ABI number.
const CudaPlugin& load_cuda_plugin(const std::filesystem::path& file);

/// What the search came to.
struct CudaState {
  std::filesystem::path file;          ///< that was loaded or tried; empty where none was found
  const CudaPlugin* plugin = nullptr;  ///< null where it could not be loaded
  CudaSystem system;
  std::string why;  ///< where no GPU can be used: the reason; else empty
};
const CudaState& cuda_state();

/// The plugin, with a GPU at `index`. Throws DeviceError where there is none, saying why.
const CudaPlugin& cuda_plugin(int index);

}  // namespace elbo::detail
