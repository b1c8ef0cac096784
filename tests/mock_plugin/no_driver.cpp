// Machines without a driver.
#include "mock.h"

const elbo::CudaPlugin* elbo_cuda_plugin(int abi, int* found) {
  static constexpr elbo::CudaPlugin plugin = mock::unusable([](elbo::CudaSystem* system) {
    system->runtime = 13000;
    mock::say(system, "no NVIDIA driver found");
  });
  return mock::checked(plugin, abi, found);
}
