#pragma once
#include <cstdint>

#include "api.h"
#include "special_math.h"

/// Every elementwise op, written once. A functor is a plain struct template over the element type whose members, if
/// any, are the op's scalar parameters. `operator()` is the value and `grad` the derivative times the incoming
/// gradient g. The lists at the end instantiate the CPU loop, the CUDA kernel, the op with its gradient rule, the test
/// cases and the benchmark row.
///
/// To add an op: write its functor here, add a line to a list, declare it in ops.h, and give the tests its formula.
///
/// All names have internal linkage: the CPU variants compile this file under different instruction sets, and no
/// linker may ever take one variant's copy for another's.
namespace elbo {
namespace {  // NOLINT(google-build-namespaces): see above

#define ELBO_FN ELBO_HD inline

// ---- one operand: y = f(x); grad(x, y, g) = g * f'(x) --------------------------------------------------------------

template <class T>
struct Neg {
  ELBO_FN T operator()(T x) const { return -x; }
  ELBO_FN T grad(T, T, T g) const { return -g; }
};

template <class T>
struct Square {
  ELBO_FN T operator()(T x) const { return x * x; }
  ELBO_FN T grad(T x, T, T g) const { return T(2) * x * g; }
};

template <class T>
struct Sqrt {
  ELBO_FN T operator()(T x) const { return math::sqrt(x); }
  ELBO_FN T grad(T, T y, T g) const { return g / (T(2) * y); }
};

template <class T>
struct Exp {
  ELBO_FN T operator()(T x) const { return math::exp(x); }
  ELBO_FN T grad(T, T y, T g) const { return g * y; }
};

template <class T>
struct Log {
  ELBO_FN T operator()(T x) const { return math::log(x); }
  ELBO_FN T grad(T x, T, T g) const { return g / x; }
};

template <class T>
struct Log1p {
  ELBO_FN T operator()(T x) const { return math::log1p(x); }
  ELBO_FN T grad(T x, T, T g) const { return g / (T(1) + x); }
};

template <class T>
struct Sin {
  ELBO_FN T operator()(T x) const { return math::sin(x); }
  ELBO_FN T grad(T x, T, T g) const { return g * math::cos(x); }
};

template <class T>
struct Cos {
  ELBO_FN T operator()(T x) const { return math::cos(x); }
  ELBO_FN T grad(T x, T, T g) const { return -g * math::sin(x); }
};

/// |x|, with derivative 0 at 0.
template <class T>
struct Abs {
  ELBO_FN T operator()(T x) const { return math::abs(x); }
  ELBO_FN T grad(T x, T, T g) const { return g * ((x > T(0) ? T(1) : T(0)) - (x < T(0) ? T(1) : T(0))); }
};

/// max(x, 0), with derivative 0 at 0; NaN stays NaN, and lets the gradient pass.
template <class T>
struct Relu {
  ELBO_FN T operator()(T x) const { return x < T(0) ? T(0) : x; }
  ELBO_FN T grad(T, T y, T g) const { return y <= T(0) ? T(0) : g; }
};

template <class T>
struct Sigmoid {
  ELBO_FN T operator()(T x) const { return math::sigmoid(x); }
  ELBO_FN T grad(T x, T, T g) const { return g * math::sigmoid_slope(x); }
};

template <class T>
struct Tanh {
  ELBO_FN T operator()(T x) const { return math::tanh(x); }
  ELBO_FN T grad(T x, T, T g) const { return g * math::sigmoid_slope(x + x, T(4)); }
};

/// log(1 + exp(x)), without overflow.
template <class T>
struct Softplus {
  ELBO_FN T operator()(T x) const {
    T tail = math::log1p_exp_neg_abs(x);
    return x < T(0) ? tail : x + tail;
  }
  ELBO_FN T grad(T x, T, T g) const { return g * math::sigmoid(x); }
};

/// x * sigmoid(x).
template <class T>
struct Silu {
  ELBO_FN T operator()(T x) const { return math::silu(x); }
  ELBO_FN T grad(T x, T, T g) const { return g * math::silu_slope(x); }
};

/// x * Phi(x), Phi the normal distribution function (Hendrycks and Gimpel 2016, the exact form).
template <class T>
struct Gelu {
  ELBO_FN T operator()(T x) const {
    const double tail = math::normal_parts(x).at_tail;
    return static_cast<T>(x < T(0) ? -tail : static_cast<double>(x) - tail);  // max(x, -0) loses the sign of 0 in clang
  }
  ELBO_FN T grad(T x, T, T g) const {
    const math::NormalParts n = math::normal_parts(x);
    const double left = n.tail - n.at * n.density;
    return g * static_cast<T>(x < T(0) ? left : 1.0 - left);
  }
};

/// -1, 0 or 1; NaN gives 0, as in PyTorch.
template <class T>
struct Sign {
  ELBO_FN T operator()(T x) const { return (x > T(0) ? T(1) : T(0)) - (x < T(0) ? T(1) : T(0)); }
  ELBO_FN T grad(T, T, T) const { return T(0); }
};

/// To the nearest integer, of two the even one.
template <class T>
struct Round {
  ELBO_FN T operator()(T x) const { return math::round(x); }
  ELBO_FN T grad(T, T, T) const { return T(0); }
};

template <class T>
struct Floor {
  ELBO_FN T operator()(T x) const { return math::floor(x); }
  ELBO_FN T grad(T, T, T) const { return T(0); }
};

template <class T>
struct Ceil {
  ELBO_FN T operator()(T x) const { return math::ceil(x); }
  ELBO_FN T grad(T, T, T) const { return T(0); }
};

template <class T>
struct Trunc {
  ELBO_FN T operator()(T x) const { return math::trunc(x); }
  ELBO_FN T grad(T, T, T) const { return T(0); }
};

template <class T>
struct Expm1 {
  ELBO_FN T operator()(T x) const { return math::expm1(x); }
  ELBO_FN T grad(T x, T, T g) const { return g * math::exp(x); }
};

template <class T>
struct Erf {
  ELBO_FN T operator()(T x) const { return math::erf(x); }
  ELBO_FN T grad(T x, T, T g) const { return g * math::erf_slope(x); }
};

template <class T>
struct Lgamma {
  ELBO_FN T operator()(T x) const { return math::lgamma(x); }
  ELBO_FN T grad(T x, T, T g) const { return g * math::digamma(x); }
};

// ---- one operand and parameters ------------------------------------------------------------------------------------

template <class T>
struct AddScalar {
  T c;
  ELBO_FN T operator()(T x) const { return x + c; }
  ELBO_FN T grad(T, T, T g) const { return g; }
};

template <class T>
struct MulScalar {
  T c;
  ELBO_FN T operator()(T x) const { return x * c; }
  ELBO_FN T grad(T, T, T g) const { return g * c; }
};

/// A division: the product with 1 / c would be rounded twice, and 1 / c can overflow where x / c does not.
template <class T>
struct DivScalar {
  T c;
  ELBO_FN T operator()(T x) const { return x / c; }
  ELBO_FN T grad(T, T, T g) const { return g / c; }
};

/// x to a constant power, as C's pow has it at zeros, infinities and NaN. Exponents that need no logarithm take
/// products, a quotient or a root: of 2, -1 and 0.5 the power is rounded once, as the exact one would be, of 3 and -0.5
/// twice. The CPU's loops have a copy for each of them (cpu/variant/elementwise.cpp).
template <class T>
struct Pow {
  double exponent;  // in full, so that one less is rounded once
  ELBO_FN T operator()(T x) const {
    if (exponent == 2) return x * x;
    if (exponent == 3) return x * x * x;
    if (exponent == -1) return T(1) / x;
    if (exponent == 0.5) return root(x);
    if (exponent == -0.5) return T(1) / root(x);
    return math::pow(x, static_cast<T>(exponent));
  }
  ELBO_FN T grad(T x, T, T g) const {
    if (exponent == 2) return g * (T(2) * x);
    if (exponent == 3) return g * (T(3) * (x * x));
    if (exponent == -1) return g * -((T(1) / x) / x);  // x * x would be out of range before the quotient is
    if (exponent == 0.5) return g * (T(0.5) / root(x));
    return exponent == 0 ? T(0) : g * (static_cast<T>(exponent) * math::pow(x, static_cast<T>(exponent - 1)));
  }
  /// The square root, but 0 of -0 and infinity of -infinity.
  ELBO_FN T root(T x) const { return x == -T(math::infinity) ? T(math::infinity) : math::sqrt(x) + T(0); }
};

template <class T>
struct LeakyRelu {
  T slope;
  ELBO_FN T operator()(T x) const { return x > T(0) ? x : slope * x; }
  ELBO_FN T grad(T x, T, T g) const { return x > T(0) ? g : slope * g; }
};

/// x for x > 0, alpha * (exp(x) - 1) otherwise (Clevert et al. 2015). NaN and -0 are not above 0 and go the second way.
template <class T>
struct Elu {
  T alpha;
  ELBO_FN T operator()(T x) const { return x > T(0) ? x : alpha * math::expm1(not_positive(x)); }
  ELBO_FN T grad(T x, T, T g) const { return x > T(0) ? g : g * (alpha * math::exp(not_positive(x))); }
  ELBO_FN T not_positive(T x) const { return x > T(0) ? T(0) : x; }
};

/// min(max(x, lo), hi), so that hi wins where lo > hi; NaN in any of the three gives NaN. The gradient passes where
/// lo <= x <= hi.
template <class T>
struct Clamp {
  T lo, hi;
  ELBO_FN T operator()(T x) const {
    const T y = x >= lo || x != x ? x : lo;
    return y <= hi || y != y ? y : hi;
  }
  ELBO_FN T grad(T x, T, T g) const { return x >= lo && x <= hi ? g : T(0); }
};

// ---- two operands: y = f(a, b); grad_a and grad_b are g times the partial derivatives. What integers have too says in
// which type int64 is computed: sums and products without a sign, so that they wrap around ---------------------------

template <class T>
struct Add {
  using Int64 = std::uint64_t;
  ELBO_FN T operator()(T a, T b) const { return static_cast<T>(a + b); }
  ELBO_FN T grad_a(T, T, T g) const { return g; }
  ELBO_FN T grad_b(T, T, T g) const { return g; }
};

template <class T>
struct Sub {
  using Int64 = std::uint64_t;
  ELBO_FN T operator()(T a, T b) const { return static_cast<T>(a - b); }
  ELBO_FN T grad_a(T, T, T g) const { return g; }
  ELBO_FN T grad_b(T, T, T g) const { return -g; }
};

template <class T>
struct Mul {
  using Int64 = std::uint64_t;
  ELBO_FN T operator()(T a, T b) const { return static_cast<T>(a * b); }
  ELBO_FN T grad_a(T, T b, T g) const { return g * b; }
  ELBO_FN T grad_b(T a, T, T g) const { return g * a; }
};

template <class T>
struct Div {
  ELBO_FN T operator()(T a, T b) const { return a / b; }
  ELBO_FN T grad_a(T, T b, T g) const { return g / b; }
  ELBO_FN T grad_b(T a, T b, T g) const { return -g * ((a / b) / b); }
};

/// Equal operands share the gradient equally. NaN in either gives NaN, and lets the gradient pass to both. Of zeros of
/// both signs the maximum is 0 and the minimum -0, on every device: the sums at the end say so, and carry NaN.
template <class T>
struct Maximum {
  using Int64 = std::int64_t;
  ELBO_FN T operator()(T a, T b) const {
    return a > b ? a : (a < b ? b : (a == b && a != T(0) ? a : static_cast<T>(a + b)));
  }
  ELBO_FN T grad_a(T a, T b, T g) const { return a < b ? T(0) : (a == b ? T(0.5) * g : g); }
  ELBO_FN T grad_b(T a, T b, T g) const { return b < a ? T(0) : (a == b ? T(0.5) * g : g); }
};

template <class T>
struct Minimum {
  using Int64 = std::int64_t;
  ELBO_FN T operator()(T a, T b) const {
    return a < b ? a : (a > b ? b : (a == b && a != T(0) ? a : static_cast<T>(-(-a - b))));
  }
  ELBO_FN T grad_a(T a, T b, T g) const { return a > b ? T(0) : (a == b ? T(0.5) * g : g); }
  ELBO_FN T grad_b(T a, T b, T g) const { return b > a ? T(0) : (a == b ? T(0.5) * g : g); }
};

/// a to the power b. The derivatives are 0 where PyTorch has it so: for a where b is 0, for b where a is 0 and b >= 0.
template <class T>
struct Power {
  ELBO_FN T operator()(T a, T b) const { return math::pow(a, b); }
  ELBO_FN T grad_a(T a, T b, T g) const { return b == T(0) ? T(0) : g * (b * math::pow(a, b - T(1))); }
  ELBO_FN T grad_b(T a, T b, T g) const { return a == T(0) && b >= T(0) ? T(0) : g * (math::pow(a, b) * math::log(a)); }
};

/// (a - b)^2, the element of mse_loss.
template <class T>
struct SquaredDifference {
  ELBO_FN T operator()(T a, T b) const { return (a - b) * (a - b); }
  ELBO_FN T grad_a(T a, T b, T g) const { return T(2) * (a - b) * g; }
  ELBO_FN T grad_b(T a, T b, T g) const { return T(2) * (b - a) * g; }
};

/// -(t log p + (1 - t) log(1 - p)) for p in [0, 1]; the logarithms are clamped at -100, as PyTorch's are.
template <class T>
struct Bce {
  ELBO_FN T operator()(T p, T t) const { return -(t * clamped(math::log(p)) + (T(1) - t) * clamped(math::log1p(-p))); }
  ELBO_FN T grad_a(T p, T t, T g) const {
    T scale = p * (T(1) - p);
    return g * (p - t) / (scale > T(1e-12) ? scale : T(1e-12));
  }
  ELBO_FN T grad_b(T p, T, T g) const { return g * (clamped(math::log1p(-p)) - clamped(math::log(p))); }
  ELBO_FN T clamped(T l) const { return l < T(-100) ? T(-100) : l; }
};

/// The same on logits x: |x| times the weight of the wrong side, 1 - t for x > 0 and t otherwise, and log(1 +
/// exp(-|x|)). Without that weight, infinite logits cost nothing. Gradients for logits are (1 - t) sigmoid(x) - t
/// sigmoid(-x), in which nothing cancels where t is 0 or 1.
template <class T>
struct BceWithLogits {
  ELBO_FN T operator()(T x, T t) const {
    const T wrong = x < T(0) ? t : T(1) - t;
    return (wrong == T(0) ? T(0) : wrong * math::abs(x)) + math::log1p_exp_neg_abs(x);
  }
  ELBO_FN T grad_a(T x, T t, T g) const {
    const T e = math::exp_neg_abs(x);
    const T up = x < T(0) ? e : T(1), down = x < T(0) ? T(1) : e;
    return g * (((T(1) - t) * up - t * down) / (T(1) + e));
  }
  ELBO_FN T grad_b(T x, T, T g) const { return -g * x; }
};

/// KL(N(mu, exp(logvar)) || N(0, 1)) = (mu^2 + exp(logvar) - 1 - logvar) / 2 (Kingma and Welling 2014, appendix B).
template <class T>
struct GaussianKl {
  ELBO_FN T operator()(T mu, T logvar) const { return T(0.5) * (mu * mu + math::expm1_minus_x(logvar)); }
  ELBO_FN T grad_a(T mu, T, T g) const { return g * mu; }
  ELBO_FN T grad_b(T, T logvar, T g) const { return g * (T(0.5) * math::expm1(logvar)); }
};

// ---- comparisons: 0 or 1 as uint8 ----------------------------------------------------------------------------------

struct Eq {
  template <class T>
  ELBO_FN bool operator()(T a, T b) const {
    return a == b;
  }
};
struct Ne {
  template <class T>
  ELBO_FN bool operator()(T a, T b) const {
    return a != b;
  }
};
struct Lt {
  template <class T>
  ELBO_FN bool operator()(T a, T b) const {
    return a < b;
  }
};
struct Le {
  template <class T>
  ELBO_FN bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct Gt {
  template <class T>
  ELBO_FN bool operator()(T a, T b) const {
    return a > b;
  }
};
struct Ge {
  template <class T>
  ELBO_FN bool operator()(T a, T b) const {
    return a >= b;
  }
};
struct LogicalAnd {
  template <class T>
  ELBO_FN bool operator()(T a, T b) const {
    return a != T(0) && b != T(0);
  }
};
struct LogicalOr {
  template <class T>
  ELBO_FN bool operator()(T a, T b) const {
    return a != T(0) || b != T(0);
  }
};
struct LogicalXor {
  template <class T>
  ELBO_FN bool operator()(T a, T b) const {
    return (a != T(0)) != (b != T(0));
  }
};

#undef ELBO_FN

/// A functor from its parameters, of which it has none, one or two. On the host.
template <class F, class T>
F make_functor(double p0, double p1) {
  if constexpr (requires { F{T(0), T(0)}; })
    return F{static_cast<T>(p0), static_cast<T>(p1)};
  else if constexpr (requires(double whole) { F{whole}; })  // which takes it as it is
    return F{p0};
  else if constexpr (requires { F{T(0)}; })
    return F{static_cast<T>(p0)};
  else
    return F{};
}

}  // namespace
}  // namespace elbo

// The lists. X(name, Functor, saves, lo, hi): `saves` says which of x and y the gradient reads, so that nothing else is
// kept alive: none, x, y. [lo, hi] is where the tests draw their inputs.
#define ELBO_UNARY_OPS(X)         \
  X(neg, Neg, none, -3, 3)        \
  X(square, Square, x, -3, 3)     \
  X(sqrt, Sqrt, y, 0.1, 9)        \
  X(exp, Exp, y, -5, 5)           \
  X(log, Log, x, 0.05, 9)         \
  X(log1p, Log1p, x, -0.9, 9)     \
  X(sin, Sin, x, -7, 7)           \
  X(cos, Cos, x, -7, 7)           \
  X(abs, Abs, x, -3, 3)           \
  X(relu, Relu, y, -3, 3)         \
  X(sigmoid, Sigmoid, x, -8, 8)   \
  X(tanh, Tanh, x, -4, 4)         \
  X(softplus, Softplus, x, -8, 8) \
  X(silu, Silu, x, -8, 8)         \
  X(gelu, Gelu, x, -5, 5)         \
  X(sign, Sign, none, -3, 3)      \
  X(round, Round, none, -3, 3)    \
  X(floor, Floor, none, -3, 3)    \
  X(ceil, Ceil, none, -3, 3)      \
  X(trunc, Trunc, none, -3, 3)    \
  X(expm1, Expm1, x, -5, 5)       \
  X(erf, Erf, x, -3, 3)           \
  X(lgamma, Lgamma, x, 0.2, 9)

// With one parameter, then with two: the last columns are the values that the tests use.
#define ELBO_UNARY_OPS_1(X)                   \
  X(add_scalar, AddScalar, none, -3, 3, 1.5)  \
  X(mul_scalar, MulScalar, none, -3, 3, -2.5) \
  X(div_scalar, DivScalar, none, -3, 3, -2.5) \
  X(pow, Pow, x, 0.2, 4, 2.5)                 \
  X(leaky_relu, LeakyRelu, x, -3, 3, 0.01)    \
  X(elu, Elu, x, -4, 4, 1.25)
#define ELBO_UNARY_OPS_2(X) X(clamp, Clamp, x, -3, 3, -1.1, 1.7)

// X(name, Functor, lo_a, hi_a, lo_b, hi_b).
#define ELBO_BINARY_OPS(X)          \
  X(add, Add, -3, 3, -3, 3)         \
  X(sub, Sub, -3, 3, -3, 3)         \
  X(mul, Mul, -3, 3, -3, 3)         \
  X(div, Div, -3, 3, 0.5, 4)        \
  X(maximum, Maximum, -3, 3, -3, 3) \
  X(minimum, Minimum, -3, 3, -3, 3) \
  X(pow, Power, 0.2, 4, -2, 3)

// Elements of the losses; the ops with their reductions are in ops/losses.cpp.
#define ELBO_LOSS_OPS(X)                                 \
  X(squared_difference, SquaredDifference, -3, 3, -3, 3) \
  X(bce, Bce, 0.02, 0.98, 0, 1)                          \
  X(bce_with_logits, BceWithLogits, -8, 8, 0, 1)         \
  X(gaussian_kl, GaussianKl, -3, 3, -4, 3)

// X(name, Functor).
#define ELBO_COMPARE_OPS(X)  \
  X(eq, Eq)                  \
  X(ne, Ne)                  \
  X(lt, Lt)                  \
  X(le, Le)                  \
  X(gt, Gt)                  \
  X(ge, Ge)                  \
  X(logical_and, LogicalAnd) \
  X(logical_or, LogicalOr)   \
  X(logical_xor, LogicalXor)

namespace ELBO_API elbo {

#define ELBO_ENUM(op, ...) op,
/// One enumerator per line of the lists above, in their order.
enum class UnaryOp : int { ELBO_UNARY_OPS(ELBO_ENUM) ELBO_UNARY_OPS_1(ELBO_ENUM) ELBO_UNARY_OPS_2(ELBO_ENUM) count };
enum class BinaryOp : int { ELBO_BINARY_OPS(ELBO_ENUM) ELBO_LOSS_OPS(ELBO_ENUM) count };
enum class CompareOp : int { ELBO_COMPARE_OPS(ELBO_ENUM) count };
#undef ELBO_ENUM

}  // namespace elbo
