#pragma once
#include <math.h>  // not <cmath>: kernels call ::fma, ::sqrt and so on with float and double

#include <type_traits>

/// What CUDA's compiler brings along without an include, as far as kernels use it: keywords, the places of a thread,
/// barriers, votes, atomics and intrinsics.

#define __global__
#define __device__
#define __host__
#define __shared__ static  // blocks run one after the other, and one host thread at a time runs them
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

// ---- where a thread is: set whenever one begins or goes on
// ------------------------------------------------------------

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}  // NOLINT: as CUDA's
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}                                         // NOLINT
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

// ---- barriers and votes
// -----------------------------------------------------------------------------------------------

namespace emulator {

/// Waits for all threads of the block that have not returned.
void wait_for_block();
/// Waits for the lanes of `mask`, then gives all of them the set of those for which `predicate` holds.
unsigned ballot(unsigned mask, bool predicate);
/// Ends the kernel with an error.
[[noreturn]] void trap();
/// What a warp's mma.sync computes, c [16, 8] += a [16, k] b [k, 8] of rounded operands; each lane comes with its
/// elements. m16n8k8 for tf32, m16n8k16 for bfloat16.
void multiply_tf32(float (&c)[4], const float (&a)[4], const float (&b)[2]);
void multiply_bf16(float (&c)[4], const float (&a)[8], const float (&b)[4]);
/// cvt.rna.tf32.f32.
float rounded_tf32(float x);

}  // namespace emulator

inline void __syncthreads() { emulator::wait_for_block(); }
inline unsigned __ballot_sync(unsigned mask, int predicate) { return emulator::ballot(mask, predicate != 0); }
inline void __threadfence() {}
[[noreturn]] inline void __trap() { emulator::trap(); }

// ---- atomics: nothing runs at the same time
// ---------------------------------------------------------------------------

inline unsigned atomicAdd(unsigned* to, unsigned value) {
  const unsigned old = *to;
  *to = old + value;
  return old;
}
inline int atomicCAS(int* to, int expected, int value) {
  const int old = *to;
  if (old == expected) *to = value;
  return old;
}

// ---- arithmetic
// -------------------------------------------------------------------------------------------------------

template <class T>
requires std::is_arithmetic_v<T>
constexpr T min(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(fmin(a, b));
  return b < a ? b : a;
}
template <class T>
requires std::is_arithmetic_v<T>
constexpr T max(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(fmax(a, b));
  return a < b ? b : a;
}

inline int __ffs(int x) { return __builtin_ffs(x); }
