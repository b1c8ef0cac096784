#pragma once

/// The functions that elementwise ops are made of. For float32 each is written once, in the same operations on every
/// device: the compiler vectorises it on the CPU and CUDA computes the same bits (no contraction: -ffp-contract=off,
/// --fmad=false). The error is at most 2 ulp over the range in use; tests/test_scalar_math.cpp measures it. float64 and
/// `pow` are the platform's.
///
/// To stay vectorisable a function has no branch and no call: only selects, both sides of which are always computed.
/// `math::fma` is one rounding where the processor has it and two elsewhere, so its users may differ in the last bit
/// between the baseline variant and the others. `log`, `sin2pi` and `cos2pi` do without it, because random numbers are
/// made of them and must be the same everywhere.
///
/// All names have internal linkage, and nothing here comes from the standard library: the CPU variants compile this
/// file under different instruction sets.
///
/// Polynomials are our own minimax fits (weighted by the relative error of the result, coefficients rounded to float32
/// one after the other), evaluated in pairs where a chain of dependent operations would leave the processor waiting.
/// Range reduction follows Cody and Waite, "Software Manual for the Elementary Functions" (1980).

#if defined(__CUDACC__)
#define ELBO_HD __host__ __device__
#define ELBO_PLATFORM(name) ::name
#else
#define ELBO_HD __attribute__((always_inline))
#define ELBO_PLATFORM(name) __builtin_##name
#endif

namespace elbo {
namespace {  // NOLINT(google-build-namespaces): see above
namespace math {

// ---- pieces --------------------------------------------------------------------------------------------------------

ELBO_HD inline float fma(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  return __fmaf_rn(a, b, c);
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;  // a true fma would be a library call here, and stop the vectoriser
#endif
}

ELBO_HD inline unsigned bits_of(float x) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(x);
#else
  return __builtin_bit_cast(unsigned, x);
#endif
}

ELBO_HD inline float from_bits(unsigned x) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(x);
#else
  return __builtin_bit_cast(float, x);
#endif
}

ELBO_HD inline float abs(float x) { return from_bits(bits_of(x) & 0x7fffffffu); }
ELBO_HD inline double abs(double x) { return ELBO_PLATFORM(fabs)(x); }
/// The magnitude of x with the sign of s.
ELBO_HD inline float copysign(float x, float s) {
  return from_bits((bits_of(x) & 0x7fffffffu) | (bits_of(s) & 0x80000000u));
}

// Adding this rounds a float below 2^22 to an integer, which then stands in the low bits.
constexpr float round_float = 12582912.0f;           // 1.5 * 2^23
constexpr double round_double = 6755399441055744.0;  // 1.5 * 2^52
constexpr float infinity = __builtin_huge_valf();
constexpr float not_a_number = __builtin_nanf("");

/// x = k log(2) + r, |r| <= log(2) / 2 (1 + 1e-6).
struct ExpParts {
  float r, q;  // q: (exp(r) - 1 - r) / r^2
  unsigned k;  // two's complement
};
ELBO_HD inline ExpParts exp_parts(float x) {
  const float shifted = fma(x, 1.44269504f, round_float);
  const float k = shifted - round_float;
  // log(2) in two parts: the first has 15 bits, so that its product with k is exact.
  const float r = fma(k, -1.42860677e-6f, fma(k, -0.693145752f, x));
  const float r2 = r * r;
  const float high = fma(r2, 0.0013870555f, fma(r, 0.00836645346f, 0.041667439f));
  const float q = fma(r2, high, fma(r, 0.16666545f, 0.49999997f));
  return {r, q, bits_of(shifted) - bits_of(round_float)};
}

/// 2^k for -126 <= k <= 127.
ELBO_HD inline float exp2_int(int k) { return from_bits(static_cast<unsigned>(k + 127) << 23); }

/// k and m with x = 2^k (1 + m), -1/3 <= m < 1/3, for normal x > 0.
struct LogParts {
  float k, m;
};
ELBO_HD inline LogParts log_parts(float x) {
  const unsigned exponent = (bits_of(x) - 0x3f2aaaabu) & 0xff800000u;  // less the bits of 2/3
  return {static_cast<float>(static_cast<int>(exponent)) * 1.1920929e-7f, from_bits(bits_of(x) - exponent) - 1.0f};
}
/// k log(2) + log(1 + m), without fma.
ELBO_HD inline float log_sum(LogParts p) {
  const float m = p.m;
  const float m2 = m * m;
  const float low = (0.333332151f - 0.249998018f * m) + (0.20010446f - 0.16680339f * m) * m2;
  const float high = (0.140052691f - 0.121859618f * m) + (0.139873028f - 0.128854081f * m) * m2;
  const float tail = ((low + high * (m2 * m2)) * m - 0.5f) * m2;
  // log(2) in two parts, the first with 15 bits: p.k times it is exact.
  return p.k * 0.693145752f + (m + (p.k * 1.42860677e-6f + tail));
}

// ---- exponentials and logarithms -----------------------------------------------------------------------------------

ELBO_HD inline float exp(float x) {
  x = x < -105.0f ? -105.0f : x;  // exp(-105) rounds to 0, exp(89) to infinity
  x = x > 89.0f ? 89.0f : x;
  const ExpParts p = exp_parts(x);
  const float y = fma(p.r * p.r, p.q, p.r) + 1.0f;
  // Two factors, so that results down to the smallest subnormal are rounded once.
  const int k = static_cast<int>(p.k), half = k >> 1;
  return (y * exp2_int(half)) * exp2_int(k - half);
}

/// exp(-|x|), in fewer operations.
ELBO_HD inline float exp_neg_abs(float x) {
  x = -abs(x);
  const ExpParts p = exp_parts(x < -104.0f ? -104.0f : x);
  const float y = fma(p.r * p.r, p.q, p.r) + 1.0f;
  return (y * from_bits((p.k + (127u + 32u)) << 23)) * 2.32830644e-10f;  // 2^-32: the last product rounds subnormals
}

/// exp(x) - 1, accurate near 0.
ELBO_HD inline float expm1(float x) {
  const float at = x < -20.0f ? -20.0f : (x > 89.0f ? 89.0f : x);
  const ExpParts p = exp_parts(at);
  const float y = fma(p.r * p.r, p.q, p.r);
  const float scale = exp2_int(static_cast<int>(p.k) - 1);  // half of 2^k, which itself can overflow
  const float result = 2.0f * fma(y, scale, scale - 0.5f);
  return x == 0.0f ? x : result;
}

ELBO_HD inline float log(float x) {
  const bool tiny = x < 1.17549435e-38f;
  LogParts p = log_parts(tiny ? x * 8388608.0f : x);
  p.k = tiny ? p.k - 23.0f : p.k;
  float y = log_sum(p);
  y = x < infinity ? y : x;
  return x > 0.0f ? y : (x == 0.0f ? -infinity : not_a_number);
}

/// log(1 + x), accurate near 0.
ELBO_HD inline float log1p(float x) {
  // 1 + x = 2^k (1 + m) with m = 2^-k x + (2^-k - 1), which keeps the bits of x that 1 + x loses.
  const unsigned exponent = (bits_of(1.0f + x) - 0x3f2aaaabu) & 0xff800000u;
  const float k = static_cast<float>(static_cast<int>(exponent)) * 1.1920929e-7f;
  const float four_scale = from_bits(0x40800000u - exponent);  // 4 * 2^-k is normal where 2^-k is not
  const float m = from_bits(bits_of(x) - exponent) + (0.25f * four_scale - 1.0f);
  float y = log_sum({k, m});
  y = x < infinity ? y : x;
  y = x > -1.0f ? y : (x == -1.0f ? -infinity : not_a_number);
  return x == 0.0f ? x : y;
}

/// log(1 + exp(-|x|)), the curved part of softplus, in fewer operations.
ELBO_HD inline float log1p_exp_neg_abs(float x) {
  const float e = exp_neg_abs(x);
  const bool big = e > 0.333333333f;  // 1 + e in [4/3, 2], halved
  return log_sum({big ? 1.0f : 0.0f, big ? 0.5f * e - 0.5f : e});
}

/// 1 / (1 + exp(-x)).
ELBO_HD inline float sigmoid(float x) {
  const float e = exp_neg_abs(x);
  const float s = (x < 0.0f ? e : 1.0f) / (1.0f + e);
  // Where e is small the rounding of 1 + e would show; e / (1 + e) is also e - e^2 / (1 + e).
  return x < -1.09f ? fma(-e, s, e) : s;
}

ELBO_HD inline float tanh(float x) {
  const float a = abs(x), s = x * x;
  float p = fma(-0.00569229666f, s, 0.0206281673f);
  p = fma(p, s, -0.0537365153f);
  p = fma(p, s, 0.133314058f);
  p = fma(p, s, -0.333332807f);
  const float small = fma(p * s, x, x);
  const float e = exp_neg_abs(2.0f * x);
  const float large = copysign(1.0f - e / (0.5f + 0.5f * e), x);
  return a < 0.625f ? (x == 0.0f ? x : small) : (x == x ? large : x);
}

/// The error function: x P(x^2) for |x| < 1, else 1 - exp(-Q(|x|)).
ELBO_HD inline float erf(float x) {
  const float a = abs(x), s = x * x;
  float p = fma(7.80690389e-05f, s, -0.00079978531f);
  p = fma(p, s, 0.0051871622f);
  p = fma(p, s, -0.0268533472f);
  p = fma(p, s, 0.112835787f);
  p = fma(p, s, -0.37612626f);
  p = fma(p, s, 0.128379166f);
  const float small = fma(p, x, x);
  const float t = a < 4.0f ? a : 4.0f;  // erf(4) rounds to 1
  float q = fma(-0.000186367382f, t, 0.00294757425f);
  q = fma(q, t, -0.0218378324f);
  q = fma(q, t, 0.103106447f);
  q = fma(q, t, 0.63814503f);
  q = fma(q, t, 1.12708914f);
  q = fma(q, t, 0.000341522304f);
  const float large = copysign(1.0f - exp_neg_abs(q), x);
  return a < 1.0f ? (x == 0.0f ? x : small) : (x == x ? large : x);
}

// ---- trigonometry --------------------------------------------------------------------------------------------------

/// The integer nearest to t; for |t| above 2^51 any integer so close that t less it is exact.
ELBO_HD inline double round_any(double t) {
  const double rounded = (t + round_double) - round_double;
  return (t < 4503599627370496.0 && t > -4503599627370496.0) ? rounded : t;  // from 2^52 on, t is an integer
}

/// x = (4 n + quadrant) pi/2 + r for some integer n, |r| <= pi/4 (1 + 1e-7).
struct TrigParts {
  float r;
  int quadrant;
};
/// Adds the remainder of x * piece modulo 4 to f, and moves the whole part of the sum into `whole`.
ELBO_HD inline void add_turns(double x, double piece, double& f, double& whole) {
  const double product = x * piece;  // exact: 24 bits times 29
  f += product - 4.0 * round_any(0.25 * product);
  const double n = (f + round_double) - round_double;
  f -= n;
  whole += n;
}
/// 2/pi in pieces of 29 bits, so that its product with any float is exact piece by piece: multiples of 4, however
/// large, drop out (the idea of Payne and Hanek, 1983). Right for every float.
ELBO_HD inline TrigParts trig_parts(float x) {
  const double xd = x;
  double f = 0, whole = 0;
  add_turns(xd, 341782637 * 0x1p-29, f, whole);
  add_turns(xd, 423170132 * 0x1p-58, f, whole);
  add_turns(xd, 352195499 * 0x1p-87, f, whole);
  add_turns(xd, 488592205 * 0x1p-116, f, whole);
  add_turns(xd, 461485765 * 0x1p-145, f, whole);
  add_turns(xd, 90590992 * 0x1p-174, f, whole);
  add_turns(xd, 478285810 * 0x1p-203, f, whole);
  const double n = (whole + round_double) - round_double;
  return {static_cast<float>(f * 1.5707963267948966), n == n ? static_cast<int>(n) : 0};  // no int stands for NaN
}
ELBO_HD inline float sin_near_0(float r) {
  const float s = r * r;
  float p = fma(-0.000195182758f, s, 0.00833218917f);
  p = fma(p, s, -0.166666552f);
  return fma(p * s, r, r);
}
ELBO_HD inline float cos_near_0(float r) {
  const float s = r * r;
  float p = fma(2.44325602e-05f, s, -0.00138873106f);
  p = fma(p, s, 0.0416666456f);
  return fma(p * s, s, fma(-0.5f, s, 1.0f));
}
ELBO_HD inline float negate_if(bool condition, float x) { return condition ? -x : x; }

ELBO_HD inline float sin(float x) {
  const TrigParts p = trig_parts(x);
  const float y = (p.quadrant & 1) != 0 ? cos_near_0(p.r) : sin_near_0(p.r);
  return x == 0.0f ? x : negate_if((p.quadrant & 2) != 0, y);
}

ELBO_HD inline float cos(float x) {
  const TrigParts p = trig_parts(x);
  const float y = (p.quadrant & 1) != 0 ? sin_near_0(p.r) : cos_near_0(p.r);
  return negate_if(((p.quadrant + 1) & 2) != 0, y);
}

/// sin(2 pi r) and cos(2 pi r) for |r| <= 1/8, without fma.
ELBO_HD inline float sin_turns(float r) {
  const float s = r * r;
  float p = -75.441597f * s + 81.5936356f;
  p = p * s - 41.341671f;
  p = p * s + 0.283185303f;
  return 6.0f * r + p * r;
}
ELBO_HD inline float cos_turns(float r) {
  const float s = r * r;
  float p = 58.6202049f * s - 85.4245148f;
  p = p * s + 64.9391479f;
  p = p * s - 19.7392082f;
  return 1.0f + p * s;
}

/// sin(2 pi u) and cos(2 pi u) for u in [0, 1).
ELBO_HD inline float sin2pi(float u) {
  const int quadrant = static_cast<int>(4.0f * u + 0.5f);
  const float r = u - 0.25f * static_cast<float>(quadrant);
  const float y = (quadrant & 1) != 0 ? cos_turns(r) : sin_turns(r);
  return negate_if((quadrant & 2) != 0, y);
}
ELBO_HD inline float cos2pi(float u) {
  const int quadrant = static_cast<int>(4.0f * u + 0.5f);
  const float r = u - 0.25f * static_cast<float>(quadrant);
  const float y = (quadrant & 1) != 0 ? sin_turns(r) : cos_turns(r);
  return negate_if(((quadrant + 1) & 2) != 0, y);
}

// ---- roots, powers, and float64: the platform's --------------------------------------------------------------------

ELBO_HD inline float sqrt(float x) { return ELBO_PLATFORM(sqrtf)(x); }
ELBO_HD inline float pow(float x, float y) { return ELBO_PLATFORM(powf)(x, y); }

ELBO_HD inline double sqrt(double x) { return ELBO_PLATFORM(sqrt)(x); }
ELBO_HD inline double pow(double x, double y) { return ELBO_PLATFORM(pow)(x, y); }
ELBO_HD inline double exp(double x) { return ELBO_PLATFORM(exp)(x); }
ELBO_HD inline double expm1(double x) { return ELBO_PLATFORM(expm1)(x); }
ELBO_HD inline double log(double x) { return ELBO_PLATFORM(log)(x); }
ELBO_HD inline double log1p(double x) { return ELBO_PLATFORM(log1p)(x); }
ELBO_HD inline double tanh(double x) { return ELBO_PLATFORM(tanh)(x); }
ELBO_HD inline double erf(double x) { return ELBO_PLATFORM(erf)(x); }
ELBO_HD inline double sin(double x) { return ELBO_PLATFORM(sin)(x); }
ELBO_HD inline double cos(double x) { return ELBO_PLATFORM(cos)(x); }
ELBO_HD inline double log1p_exp_neg_abs(double x) { return log1p(exp(-abs(x))); }
ELBO_HD inline double sigmoid(double x) {
  const double e = exp(-abs(x));
  return (x < 0.0 ? e : 1.0) / (1.0 + e);
}
ELBO_HD inline double sin2pi(double u) { return ELBO_PLATFORM(sin)(6.283185307179586477 * u); }
ELBO_HD inline double cos2pi(double u) { return ELBO_PLATFORM(cos)(6.283185307179586477 * u); }

}  // namespace math
}  // namespace
}  // namespace elbo

#undef ELBO_PLATFORM
