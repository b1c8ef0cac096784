// Arithmetic and reductions of integers, which wrap around.
#include <algorithm>
#include <cmath>

#include "op_cases.h"

namespace op_cases {

namespace {

constexpr Kind kinds[] = {Kind::uint8, Kind::int64};
const char* name_of(Kind kind) { return kind == Kind::uint8 ? " uint8" : " int64"; }

/// What a byte keeps of a whole number; int64 rows stay in its range.
double kept(Kind kind, double x) { return kind == Kind::uint8 ? x - 256 * std::floor(x / 256) : x; }

Input integers(const Shape& shape, Kind kind) {
  const bool bytes = kind == Kind::uint8;
  return {.shape = shape, .lo = bytes ? 0.0 : -1e6, .hi = bytes ? 255.0 : 1e6, .kind = kind};
}

using Fn = std::function<Tensor(Tensors)>;
using Formula1 = std::function<double(double)>;
using Formula2 = std::function<double(double, double)>;

void add_one(Table& table, const char* op, const Fn& fn, const Formula1& f) {
  for (Kind kind : kinds) {
    OpCase c;
    c.op = op, c.variant = std::string("[50]") + name_of(kind);
    c.inputs = {integers({50}, kind)};
    c.fn = fn;
    c.reference = [f, kind](Refs in) { return map(in[0], [&](double x) { return kept(kind, f(x)); }); };
    table.push_back(c);
  }
}

void add_two(Table& table, const char* op, const Fn& fn, const Formula2& f) {
  struct Row {
    Shape a, b;
  };
  for (const Row& row : {Row{{3, 5}, {3, 5}}, Row{{2, 1, 3}, {4, 1}}, Row{{0}, {1}}, Row{{67, 131}, {131}}})
    for (Kind kind : kinds) {
      OpCase c;
      c.op = op, c.variant = row.a.to_string() + " x " + row.b.to_string() + name_of(kind);
      c.inputs = {integers(row.a, kind), integers(row.b, kind)};
      c.fn = fn;
      c.reference = [f, kind](Refs in) {
        return map(in[0], in[1], [&](double a, double b) { return kept(kind, f(a, b)); });
      };
      c.size = row.a.numel() > 1000 ? Size::large : Size::small;
      table.push_back(c);
    }
}

/// Reductions; `places` are of one axis and give int64.
void add_reduction(Table& table, const char* op, const std::function<Tensor(const Tensor&, const Axes&)>& fn,
                   const std::function<double(const std::vector<double>&)>& f, bool places = false) {
  struct Row {
    Shape shape;
    Axes axes;
  };
  for (const Row& row : {Row{{}, {0}}, Row{{7}, {0}}, Row{{2, 3, 4}, {1}}, Row{{2, 3, 4}, {0, 2}}, Row{{300, 70}, {}},
                         Row{{300, 70}, {0}}, Row{{70, 300}, {1}}})
    for (Kind kind : kinds) {
      if (places && row.axes.size() != 1) continue;
      OpCase c;
      c.op = op, c.variant = row.shape.to_string() + " along " + std::to_string(row.axes.size()) + name_of(kind);
      c.inputs = {integers(row.shape, kind)};
      c.fn = [fn, row](Tensors in) { return fn(in[0], row.axes); };
      const Axes axes = row.shape.rank() == 0 ? Axes{} : row.axes;
      c.reference = [f, axes](Refs in) { return reduce(in[0], axes, false, f); };
      c.size = row.shape.numel() > 1000 ? Size::large : Size::small;
      table.push_back(c);
    }
}

double largest(const std::vector<double>& x) { return *std::max_element(x.begin(), x.end()); }
double smallest(const std::vector<double>& x) { return *std::min_element(x.begin(), x.end()); }
double place(const std::vector<double>& x, double value) {
  return static_cast<double>(std::find(x.begin(), x.end(), value) - x.begin());
}

}  // namespace

void add_integers(Table& table) {
  add_two(
      table, "add", [](Tensors in) { return in[0] + in[1]; }, [](double a, double b) { return a + b; });
  add_two(
      table, "sub", [](Tensors in) { return in[0] - in[1]; }, [](double a, double b) { return a - b; });
  add_two(
      table, "mul", [](Tensors in) { return in[0] * in[1]; }, [](double a, double b) { return a * b; });
  add_two(
      table, "maximum", [](Tensors in) { return elbo::maximum(in[0], in[1]); },
      [](double a, double b) { return std::max(a, b); });
  add_two(
      table, "minimum", [](Tensors in) { return elbo::minimum(in[0], in[1]); },
      [](double a, double b) { return std::min(a, b); });
  add_one(
      table, "neg", [](Tensors in) { return -in[0]; }, [](double x) { return -x; });
  add_one(
      table, "square", [](Tensors in) { return elbo::square(in[0]); }, [](double x) { return x * x; });
  add_one(
      table, "abs", [](Tensors in) { return elbo::abs(in[0]); }, [](double x) { return std::abs(x); });
  add_one(
      table, "clamp", [](Tensors in) { return elbo::clamp(in[0], 20, 90); },
      [](double x) { return std::clamp(x, 20.0, 90.0); });
  using Axis = const Axes&;
  add_reduction(
      table, "sum", [](const Tensor& x, Axis axes) { return elbo::sum(x, axes); }, total);
  add_reduction(
      table, "max", [](const Tensor& x, Axis axes) { return elbo::max(x, axes); }, largest);
  add_reduction(
      table, "min", [](const Tensor& x, Axis axes) { return elbo::min(x, axes); }, smallest);
  add_reduction(
      table, "argmax", [](const Tensor& x, Axis axes) { return elbo::argmax(x, *axes.begin()); },
      [](const std::vector<double>& x) { return place(x, largest(x)); }, true);
  add_reduction(
      table, "argmin", [](const Tensor& x, Axis axes) { return elbo::argmin(x, *axes.begin()); },
      [](const std::vector<double>& x) { return place(x, smallest(x)); }, true);
}

}  // namespace op_cases
