#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "../core/backend.h"

namespace elbo::cuda {

/// A caching allocator for one device and one stream. A block given back serves the next taker at once: whatever is
/// queued by then runs before the next taker's work. Thread-safe.
///
/// While a graph is captured, what is taken belongs to the graphs: given back, by anyone and whenever, it waits for
/// the next capture, not for others, since every replay writes there. It comes back with release_graph_blocks().
class Pool {
 public:
  /// With ELBO_CUDA_POOL=exact nothing is rounded up or cached: each block is the driver's own, of just the bytes asked
  /// for, so that compute-sanitizer sees what reads or writes beyond it, or after its end. There are then no graphs.
  Pool();
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// A block of at least `bytes` bytes, 512-byte aligned (exact: 256-byte). Where the device has none left, the cached
  /// blocks go back for a second try; throws Failure(out_of_memory), naming requested, free and total bytes, if that
  /// fails too.
  void* take(std::size_t bytes);
  void give(void* block, std::size_t bytes) noexcept;
  /// Bytes count whole blocks, sizes rounded up.
  MemoryStats stats() const;
  /// Returns all cached blocks to the driver, but for those of graphs. Waits for the device.
  void trim() noexcept;

  bool is_exact() const { return exact_; }

  void begin_capture();
  void end_capture();
  /// When the last graph is gone: their blocks are like any others again.
  void release_graph_blocks() noexcept;

  /// See CudaPlugin::fail_allocation.
  void fail_after(std::int64_t more) {
    const std::lock_guard lock(mutex_);
    fail_after_ = more;
  }

 private:
  using FreeList = std::map<std::size_t, std::vector<void*>>;  // by size

  void* from(FreeList& list, std::size_t size);
  void* from_driver(std::size_t size);
  void trim_locked() noexcept;

  std::size_t size_of(std::size_t bytes) const;

  const bool exact_;
  mutable std::mutex mutex_;
  FreeList free_, graph_free_;
  std::unordered_map<void*, std::size_t> graph_blocks_;  // blocks that belong to graphs, taken or free
  bool capturing_ = false;
  std::int64_t fail_after_ = -1;
  MemoryStats stats_;
};

}  // namespace elbo::cuda
