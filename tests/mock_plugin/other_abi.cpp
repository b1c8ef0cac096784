// A plugin of another version of elbo, which knows that it is.
#include "mock.h"

const elbo::CudaPlugin* elbo_cuda_plugin(int abi, int* found) {
  static constexpr elbo::CudaPlugin plugin = [] {
    elbo::CudaPlugin other = mock::unusable([](elbo::CudaSystem*) {});
    other.abi = elbo::cuda_plugin_abi + 41;
    return other;
  }();
  return mock::checked(plugin, abi, found);
}
