#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <thread>

#include "../backend.h"

namespace elbo::cpu_kernels {

/// Where a pool gets its blocks: 64-byte aligned, null where there is no memory.
struct Backing {
  void* (*take)(std::size_t bytes);
  void (*give)(void* block, std::size_t bytes);
};
/// The system's allocator.
Backing system_backing();

/// A lock that costs half of what a mutex does, which is felt in small ops. It is held for a few instructions, and only
/// where the pool has no block for the time that the system takes to give one: others yield meanwhile.
class SpinLock {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

/// A caching allocator: a block given back waits in the free list of its size for the next taker, so that a loop that
/// is warm takes nothing from the system. Sizes are rounded up to four steps per power of two. Thread-safe.
class Pool {
 public:
  explicit Pool(Backing backing = system_backing()) : backing_(backing) {}
  ~Pool() { trim(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// A block of at least `bytes` bytes (0 included), 64-byte aligned. Where the system has none left, the cached blocks
  /// go back to it for a second try; throws std::bad_alloc if that fails too.
  void* take(std::size_t bytes);
  /// Gives back a block that was taken with the same `bytes`. Null is ignored.
  void give(void* block, std::size_t bytes) noexcept;
  /// Bytes count whole blocks, sizes rounded up.
  MemoryStats stats() const;
  /// Returns all cached blocks to the system.
  void trim() noexcept;

 private:
  /// A free block holds the link to the next one in its own memory.
  struct FreeBlock {
    FreeBlock* next;
  };
  static constexpr std::size_t class_count = 4 * 42;

  void trim_locked() noexcept;

  Backing backing_;
  mutable SpinLock lock_;
  std::array<FreeBlock*, class_count> free_{};
  MemoryStats stats_;
};

/// A block of a pool for the length of a scope: the scratch memory of a kernel.
class Workspace {
 public:
  Workspace(Pool& pool, std::size_t bytes) : pool_(pool), bytes_(bytes), data_(pool.take(bytes)) {}
  ~Workspace() { pool_.give(data_, bytes_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  Pool& pool_;
  std::size_t bytes_;
  void* data_;
};

}  // namespace elbo::cpu_kernels
