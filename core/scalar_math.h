#pragma once

/// The functions that elementwise ops are made of. For float32 each is written once, in the same operations on every
/// device: the compiler vectorises it on the CPU and CUDA computes the same bits (no contraction: -ffp-contract=off,
/// --fmad=false). The error is at most 2 ulp over the range in use; tests/test_scalar_math.cpp measures it. float64 is
/// the platform's.
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
ELBO_HD inline double fma(double a, double b, double c) {
#if defined(__CUDA_ARCH__)
  return __fma_rn(a, b, c);
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
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

ELBO_HD inline unsigned long long bits_of(double x) {
#if defined(__CUDA_ARCH__)
  return static_cast<unsigned long long>(__double_as_longlong(x));
#else
  return __builtin_bit_cast(unsigned long long, x);
#endif
}
ELBO_HD inline double from_bits(unsigned long long x) {
#if defined(__CUDA_ARCH__)
  return __longlong_as_double(static_cast<long long>(x));
#else
  return __builtin_bit_cast(double, x);
#endif
}

ELBO_HD inline float abs(float x) { return from_bits(bits_of(x) & 0x7fffffffu); }
ELBO_HD inline double abs(double x) { return ELBO_PLATFORM(fabs)(x); }
/// The magnitude of x with the sign of s.
ELBO_HD inline float copysign(float x, float s) {
  return from_bits((bits_of(x) & 0x7fffffffu) | (bits_of(s) & 0x80000000u));
}
ELBO_HD inline double copysign(double x, double s) { return ELBO_PLATFORM(copysign)(x, s); }

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
ELBO_HD inline float exp_quotient(float r) {
  const float r2 = r * r;
  const float high = fma(r2, 0.0013870555f, fma(r, 0.00836645346f, 0.041667439f));
  return fma(r2, high, fma(r, 0.16666545f, 0.49999997f));
}
ELBO_HD inline ExpParts exp_parts(float x) {
  const float shifted = fma(x, 1.44269504f, round_float);
  const float k = shifted - round_float;
  // log(2) in two parts: the first has 15 bits, so that its product with k is exact.
  const float r = fma(k, -1.42860677e-6f, fma(k, -0.693145752f, x));
  return {r, exp_quotient(r), bits_of(shifted) - bits_of(round_float)};
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

// ---- whole numbers, exactly -----------------------------------------------------------------------------------------

/// The nearest integer, of two the even one. From 2^23 on (2^52) floating-point numbers are integers, and a sum is
/// rounded to one.
ELBO_HD inline float round(float x) {
  const float big = copysign(8388608.0f, x);  // 2^23
  return abs(x) < 8388608.0f ? copysign((x + big) - big, x) : x;
}
ELBO_HD inline double round(double x) {
  const double big = copysign(4503599627370496.0, x);  // 2^52
  return abs(x) < 4503599627370496.0 ? copysign((x + big) - big, x) : x;
}
template <class T>
ELBO_HD inline T floor(T x) {
  const T y = round(x);
  return y > x ? y - T(1) : y;
}
template <class T>
ELBO_HD inline T ceil(T x) {
  return -floor(-x);
}
/// Towards 0.
template <class T>
ELBO_HD inline T trunc(T x) {
  return copysign(floor(abs(x)), x);
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

constexpr float two_to_minus_100 = 7.88860905e-31f;

/// exp(-|x|) = (1 + y) power 2^-100, where power is never subnormal.
struct ExpNegParts {
  float y, power;
};
ELBO_HD inline ExpNegParts exp_neg_parts(float x) {
  x = -abs(x);
  const ExpParts p = exp_parts(x < -150.0f ? -150.0f : x);
  return {fma(p.r * p.r, p.q, p.r), from_bits((p.k + (127u + 100u)) << 23)};
}

/// exp(-|x|), in fewer operations.
ELBO_HD inline float exp_neg_abs(float x) {
  const ExpNegParts p = exp_neg_parts(x);
  return ((p.y + 1.0f) * p.power) * two_to_minus_100;  // the last product rounds subnormals
}

/// exp(x) - 1, accurate near 0.
ELBO_HD inline float expm1(float x) {
  const float at = x < -20.0f ? -20.0f : (x > 89.0f ? 89.0f : x);
  const ExpParts p = exp_parts(at);
  const float y = fma(p.r * p.r, p.q, p.r);
  const float scale = exp2_int(static_cast<int>(p.k) - 1);  // half of 2^k, which itself can overflow
  const float result = 2.0f * fma(y, scale, scale - 0.5f);
  return abs(x) < 1.17549435e-38f ? x : result;  // half of a subnormal is not exact, and may lose its sign
}

/// exp(x) - 1 - x, which is about x^2 / 2 near 0. With m = exp(x / 2) - 1 it is m^2 + 2 (m - x / 2), a sum of positive
/// terms: so for |x| < log(2), where the difference would cancel. Within 5 ulp.
ELBO_HD inline float expm1_minus_x(float x) {
  const float far = expm1(x), h = 0.5f * x, q = exp_quotient(h), m = fma(h * h, q, h);
  const float near = fma(m, m, 2.0f * (h * h) * q);
  return abs(x) < 0.693f ? near : (far < infinity ? far - x : far);
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

/// `times` the derivative of sigmoid, sigmoid(x) sigmoid(-x) = e / (1 + e)^2 with e = exp(-|x|): without the difference
/// 1 - sigmoid(x), in which large x would lose all digits. `times` is a power of two.
ELBO_HD inline float sigmoid_slope(float x, float times = 1.0f) {
  const float s = x * x;
  float near = fma(-1.57381255e-5f, s, 0.000182227202f);
  near = fma(near, s, -0.00146981154f);
  near = fma(near, s, 0.0104151201f);
  near = fma(near, s, -0.0624998659f);
  near = fma(near, s, 0.25f);
  const ExpNegParts p = exp_neg_parts(x);
  const float scaled = (p.y + 1.0f) * p.power, e = scaled * two_to_minus_100;
  const float u = e * (2.0f + e);
  // e / (1 + u), but not rounded three times: e - e u / (1 + u).
  const float far = fma(-scaled, u / (1.0f + u), scaled);
  return abs(x) < 1.1f ? near * times : far * (two_to_minus_100 * times);
}

/// exp(x) for -700 <= x <= 700 in float64, with a relative error of 2^-34.
ELBO_HD inline double wide_exp(double x) {
  const double shifted = fma(x, 1.4426950408889634, round_double);
  const double r = fma(shifted - round_double, -0.69314718055994531, x);
  double p = fma(2.485957833873916e-05, r, 0.00019899274074816048);
  p = fma(p, r, 0.0013888854049475359);
  p = fma(p, r, 0.0083332984836153642);
  p = fma(p, r, 0.041666666718981157);
  p = fma(p, r, 0.16666666718997822);
  p = fma(p, r, 0.5);
  p = fma(p, r, 1.0);
  p = fma(p, r, 1.0);
  // The whole number stands in the low bits of `shifted`: it is added to the exponent.
  return from_bits(bits_of(p) + (bits_of(shifted) << 52));
}

/// x sigmoid(x) is max(x, 0) less z = |x| e / (1 + e), e = exp(-|x|): so infinity gives no NaN, 150 standing for all
/// that is larger. What the roundings of |x| e and of 1 + e lost is put back into the quotient.
ELBO_HD inline float silu(float x) {
  const float a = abs(x) > 150.0f ? 150.0f : abs(x);
  const ExpNegParts p = exp_neg_parts(a);
  const float e = ((1.0f + p.y) * p.power) * two_to_minus_100, d = 1.0f + e, d_lost = e - (d - 1.0f);
  const float n = fma(a, p.y, a), n_lost = fma(a, p.y, a - n), q = n / d;
  const float z = fma(fma(-q, d_lost, n_lost), fma(-0.5f, d, 1.457f), q);  // times about 1 / d
  const float less = (z * p.power) * two_to_minus_100;
  return x < 0.0f ? -less : x - less;
}
/// Its derivative, in float64: a product of many, and a difference near its zero.
ELBO_HD inline float silu_slope(float x) {
  const float a = abs(x) > 150.0f ? 150.0f : abs(x);
  const ExpNegParts p = exp_neg_parts(a);
  const double e = (1.0 + static_cast<double>(p.y)) * (static_cast<double>(p.power) * 0x1p-100), d = 1.0 + e;
  const double v = e * ((static_cast<double>(a) - 1.0) - e) / (d * d);
  return static_cast<float>(x < 0.0f ? -v : 1.0 + v);
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

/// What gelu is made of: the standard normal distribution at |x|. `at` is |x|, or a number so large that the tail
/// behind it is 0 in x's dtype, so that infinity gives no NaN; NaN stays NaN.
struct NormalParts {
  double at, tail, density, at_tail;  // P(Z > at), the density there, and at * tail
};
/// Of `at` in [0, 16], in float64, which holds the square of a float without rounding: an error in the exponent would
/// grow with it. The tail is exp(-at^2 / 2) (1 - 0.3 q) R(q), q = at / (1 + 0.3 at), R a polynomial with a relative
/// error of 2^-28.
ELBO_HD inline NormalParts normal_parts_at(double at) {
  const double e = wide_exp(-0.5 * at * at), q = at / fma(0.3, at, 1.0);
  double m = fma(4.0586349522898586e-07, q, -4.800283674461827e-06);
  m = fma(m, q, 1.5562068385692275e-05);
  m = fma(m, q, 7.382962190595835e-06);
  m = fma(m, q, 5.6762818028971556e-05);
  m = fma(m, q, -0.0011318240964303672);
  m = fma(m, q, -0.002187537457264656);
  m = fma(m, q, 0.05563306590078119);
  m = fma(m, q, -0.248942153816966);
  m = fma(m, q, 0.499999998272161);
  m = m * e;
  return {at, fma(-0.3, q, 1.0) * m, 0.39894228040143267794 * e, q * m};
}
ELBO_HD inline NormalParts normal_parts(float x) {
  const float a = abs(x);
  return normal_parts_at(a > 16.0f ? 16.0f : a);
}

/// The error function is 1 less both tails beyond sqrt(2) |x|; near 0, where that cancels, x (1 + a polynomial in x^2).
ELBO_HD inline NormalParts erf_parts(float x) {
  const double at = 1.4142135623730950488 * static_cast<double>(abs(x));
  return normal_parts_at(at > 16.0 ? 16.0 : at);
}
ELBO_HD inline float erf(float x) {
  const float s = x * x;
  float p = fma(7.8758750626e-5f, s, -0.00080168642871f);  // erf(x) / x - 1
  p = fma(p, s, 0.0051890874234f);
  p = fma(p, s, -0.026854212010f);
  p = fma(p, s, 0.11283594715f);
  p = fma(p, s, -0.37612626667f);
  p = fma(p, s, 0.12837916585f);
  const float near = fma(p, x, x), far = copysign(static_cast<float>(1.0 - 2.0 * erf_parts(x).tail), x);
  return abs(x) < 1.0f ? near : (x == x ? far : x);
}
/// Its derivative, 2 / sqrt(pi) exp(-x^2).
ELBO_HD inline float erf_slope(float x) { return static_cast<float>(2.8284271247461900976 * erf_parts(x).density); }

// ---- trigonometry --------------------------------------------------------------------------------------------------

/// The integer nearest to t; for |t| above 2^51 any integer so close that t less it is exact.
ELBO_HD inline double round_any(double t) {
  const double shift = t < 0 ? -round_double : round_double;  // away from 0, where doubles are no finer than integers
  const double rounded = (t + shift) - shift;
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

// ---- roots, and float64: the platform's ----------------------------------------------------------------------------

ELBO_HD inline float sqrt(float x) { return ELBO_PLATFORM(sqrtf)(x); }

ELBO_HD inline double sqrt(double x) { return ELBO_PLATFORM(sqrt)(x); }
ELBO_HD inline double pow(double x, double y) { return ELBO_PLATFORM(pow)(x, y); }
ELBO_HD inline double exp(double x) { return ELBO_PLATFORM(exp)(x); }
ELBO_HD inline double expm1(double x) { return ELBO_PLATFORM(expm1)(x); }
ELBO_HD inline double log(double x) { return ELBO_PLATFORM(log)(x); }
ELBO_HD inline double log1p(double x) { return ELBO_PLATFORM(log1p)(x); }
ELBO_HD inline double tanh(double x) { return ELBO_PLATFORM(tanh)(x); }
ELBO_HD inline double sin(double x) { return ELBO_PLATFORM(sin)(x); }
ELBO_HD inline double cos(double x) { return ELBO_PLATFORM(cos)(x); }
ELBO_HD inline double exp_neg_abs(double x) { return exp(-abs(x)); }
ELBO_HD inline double log1p_exp_neg_abs(double x) { return log1p(exp(-abs(x))); }
ELBO_HD inline double sigmoid(double x) {
  const double e = exp(-abs(x));
  return (x < 0.0 ? e : 1.0) / (1.0 + e);
}
ELBO_HD inline double expm1_minus_x(double x) {
  const double r = x * x * (0.5 + x * (1.0 / 6 + x * (1.0 / 24 + x * (1.0 / 120 + x * (1.0 / 720)))));
  const double far = expm1(x);
  return abs(x) < 0.001 ? r : (far < static_cast<double>(infinity) ? far - x : far);
}
ELBO_HD inline double sigmoid_slope(double x, double times = 1.0) {
  const double e = exp(-abs(x));
  return times * (e / ((1.0 + e) * (1.0 + e)));
}
ELBO_HD inline double silu(double x) {
  const double far = x < -1000.0 ? -1000.0 : x;
  return (x < 0.0 ? far : x) * sigmoid(x);
}
ELBO_HD inline double silu_slope(double x) {
  const double e = exp(-abs(x)), a = abs(x), w = ((a > 1000.0 ? 1000.0 : a) - 1.0) - e;
  const double v = e * w / ((1.0 + e) * (1.0 + e));
  return x < 0.0 ? -v : 1.0 + v;
}
ELBO_HD inline NormalParts normal_parts(double x) {
  const double a = abs(x), at = a > 40.0 ? 40.0 : a;
  const double tail = 0.5 * ELBO_PLATFORM(erfc)(at * 0.70710678118654752440);
  return {at, tail, 0.39894228040143267794 * exp(-0.5 * at * at), at * tail};
}
ELBO_HD inline double erf(double x) { return ELBO_PLATFORM(erf)(x); }
ELBO_HD inline double erf_slope(double x) { return 1.1283791670955126 * exp(-x * x); }
ELBO_HD inline double sin2pi(double u) { return ELBO_PLATFORM(sin)(6.283185307179586477 * u); }
ELBO_HD inline double cos2pi(double u) { return ELBO_PLATFORM(cos)(6.283185307179586477 * u); }

}  // namespace math
}  // namespace
}  // namespace elbo

#undef ELBO_PLATFORM
