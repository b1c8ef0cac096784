// A plugin that needs a function which no library has.
#include "mock.h"

extern "C" void elbo_mock_function_that_is_nowhere(elbo::CudaSystem* system);

const elbo::CudaPlugin* elbo_cuda_plugin(int abi, int* found) {
  static constexpr elbo::CudaPlugin plugin = mock::unusable(elbo_mock_function_that_is_nowhere);
  return mock::checked(plugin, abi, found);
}
