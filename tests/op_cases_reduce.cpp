// Reductions, and what runs along one axis.
#include <algorithm>
#include <cmath>
#include <limits>

#include "op_cases.h"

namespace op_cases {

namespace {

using Group = std::vector<double>;
using Aggregate = std::function<double(const Group&)>;

double mean_of(const Group& group) { return total(group) / static_cast<double>(group.size()); }

double variance_of(const Group& group, double correction) {
  const double centre = mean_of(group);
  double sum = 0;
  for (double v : group) sum += (v - centre) * (v - centre);
  return sum / (static_cast<double>(group.size()) - correction);
}

double logsumexp_of(const Group& group) {
  double sum = 0;
  for (double v : group) sum += std::exp(v);
  return std::log(sum);
}

std::string to_string(const Axes& axes) {
  std::string text = "axes";
  for (int axis : axes) text += elbo::detail::concat(" ", axis);
  return axes.empty() ? "all" : text;
}

struct Row {
  Shape shape;
  Axes axes;  ///< empty: the overload without axes
  bool keepdim = false;
  Size size = Size::small;
  bool bench = false;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {{}, {}},
      {{7}, {}},
      {{2, 3, 4}, {}},
      {{1, 1}, {}},
      {{5}, {0}},
      {{5}, {-1}, true},
      {{3, 4}, {0}},
      {{3, 4}, {1}},
      {{3, 4}, {0, 1}, true},
      {{2, 3, 4}, {1}},
      {{2, 3, 4}, {0, 2}},
      {{2, 3, 4}, {-1, 0}, true},
      {{2, 1, 3}, {1}},
      {{2, 3, 2, 3}, {1, 3}},
      {{2, 3, 2, 3}, {0, 1, 3}, true},
      {{0, 3}, {1}},
      {{3, 0, 2}, {2}, true},
      {{128, 784}, {}, false, Size::large, true},
      {{128, 784}, {0}, false, Size::large, true},
      {{128, 784}, {1}, false, Size::large, true},
      {{16, 32, 14, 14}, {0, 2, 3}, false, Size::large, true},
      {{33, 65, 67}, {0, 2}, true, Size::large},
      {{300001}, {0}, false, Size::large},
      {{4096, 1024}, {}, false, Size::huge, true},
      {{4096, 1024}, {0}, false, Size::huge, true},
      {{4096, 1024}, {1}, false, Size::huge, true},
  };
  return table;
}

/// Reductions over nothing: those that have a value for it.
const std::vector<Row>& empty_rows() {
  static const std::vector<Row> table = {{{0}, {}}, {{0, 3}, {0}}, {{2, 0, 3}, {1}, true}, {{2, 0}, {0, 1}}};
  return table;
}

struct Reduction {
  const char* name;
  std::function<Tensor(const Tensor&)> over_all;
  std::function<Tensor(const Tensor&, const Axes&, bool)> over_axes;
  Aggregate naive;
  bool distinct = false;
};

OpCase reduction_case(const Reduction& reduction, const Row& row, const std::string& suffix) {
  OpCase c;
  c.op = reduction.name;
  c.variant = row.shape.to_string() + " " + to_string(row.axes) + (row.keepdim ? " keepdim" : "") + suffix;
  c.inputs = {{.shape = row.shape, .distinct = reduction.distinct}};
  c.fn = [reduction, row](Tensors in) {
    return row.axes.empty() ? reduction.over_all(in[0]) : reduction.over_axes(in[0], row.axes, row.keepdim);
  };
  c.reference = [reduction, row](Refs in) { return reduce(in[0], row.axes, row.keepdim, reduction.naive); };
  c.size = row.size;
  c.bench = row.bench;
  return c;
}

void add_reduction(Table& table, const Reduction& reduction, bool empty_too, const std::string& suffix = "") {
  for (const Row& row : rows()) table.push_back(reduction_case(reduction, row, suffix));
  if (!empty_too) return;
  for (const Row& row : empty_rows()) table.push_back(reduction_case(reduction, row, suffix));
}

void add_sums(Table& table) {
  add_reduction(table,
                {"sum", [](const Tensor& x) { return elbo::sum(x); },
                 [](const Tensor& x, const Axes& axes, bool keepdim) { return elbo::sum(x, axes, keepdim); }, total},
                true);
  add_reduction(table,
                {"mean", [](const Tensor& x) { return elbo::mean(x); },
                 [](const Tensor& x, const Axes& axes, bool keepdim) { return elbo::mean(x, axes, keepdim); }, mean_of},
                true);
  // Without Bessel's correction everywhere, with it where there are two elements or more.
  add_reduction(table,
                {"var", [](const Tensor& x) { return elbo::var(x, {}, 0); },
                 [](const Tensor& x, const Axes& axes, bool keepdim) { return elbo::var(x, axes, 0, keepdim); },
                 [](const Group& group) { return variance_of(group, 0); }},
                true, " biased");
  Table unbiased;
  add_reduction(unbiased,
                {"var", [](const Tensor& x) { return elbo::var(x); },
                 [](const Tensor& x, const Axes& axes, bool keepdim) { return elbo::var(x, axes, 1, keepdim); },
                 [](const Group& group) { return variance_of(group, 1); }},
                false);
  for (OpCase& c : unbiased) {
    const Shape& shape = c.inputs[0].shape;
    if (shape.numel() == 1 || shape == Shape{2, 1, 3} || c.size == Size::huge) continue;
    c.bench = false;
    table.push_back(c);
  }
}

void add_extremes(Table& table) {
  add_reduction(table,
                {"max", [](const Tensor& x) { return elbo::max(x); },
                 [](const Tensor& x, const Axes& axes, bool keepdim) { return elbo::max(x, axes, keepdim); },
                 [](const Group& group) { return *std::max_element(group.begin(), group.end()); }, true},
                false);
  add_reduction(table,
                {"min", [](const Tensor& x) { return elbo::min(x); },
                 [](const Tensor& x, const Axes& axes, bool keepdim) { return elbo::min(x, axes, keepdim); },
                 [](const Group& group) { return *std::min_element(group.begin(), group.end()); }, true},
                false);
}

// ---- along one axis

struct AxisRow {
  Shape shape;
  int axis;
  bool keepdim = false;
  Size size = Size::small;
  bool bench = false;
};

const std::vector<AxisRow>& axis_rows() {
  static const std::vector<AxisRow> table = {
      {{6}, 0},
      {{3, 5}, 1},
      {{3, 5}, 0, true},
      {{2, 3, 4}, 1},
      {{2, 3, 4}, -1, true},
      {{4, 1}, 1},
      {{1}, 0},
      {{0, 3}, 1},
      {{3, 0}, 1, true},
      {{3, 2, 0}, 1},
      {{128, 784}, 1, false, Size::large, true},
      {{64, 300, 7}, 1, false, Size::large, true},
      {{128, 784}, 0, false, Size::large},
      {{4096, 1024}, 1, false, Size::huge, true},
  };
  return table;
}

std::string variant_of(const AxisRow& row) {
  return row.shape.to_string() + " axis " + std::to_string(row.axis) + (row.keepdim ? " keepdim" : "");
}

/// Softmax and its logarithm: each element against the others of its group.
Ref naive_softmax(const Ref& x, int axis, bool logarithm) {
  const Ref lse = reduce(x, {axis}, true, logsumexp_of);
  return map(x, lse, [logarithm](double v, double l) { return logarithm ? v - l : std::exp(v - l); });
}

void add_softmax(Table& table) {
  for (const AxisRow& row : axis_rows()) {
    for (bool logarithm : {false, true}) {
      OpCase c;
      c.op = logarithm ? "log_softmax" : "softmax";
      c.variant = variant_of(row);
      c.inputs = {{.shape = row.shape, .lo = -4, .hi = 5}};
      c.fn = [row, logarithm](Tensors in) {
        return logarithm ? elbo::log_softmax(in[0], row.axis) : elbo::softmax(in[0], row.axis);
      };
      c.reference = [row, logarithm](Refs in) { return naive_softmax(in[0], row.axis, logarithm); };
      c.size = row.size;
      c.bench = row.bench;
      table.push_back(c);
    }
  }
}

void add_logsumexp(Table& table) {
  for (const AxisRow& row : axis_rows()) {
    OpCase c;
    c.op = "logsumexp";
    c.variant = variant_of(row);
    c.inputs = {{.shape = row.shape, .lo = -4, .hi = 5}};
    c.fn = [row](Tensors in) { return elbo::logsumexp(in[0], row.axis, row.keepdim); };
    c.reference = [row](Refs in) { return reduce(in[0], {row.axis}, row.keepdim, logsumexp_of); };
    c.size = row.size;
    c.bench = row.bench;
    table.push_back(c);
  }
}

/// Values beyond what exp can hold in float32: only a shifted sum survives.
void add_overflow(Table& table) {
  const Input big{.shape = {2, 4}, .values = {1000, 1001, 999.5, 1000.25, -1000, -1001, -999.5, -1000.25}};
  OpCase c;
  c.op = "logsumexp";
  c.variant = "[2, 4] axis 1 near 1000";
  c.inputs = {big};
  c.fn = [](Tensors in) { return elbo::logsumexp(in[0], 1); };
  c.reference = [](Refs in) {
    return reduce(in[0], {1}, false, [](const Group& group) {
      const double top = *std::max_element(group.begin(), group.end());
      double sum = 0;
      for (double v : group) sum += std::exp(v - top);
      return top + std::log(sum);
    });
  };
  table.push_back(c);
  c.op = "softmax";
  c.fn = [](Tensors in) { return elbo::softmax(in[0], 1); };
  c.reference = [](Refs in) {
    return naive_softmax(map(in[0], [](double v) { return v > 0 ? v - 1000 : v + 1000; }), 1, false);
  };
  table.push_back(c);
}

void add_argmax(Table& table) {
  for (const AxisRow& row : axis_rows()) {
    if (row.shape[row.axis < 0 ? row.axis + row.shape.rank() : row.axis] == 0) continue;
    OpCase c;
    c.op = "argmax";
    c.variant = variant_of(row);
    // Few different values, so that ties are many: the first wins.
    c.inputs = {{.shape = row.shape, .lo = 0, .hi = 10, .grad = false, .whole = true}};
    c.fn = [row](Tensors in) { return elbo::argmax(in[0], row.axis, row.keepdim); };
    c.reference = [row](Refs in) {
      return reduce(in[0], {row.axis}, row.keepdim, [](const Group& group) {
        return static_cast<double>(std::max_element(group.begin(), group.end()) - group.begin());
      });
    };
    c.size = row.size;
    c.bench = row.bench;
    table.push_back(c);
  }
}

}  // namespace

void add_reductions(Table& table) {
  add_sums(table);
  add_extremes(table);
  add_logsumexp(table);
  add_softmax(table);
  add_overflow(table);
  add_argmax(table);
}

}  // namespace op_cases
