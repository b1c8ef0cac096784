#pragma once
#include "launch.h"

/// What kernels over elements share: several neighbours a thread, moved at once where they are aligned.
namespace elbo::cuda {

/// Neighbouring elements, loaded and stored in accesses of up to 16 bytes.
template <class T, int count>
struct alignas(count * sizeof(T) < 16 ? count * sizeof(T) : 16) Pack {
  T values[count];
};

/// Elements of a thread. A group of four also is what one Philox block, or two, serve: see draw.h.
constexpr int per_thread = 4;
/// Blocks for n elements, so many a thread.
inline unsigned pack_blocks(std::int64_t n, int count = per_thread) {
  return blocks_for(n, std::int64_t{block_threads} * count);
}

/// Whether packs can be loaded from, or stored to, all of these. A null pointer stands in nobody's way.
template <int count = per_thread, class... T>
bool aligned(const T*... data) {
  return ((reinterpret_cast<std::uintptr_t>(data) % alignof(Pack<T, count>) == 0) && ...);
}

/// Elements `first` on of n; what lies beyond is 0. `whole`: x is aligned for packs.
template <int count = per_thread, class T>
__device__ inline Pack<T, count> load(const T* x, std::int64_t first, std::int64_t n, bool whole) {
  if (whole && first + count <= n) return *reinterpret_cast<const Pack<T, count>*>(x + first);
  Pack<T, count> pack{};
  for (int i = 0; i < count; ++i)
    if (first + i < n) pack.values[i] = x[first + i];
  return pack;
}

template <int count, class T>
__device__ inline void store(T* out, std::int64_t first, std::int64_t n, bool whole, const Pack<T, count>& pack) {
  if (whole && first + count <= n) {
    *reinterpret_cast<Pack<T, count>*>(out + first) = pack;
    return;
  }
  for (int i = 0; i < count; ++i)
    if (first + i < n) out[first + i] = pack.values[i];
}

/// i / d for i >= 0 and d > 0, in 32 bits where they suffice: 64 bits take a GPU many times as long.
__device__ inline std::int64_t divide(std::int64_t i, std::int64_t d) {
  if (((i | d) >> 32) == 0) return static_cast<std::uint32_t>(i) / static_cast<std::uint32_t>(d);
  return i / d;
}

}  // namespace elbo::cuda
