#include "pool.h"

#include <bit>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace elbo::cpu_kernels {
namespace {

constexpr std::size_t alignment = 64;
// Above this nothing can be had, and rounding up could overflow.
constexpr std::size_t largest = std::size_t{1} << 46;

/// The free list that a size belongs to, and the size of all blocks in it: (4 + j) 2^k bytes, j in 0..3, from 64 up.
struct SizeClass {
  std::size_t index, bytes;
};
SizeClass size_class(std::size_t bytes) {
  if (bytes <= 64) return {0, 64};
  const auto step = static_cast<unsigned>(std::bit_width(bytes - 1) - 3);
  const std::size_t quarters = ((bytes - 1) >> step) + 1;  // 5..8 of 2^step
  return {4 * (step - 4) + (quarters - 4), quarters << step};
}

/// Large blocks begin at a page of this size, and ask for such pages: with those of 4 KiB a kernel that goes through
/// memory spends up to a third of its time on looking up where they are. The largest do not: a data set of which little
/// is ever written, here and there, would take all of its memory.
constexpr std::size_t large_page = std::size_t{2} << 20;
bool in_large_pages(std::size_t bytes) { return bytes >= 2 * large_page && bytes <= 64 * large_page; }

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t(in_large_pages(bytes) ? large_page : alignment);
}

void* take_from_system(std::size_t bytes) {
  void* block = ::operator new(bytes, alignment_of(bytes), std::nothrow);
#if defined(__linux__)
  if (block && in_large_pages(bytes)) madvise(block, bytes, MADV_HUGEPAGE);  // a wish: it may fail
#endif
  return block;
}

}  // namespace

Backing system_backing() {
  return {take_from_system, [](void* block, std::size_t bytes) { ::operator delete(block, alignment_of(bytes)); }};
}

void* Pool::take(std::size_t bytes) {
  if (bytes > largest) throw std::bad_alloc();
  const SizeClass size = size_class(bytes);
  const std::lock_guard lock(lock_);
  void* block = free_[size.index];
  if (block) {
    free_[size.index] = free_[size.index]->next;
    stats_.cached -= static_cast<std::int64_t>(size.bytes);
  } else {
    block = backing_.take(size.bytes);
    if (!block) {
      trim_locked();
      block = backing_.take(size.bytes);
    }
    if (!block) throw std::bad_alloc();
    ++stats_.backing_allocations;
  }
  stats_.active += static_cast<std::int64_t>(size.bytes);
  if (stats_.active > stats_.peak) stats_.peak = stats_.active;
  return block;
}

void Pool::give(void* block, std::size_t bytes) noexcept {
  if (!block) return;
  const SizeClass size = size_class(bytes);
  const std::lock_guard lock(lock_);
  free_[size.index] = ::new (block) FreeBlock{free_[size.index]};
  stats_.active -= static_cast<std::int64_t>(size.bytes);
  stats_.cached += static_cast<std::int64_t>(size.bytes);
}

MemoryStats Pool::stats() const {
  const std::lock_guard lock(lock_);
  return stats_;
}

void Pool::trim() noexcept {
  const std::lock_guard lock(lock_);
  trim_locked();
}

void Pool::trim_locked() noexcept {
  for (std::size_t i = 0; i < class_count; ++i) {
    while (FreeBlock* block = free_[i]) {
      free_[i] = block->next;
      backing_.give(block, i == 0 ? 64 : (5 + (i - 1) % 4) << (4 + (i - 1) / 4));
    }
  }
  stats_.cached = 0;
}

}  // namespace elbo::cpu_kernels
