// A plugin of another version of elbo, which answers to any.
#include "mock.h"

const elbo::CudaPlugin* elbo_cuda_plugin(int, int*) {
  static constexpr elbo::CudaPlugin plugin = [] {
    elbo::CudaPlugin other = mock::unusable([](elbo::CudaSystem*) {});
    other.abi = elbo::cuda_plugin_abi + 2;
    return other;
  }();
  return &plugin;
}
