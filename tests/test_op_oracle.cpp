// Ops and their gradients against PyTorch's, at the values where formulas break: zeros of both signs, subnormals, huge
// numbers, infinities, NaN in operands and in incoming gradients. tests/oracle/ops.py writes the cases; those of
// another file, such as PyTorch's own samples: ELBO_OP_CASES=samples.txt elbo_tests "[oracle]".
#include <elbo/core/errors.h>
#include <elbo/core/functors.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <sstream>

#include "op_checks.h"

using namespace op_cases;
using elbo::Array;

namespace {

using Numbers = std::vector<double>;
using OpFn = std::function<Tensor(Tensors, const Numbers&)>;

Axes axes_from(const Numbers& numbers, std::size_t first) {
  Axes axes;
  for (std::size_t i = first; i < numbers.size(); ++i) axes.push_back(static_cast<int>(numbers[i]));
  return axes;
}

/// An op by its name, on operands and numbers in the order of its signature.
const std::map<std::string, OpFn>& ops() {
  using elbo::Reduction;
  static const std::map<std::string, OpFn> table = {
#define ELBO_ONE(op, ...) {#op, [](Tensors x, const Numbers&) { return elbo::op(x[0]); }},
#define ELBO_ONE_1(op, ...) {#op, [](Tensors x, const Numbers& p) { return elbo::op(x[0], p[0]); }},
#define ELBO_ONE_2(op, ...) {#op, [](Tensors x, const Numbers& p) { return elbo::op(x[0], p[0], p[1]); }},
#define ELBO_TWO(op, ...) {#op, [](Tensors x, const Numbers&) { return elbo::op(x[0], x[1]); }},
#define ELBO_REDUCTION(op) \
  {#op, [](Tensors x, const Numbers& p) { return elbo::op(x[0], axes_from(p, 1), p[0] != 0); }},
#define ELBO_LOSS(op) {#op, [](Tensors x, const Numbers&) { return elbo::op(x[0], x[1], Reduction::none); }},
      {"div_scalar", [](Tensors x, const Numbers& p) { return x[0] / p[0]; }},
      // clang-format off
      ELBO_UNARY_OPS(ELBO_ONE) ELBO_UNARY_OPS_1(ELBO_ONE_1) ELBO_UNARY_OPS_2(ELBO_ONE_2)
      ELBO_BINARY_OPS(ELBO_TWO) ELBO_COMPARE_OPS(ELBO_TWO)
      ELBO_REDUCTION(sum) ELBO_REDUCTION(mean) ELBO_REDUCTION(max) ELBO_REDUCTION(min)
      ELBO_LOSS(mse_loss) ELBO_LOSS(gaussian_kl)
      ELBO_LOSS(binary_cross_entropy) ELBO_LOSS(binary_cross_entropy_with_logits)
      // clang-format on
      {"where", [](Tensors x, const Numbers&) { return elbo::where(x[0], x[1], x[2]); }},
      {"var", [](Tensors x, const Numbers& p) { return elbo::var(x[0], axes_from(p, 2), p[0], p[1] != 0); }},
      {"logsumexp",
       [](Tensors x, const Numbers& p) { return elbo::logsumexp(x[0], static_cast<int>(p[1]), p[0] != 0); }},
      {"argmax", [](Tensors x, const Numbers& p) { return elbo::argmax(x[0], static_cast<int>(p[1]), p[0] != 0); }},
      {"softmax", [](Tensors x, const Numbers& p) { return elbo::softmax(x[0], static_cast<int>(p[0])); }},
      {"log_softmax", [](Tensors x, const Numbers& p) { return elbo::log_softmax(x[0], static_cast<int>(p[0])); }},
      {"concatenate", [](Tensors x, const Numbers& p) { return elbo::concatenate(x, static_cast<int>(p[0])); }},
      {"batch_norm",
       [](Tensors x, const Numbers& p) {
         Tensor mean, var;
         return elbo::batch_norm(x[0], x[1], x[2], mean, var, true, 0.1, p[0]);
       }},
      {"layer_norm",
       [](Tensors x, const Numbers& p) { return elbo::layer_norm(x[0], x[1].shape(), x[1], x[2], p[0]); }},
      {"cross_entropy",
       [](Tensors x, const Numbers& p) { return elbo::cross_entropy(x[0], x[1], static_cast<Reduction>(p[0])); }},
      {"matmul", [](Tensors x, const Numbers&) { return elbo::matmul(x[0], x[1]); }},
      {"linear",
       [](Tensors x, const Numbers& p) { return elbo::linear(x[0], x[1], x[2], static_cast<elbo::Activation>(p[0])); }},
  };
  return table;
}

/// A case as the file has it. `check` is "ulp", units in the last place of each element's dtype, or "close", relative
/// to the largest magnitude.
struct Case {
  std::string op, check, title;
  DType dtype = DType::float32;
  double bound = 0;
  bool raises = false;
  Numbers numbers, g, y;
  Shape shape;
  std::vector<Tensor> inputs;
  std::vector<Numbers> grads;
};

Numbers read_numbers(std::istream& in) {
  Numbers out;
  for (std::string word; in >> word;) out.push_back(std::strtod(word.c_str(), nullptr));
  return out;
}
Shape read_shape(std::istream& in) {
  std::string word;
  in >> word;
  std::vector<std::int64_t> sizes;
  std::istringstream parts(word);
  if (word != "scalar")
    for (std::string size; std::getline(parts, size, 'x');) sizes.push_back(std::stoll(size));
  return Shape(sizes);
}

std::vector<Case> read_cases(const std::string& path) {
  std::ifstream file(path);
  INFO(path);
  REQUIRE(file);
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string word, dtype;
    in >> word;
    if (word == "case") {
      Case& c = cases.emplace_back();
      in >> c.op >> dtype >> c.check >> c.bound;
      c.title = line;
      c.dtype = dtype == "float32" ? DType::float32 : DType::float64;
      c.numbers = read_numbers(in);
    } else if (word == "in") {
      in >> dtype;
      Case& c = cases.back();
      const bool real = dtype == "float32" || dtype == "float64";
      const Shape shape = read_shape(in);
      const DType of = real ? c.dtype : dtype == "int64" ? DType::int64 : DType::uint8;
      c.inputs.emplace_back(array_of(read_numbers(in), shape, of));
    } else if (word == "y") {
      cases.back().shape = read_shape(in);
      cases.back().y = read_numbers(in);
    } else if (word == "g") {
      cases.back().g = read_numbers(in);
    } else if (word == "d") {
      cases.back().grads.push_back(read_numbers(in));
    } else if (word == "raises") {
      cases.back().raises = true;
    }
  }
  return cases;
}

/// How far `found` is from `expected` in units in the last place of T; a wrong NaN or infinity is infinitely far.
template <class T>
double ulps(double found, double expected) {
  if (std::isnan(expected) || std::isinf(expected) || std::isnan(found) || std::isinf(found))
    return std::isnan(found) == std::isnan(expected) && (std::isnan(found) || found == expected) ? 0 : INFINITY;
  int exponent = 0;
  std::frexp(expected, &exponent);
  using Limits = std::numeric_limits<T>;
  return std::abs(found - expected) / std::ldexp(1.0, std::max(exponent, Limits::min_exponent) - Limits::digits);
}

/// What differs more than it may, in words; empty if nothing does. With `zero_signs` -0 is not 0: so for values; the
/// gradients of two formulas may differ in it.
std::string compare(const Case& c, const Array& found, const Numbers& expected, bool zero_signs) {
  const Numbers values = to_doubles(found);
  if (values.size() != expected.size()) return "a wrong number of elements";
  if (c.check == "close") return difference(values, expected, c.bound);
  std::ostringstream out;
  out.precision(17);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double distance =
        c.dtype == DType::float32 ? ulps<float>(values[i], expected[i]) : ulps<double>(values[i], expected[i]);
    const bool wrong_zero =
        zero_signs && expected[i] == 0 && values[i] == 0 && std::signbit(expected[i]) != std::signbit(values[i]);
    if (distance <= c.bound && !wrong_zero) continue;
    out << "\n  for";
    for (const Tensor& x : c.inputs)
      if (x.numel() == c.shape.numel()) out << " " << to_doubles(x.array())[i];
    if (c.g.size() == values.size()) out << ", incoming " << c.g[i];
    out << ": expected " << expected[i] << ", found " << values[i] << " (" << distance << " ulp)";
  }
  return out.str();
}

void run_case(const Case& c) {
  INFO(c.title);
  const auto op = ops().find(c.op);
  REQUIRE(op != ops().end());
  if (c.raises) {
    CHECK_THROWS_AS(op->second(c.inputs, c.numbers), elbo::Error);
    return;
  }
  std::vector<Tensor> leaves = c.inputs;
  for (Tensor& x : leaves)
    if (!c.grads.empty() && x.dtype() == c.dtype) x.requires_grad_();
  Tensor y = op->second(leaves, c.numbers);
  REQUIRE(y.shape() == c.shape);
  CHECK(compare(c, y.array(), c.y, true) == "");
  if (c.grads.empty()) return;
  y.backward(array_of(c.g, c.shape, c.dtype));
  std::size_t next = 0;
  for (const Tensor& x : leaves) {
    if (!x.requires_grad()) continue;
    INFO("gradient " << next);
    CHECK(compare(c, x.grad().array(), c.grads[next++], false) == "");
  }
}

}  // namespace

TEST_CASE("ops and their gradients are PyTorch's where formulas break", "[ops][oracle]") {
  const char* other = std::getenv("ELBO_OP_CASES");
  const std::vector<Case> cases = read_cases(other ? other : ELBO_SOURCE_DIR "/tests/op_edges.txt");
  REQUIRE(cases.size() > 100);
  for (std::size_t i = 0; i < cases.size(); ++i) DYNAMIC_SECTION(i << " " << cases[i].title) {
      run_case(cases[i]);
    }
}
