// A driver older than the plugin.
#include "mock.h"

const elbo::CudaPlugin* elbo_cuda_plugin(int abi, int* found) {
  static constexpr elbo::CudaPlugin plugin = mock::unusable([](elbo::CudaSystem* system) {
    system->driver = 12020;
    system->runtime = 13000;
    mock::say(system, "the driver is too old: expected one for CUDA 13.0, found one for 12.2");
  });
  return mock::checked(plugin, abi, found);
}
