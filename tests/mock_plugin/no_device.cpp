// A driver, but no GPU; and a plugin that does not say so.
#include "mock.h"

const elbo::CudaPlugin* elbo_cuda_plugin(int abi, int* found) {
  static constexpr elbo::CudaPlugin plugin = mock::unusable([](elbo::CudaSystem* system) {
    system->driver = 13000;
    system->runtime = 13000;
  });
  return mock::checked(plugin, abi, found);
}
