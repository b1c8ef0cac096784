// Elementwise ops. Rows come from the lists in core/functors.h, domains and parameters included.
#include <elbo/core/functors.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "op_cases.h"

namespace op_cases {

namespace {

// ---- what each op computes, in plain double precision -------------------------------------------------------------

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

using Formula1 = std::function<double(double x, double p0, double p1)>;
using Formula2 = std::function<double(double a, double b)>;

const std::map<std::string, Formula1>& unary_formulas() {
  static const std::map<std::string, Formula1> table = {
      {"neg", [](double x, double, double) { return -x; }},
      {"square", [](double x, double, double) { return x * x; }},
      {"sqrt", [](double x, double, double) { return std::sqrt(x); }},
      {"exp", [](double x, double, double) { return std::exp(x); }},
      {"log", [](double x, double, double) { return std::log(x); }},
      {"log1p", [](double x, double, double) { return std::log1p(x); }},
      {"sin", [](double x, double, double) { return std::sin(x); }},
      {"cos", [](double x, double, double) { return std::cos(x); }},
      {"abs", [](double x, double, double) { return std::abs(x); }},
      {"relu", [](double x, double, double) { return std::max(x, 0.0); }},
      {"sigmoid", [](double x, double, double) { return sigmoid(x); }},
      {"tanh", [](double x, double, double) { return std::tanh(x); }},
      {"softplus", [](double x, double, double) { return std::log(1 + std::exp(x)); }},
      {"silu", [](double x, double, double) { return x * sigmoid(x); }},
      {"gelu", [](double x, double, double) { return x * std::erfc(-x / std::sqrt(2.0)) / 2; }},
      {"sign", [](double x, double, double) { return static_cast<double>((x > 0) - (x < 0)); }},
      {"round", [](double x, double, double) { return std::nearbyint(x); }},
      {"floor", [](double x, double, double) { return std::floor(x); }},
      {"ceil", [](double x, double, double) { return std::ceil(x); }},
      {"trunc", [](double x, double, double) { return std::trunc(x); }},
      {"expm1", [](double x, double, double) { return std::exp(x) - 1; }},
      {"erf", [](double x, double, double) { return 1 - std::erfc(x); }},
      {"lgamma", [](double x, double, double) { return std::log(std::tgamma(x)); }},
      {"add_scalar", [](double x, double c, double) { return x + c; }},
      {"mul_scalar", [](double x, double c, double) { return x * c; }},
      {"div_scalar", [](double x, double c, double) { return x / c; }},
      {"pow", [](double x, double exponent, double) { return std::pow(x, exponent); }},
      {"leaky_relu", [](double x, double slope, double) { return x > 0 ? x : slope * x; }},
      {"elu", [](double x, double alpha, double) { return x > 0 ? x : alpha * (std::exp(x) - 1); }},
      {"clamp", [](double x, double lo, double hi) { return std::min(std::max(x, lo), hi); }},
  };
  return table;
}

const std::map<std::string, Formula2>& binary_formulas() {
  static const std::map<std::string, Formula2> table = {
      {"add", [](double a, double b) { return a + b; }},
      {"sub", [](double a, double b) { return a - b; }},
      {"mul", [](double a, double b) { return a * b; }},
      {"div", [](double a, double b) { return a / b; }},
      {"maximum", [](double a, double b) { return std::max(a, b); }},
      {"minimum", [](double a, double b) { return std::min(a, b); }},
      {"pow", [](double a, double b) { return std::exp(b * std::log(a)); }},
      {"eq", [](double a, double b) { return a == b; }},
      {"ne", [](double a, double b) { return a != b; }},
      {"lt", [](double a, double b) { return a < b; }},
      {"le", [](double a, double b) { return a <= b; }},
      {"gt", [](double a, double b) { return a > b; }},
      {"ge", [](double a, double b) { return a >= b; }},
      {"logical_and", [](double a, double b) { return a != 0 && b != 0; }},
      {"logical_or", [](double a, double b) { return a != 0 || b != 0; }},
      {"logical_xor", [](double a, double b) { return (a != 0) != (b != 0); }},
  };
  return table;
}

/// Every op of the lists has one here: compared with its own functor, an op could not fail.
template <class Map>
const typename Map::mapped_type& formula(const Map& table, const std::string& name) {
  const auto found = table.find(name);
  if (found == table.end())
    throw std::logic_error("the op '" + name + "' has no reference formula in tests/op_cases_elementwise.cpp");
  return found->second;
}

// ---- rows ---------------------------------------------------------------------------------------------------------

struct UnaryShape {
  Shape shape;
  Size size;
};

const std::vector<UnaryShape>& unary_shapes() {
  static const std::vector<UnaryShape> shapes = {
      {{}, Size::small},          {{37}, Size::small},
      {{2, 3, 5}, Size::small},   {{0}, Size::small},
      {{3, 0, 2}, Size::small},   {{1, 1, 1}, Size::small},
      {{4, 1, 6}, Size::small},   {{2, 1, 2, 1, 2, 1, 2, 1}, Size::small},
      {{67, 131}, Size::large},   {{128, 784}, Size::large},
      {{4096, 1024}, Size::huge},
  };
  return shapes;
}

void add_unary(Table& table, const std::string& name, const std::function<Tensor(const Tensor&)>& op, const Formula1& f,
               double lo, double hi, double p0, double p1) {
  for (const UnaryShape& row : unary_shapes()) {
    OpCase c;
    c.op = name;
    c.variant = row.shape.to_string();
    // Kinks and steps of piecewise ops stand at 0, at halves or at their parameters.
    c.inputs = {
        {.shape = row.shape, .lo = lo, .hi = hi, .avoid = {-2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, p0, p1}}};
    c.fn = [op](Tensors in) { return op(in[0]); };
    c.reference = [f, p0, p1](Refs in) { return map(in[0], [&](double x) { return f(x, p0, p1); }); };
    c.size = row.size;
    c.bench = row.shape.numel() >= 128 * 784;
    table.push_back(c);
  }
}

struct BinaryShapes {
  Shape a, b;
  Size size;
  bool bench = false;
};

const std::vector<BinaryShapes>& binary_shapes() {
  static const std::vector<BinaryShapes> shapes = {
      {{3, 5}, {3, 5}, Size::small},
      {{}, {}, Size::small},
      {{}, {2, 3}, Size::small},
      {{7}, {}, Size::small},
      {{1}, {1, 1}, Size::small},
      {{2, 1, 3}, {4, 1}, Size::small},
      {{4, 1}, {1, 5}, Size::small},
      {{3}, {2, 4, 3}, Size::small},
      {{2, 3, 1, 2}, {3, 4, 1}, Size::small},
      {{0}, {1}, Size::small},
      {{2, 0, 3}, {3}, Size::small},
      {{1, 3}, {0, 1}, Size::small},
      {{67, 131}, {67, 131}, Size::large},
      {{128, 784}, {128, 784}, Size::large, true},
      {{128, 784}, {784}, Size::large, true},
      {{128, 784}, {128, 1}, Size::large, true},
      {{16, 1, 28}, {28, 1}, Size::large},
      {{4096, 1024}, {4096, 1024}, Size::huge, true},
  };
  return shapes;
}

std::string names_of(const Shape& a, const Shape& b) { return a.to_string() + " x " + b.to_string(); }

void add_binary(Table& table, const std::string& name, const std::function<Tensor(const Tensor&, const Tensor&)>& op,
                const Formula2& f, double lo_a, double hi_a, double lo_b, double hi_b) {
  for (const BinaryShapes& row : binary_shapes()) {
    OpCase c;
    c.op = name;
    c.variant = names_of(row.a, row.b);
    c.inputs = {{.shape = row.a, .lo = lo_a, .hi = hi_a}, {.shape = row.b, .lo = lo_b, .hi = hi_b, .offset = true}};
    c.fn = [op](Tensors in) { return op(in[0], in[1]); };
    c.reference = [f](Refs in) { return map(in[0], in[1], f); };
    c.size = row.size;
    c.bench = row.bench;
    table.push_back(c);
  }
}

/// Comparisons: of small whole numbers, so that equal ones are many; of all dtypes.
void add_compare(Table& table, const std::string& name, const std::function<Tensor(const Tensor&, const Tensor&)>& op,
                 const Formula2& f) {
  for (const BinaryShapes& row : binary_shapes()) {
    for (Kind kind : {Kind::real, Kind::uint8, Kind::int64}) {
      if (kind != Kind::real && row.size != Size::small) continue;
      OpCase c;
      c.op = name;
      c.variant = names_of(row.a, row.b) + (kind == Kind::uint8 ? " uint8" : kind == Kind::int64 ? " int64" : "");
      const double lo = kind == Kind::uint8 ? 0 : -1;
      for (const Shape& shape : {row.a, row.b})
        c.inputs.push_back({.shape = shape, .lo = lo, .hi = 2, .kind = kind, .grad = false, .whole = true});
      c.fn = [op](Tensors in) { return op(in[0], in[1]); };
      c.reference = [f](Refs in) { return map(in[0], in[1], f); };
      c.size = row.size;
      c.bench = row.bench;
      table.push_back(c);
    }
  }
}

void add_where(Table& table) {
  struct Row {
    Shape condition, a, b;
    Size size;
    bool bench;
  };
  const std::vector<Row> rows = {
      {{3, 4}, {3, 4}, {3, 4}, Size::small, false},
      {{}, {2, 3}, {}, Size::small, false},
      {{}, {}, {}, Size::small, false},
      {{4, 1}, {2, 1, 3}, {3}, Size::small, false},
      {{2, 4, 3}, {4, 1}, {1}, Size::small, false},
      {{0, 3}, {3}, {1, 3}, Size::small, false},
      {{1}, {1, 1}, {1, 1, 1}, Size::small, false},
      {{128, 784}, {128, 784}, {128, 784}, Size::large, true},
      {{128, 1}, {128, 784}, {}, Size::large, false},
  };
  for (const Row& row : rows) {
    OpCase c;
    c.op = "where";
    c.variant = names_of(row.condition, row.a) + " x " + row.b.to_string();
    c.inputs = {{.shape = row.condition, .lo = 0, .hi = 2, .kind = Kind::uint8}, {.shape = row.a}, {.shape = row.b}};
    c.fn = [](Tensors in) { return elbo::where(in[0], in[1], in[2]); };
    c.reference = [](Refs in) {
      return map(in[0], in[1], in[2], [](double condition, double a, double b) { return condition != 0 ? a : b; });
    };
    c.size = row.size;
    c.bench = row.bench;
    table.push_back(c);
  }
}

void add_log_sigmoid(Table& table) {
  for (const Shape& shape : {Shape{37}, Shape{2, 1, 3}, Shape{0}}) {
    OpCase c;
    c.op = "log_sigmoid", c.variant = shape.to_string();
    c.inputs = {{.shape = shape, .lo = -8, .hi = 8}};
    c.fn = [](Tensors in) { return elbo::log_sigmoid(in[0]); };
    c.reference = [](Refs in) { return map(in[0], [](double x) { return std::log(sigmoid(x)); }); };
    table.push_back(c);
  }
}

void add_logical_not(Table& table) {
  for (const Shape& shape : {Shape{}, Shape{3, 4}, Shape{0, 2}, Shape{1}, Shape{128, 784}}) {
    for (Kind kind : {Kind::real, Kind::uint8, Kind::int64}) {
      OpCase c;
      c.op = "logical_not";
      c.variant = shape.to_string() + (kind == Kind::uint8 ? " uint8" : kind == Kind::int64 ? " int64" : "");
      c.inputs = {{.shape = shape, .lo = 0, .hi = 2, .kind = kind, .grad = false, .whole = true}};
      c.fn = [](Tensors in) { return elbo::logical_not(in[0]); };
      c.reference = [](Refs in) { return map(in[0], [](double x) { return x == 0; }); };
      c.size = shape.numel() > 10000 ? Size::large : Size::small;
      c.bench = c.size == Size::large && kind == Kind::uint8;
      table.push_back(c);
    }
  }
}

void add_cast_row(Table& table, const Shape& shape, Kind from, DType to) {
  OpCase c;
  c.op = "cast";
  c.variant = shape.to_string() +
              (from == Kind::real    ? " real"
               : from == Kind::uint8 ? " uint8"
                                     : " int64") +
              " to " + elbo::name(to);
  const bool floating = from == Kind::real && elbo::is_floating(to);
  c.inputs = {{.shape = shape, .lo = 0, .hi = 9, .kind = from, .grad = floating}};
  c.fn = [to](Tensors in) { return elbo::cast(in[0], to); };
  c.reference = [to](Refs in) {
    return map(in[0], [to](double x) { return elbo::is_floating(to) ? x : std::trunc(x); });
  };
  c.size = shape.numel() > 10000 ? Size::large : Size::small;
  c.bench = c.size == Size::large && to == DType::float32 && from == Kind::uint8;
  c.finite_differences = to != DType::float32;
  table.push_back(c);
}

void add_cast(Table& table) {
  for (const Shape& shape : {Shape{}, Shape{3, 4}, Shape{0, 2}, Shape{1, 1}, Shape{128, 784}}) {
    for (DType to : {DType::float32, DType::float64, DType::uint8, DType::int64})
      for (Kind from : {Kind::real, Kind::uint8, Kind::int64}) add_cast_row(table, shape, from, to);
  }
}

/// The operators are spellings of ops above; one row each tells a swapped operand.
void add_operators(Table& table) {
  using F = Tensor (*)(Tensors);
  struct Row {
    const char* op;
    const char* variant;
    F fn;
    Formula2 f;
  };
  const std::vector<Row> rows = {
      {"add", "a + b", [](Tensors in) { return in[0] + in[1]; }, [](double a, double b) { return a + b; }},
      {"sub", "a - b", [](Tensors in) { return in[0] - in[1]; }, [](double a, double b) { return a - b; }},
      {"mul", "a * b", [](Tensors in) { return in[0] * in[1]; }, [](double a, double b) { return a * b; }},
      {"div", "a / b", [](Tensors in) { return in[0] / in[1]; }, [](double a, double b) { return a / b; }},
      {"neg", "-b", [](Tensors in) { return in[0] + -in[1]; }, [](double a, double b) { return a - b; }},
      {"add_scalar", "c + b", [](Tensors in) { return in[0] + (2.5 + in[1]); },
       [](double a, double b) { return a + 2.5 + b; }},
      {"add_scalar", "b + c", [](Tensors in) { return in[0] + (in[1] + 2.5); },
       [](double a, double b) { return a + 2.5 + b; }},
      {"add_scalar", "c - b", [](Tensors in) { return in[0] + (2.5 - in[1]); },
       [](double a, double b) { return a + 2.5 - b; }},
      {"add_scalar", "b - c", [](Tensors in) { return in[0] + (in[1] - 2.5); },
       [](double a, double b) { return a + b - 2.5; }},
      {"mul_scalar", "c * b", [](Tensors in) { return in[0] + 2.5 * in[1]; },
       [](double a, double b) { return a + 2.5 * b; }},
      {"mul_scalar", "b * c", [](Tensors in) { return in[0] + in[1] * 2.5; },
       [](double a, double b) { return a + 2.5 * b; }},
      {"div_scalar", "b / c", [](Tensors in) { return in[0] + in[1] / 2.5; },
       [](double a, double b) { return a + b / 2.5; }},
      {"div", "c / b", [](Tensors in) { return in[0] + 2.5 / in[1]; }, [](double a, double b) { return a + 2.5 / b; }},
  };
  for (const Row& row : rows) {
    OpCase c;
    c.op = row.op;
    c.variant = std::string("operator ") + row.variant;
    c.inputs = {{.shape = {3, 4}}, {.shape = {4}, .lo = 1, .hi = 3}};
    c.fn = row.fn;
    c.reference = [f = row.f](Refs in) { return map(in[0], in[1], f); };
    table.push_back(c);
  }
}

}  // namespace

// One row set a line of the lists; the variadic tail takes the columns that differ between them.
#define ELBO_ADD_UNARY(name, Functor, saves, lo, hi) \
  add_unary(                                         \
      table, #name, [](const Tensor& x) { return elbo::name(x); }, formula(unary_formulas(), #name), lo, hi, 0, 0);
#define ELBO_ADD_UNARY_1(name, Functor, saves, lo, hi, p0)                                                           \
  add_unary(                                                                                                         \
      table, #name, [](const Tensor& x) { return elbo::name(x, p0); }, formula(unary_formulas(), #name), lo, hi, p0, \
      p0);
#define ELBO_ADD_UNARY_2(name, Functor, saves, lo, hi, p0, p1)                                                       \
  add_unary(                                                                                                         \
      table, #name, [](const Tensor& x) { return elbo::name(x, p0, p1); }, formula(unary_formulas(), #name), lo, hi, \
      p0, p1);
#define ELBO_ADD_BINARY(name, Functor, lo_a, hi_a, lo_b, hi_b)                         \
  add_binary(                                                                          \
      table, #name, [](const Tensor& a, const Tensor& b) { return elbo::name(a, b); }, \
      formula(binary_formulas(), #name), lo_a, hi_a, lo_b, hi_b);
#define ELBO_ADD_COMPARE(name, Functor)                                                \
  add_compare(                                                                         \
      table, #name, [](const Tensor& a, const Tensor& b) { return elbo::name(a, b); }, \
      formula(binary_formulas(), #name));

void add_elementwise(Table& table) {
  ELBO_UNARY_OPS(ELBO_ADD_UNARY)
  ELBO_UNARY_OPS_1(ELBO_ADD_UNARY_1)
  ELBO_UNARY_OPS_2(ELBO_ADD_UNARY_2)
  ELBO_BINARY_OPS(ELBO_ADD_BINARY)
  ELBO_COMPARE_OPS(ELBO_ADD_COMPARE)
  add_where(table);
  add_log_sigmoid(table);
  add_logical_not(table);
  add_cast(table);
  add_operators(table);
}

}  // namespace op_cases
