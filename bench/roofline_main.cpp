// Prints what the machine can do at most: elbo_roofline [threads].
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "../core/cpu/isa.h"
#include "../core/cpu/roofline.h"
#include "../core/parallel_for.h"

int main(int argc, char** argv) {
  try {
    if (argc > 1) elbo::set_num_threads(std::atoi(argv[1]));
    const int threads = elbo::num_threads();
    std::printf("threads           %d\n", threads);
    std::printf("variant in use    %s\n", elbo::cpu_kernels::name(elbo::cpu_kernels::active_isa()));
    std::printf("FMA peak          %.0f GFLOP/s\n", elbo::cpu_kernels::fma_peak(threads) / 1e9);
    std::printf("memory bandwidth  %.1f GB/s\n", elbo::cpu_kernels::memory_bandwidth(threads) / 1e9);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
