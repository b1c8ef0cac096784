// The emulator that runs the CUDA backend's kernels on the CPU runs threads as the hardware does, and finds what is
// wrong with them. It is the one inside this program, beside the one in the plugin.
#include <algorithm>
#include <array>
#include <numeric>

#include "emulator_support.h"

using namespace emulator_support;

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

__global__ void record_order(int* out, int* next) { out[atomicAdd(next, 1)] = static_cast<int>(threadIdx.x); }

__global__ void shuffles(int* ints, double* doubles) {
  const int i = static_cast<int>(threadIdx.x), lane = i % 32;
  int* mine = ints + i * 6;
  mine[0] = __shfl_sync(all, i, 5);
  mine[1] = __shfl_sync(all, i, 9, 8);
  mine[2] = __shfl_up_sync(all, i, 3);
  mine[3] = __shfl_down_sync(all, i, 3, 8);
  mine[4] = __shfl_xor_sync(all, i, 4, 8);
  mine[5] = lane < 4 ? __shfl_sync(0xfu, i, 2) : -1;
  double sum = 1.0 / (1 + i);
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(all, sum, step);
  doubles[i] = sum;
}

__global__ void votes(unsigned* out) {
  const unsigned i = threadIdx.x;
  unsigned* mine = out + i * 5;
  mine[0] = __ballot_sync(all, i % 3 == 0);
  mine[1] = static_cast<unsigned>(__any_sync(all, i == 40));
  mine[2] = static_cast<unsigned>(__all_sync(all, i < 40));
  mine[3] = __activemask();
  if (i % 32 < 8) {
    __syncwarp(0xffu);
    mine[4] = __ballot_sync(0xffu, i & 1);
  } else {
    mine[4] = __ballot_sync(0xffffff00u, i & 1);
  }
}

__global__ void shuffle_with_gone(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= 20) return;
  out[i] = __shfl_down_sync(all, i, 4);
}

__global__ void sum_by_last(const int* values, int* partial, unsigned* ticket, long long* out) {
  if (threadIdx.x == 0) partial[blockIdx.x] = values[blockIdx.x];
  if (!elbo::cuda::last_block(ticket)) return;
  if (threadIdx.x != 0) return;
  long long sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum = 3 * sum + partial[i];
  *out = sum;
}

__global__ void atomics(unsigned* words, int* ints, unsigned long long* longs) {
  const unsigned i = threadIdx.x;
  atomicAdd(&words[0], i);
  atomicMax(&words[1], i);
  atomicOr(&words[2], 1u << (i % 32));
  if (atomicCAS(&words[3], 0u, i + 1) == 0) atomicExch(&words[4], i);
  atomicMin(&ints[0], -static_cast<int>(i));
  atomicAdd(&ints[1], 2147483647);  // wraps round, as it does on the hardware
  atomicAdd(&longs[0], 1ull << 40);
}

__global__ void copy_shared(unsigned char* out, int count) {
  const unsigned char* shared = elbo::cuda::dynamic_shared<unsigned char>();
  for (int i = 0; i < count; ++i) out[i] = shared[i];
}
__global__ void write_shared() { elbo::cuda::dynamic_shared<int>()[threadIdx.x] = 1; }

__global__ void barrier_for_half() {
  if (threadIdx.x < 16) __syncthreads();
  __shfl_sync(all, 1, 0);
}
__global__ void lanes_that_returned() {
  if (threadIdx.x < 4 || threadIdx.x >= 8) return;
  __shfl_sync(0xffu, 1, 0);
}
__global__ void others_mask() { __ballot_sync(threadIdx.x == 7 ? 0xfu : all, 1); }
__global__ void mixed_operations() {
  if (threadIdx.x & 1) {
    __ballot_sync(all, 1);
  } else {
    __shfl_sync(all, 1, 0);
  }
}
__global__ void lanes_that_wait_elsewhere() {
  if (threadIdx.x < 16) {
    __ballot_sync(0xffffu, 1);
  } else {
    __ballot_sync(all, 1);
  }
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
    run(write_places, dim3(4, 3, 2), dim3(5, 3, 2), 0, out.data());
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
    run(reverse, 3, 1024, 0, out.data(), in.data(), true);
    CHECK(out.host() == expected);
    run(reverse, 3, 1024, 0, out.data(), in.data(), false);
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
      run(tree_sum, 2, 256, 0, out.data(), count);
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
    const Device<int> out(64), next(std::vector<int>{0});
    run(record_order, 1, 64, 0, out.data(), next.data());
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

TEST_CASE("emulator: shuffles and votes", "[emulator]") {
  Emulator reset;
  for (int order : {0, 1, 2}) {
    elbo_emulator_set_order(order);
    const Device<int> ints(64 * 6);
    const Device<double> doubles(64);
    run(shuffles, 1, 64, 0, ints.data(), doubles.data());
    const std::vector<int> found = ints.host();
    for (int i = 0; i < 64; ++i) {
      const int warp = i / 32 * 32, eight = i / 8 * 8, lane = i % 32;
      const std::array<int, 6> expected = {
          warp + 5, eight + 1, lane < 3 ? i : i - 3, i % 8 < 5 ? i + 3 : i, i ^ 4, lane < 4 ? warp + 2 : -1};
      CHECK(std::equal(expected.begin(), expected.end(), found.begin() + i * 6));
    }
    const std::vector<double> sums = doubles.host();
    CHECK(sums[0] == Approx(4.05849519543652));  // the harmonic number of 32
    for (int i = 0; i < 64; ++i)
      CHECK(sums[static_cast<std::size_t>(i)] == sums[static_cast<std::size_t>(i / 32 * 32)]);

    const Device<unsigned> out(64 * 5);
    run(votes, 1, 64, 0, out.data());
    const std::vector<unsigned> bits = out.host();
    for (std::size_t i = 0; i < 64; ++i) {
      CHECK(bits[i * 5] == (i < 32 ? 0x49249249u : 0x92492492u));
      CHECK(bits[i * 5 + 1] == (i < 32 ? 0u : 1u));
      CHECK(bits[i * 5 + 2] == (i < 32 ? 1u : 0u));
      CHECK(bits[i * 5 + 4] == (i % 32 < 8 ? 0xaau : 0xaaaaaa00u));
    }
  }
}

TEST_CASE("emulator: the full mask means the lanes that are left", "[emulator]") {
  Emulator reset;
  const Device<int> out(20);
  run(shuffle_with_gone, 1, 48, 0, out.data());
  const std::vector<int> found = out.host();
  for (int i = 0; i < 20; ++i) CHECK(found[static_cast<std::size_t>(i)] == (i < 16 ? i + 4 : -1));
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
    run(sum_by_last, 17, 64, 0, in.data(), partial.data(), ticket.data(), out.data());
    CHECK(out.host()[0] == expected);
    CHECK(ticket.host()[0] == 0);
  }
}

TEST_CASE("emulator: atomics", "[emulator]") {
  Emulator reset;
  const Device<unsigned> words(std::vector<unsigned>(5));
  const Device<int> ints(std::vector<int>(2));
  const Device<unsigned long long> longs(std::vector<unsigned long long>(1));
  run(atomics, 1, 100, 0, words.data(), ints.data(), longs.data());
  CHECK(words.host() == std::vector<unsigned>{4950, 99, all, 1, 0});
  CHECK(ints.host() == std::vector<int>{-99, -100});
  CHECK(longs.host() == std::vector<unsigned long long>{100ull << 40});
}

TEST_CASE("emulator: dynamic shared memory holds nothing of use at first", "[emulator]") {
  Emulator reset;
  const Device<unsigned char> out(16);
  run(write_shared, 1, 4, 16);
  run(copy_shared, 2, 1, 16, out.data(), 16);
  CHECK(out.host() == std::vector<unsigned char>(16, 0xff));
}

TEST_CASE("emulator: the hardware's limits of a launch", "[emulator]") {
  Emulator reset;
  const auto with = [](dim3 grid, dim3 block, std::size_t shared = 0) {
    const cudaError_t error = start(nullptr, write_shared, grid, block, shared);
    CHECK(cudaGetLastError() == error);
    CHECK(cudaGetLastError() == cudaSuccess);
    return error;
  };
  CHECK(with(1, 1024, 4096) == cudaSuccess);
  CHECK(with(1, 1025) == cudaErrorInvalidConfiguration);
  CHECK(with(1, dim3(32, 33)) == cudaErrorInvalidConfiguration);
  CHECK(with(1, dim3(1, 1, 65)) == cudaErrorInvalidConfiguration);
  CHECK(with(dim3(1, 65536), 1) == cudaErrorInvalidConfiguration);
  CHECK(with(dim3(1, 1, 65536), 1) == cudaErrorInvalidConfiguration);
  CHECK(with(0, 1) == cudaErrorInvalidConfiguration);
  CHECK(with(1, 1, 48 * 1024) == cudaSuccess);
  CHECK(with(1, 1, 48 * 1024 + 1) == cudaErrorInvalidValue);
  REQUIRE(cudaFuncSetAttribute(copy_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024) == cudaSuccess);
  CHECK(with(1, 1, 64 * 1024) == cudaErrorInvalidValue);  // that was another kernel
  REQUIRE(cudaFuncSetAttribute(write_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024) == cudaSuccess);
  CHECK(with(1, 1, 64 * 1024) == cudaSuccess);
  CHECK(cudaFuncSetAttribute(write_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 * 1024) ==
        cudaErrorInvalidValue);
}

// ---- faults --------------------------------------------------------------------------------------------------------

TEST_CASE("emulator: a block that cannot go on is reported and does not hang", "[emulator]") {
  Emulator reset;
  using Catch::Contains;
  for (int order : {0, 1, 2}) {
    elbo_emulator_set_order(order);
    CHECK_THAT(fault_of(barrier_for_half, 2, 32), Contains("no thread of the block can go on"));
    CHECK_THAT(fault_of(lanes_that_returned, 1, 32), Contains("lanes that have returned"));
    CHECK_THAT(fault_of(lanes_that_returned, 1, 6), Contains("lanes that have returned"));
    CHECK_THAT(fault_of(others_mask, 1, 32), Contains("not in the mask"));
    CHECK_THAT(fault_of(mixed_operations, 1, 32), Contains("different ones"));
    CHECK_THAT(fault_of(lanes_that_wait_elsewhere, 1, 32), Contains("no thread of the block can go on"));
    const Device<int> out(1);
    run(tree_sum, 1, 256, 0, out.data(), 256);  // all is well again
    CHECK(out.host()[0] == 256 * 257 / 2);
  }
}

TEST_CASE("emulator: a trap is found at the next wait, and stays", "[emulator]") {
  Emulator reset;
  const Device<int> value(std::vector<int>{1});
  CHECK(start(nullptr, trap_in_block, 4, 32, 0, 2u) == cudaSuccess);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(start(nullptr, add, 1, 1, 0, value.data(), 1) == cudaSuccess);  // queued behind the fault, never run
  const std::string text = stderr_of([] { CHECK(cudaStreamSynchronize(nullptr) == cudaErrorLaunchFailure); });
  CHECK_THAT(text, Catch::Contains("thread (3, 0, 0) of block (2, 0, 0)"));
  int found = 0;
  void* block = nullptr;
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(start(nullptr, add, 1, 1, 0, value.data(), 1) == cudaErrorLaunchFailure);
  CHECK(cudaMalloc(&block, 16) == cudaErrorLaunchFailure);
  CHECK(cudaMemcpy(&found, value.data(), sizeof(int), cudaMemcpyDeviceToHost) == cudaErrorLaunchFailure);
  CHECK(cudaFree(value.data()) == cudaErrorLaunchFailure);
  elbo_emulator_revive();
  CHECK(value.host()[0] == 1);
}
