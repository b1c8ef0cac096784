#pragma once
// What the files of this folder share that work on vectors by hand: their size, arithmetic on them, and a transposition
// in registers.
#if defined(ELBO_VARIANT_V3) || defined(ELBO_VARIANT_V4)
#include <immintrin.h>
#define ELBO_AVX 1
#endif
#include <stdint.h>

#if defined(__clang__)
#define ELBO_UNROLL _Pragma("clang loop unroll(full)")
#else
#define ELBO_UNROLL _Pragma("GCC unroll 16")
#endif

namespace elbo::cpu_kernels {
namespace {

#if defined(ELBO_VARIANT_V4)
constexpr int vector_bytes = 64;
inline __m512 all(float x) { return _mm512_set1_ps(x); }
inline __m512d all(double x) { return _mm512_set1_pd(x); }
inline __m512 fma(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
inline __m512d fma(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(ELBO_VARIANT_V3)
constexpr int vector_bytes = 32;
inline __m256 all(float x) { return _mm256_set1_ps(x); }
inline __m256d all(double x) { return _mm256_set1_pd(x); }
inline __m256 fma(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
inline __m256d fma(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
#else
constexpr int vector_bytes = 16;
typedef float FloatVector __attribute__((vector_size(vector_bytes)));
typedef double DoubleVector __attribute__((vector_size(vector_bytes)));
inline FloatVector all(float x) { return FloatVector{x, x, x, x}; }
inline DoubleVector all(double x) { return DoubleVector{x, x}; }
template <class V>
inline V fma(V a, V b, V c) {
  return a * b + c;
}
#endif

#ifdef ELBO_AVX
/// Four values from each of two places.
inline __m256 halves(const float* low, const float* high) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}
/// Four values of each of eight rows, a to h, rows a and e as the halves of one vector: to[p] is column p.
inline void transpose(__m256 (&to)[4], __m256 ae, __m256 bf, __m256 cg, __m256 dh) {
  const __m256 ab_lo = _mm256_unpacklo_ps(ae, bf), ab_hi = _mm256_unpackhi_ps(ae, bf);
  const __m256 cd_lo = _mm256_unpacklo_ps(cg, dh), cd_hi = _mm256_unpackhi_ps(cg, dh);
  to[0] = _mm256_shuffle_ps(ab_lo, cd_lo, 0x44), to[1] = _mm256_shuffle_ps(ab_lo, cd_lo, 0xee);
  to[2] = _mm256_shuffle_ps(ab_hi, cd_hi, 0x44), to[3] = _mm256_shuffle_ps(ab_hi, cd_hi, 0xee);
}
/// The same of rows that are `ld` apart.
inline void transpose(__m256 (&to)[4], const float* from, int64_t ld) {
  transpose(to, halves(from, from + 4 * ld), halves(from + ld, from + 5 * ld), halves(from + 2 * ld, from + 6 * ld),
            halves(from + 3 * ld, from + 7 * ld));
}
#endif

}  // namespace
}  // namespace elbo::cpu_kernels
