// elbo_grid_barrier: what it costs when all blocks of a kernel wait for each other. This is what a training step in one
// kernel, instead of one for each op, would pay between two ops. Prints JSON.
#include <cooperative_groups.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace {

constexpr int threads = 256;

__global__ void wait_for_all(int barriers) {
  const cooperative_groups::grid_group grid = cooperative_groups::this_grid();
  for (int i = 0; i < barriers; ++i) grid.sync();
}

/// Whether the call succeeded; says so where it did not.
bool succeeded(cudaError_t error, const char* call) {
  if (error != cudaSuccess) std::fprintf(stderr, "elbo_grid_barrier: %s: %s\n", call, cudaGetErrorString(error));
  return error == cudaSuccess;
}

/// Milliseconds of a kernel of `blocks` blocks that wait for each other `barriers` times; negative where it failed.
float milliseconds(int blocks, int barriers) {
  cudaEvent_t begin = nullptr, end = nullptr;
  void* arguments[] = {&barriers};
  float out = -1;
  const bool done = succeeded(cudaEventCreate(&begin), "cudaEventCreate") &&
                    succeeded(cudaEventCreate(&end), "cudaEventCreate") &&
                    succeeded(cudaEventRecord(begin), "cudaEventRecord") &&
                    succeeded(cudaLaunchCooperativeKernel(wait_for_all, dim3(blocks), dim3(threads), arguments),
                              "cudaLaunchCooperativeKernel") &&
                    succeeded(cudaEventRecord(end), "cudaEventRecord") &&
                    succeeded(cudaEventSynchronize(end), "cudaEventSynchronize") &&
                    succeeded(cudaEventElapsedTime(&out, begin, end), "cudaEventElapsedTime");
  if (begin) cudaEventDestroy(begin);
  if (end) cudaEventDestroy(end);
  return done ? out : -1;
}

/// The median of a few; negative where one failed.
float median(int blocks, int barriers) {
  std::vector<float> times;
  for (int i = 0; i < 7; ++i) {
    times.push_back(milliseconds(blocks, barriers));
    if (times.back() < 0) return -1;
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

/// Seconds of one barrier: what more of them add to a kernel's time. Negative where that failed.
double barrier_seconds(int blocks) {
  constexpr int few = 100, many = 2100;
  const float least = median(blocks, few), most = median(blocks, many);
  return least < 0 || most < 0 ? -1 : 1e-3 * (most - least) / (many - few);
}

}  // namespace

int main() {
  cudaDeviceProp device{};
  int resident = 0;
  if (!succeeded(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties") ||
      !succeeded(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, wait_for_all, threads, 0),
                 "cudaOccupancyMaxActiveBlocksPerMultiprocessor"))
    return 1;
  const int blocks = device.multiProcessorCount;
  const double one = barrier_seconds(blocks), full = one < 0 ? -1 : barrier_seconds(blocks * resident);
  if (full < 0) return 1;
  std::printf(
      "{\"threads\": %d,\n \"one_block_each\": {\"blocks\": %d, \"barrier_seconds\": %.4g},\n"
      " \"as_many_as_fit\": {\"blocks\": %d, \"barrier_seconds\": %.4g}}\n",
      threads, blocks, one, blocks * resident, full);
  return 0;
}
