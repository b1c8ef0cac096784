#pragma once
#include <math.h>  // not <cmath>: kernels call ::fma, ::sqrt and so on with float and double

#include <cstdint>
#include <cstring>
#include <type_traits>

/// What CUDA's compiler brings along without an include: keywords, vector types, the places of a thread, barriers,
/// shuffles, atomics and intrinsics.

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static  // blocks run one after the other, and one host thread at a time runs them
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

// ---- vector types --------------------------------------------------------------------------------------------------

struct alignas(4) char4 {
  signed char x, y, z, w;
};
struct alignas(2) uchar2 {
  unsigned char x, y;
};
struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct int3 {
  int x, y, z;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct uint3 {
  unsigned x, y, z;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) longlong2 {
  long long x, y;
};
struct alignas(16) ulonglong2 {
  unsigned long long x, y;
};
struct alignas(8) float2 {
  float x, y;
};
struct float3 {
  float x, y, z;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};

inline char4 make_char4(signed char x, signed char y, signed char z, signed char w) { return {x, y, z, w}; }
inline uchar2 make_uchar2(unsigned char x, unsigned char y) { return {x, y}; }
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int3 make_int3(int x, int y, int z) { return {x, y, z}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline longlong2 make_longlong2(long long x, long long y) { return {x, y}; }
inline ulonglong2 make_ulonglong2(unsigned long long x, unsigned long long y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}  // NOLINT: as CUDA's
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}                                         // NOLINT
};

// ---- where a thread is: set whenever one begins or goes on
// -----------------------------------------------------------

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

// ---- barriers and warps
// ----------------------------------------------------------------------------------------------

namespace emulator {

/// Waits for all threads of the block that have not returned.
void wait_for_block();
/// Waits for the lanes of `mask`, then gives all of them what lane `source` brought; 0xff bytes where that is none of
/// them.
std::uint64_t shuffle(unsigned mask, std::uint64_t bits, unsigned source);
/// Waits for the lanes of `mask`, then gives all of them the set of those for which `predicate` holds.
unsigned ballot(unsigned mask, bool predicate);
/// The lanes of this warp that have not returned.
unsigned active_lanes();
/// This thread's place in its warp.
unsigned lane();
/// Ends the kernel with an error.
[[noreturn]] void trap();

template <class T>
concept Shuffled = std::is_arithmetic_v<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

template <Shuffled T>
T shuffle_value(unsigned mask, T value, unsigned source) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = shuffle(mask, bits, source);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class T, class... Allowed>
concept OneOf = (std::is_same_v<T, Allowed> || ...);
template <class T>
concept AtomicInteger = OneOf<T, int, unsigned, long long, unsigned long long>;

}  // namespace emulator

inline void __syncthreads() { emulator::wait_for_block(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { emulator::ballot(mask, true); }
inline unsigned __ballot_sync(unsigned mask, int predicate) { return emulator::ballot(mask, predicate != 0); }
inline int __any_sync(unsigned mask, int predicate) { return emulator::ballot(mask, predicate != 0) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return emulator::ballot(mask, predicate == 0) == 0; }
inline unsigned __activemask() { return emulator::active_lanes(); }

template <emulator::Shuffled T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned inside = static_cast<unsigned>(width) - 1;
  return emulator::shuffle_value(mask, value, (emulator::lane() & ~inside) | (static_cast<unsigned>(source) & inside));
}
template <emulator::Shuffled T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned me = emulator::lane(), inside = me & (static_cast<unsigned>(width) - 1);
  return emulator::shuffle_value(mask, value, delta <= inside ? me - delta : me);
}
template <emulator::Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned me = emulator::lane(), inside = me & (static_cast<unsigned>(width) - 1);
  return emulator::shuffle_value(mask, value, inside + delta < static_cast<unsigned>(width) ? me + delta : me);
}
template <emulator::Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {
  const unsigned me = emulator::lane(), last = me | (static_cast<unsigned>(width) - 1);
  const unsigned source = me ^ static_cast<unsigned>(lane_mask);
  return emulator::shuffle_value(mask, value, source <= last ? source : me);
}

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
[[noreturn]] inline void __trap() { emulator::trap(); }

// ---- atomics: nothing runs at the same time. None for floating point, whose sums would depend on the order.
// ------------

template <emulator::OneOf<int, unsigned, unsigned long long> T>
T atomicAdd(T* to, std::type_identity_t<T> value) {
  const T old = *to;
  // Unsigned, since the hardware's int wraps round.
  *to = static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) + static_cast<std::make_unsigned_t<T>>(value));
  return old;
}
template <emulator::AtomicInteger T>
T atomicMax(T* to, std::type_identity_t<T> value) {
  const T old = *to;
  if (value > old) *to = value;
  return old;
}
template <emulator::AtomicInteger T>
T atomicMin(T* to, std::type_identity_t<T> value) {
  const T old = *to;
  if (value < old) *to = value;
  return old;
}
template <emulator::OneOf<int, unsigned, unsigned long long> T>
T atomicCAS(T* to, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  const T old = *to;
  if (old == expected) *to = value;
  return old;
}
template <emulator::OneOf<int, unsigned, unsigned long long, float> T>
T atomicExch(T* to, std::type_identity_t<T> value) {
  const T old = *to;
  *to = value;
  return old;
}
template <emulator::OneOf<int, unsigned, unsigned long long> T>
T atomicOr(T* to, std::type_identity_t<T> value) {
  const T old = *to;
  *to = old | value;
  return old;
}
template <emulator::OneOf<int, unsigned, unsigned long long> T>
T atomicAnd(T* to, std::type_identity_t<T> value) {
  const T old = *to;
  *to = old & value;
  return old;
}

// ---- arithmetic
// ------------------------------------------------------------------------------------------------------

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

inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return __builtin_sqrt(a); }

inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
inline int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }
inline float __int_as_float(int x) { return __builtin_bit_cast(float, x); }
inline long long __double_as_longlong(double x) { return __builtin_bit_cast(long long, x); }
inline double __longlong_as_double(long long x) { return __builtin_bit_cast(double, x); }

/// The hardware saturates where C++ leaves the conversion undefined, and makes 0 of NaN.
inline int __float2int_rz(float x) {
  if (x != x) return 0;
  return x >= 2147483648.0f ? 2147483647 : x < -2147483648.0f ? -2147483647 - 1 : static_cast<int>(x);
}
inline int __float2int_rn(float x) { return __float2int_rz(__builtin_rintf(x)); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<std::uint64_t>(a) * b) >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<unsigned long long>((static_cast<Wide>(a) * b) >> 64);
}

// ---- loads and stores with a cache hint
// --------------------------------------------------------------------------------

template <class T>
T __ldg(const T* from) {
  return *from;
}
template <class T>
T __ldcs(const T* from) {
  return *from;
}
template <class T>
T __ldcg(const T* from) {
  return *from;
}
template <class T>
void __stcs(T* to, std::type_identity_t<T> value) {
  *to = value;
}
template <class T>
void __stcg(T* to, std::type_identity_t<T> value) {
  *to = value;
}
