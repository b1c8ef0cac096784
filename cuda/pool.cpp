#include "pool.h"

#include <bit>
#include <cstdlib>
#include <string_view>

#include "error.h"

namespace elbo::cuda {
namespace {

/// Sizes are rounded up to four steps per power of two, from 512 bytes on, so that blocks serve again.
std::size_t rounded(std::size_t bytes) {
  constexpr std::size_t least = 512;
  if (bytes <= least) return least;
  const auto step = static_cast<unsigned>(std::bit_width(bytes - 1) - 3);
  return (((bytes - 1) >> step) + 1) << step;
}

bool exact_is_asked_for() {
  const char* value = std::getenv("ELBO_CUDA_POOL");
  const std::string_view name = value ? value : "";
  if (name.empty() || name == "cached") return false;
  if (name == "exact") return true;
  throw Failure(StatusCode::value, "expected ELBO_CUDA_POOL to be cached or exact, found " + std::string(name));
}

std::string mebibytes(std::size_t bytes) {
  const std::size_t tenths = (bytes * 10 + (1 << 19)) >> 20;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
}

[[noreturn]] void no_memory(std::size_t bytes) {
  cudaGetLastError();
  std::size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) cudaGetLastError();
  throw Failure(StatusCode::out_of_memory, "no memory left on the GPU: requested " + mebibytes(bytes) + ", free " +
                                               mebibytes(free) + " of " + mebibytes(total));
}

}  // namespace

Pool::Pool() : exact_(exact_is_asked_for()) {}

std::size_t Pool::size_of(std::size_t bytes) const { return exact_ ? (bytes > 0 ? bytes : 1) : rounded(bytes); }

Pool::~Pool() {
  for (FreeList* list : {&free_, &graph_free_})
    for (auto& [size, blocks] : *list)
      for (void* block : blocks) cudaFree(block);
}

void* Pool::from(FreeList& list, std::size_t size) {
  auto found = list.find(size);
  if (found == list.end() || found->second.empty()) return nullptr;
  void* block = found->second.back();
  found->second.pop_back();
  stats_.cached -= static_cast<std::int64_t>(size);
  return block;
}

void* Pool::from_driver(std::size_t size) {
  // In a capture the driver refuses whatever might wait for the device, unless told that we know.
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  check(cudaThreadExchangeStreamCaptureMode(&mode), "cudaThreadExchangeStreamCaptureMode");
  void* block = nullptr;
  cudaError_t error = cudaMalloc(&block, size);
  check(cudaThreadExchangeStreamCaptureMode(&mode), "cudaThreadExchangeStreamCaptureMode");
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(error, "cudaMalloc");
  ++stats_.backing_allocations;
  return block;
}

void* Pool::take(std::size_t bytes) {
  const std::size_t size = size_of(bytes);
  const std::lock_guard lock(mutex_);
  if (fail_after_ >= 0 && fail_after_-- == 0) no_memory(bytes);
  void* block = capturing_ ? from(graph_free_, size) : nullptr;
  if (!block) {
    block = from(free_, size);
    if (!block) block = from_driver(size);
    if (!block && !capturing_) {
      trim_locked();
      block = from_driver(size);
    }
    if (!block) no_memory(bytes);
    if (capturing_) graph_blocks_.emplace(block, size);
  }
  stats_.active += static_cast<std::int64_t>(size);
  if (stats_.active > stats_.peak) stats_.peak = stats_.active;
  return block;
}

void Pool::give(void* block, std::size_t bytes) noexcept {
  if (!block) return;
  const std::size_t size = size_of(bytes);
  const std::lock_guard lock(mutex_);
  stats_.active -= static_cast<std::int64_t>(size);
  if (exact_) {
    cudaFree(block);  // which waits for the work that may still use it
    return;
  }
  FreeList& list = graph_blocks_.contains(block) ? graph_free_ : free_;
  list[size].push_back(block);
  stats_.cached += static_cast<std::int64_t>(size);
}

MemoryStats Pool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Pool::trim() noexcept {
  const std::lock_guard lock(mutex_);
  if (!capturing_) trim_locked();
}

void Pool::trim_locked() noexcept {
  for (auto& [size, blocks] : free_) {
    // cudaFree waits for the work that may still use the block.
    for (void* block : blocks) cudaFree(block);
    stats_.cached -= static_cast<std::int64_t>(size * blocks.size());
  }
  free_.clear();
}

void Pool::begin_capture() {
  const std::lock_guard lock(mutex_);
  capturing_ = true;
}

void Pool::end_capture() {
  const std::lock_guard lock(mutex_);
  capturing_ = false;
}

void Pool::release_graph_blocks() noexcept {
  const std::lock_guard lock(mutex_);
  for (auto& [size, blocks] : graph_free_) {
    std::vector<void*>& list = free_[size];
    list.insert(list.end(), blocks.begin(), blocks.end());
  }
  graph_free_.clear();
  graph_blocks_.clear();
}

}  // namespace elbo::cuda
