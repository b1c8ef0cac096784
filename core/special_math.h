#pragma once
#include "scalar_math.h"

/// Powers and the gamma function, by the rules of scalar_math.h. They compute in float64 and round once: what cancels
/// does so below the last bit of a float32.

#if !defined(__CUDACC__)
extern "C" double lgamma_r(double x, int* sign) noexcept;  // lgamma writes a global
#endif

namespace elbo {
namespace {  // NOLINT(google-build-namespaces): see scalar_math.h
namespace math {

/// log(f (1 + d)) for a float f = 2^k (1 + m) > 0 and |d| < 2^-24, with a relative error of 2^-41.
ELBO_HD inline double wide_log(float f, double d) {
  const bool tiny = f < 1.17549435e-38f;
  const LogParts p = log_parts(tiny ? f * 8388608.0f : f);
  const double m = p.m, s = m / (2.0 + m), v = s * s;
  double a = fma(0.17096513962753662, v, 0.18103110642957382);
  a = fma(a, v, 0.22223871161458705);
  a = fma(a, v, 0.28571413031087195);
  a = fma(a, v, 0.40000000053416773);
  a = fma(a, v, 0.66666666666636976);
  // log(1 + m) = 2 artanh(s).
  return fma(static_cast<double>(tiny ? p.k - 23.0f : p.k), 0.69314718055994531, fma(s, fma(v, a, 2.0), d));
}
/// log(x) for x > 0 in the range of float.
ELBO_HD inline double wide_log(double x) {
  const float f = static_cast<float>(x);
  return wide_log(f, x / static_cast<double>(f) - 1.0);
}

/// x to the power y as C has it, NaN only where it must be. One select a line, and no && or ||: GCC would make branches
/// of them, and leave the loop without vectors.
ELBO_HD inline float pow(float x, float y) {
  const float a = abs(x), half = 0.5f * y;
  const double inside = wide_log(a, 0.0), log_or_large = a < infinity ? inside : static_cast<double>(a);
  const double l = a == 0.0f ? -static_cast<double>(infinity) : log_or_large;
  double t = static_cast<double>(y) * l;
  t = a == 1.0f ? 0.0 : t;
  t = t < -110.0 ? -110.0 : t;  // beyond, floats are 0 and infinite
  t = t > 90.0 ? 90.0 : t;
  const float power = static_cast<float>(wide_exp(t)), signed_power = copysign(power, x);
  const bool whole = round(y) == y, odd = whole & (round(half) != half);
  const bool no_root = (x < 0.0f) & (a < infinity) & !whole, numbers = (x == x) & (y == y);
  const bool one = (y == 0.0f) | (x == 1.0f);
  const float result = odd ? signed_power : power;
  const float result_or_nan = no_root ? not_a_number : result;
  const float unless_nan = numbers ? result_or_nan : not_a_number;
  return one ? 1.0f : unless_nan;
}

/// sin(pi r) / pi and cos(pi r) for |r| <= 1/2.
ELBO_HD inline double sin_half_turns(double r) {
  const double s = r * r;
  double p = fma(0.00014328491330811057, s, -0.0023446422851958774);
  p = fma(p, s, 0.026147661795371799);
  p = fma(p, s, -0.19075181323710413);
  p = fma(p, s, 0.81174242505025684);
  p = fma(p, s, -1.6449340668474173);
  return r + r * (s * p);
}
ELBO_HD inline double cos_half_turns(double r) {
  const double s = r * r;
  double p = fma(2.4974834925688047e-05, s, -0.00047560663114590605);
  p = fma(p, s, 0.0063326894111099801);
  p = fma(p, s, -0.057249467242229991);
  p = fma(p, s, 0.31950332404404197);
  p = fma(p, s, -0.9348022005416492);
  return (1.0 + s * p) * (1.0 - 4.0 * s);
}

/// A number a > 0 moved to z in [1, 2], where polynomials are good, by Gamma(z + 1) = z Gamma(z): from [0, 1) up, from
/// [2, 3) down. `step` is what Gamma is divided or multiplied by; 1 where a lies there. From 3 on z and step are 1.5
/// and a, and Stirling's series is good.
struct GammaParts {
  bool below_1, below_3;
  double z, step;
};
ELBO_HD inline GammaParts gamma_parts(double a) {
  const bool below_1 = a < 1.0, below_2 = a < 2.0, below_3 = a < 3.0;
  return {below_1, below_3, below_1 ? a + 1.0 : (below_2 ? a : (below_3 ? a - 1.0 : 1.5)),
          below_1 ? a : (below_2 ? 1.0 : (below_3 ? a - 1.0 : a))};
}

/// log|Gamma(x)|. Left of 0 it has zeros, around which the error is an absolute one, 2^-33.
ELBO_HD inline float lgamma(float x) {
  const double a = abs(x), turn = x - round(x), u = 1.0 / a, v = u * u;
  const GammaParts p = gamma_parts(a);
  const double t = p.z - 1.5;
  double w = fma(0.00037721545217415394, t, -0.00060712484420353966);
  w = fma(w, t, 0.00067620478104544893);
  w = fma(w, t, -0.0011080558310978198);
  w = fma(w, t, 0.0019283782552744898);
  w = fma(w, t, -0.0032207885312005016);
  w = fma(w, t, 0.0054460529105781674);
  w = fma(w, t, -0.0094249764758695814);
  w = fma(w, t, 0.016797111398391927);
  w = fma(w, t, -0.031308507866704825);
  w = fma(w, t, 0.062911400960166355);
  w = fma(w, t, -0.14595989573182686);
  w = fma(w, t, 0.48312895054098087);
  double series = fma(0.0005045318717343812, v, -0.00056718140415355669);
  series = fma(series, v, 0.00079261127965677867);
  series = fma(series, v, -0.0027777637763430792);
  series = fma(series, v, 0.083333333302401946);
  const double near = (p.z - 1.0) * (p.z - 2.0) * w, l = wide_log(p.step);
  const double far = (a - 0.5) * l - a + 0.91893853320467274 + u * series;
  const double right = p.below_3 ? (p.below_1 ? near - l : near + l) : far;
  // |Gamma(x) Gamma(-x)| = pi / |x sin(pi x)|; for small x the logarithms of |x| cancel.
  const double sine = abs(sin_half_turns(turn));
  const double left = -wide_log(p.below_1 ? sine : a * sine) - (p.below_1 ? near : right);
  const bool pole = abs(x) == infinity || (x <= 0.0f && turn == 0.0);
  return x != x ? x : (pole ? infinity : static_cast<float>(x < 0.0f ? left : right));
}

/// The derivative of lgamma.
ELBO_HD inline float digamma(float x) {
  const double a = abs(x), turn = x - round(x), u = 1.0 / a, v = u * u;
  const GammaParts p = gamma_parts(a);
  const double t = p.z - 1.5;
  double d = fma(0.0051290832618366995, t, -0.0076967904452528903);
  d = fma(d, t, 0.0073857767819539436);
  d = fma(d, t, -0.011096228103516554);
  d = fma(d, t, 0.017991261558577588);
  d = fma(d, t, -0.027101835424346757);
  d = fma(d, t, 0.040754593297480844);
  d = fma(d, t, -0.061912770922936004);
  d = fma(d, t, 0.094988921423626832);
  d = fma(d, t, -0.14840521855349975);
  d = fma(d, t, 0.2405424824751142);
  d = fma(d, t, -0.42362741863256231);
  d = fma(d, t, 0.95105587603183284);
  double series = fma(-0.0079405075489430987, v, 0.0063303366281138463);
  series = fma(series, v, -0.0041035411368966525);
  series = fma(series, v, 0.0039667138572361763);
  series = fma(series, v, -0.0083333191152452947);
  series = fma(series, v, 0.083333333311524788);
  const double near = (p.z - 1.4616321449683623) * d, step = 1.0 / p.step;  // psi is 0 there
  const double far = wide_log(p.step) - 0.5 * u - v * series;
  const double right = p.below_3 ? (p.below_1 ? near - step : (a < 2.0 ? near : near + step)) : far;
  // psi(x) = psi(-x) - 1 / x - pi cot(pi x).
  const double left = (p.below_1 ? near : right + u) - cos_half_turns(turn) / sin_half_turns(turn);
  const float y = static_cast<float>(x < 0.0f ? left : right);
  const bool none = x != x || x == -infinity || (x < 0.0f && turn == 0.0);
  return none ? not_a_number : (x == 0.0f ? -1.0f / x : (x == infinity ? x : y));
}

// ---- float64

ELBO_HD inline double lgamma(double x) {
#if defined(__CUDACC__)
  return ::lgamma(x);
#else
  int sign;
  return ::lgamma_r(x, &sign);
#endif
}
/// By psi(a + 1) = psi(a) + 1 / a from 10 on, where 7 terms of the asymptotic series are enough.
ELBO_HD inline double digamma(double x) {
  if (x == 0.0) return -1.0 / x;
  const double turn = x - round(x), angle = 3.1415926535897932385 * turn;
  double a = x < 0.0 ? 1.0 - x : x, y = 0;
  // psi(x) = psi(1 - x) - pi cot(pi x).
  if (x < 0.0) y = turn == 0.0 ? static_cast<double>(not_a_number) : -3.1415926535897932385 * (cos(angle) / sin(angle));
  for (; a < 10.0; a += 1.0) y -= 1.0 / a;
  const double u = 1.0 / a, v = u * u;
  double series = 1.0 / 132 - v * (691.0 / 32760 - v * (1.0 / 12));
  series = v * (1.0 / 12 - v * (1.0 / 120 - v * (1.0 / 252 - v * (1.0 / 240 - v * series))));
  return y + (log(a) - 0.5 * u - series);
}

}  // namespace math
}  // namespace
}  // namespace elbo
