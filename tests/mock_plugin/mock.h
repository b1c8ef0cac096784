#pragma once
#include <cstdio>

#include "../../core/cuda_plugin.h"

/// Plugins without a GPU: each file beside this is one, built as a library of its own, for the tests of what finds,
/// loads and refuses plugins.
namespace mock {

using namespace elbo;

inline constexpr Status none{StatusCode::device_fault, "the mock plugin has no GPU"};

/// A plugin that finds no GPU, says `why`, and opens none.
template <class Probe>
constexpr CudaPlugin unusable(Probe probe) {
  return {cuda_plugin_abi,
          "a mock without GPUs",
          probe,
          [](int, CudaDeviceInfo*) { return none; },
          [](int, std::int64_t*) { return none; },
          [](int, Backend**) { return none; },
          [](int, std::int64_t) {},
          [](int) {}};
}

inline void say(CudaSystem* system, const char* why) { std::snprintf(system->why, sizeof system->why, "%s", why); }

/// What an entry returns: the plugin, where the caller speaks its language.
inline const CudaPlugin* checked(const CudaPlugin& plugin, int abi, int* found) {
  *found = plugin.abi;
  return abi == plugin.abi ? &plugin : nullptr;
}

}  // namespace mock
