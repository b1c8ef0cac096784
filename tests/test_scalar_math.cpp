// float32 functions against the double-precision ones, in units in the last place, over all their range in steps that
// are small against any structure: as the compiled loops of every variant compute them, and directly.
#include "../core/functors.h"
#include "kernel_support.h"

#include <numbers>

using namespace kernel_test;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();

/// float32 in order: consecutive integers are neighbours.
int64_t order(float x) {
  std::int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits < 0 ? -static_cast<int64_t>(bits & 0x7fffffff) : bits;
}
float nth(int64_t n) {
  const auto bits = static_cast<std::uint32_t>(n < 0 ? (-n | 0x80000000ll) : n);
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
/// About `count` values from lo to hi, dense in floats: as many in each binade.
std::vector<float> sweep(float lo, float hi, int64_t count = 400001) {
  std::vector<float> x;
  const int64_t from = order(lo), to = order(hi), step = std::max<int64_t>(1, (to - from) / count) | 1;
  for (int64_t n = from; n <= to; n += step) x.push_back(nth(n));
  x.push_back(hi);
  return x;
}

/// The error of y in units in the last place of the exact result; subnormals count in the smallest one's.
double ulps(float y, double exact) {
  const float rounded = static_cast<float>(exact);
  if (std::isnan(exact)) return std::isnan(y) ? 0 : inf;
  if (std::isinf(rounded)) return y == rounded ? 0 : inf;
  int exponent = 0;
  std::frexp(exact, &exponent);
  const double error = std::fabs(static_cast<double>(y) - exact) / std::ldexp(1.0, std::max(exponent - 24, -149));
  return std::isnan(error) ? inf : error;
}

template <class Exact>
void check(const std::string& what, const std::vector<float>& x, const std::vector<float>& y, const Exact& exact,
           double bound = 2) {
  double worst = 0;
  float at = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = ulps(y[i], exact(static_cast<double>(x[i])));
    if (error > worst) worst = error, at = x[i];
  }
  INFO(what << ": " << worst << " ulp at " << at << ", exactly " << exact(static_cast<double>(at)));
  REQUIRE(worst <= bound);
}

template <class Exact>
void check_op(UnaryOp op, const std::string& name, const std::vector<float>& x, const Exact& exact, double p0 = 0) {
  for (const auto& backend : backends()) {
    std::vector<float> y = poison<float>(static_cast<int64_t>(x.size()));
    ok(backend->unary(op, flat(y), flat(x), p0, 0));
    check(name + " " + backend->description(), x, y, exact);
  }
}

/// A derivative is rounded once more than a function, where it is multiplied with what comes in: 2.5.
template <class Exact>
void check_slope(UnaryOp op, const std::string& name, const std::vector<float>& x, const Exact& exact) {
  const std::vector<float> one(x.size(), 1.0f);
  for (const auto& backend : backends()) {
    std::vector<float> slope = poison<float>(static_cast<int64_t>(x.size()));
    ok(backend->unary_grad(op, flat(slope), flat(x), flat(x), flat(one), 0, 0));
    check("derivative of " + name + " " + backend->description(), x, slope, exact, 2.5);
  }
}

template <class Fn, class Exact>
void check_function(const std::string& name, const std::vector<float>& x, const Fn& fn, const Exact& exact,
                    double bound = 2) {
  std::vector<float> y;
  for (float each : x) y.push_back(fn(each));
  check(name, x, y, exact, bound);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
/// sigmoid(x) sigmoid(-x), which is 0 at infinity.
double sigmoid_slope(double x) {
  const double e = std::exp(-std::fabs(x));
  return e / ((1 + e) * (1 + e));
}
double normal_density(double x) { return 0.39894228040143267794 * std::exp(-0.5 * x * x); }
/// P(Z > |x|).
double normal_tail(double x) { return 0.5 * std::erfc(std::fabs(x) * 0.70710678118654752440); }

}  // namespace

TEST_CASE("float32 functions are within 2 ulp in every variant") {
  check_op(UnaryOp::exp, "exp", sweep(-inf, inf), [](double x) { return std::exp(x); });
  check_op(UnaryOp::exp, "exp", sweep(-105, -80), [](double x) { return std::exp(x); });
  check_op(UnaryOp::exp, "exp", sweep(0.1f, 89), [](double x) { return std::exp(x); });
  check_op(
      UnaryOp::elu, "expm1", sweep(-inf, -0.0f), [](double x) { return std::expm1(x); }, 1);
  check_op(
      UnaryOp::elu, "expm1", sweep(-18, -0.01f), [](double x) { return std::expm1(x); }, 1);
  check_op(UnaryOp::log, "log", sweep(0, inf), [](double x) { return std::log(x); });
  check_op(UnaryOp::log, "log", sweep(0.5f, 2), [](double x) { return std::log(x); });
  check_op(UnaryOp::log1p, "log1p", sweep(-1, inf), [](double x) { return std::log1p(x); });
  check_op(UnaryOp::log1p, "log1p", sweep(-0.9f, 2), [](double x) { return std::log1p(x); });
  check_op(UnaryOp::sigmoid, "sigmoid", sweep(-inf, inf), sigmoid);
  check_op(UnaryOp::sigmoid, "sigmoid", sweep(-12, -0.5f), sigmoid);
  check_op(UnaryOp::tanh, "tanh", sweep(-inf, inf), [](double x) { return std::tanh(x); });
  check_op(UnaryOp::tanh, "tanh", sweep(0.1f, 10), [](double x) { return std::tanh(x); });
  check_op(UnaryOp::sqrt, "sqrt", sweep(0, inf), [](double x) { return std::sqrt(x); });
}

namespace {

/// psi(x) by psi(a + 1) = psi(a) + 1 / a and psi(1 - x) = psi(x) + pi cot(pi x).
double digamma(double x) {
  const long double turn = static_cast<long double>(x) - std::round(x), angle = std::numbers::pi_v<long double> * turn;
  long double a = x < 0 ? 1 - static_cast<long double>(x) : x;
  long double y = x < 0 ? -std::numbers::pi_v<long double> * std::cos(angle) / std::sin(angle) : 0;
  for (; a < 30; ++a) y -= 1 / a;
  const long double v = 1 / (a * a);
  return static_cast<double>(y + std::log(a) - 1 / (2 * a) - v * (1.L / 12 - v * (1.L / 120 - v / 252)));
}

}  // namespace

TEST_CASE("powers and the gamma function are within 2 ulp in every variant") {
  check_op(UnaryOp::expm1, "expm1", sweep(-20, 89), [](double x) { return std::expm1(x); });
  check_op(UnaryOp::erf, "erf", sweep(-inf, inf), [](double x) { return std::erf(x); });
  check_op(UnaryOp::erf, "erf", sweep(0.5f, 4), [](double x) { return std::erf(x); });
  const auto erf_slope = [](double x) { return 2 / std::sqrt(std::numbers::pi) * std::exp(-x * x); };
  check_slope(UnaryOp::erf, "erf", sweep(-11, 11), erf_slope);
  const auto lgamma = [](double x) { return std::log(std::fabs(std::tgamma(x))); };
  check_op(UnaryOp::lgamma, "lgamma", sweep(1e-30f, 0.9f), lgamma);
  check_op(UnaryOp::lgamma, "lgamma", sweep(2.1f, 30), lgamma);
  // At its zeros the logarithm of tgamma is not exact; there two terms of Taylor's series are.
  check_op(UnaryOp::lgamma, "lgamma", {1, 2, 1.0000001f, 2.0000002f, 0.9999999f}, [](double x) {
    const double d = x < 1.5 ? x - 1 : x - 2, slope = x < 1.5 ? -0.57721566490153286 : 0.42278433509846714;
    return d * (slope + d * (x < 1.5 ? 0.82246703342411322 : 0.32246703342411322));
  });
  check_op(UnaryOp::lgamma, "lgamma", sweep(-1.9f, -1e-30f), lgamma);
  check_op(UnaryOp::lgamma, "lgamma", {inf, -inf, 0, -0.0f, -3, 5e36f, -1e30f}, [](double) { return double{inf}; });
  check_slope(UnaryOp::lgamma, "lgamma", sweep(1e-30f, 1e30f), digamma);
  check_slope(UnaryOp::lgamma, "lgamma", sweep(1, 3), digamma);
  check_slope(UnaryOp::lgamma, "lgamma", {1, 1.9999999f, 2, 2.9999998f, 3}, digamma);
  check_slope(UnaryOp::lgamma, "lgamma", sweep(-39.5f, -1e-30f), digamma);
  for (double power : {0.5, -1.75, 1.0, 3.0, 30.0})
    check_op(
        UnaryOp::pow, "pow", sweep(0, inf), [power](double x) { return std::pow(x, power); }, power);
  const std::vector<float> odd = {0,    -0.0f, 1,      -1,      2,     -2,     3,    -3,    0.5f,     -0.5f,    inf,
                                  -inf, NAN,   1e-45f, -1e-45f, 3e38f, -3e38f, 1.5f, -1.5f, 16777215, -16777216};
  for (float base : odd)
    for (float exponent : odd) {
      const float y = math::pow(base, exponent), c = std::pow(base, exponent);
      INFO(base << " to the power " << exponent << " is " << y << ", expected " << c);
      REQUIRE((std::isnan(c) ? std::isnan(y) : ulps(y, double{c}) <= 1 && std::signbit(y) == std::signbit(c)));
    }
}

TEST_CASE("powers that take no logarithm: what is rounded once is the nearest number, the others are within 2 ulp") {
  const auto exact = [](double v, double e) {
    return e == 0.5 ? std::sqrt(v) : e == -1 ? 1 / v : e == 2 ? v * v : std::pow(v, e);
  };
  for (const auto& backend : backends())
    for (double e : {2.0, 3.0, -1.0, 0.5, -0.5}) {
      INFO(backend->description() << ", to the power " << e);
      // The slope of x^-0.5 is half of a power that is out of range first.
      const std::vector<float> x = sweep(e == -0.5 ? 1e-25f : 0.0f, inf, 100001), one(x.size(), 1.0f);
      std::vector<float> y = poison<float>(static_cast<int64_t>(x.size())), slope = y, nearest;
      ok(backend->unary(UnaryOp::pow, flat(y), flat(x), e, 0));
      check("power", x, y, [&](double v) { return exact(v, e); });
      for (float each : x) nearest.push_back(static_cast<float>(exact(static_cast<double>(each), e)));
      if (e == 2 || e == -1 || e == 0.5) REQUIRE(same_bits(y, nearest));
      ok(backend->unary_grad(UnaryOp::pow, flat(slope), flat(x), flat(y), flat(one), e, 0));
      check(
          "slope", x, slope, [&](double v) { return e * std::pow(v, e - 1); }, 2.5);
    }
}

TEMPLATE_TEST_CASE("constant powers at zeros, infinities, NaN and negative numbers are C's, as are their slopes", "",
                   float, double) {
  using T = TestType;
  const T least = std::numeric_limits<T>::denorm_min(), most = std::numeric_limits<T>::max(),
          none = static_cast<T>(std::nan(""));
  const T infinite = std::numeric_limits<T>::infinity();
  const std::vector<T> x = {0,       -T(0), 1,      -1,   2,     -2,   3,        -3,        T(0.5),
                            -T(0.5), least, -least, most, -most, none, infinite, -infinite, T(1.5)};
  const std::vector<T> one(x.size(), T(1));
  const auto same = [](T found, T expected) {
    return std::isnan(expected)
               ? std::isnan(found)
               : std::abs(found - expected) <= 3 * std::numeric_limits<T>::epsilon() * std::abs(expected) ||
                     found == expected;
  };
  for (const auto& backend : backends())
    for (double e : {0.0, 1.0, 2.0, 3.0, -1.0, 0.5, -0.5, -2.0, 2.5}) {
      std::vector<T> y(x.size()), slope(x.size());
      ok(backend->unary(UnaryOp::pow, flat(y), flat(x), e, 0));
      ok(backend->unary_grad(UnaryOp::pow, flat(slope), flat(x), flat(y), flat(one), e, 0));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const T power = std::pow(x[i], static_cast<T>(e));
        const T expected = e == 0 ? T(0) : static_cast<T>(e) * std::pow(x[i], static_cast<T>(e - 1));
        INFO(backend->description() << ": " << x[i] << " to the power " << e << " is " << y[i] << ", expected " << power
                                    << "; its slope " << slope[i] << ", expected " << expected);
        REQUIRE(same(y[i], power));
        REQUIRE((std::isnan(power) || std::signbit(y[i]) == std::signbit(power)));
        REQUIRE(same(slope[i], expected));
      }
    }
}

TEST_CASE("rounding is exact, signs of zeros included") {
  const auto same = [](auto a, auto b) { return (a == b && std::signbit(a) == std::signbit(b)) || (a != a && b != b); };
  const auto check = [&](auto x) {
    INFO(x);
    REQUIRE(same(math::round(x), std::nearbyint(x)));
    REQUIRE(same(math::floor(x), std::floor(x)));
    REQUIRE(same(math::ceil(x), std::ceil(x)));
    REQUIRE(same(math::trunc(x), std::trunc(x)));
  };
  for (double x : {0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.3, -0.3, 0.7, -0.7, 4194304.5, 8388607.5, -8388607.5, 1e30})
    check(x), check(static_cast<float>(x));
  for (float x : sweep(-inf, inf, 4001)) check(x), check(1.0000001 * static_cast<double>(x));
  check(NAN);
}

TEST_CASE("activations and their derivatives keep their digits in the tails, in every variant") {
  check_slope(UnaryOp::sigmoid, "sigmoid", sweep(-inf, inf), sigmoid_slope);
  check_slope(UnaryOp::sigmoid, "sigmoid", sweep(0.1f, 20), sigmoid_slope);
  const auto tanh_slope = [](double x) { return 4 * sigmoid_slope(2 * x); };
  check_slope(UnaryOp::tanh, "tanh", sweep(-inf, inf), tanh_slope);
  check_slope(UnaryOp::tanh, "tanh", sweep(0.1f, 10), tanh_slope);
  check_slope(UnaryOp::softplus, "softplus", sweep(-inf, inf), sigmoid);
  const auto softplus = [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); };
  check_op(UnaryOp::softplus, "softplus", sweep(-inf, inf), softplus);
  check_op(UnaryOp::softplus, "softplus", sweep(-30, 30), softplus);

  const auto silu = [](double x) { return x < -1e4 ? 0 : x * sigmoid(x); };
  const auto silu_slope = [](double x) {
    const double e = std::exp(-std::fabs(x)), v = e * (std::min(std::fabs(x), 1e4) - 1 - e) / ((1 + e) * (1 + e));
    return x < 0 ? -v : 1 + v;
  };
  check_op(UnaryOp::silu, "silu", sweep(-inf, inf), silu);
  check_op(UnaryOp::silu, "silu", sweep(-110, -0.1f), silu);
  check_slope(UnaryOp::silu, "silu", sweep(-110, -1.3f), silu_slope);  // its zero is at -1.278
  check_slope(UnaryOp::silu, "silu", sweep(-1.25f, inf), silu_slope);

  const auto gelu = [](double x) { return x < 0 ? std::max(x, -40.0) * normal_tail(x) : x * (1 - normal_tail(x)); };
  const auto gelu_slope = [](double x) {
    const double at = std::min(std::fabs(x), 40.0), left = normal_tail(at) - at * normal_density(at);
    return x < 0 ? left : 1 - left;
  };
  check_op(UnaryOp::gelu, "gelu", sweep(-inf, inf), gelu);
  check_op(UnaryOp::gelu, "gelu", sweep(-15, -0.01f), gelu);
  check_slope(UnaryOp::gelu, "gelu", sweep(-15, -0.8f), gelu_slope);  // its zero is at -0.7518
  check_slope(UnaryOp::gelu, "gelu", sweep(-0.7f, inf), gelu_slope);
}

TEST_CASE("bce_with_logits keeps its digits in the tails") {
  for (const double t : {0.0, 1.0}) {
    const std::vector<float> x = sweep(-110, 110);
    const auto target = static_cast<float>(t);
    const BceWithLogits<float> f{};
    check_function(
        "loss", x, [&](float v) { return f(v, target); },
        [t](double v) { return std::fabs(v) * (v < 0 ? t : 1 - t) + std::log1p(std::exp(-std::fabs(v))); });
    check_function(
        "derivative", x, [&](float v) { return f.grad_a(v, target, 1); },
        [t](double v) { return t == 0 ? sigmoid(v) : -sigmoid(-v); }, 2.5);
  }
}

TEST_CASE("sin and cos are within 2 ulp for every float32") {
  for (auto [lo, hi] :
       {std::pair{-0.01f, 0.01f}, {0.01f, 100.0f}, {-1e5f, -100.0f}, {1e5f, 3.4e38f}, {-3.4e38f, -1e5f}}) {
    check_op(UnaryOp::sin, "sin", sweep(lo, hi), [](double x) { return std::sin(x); });
    check_op(UnaryOp::cos, "cos", sweep(lo, hi), [](double x) { return std::cos(x); });
  }
}

TEST_CASE("functions that are no ops of their own are within 2 ulp") {
  check_function(
      "expm1", sweep(-inf, inf), [](float x) { return math::expm1(x); }, [](double x) { return std::expm1(x); });
  check_function(
      "expm1", sweep(0.01f, 90), [](float x) { return math::expm1(x); }, [](double x) { return std::expm1(x); });
  const auto far = [](double x) { return std::isinf(std::expm1(x)) ? inf : std::expm1(x) - x; };
  const auto near = [](double x) {
    const double m = std::expm1(x / 2);  // as the function itself, but in float64
    return m * m + 2 * (std::fabs(x) < 1e-3 ? x * x / 8 * (1 + x / 6) : m - x / 2);
  };
  check_function(
      "exp(x) - 1 - x", sweep(-0.7f, 0.7f), [](float x) { return math::expm1_minus_x(x); }, near, 5);
  check_function(
      "exp(x) - 1 - x", sweep(0.69f, 200), [](float x) { return math::expm1_minus_x(x); }, far, 5);
  check_function(
      "exp(x) - 1 - x", sweep(-200, -0.69f), [](float x) { return math::expm1_minus_x(x); }, far, 5);
  check_function(
      "exp(-|x|)", sweep(-inf, inf), [](float x) { return math::exp_neg_abs(x); },
      [](double x) { return std::exp(-std::fabs(x)); });
  check_function(
      "log(1 + exp(-|x|))", sweep(-120, 120), [](float x) { return math::log1p_exp_neg_abs(x); },
      [](double x) { return std::log1p(std::exp(-std::fabs(x))); });
  constexpr double two_pi = 6.283185307179586477;
  check_function(
      "sin2pi", sweep(0, 0.99999994f), [](float u) { return math::sin2pi(u); },
      [](double u) { return u == 0.5 ? 0.0 : std::sin(two_pi * u); });
  // Near its zeros at 1/4 and 3/4 the double-precision product with 2 pi is not exact enough: take the distance.
  auto cosine = [](double u) {
    if (std::fabs(u - 0.25) < 0.1) return -std::sin(two_pi * (u - 0.25));
    if (std::fabs(u - 0.75) < 0.1) return std::sin(two_pi * (u - 0.75));
    return std::cos(two_pi * u);
  };
  check_function(
      "cos2pi", sweep(0, 0.99999994f), [](float u) { return math::cos2pi(u); }, cosine);
}

TEST_CASE("float32 functions keep signed zeros, infinities and NaN") {
  const std::vector<float> x = {0.0f, -0.0f, inf, -inf, NAN, -NAN, 1e-45f, -1e-45f, 3.4e38f, -3.4e38f};
  struct Case {
    UnaryOp op;
    double (*exact)(double);
  };
  const Case cases[] = {{UnaryOp::exp, [](double v) { return std::exp(v); }},
                        {UnaryOp::log, [](double v) { return std::log(v); }},
                        {UnaryOp::log1p, [](double v) { return std::log1p(v); }},
                        {UnaryOp::tanh, [](double v) { return std::tanh(v); }},
                        {UnaryOp::sin, [](double v) { return std::sin(v); }},
                        {UnaryOp::cos, [](double v) { return std::cos(v); }},
                        {UnaryOp::sigmoid, sigmoid},
                        {UnaryOp::sqrt, [](double v) { return std::sqrt(v); }}};
  for (const auto& backend : backends()) {
    for (const Case& each : cases) {
      std::vector<float> y = poison<float>(static_cast<int64_t>(x.size()));
      ok(backend->unary(each.op, flat(y), flat(x), 0, 0));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double exact = each.exact(static_cast<double>(x[i]));
        INFO(backend->description() << " op " << static_cast<int>(each.op) << " of " << x[i] << ": expected " << exact
                                    << ", found " << y[i]);
        REQUIRE(ulps(y[i], exact) <= 2);
        if (exact == 0) REQUIRE(std::signbit(y[i]) == std::signbit(exact));
      }
    }
  }
  for (float v : {0.0f, -0.0f}) {
    REQUIRE(std::signbit(math::expm1(v)) == std::signbit(v));
  }
  REQUIRE(math::expm1(-inf) == -1.0f);
  REQUIRE(std::isnan(math::expm1(NAN)));
  REQUIRE(std::isnan(math::expm1_minus_x(NAN)));
  REQUIRE(std::isnan(math::sigmoid_slope(NAN)));
  REQUIRE(std::isnan(math::silu(NAN)));
  REQUIRE(std::isnan(math::silu_slope(NAN)));
  REQUIRE(std::isnan(math::normal_parts(NAN).tail));
  REQUIRE(std::isnan(math::exp_neg_abs(NAN)));
  REQUIRE(std::isnan(math::log1p_exp_neg_abs(NAN)));
  REQUIRE(math::log1p_exp_neg_abs(inf) == 0.0f);
}

TEST_CASE("an element has the same bits wherever it lies in an array") {
  // A vector loop and what is left of it must agree: every start and every length up to two vectors.
  for (const auto& backend : backends()) {
    for (UnaryOp op : {UnaryOp::exp, UnaryOp::log1p, UnaryOp::sigmoid, UnaryOp::tanh, UnaryOp::gelu, UnaryOp::sin}) {
      const std::vector<float> x = values<float>(70, -0.9, 5);
      std::vector<float> whole(70);
      ok(backend->unary(op, flat(whole), flat(x), 0, 0));
      for (std::size_t first = 0; first < 33; ++first) {
        const std::vector<float> part(x.begin() + static_cast<int64_t>(first), x.end() - 3);
        std::vector<float> y(part.size());
        ok(backend->unary(op, flat(y), flat(part), 0, 0));
        REQUIRE(std::memcmp(y.data(), whole.data() + first, y.size() * sizeof(float)) == 0);
      }
    }
  }
}
