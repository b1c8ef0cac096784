// The emulator that runs the CUDA backend's kernels on the CPU runs threads as the hardware does, and finds what is
// wrong with them. It is the one inside this program, beside the one in the plugin.
#include <algorithm>
#include <numeric>

#include "emulator_support.h"

using namespace emulator_support;

void show_shared(unsigned* out);  // shared_kernel.cpp

namespace {

constexpr unsigned all = 0xffffffffu;

// ---- kernels -------------------------------------------------------------------------------------------------------

__global__ void write_places(unsigned* out) {
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  atomicAdd(&out[block * threads + thread], 1u + block * threads + thread);
}

/// out[i] = in[last - i] in each block, through shared memory; without its barrier it is wrong in some order.
__global__ void reverse(float* out, const float* in, bool barrier) {
  __shared__ float values[1024];
  values[threadIdx.x] = in[blockIdx.x * blockDim.x + threadIdx.x];
  if (barrier) __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
  if (barrier) __syncthreads();
  values[threadIdx.x] = 0;
}

/// The sum of a block, with threads that return before the first barrier.
__global__ void tree_sum(int* out, int count) {
  __shared__ int sums[256];
  const int i = static_cast<int>(threadIdx.x);
  if (i >= count) return;
  sums[i] = i + 1;
  for (int n = count; n > 1;) {
    const int half = (n + 1) / 2;
    __syncthreads();
    if (i + half < n) sums[i] += sums[i + half];
    n = half;
  }
  if (i == 0) *out = sums[0];
}

__global__ void record_order(int* out, unsigned* next) { out[atomicAdd(next, 1u)] = static_cast<int>(threadIdx.x); }

__global__ void votes(unsigned* out) {
  const unsigned i = threadIdx.x;
  unsigned* mine = out + i * 2;
  mine[0] = __ballot_sync(all, i % 3 == 0);
  mine[1] = i % 32 < 8 ? __ballot_sync(0xffu, i & 1) : __ballot_sync(0xffffff00u, i & 1);
}

__global__ void vote_with_gone(unsigned* out) {
  const unsigned i = threadIdx.x;
  if (i >= 20) return;
  out[i] = __ballot_sync(all, i % 2 == 0);
}

__global__ void sum_by_last(const int* values, int* partial, unsigned* ticket, long long* out) {
  if (threadIdx.x == 0) partial[blockIdx.x] = values[blockIdx.x];
  if (!elbo::cuda::last_block(ticket)) return;
  if (threadIdx.x != 0) return;
  long long sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum = 3 * sum + partial[i];
  *out = sum;
}

__global__ void atomics(unsigned* words, int* ints) {
  const unsigned i = threadIdx.x;
  atomicAdd(&words[0], 0xffffffffu - i);  // wraps round, as it does on the hardware
  if (atomicCAS(&ints[0], 0, static_cast<int>(i) + 1) == 0) ints[1] = static_cast<int>(i);
}

__global__ void barrier_for_half() {
  if (threadIdx.x < 16) __syncthreads();
  __ballot_sync(all, 1);
}
__global__ void lanes_that_returned() {
  if (threadIdx.x < 4 || threadIdx.x >= 8) return;
  __ballot_sync(0xffu, 1);
}
__global__ void others_mask() { __ballot_sync(threadIdx.x == 7 ? 0xfu : all, 1); }
__global__ void lanes_that_wait_elsewhere() {
  if (threadIdx.x < 16) {
    __ballot_sync(0xffffu, 1);
  } else {
    __ballot_sync(all, 1);
  }
  __syncthreads();
}
/// As cuda::launch starts a thread.
__global__ void waits(int times, bool after_barrier) {
  const emulator::Waits asked;
  if (after_barrier) __syncthreads();
  for (int i = 0; i < times; ++i) elbo::cuda::wait_for_earlier();
  __syncthreads();
}
__global__ void trap_in_block(unsigned block) {
  __syncthreads();
  if (blockIdx.x == block && threadIdx.x == 3) __trap();
  __syncthreads();
}

__global__ void add(int* to, int value) { *to += value; }

}  // namespace

// ---- threads -------------------------------------------------------------------------------------------------------

TEST_CASE("emulator: every thread of a grid runs once and knows its place", "[emulator]") {
  Emulator reset;
  for (int order : {0, 1, 2}) {
    elbo_emulator_set_order(order);
    const Device<unsigned> out(std::vector<unsigned>(4 * 3 * 2 * 5 * 3 * 2));
    run(write_places, dim3(4, 3, 2), dim3(5, 3, 2), out.data());
    std::vector<unsigned> expected(4 * 3 * 2 * 5 * 3 * 2);
    std::iota(expected.begin(), expected.end(), 1u);
    CHECK(out.host() == expected);
  }
}

TEST_CASE("emulator: barriers hold in every order, and a missing one shows", "[emulator]") {
  Emulator reset;
  std::vector<float> values(3 * 1024);
  std::iota(values.begin(), values.end(), 1.0f);
  std::vector<float> expected = values;
  for (int block = 0; block < 3; ++block) {
    std::reverse(expected.begin() + block * 1024, expected.begin() + (block + 1) * 1024);
  }
  const Device<float> in(values), out(values.size());
  int wrong = 0;
  for (int order : {0, 1, 2}) {
    elbo_emulator_set_order(order);
    run(reverse, 3, 1024, out.data(), in.data(), true);
    CHECK(out.host() == expected);
    run(reverse, 3, 1024, out.data(), in.data(), false);
    wrong += out.host() != expected;
  }
  CHECK(wrong == 3);
}

TEST_CASE("emulator: threads that have returned are not waited for", "[emulator]") {
  Emulator reset;
  for (int order : {0, 1, 2}) {
    elbo_emulator_set_order(order);
    for (int count : {1, 2, 31, 33, 200, 256}) {
      const Device<int> out(1);
      run(tree_sum, 2, 256, out.data(), count);
      CHECK(out.host()[0] == count * (count + 1) / 2);
    }
  }
}

TEST_CASE("emulator: the order of threads is the one asked for", "[emulator]") {
  Emulator reset;
  std::vector<int> forward(64);
  std::iota(forward.begin(), forward.end(), 0);
  const std::vector<int> backward(forward.rbegin(), forward.rend());
  const auto order_of = [](int order) {
    elbo_emulator_set_order(order);
    const Device<int> out(64);
    const Device<unsigned> next(std::vector<unsigned>{0});
    run(record_order, 1, 64, out.data(), next.data());
    return out.host();
  };
  CHECK(order_of(0) == forward);
  CHECK(order_of(1) == backward);
  std::vector<int> first = order_of(2), second = order_of(2);
  CHECK(first != second);
  CHECK(first != forward);
  std::sort(first.begin(), first.end());
  CHECK(first == forward);
}

TEST_CASE("emulator: votes", "[emulator]") {
  Emulator reset;
  for (int order : {0, 1, 2}) {
    elbo_emulator_set_order(order);
    const Device<unsigned> out(64 * 2);
    run(votes, 1, 64, out.data());
    const std::vector<unsigned> bits = out.host();
    for (std::size_t i = 0; i < 64; ++i) {
      CHECK(bits[i * 2] == (i < 32 ? 0x49249249u : 0x92492492u));
      CHECK(bits[i * 2 + 1] == (i % 32 < 8 ? 0xaau : 0xaaaaaa00u));
    }
  }
}

TEST_CASE("emulator: the full mask means the lanes that are left", "[emulator]") {
  Emulator reset;
  const Device<unsigned> out(20);
  run(vote_with_gone, 1, 48, out.data());
  CHECK(out.host() == std::vector<unsigned>(20, 0x55555u));
}

TEST_CASE("emulator: the last block sees what the others wrote", "[emulator]") {
  Emulator reset;
  std::vector<int> values(17);
  std::iota(values.begin(), values.end(), 1);
  long long expected = 0;
  for (int v : values) expected = 3 * expected + v;
  const Device<int> in(values), partial(values.size());
  const Device<unsigned> ticket(std::vector<unsigned>{0});
  for (int order : {0, 1, 2}) {
    elbo_emulator_set_order(order);
    const Device<long long> out(1);
    run(sum_by_last, 17, 64, in.data(), partial.data(), ticket.data(), out.data());
    CHECK(out.host()[0] == expected);
    CHECK(ticket.host()[0] == 0);
  }
}

TEST_CASE("emulator: atomics", "[emulator]") {
  Emulator reset;
  const Device<unsigned> words(std::vector<unsigned>(1));
  const Device<int> ints(std::vector<int>(2));
  run(atomics, 1, 100, words.data(), ints.data());
  CHECK(words.host() == std::vector<unsigned>{0u - 100 - 4950});
  CHECK(ints.host() == std::vector<int>{1, 0});
}

TEST_CASE("emulator: a block's shared memory holds nothing of use at first", "[emulator]") {
  Emulator reset;
  const Device<unsigned> out(3);
  run(show_shared, 3, 4, out.data());
  CHECK(out.host() == std::vector<unsigned>(3, 0xffffffffu));
}

TEST_CASE("emulator: the hardware's limits of a launch", "[emulator]") {
  Emulator reset;
  const auto with = [&](dim3 grid, dim3 block) {
    const cudaError_t error = start(nullptr, trap_in_block, grid, block, 7u);
    CHECK(cudaGetLastError() == error);
    CHECK(cudaGetLastError() == cudaSuccess);
    return error;
  };
  CHECK(with(1, 1024) == cudaSuccess);
  CHECK(with(1, 1025) == cudaErrorInvalidConfiguration);
  CHECK(with(1, dim3(32, 33)) == cudaErrorInvalidConfiguration);
  CHECK(with(1, dim3(1, 1, 65)) == cudaErrorInvalidConfiguration);
  CHECK(with(dim3(1, 65536), 1) == cudaErrorInvalidConfiguration);
  CHECK(with(dim3(1, 1, 65536), 1) == cudaErrorInvalidConfiguration);
  CHECK(with(0, 1) == cudaErrorInvalidConfiguration);
}

// ---- faults --------------------------------------------------------------------------------------------------------

TEST_CASE("emulator: a kernel that does not begin with waiting for those ahead of it is a fault", "[emulator]") {
  Emulator reset;
  using Catch::Contains;
  run(waits, 2, 64, 1, false);
  CHECK_THAT(fault_of(waits, 2, 64, 0, false), Contains("does not wait for the kernels ahead of it"));
  CHECK_THAT(fault_of(waits, 2, 64, 2, false), Contains("twice, or after a barrier"));
  CHECK_THAT(fault_of(waits, 2, 64, 1, true), Contains("twice, or after a barrier"));
}

TEST_CASE("emulator: a block that cannot go on is reported and does not hang", "[emulator]") {
  Emulator reset;
  using Catch::Contains;
  for (int order : {0, 1, 2}) {
    elbo_emulator_set_order(order);
    CHECK_THAT(fault_of(barrier_for_half, 2, 32), Contains("no thread of the block can go on"));
    CHECK_THAT(fault_of(lanes_that_returned, 1, 32), Contains("lanes that have returned"));
    CHECK_THAT(fault_of(lanes_that_returned, 1, 6), Contains("lanes that have returned"));
    CHECK_THAT(fault_of(others_mask, 1, 32), Contains("not in the mask"));
    CHECK_THAT(fault_of(lanes_that_wait_elsewhere, 1, 32), Contains("no thread of the block can go on"));
    const Device<int> out(1);
    run(tree_sum, 1, 256, out.data(), 256);  // all is well again
    CHECK(out.host()[0] == 256 * 257 / 2);
  }
}

TEST_CASE("emulator: a trap is found at the next wait, and stays", "[emulator]") {
  Emulator reset;
  const Device<int> value(std::vector<int>{1});
  CHECK(start(nullptr, trap_in_block, 4, 32, 2u) == cudaSuccess);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(start(nullptr, add, 1, 1, value.data(), 1) == cudaSuccess);  // queued behind the fault, never run
  const std::string text = stderr_of([] { CHECK(cudaStreamSynchronize(nullptr) == cudaErrorLaunchFailure); });
  CHECK_THAT(text, Catch::Contains("thread (3, 0, 0) of block (2, 0, 0)"));
  int found = 0;
  void* block = nullptr;
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(start(nullptr, add, 1, 1, value.data(), 1) == cudaErrorLaunchFailure);
  CHECK(cudaMalloc(&block, 16) == cudaErrorLaunchFailure);
  CHECK(cudaMemcpy(&found, value.data(), sizeof(int), cudaMemcpyDeviceToHost) == cudaErrorLaunchFailure);
  CHECK(cudaFree(value.data()) == cudaErrorLaunchFailure);
  elbo_emulator_revive();
  CHECK(value.host()[0] == 1);
}
