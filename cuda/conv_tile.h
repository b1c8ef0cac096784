#pragma once
#include "tile.h"

/// Where the convolutions' kernels find the pictures' elements.
namespace elbo::cuda {

/// The place of a picture's element is the sum of two parts, one from k and one from the column of b: where a picture
/// begins under the kernel, and how far on a tap is. The element is there unless `outside` and `bits` have a bit in
/// common: of the first, those of the kernel's lines and columns that lie outside the picture; of the second, those of
/// the tap's line and column.
struct Start {
  std::int64_t offset;
  unsigned outside;
};
struct alignas(8) Tap {
  int offset;
  unsigned bits;
};

/// base + offset, null where there is nothing, as a pointer that the compiler takes as it is. Else it keeps base and
/// index apart, to add all parts of an address anew at each load: five instructions instead of one.
template <class T>
__device__ inline const T* address(const T* base, std::int64_t offset) {
  const T* pointer = base ? base + offset : base;
#if defined(__CUDA_ARCH__)
  asm("" : "+l"(pointer));
#endif
  return pointer;
}

/// Lines and columns of a kernel that the bits have room for.
constexpr int most_kernel = 15;
constexpr unsigned no_tap = 1u << 31, no_start = ~0u;  ///< bits of what is not there: they meet any other's

__device__ inline unsigned tap_bits(int line, int column) { return 1u << (most_kernel + line) | 1u << column; }

/// Which of a kernel's lines or columns 0, 1, ... < taps, the first of which lies at `from` and the next each `step`
/// further, are outside [0, size).
__device__ inline unsigned outside(int from, int step, int taps, int size) {
  unsigned bits = 0;
  for (int t = 0; t < taps; ++t, from += step)
    if (static_cast<unsigned>(from) >= static_cast<unsigned>(size)) bits |= 1u << t;
  return bits;
}
__device__ inline unsigned outside_bits(unsigned lines, unsigned columns) {
  return no_tap | lines << most_kernel | columns;
}

}  // namespace elbo::cuda
