#pragma once
#include "context.h"

#if defined(ELBO_CUDA_EMULATOR)
#include "emulator.h"  // tests/cuda/emulator: runs a kernel's threads on the CPU
#endif

/// For files with kernels, *.cu: how they are started, and what they begin with. Kernels are started through `launch`
/// alone, never with <<<>>>, so that the tests can run them on a machine without a GPU.
namespace elbo::cuda {

/// The first line of every kernel: what comes before it on the stream is over then, and what it wrote is there. A
/// kernel may be started before that (programmatic dependent launch, from sm_90 on), so that its start costs less.
__device__ inline void wait_for_earlier() {
#if defined(ELBO_CUDA_EMULATOR)
  emulator::Waits::now();
#elif __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

/// Starts `kernel` on `stream`: `grid` blocks of `threads` threads. The arguments convert to the kernel's parameter
/// types. A grid of 0 blocks does nothing.
template <class... Params, class... Args>
void launch(const Stream& stream, void (*kernel)(Params...), dim3 grid, dim3 threads, const Args&... args) {
  static_assert(sizeof...(Params) == sizeof...(Args));
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
#if defined(ELBO_CUDA_EMULATOR)
  const auto thread = [=] {
    const emulator::Waits waits;
    kernel(static_cast<Params>(args)...);
  };
  check(emulator::launch(stream.handle, grid, threads, thread), "launch");
#else
  auto start = [&](Params... params) {
    void* pointers[] = {const_cast<void*>(static_cast<const void*>(&params))...};
    cudaLaunchAttribute early{};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = grid, config.blockDim = threads, config.stream = stream.handle;
    config.attrs = &early, config.numAttrs = stream.starts_early ? 1 : 0;
    check(cudaLaunchKernelExC(&config, reinterpret_cast<const void*>(kernel), pointers), "launch");
  };
  start(static_cast<Params>(args)...);
#endif
}

/// Threads of a block where nothing speaks for another number.
constexpr unsigned block_threads = 256;

/// Blocks for `items` of work, `per_block` each.
inline unsigned blocks_for(std::int64_t items, std::int64_t per_block = block_threads) {
  constexpr std::int64_t most = 0x7fffffff;
  const std::int64_t blocks = (items + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < most ? blocks : most);
}

/// This thread's number in the whole grid, and how many there are: for (i = thread_index(); i < n; i +=
/// thread_count()).
__device__ inline std::int64_t thread_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t thread_count() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

/// True in the last block of the grid to come here, when all the others have been here; what they wrote to global
/// memory before is then visible. All threads of all blocks, or of `count` of them, call it once, in uniform control
/// flow. *ticket is 0 before and after.
__device__ inline bool last_block(unsigned* ticket, unsigned count = 0) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) {
    const unsigned blocks = count > 0 ? count : gridDim.x * gridDim.y * gridDim.z;
    last = atomicAdd(ticket, 1u) == blocks - 1;
    if (last) *ticket = 0;
  }
  __syncthreads();
  __threadfence();
  return last;
}

/// For kernels: `index`, or 0 where it is outside [0, limit), which is reported.
__device__ inline std::int64_t checked_index(std::int64_t index, std::int64_t place, std::int64_t limit,
                                             DataFault* fault) {
  if (index >= 0 && index < limit) return index;
  if (atomicCAS(&fault->found, 0, 1) == 0) fault->index = index, fault->place = place, fault->limit = limit;
  return 0;
}

/// For kernels: reports a number outside [least, most].
__device__ inline void check_number(double value, std::int64_t place, double least, double most, DataFault* fault) {
  if (value >= least && value <= most) return;
  if (atomicCAS(&fault->found, 0, 2) != 0) return;
  fault->value = value, fault->place = place, fault->least = least, fault->most = most;
}

}  // namespace elbo::cuda
