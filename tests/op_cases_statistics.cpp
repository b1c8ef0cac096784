// Deviations, norms, and what is true of all or any elements.
#include <algorithm>
#include <cmath>
#include <limits>

#include "op_cases.h"

namespace op_cases {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

using Group = std::vector<double>;

struct Row {
  Shape shape;
  Axes axes;  ///< empty: all
  bool keepdim = false;
  Size size = Size::small;
};

/// Over at least two elements each.
const std::vector<Row>& rows() {
  static const std::vector<Row> table = {{{7}, {}},           {{2, 3, 4}, {}},
                                         {{3, 4}, 0},         {{3, 4}, -1, true},
                                         {{2, 3, 4}, {0, 2}}, {{2, 1, 3}, {1, -1}, true},
                                         {{0, 3}, 1},         {{33, 65, 7}, {0, 2}, false, Size::large}};
  return table;
}

OpCase over(const char* op, const Row& row, const std::string& suffix) {
  OpCase c;
  c.op = op;
  c.variant = row.shape.to_string() + " axes";
  for (int axis : row.axes) c.variant += elbo::detail::concat(" ", axis);
  c.variant += (row.keepdim ? " keepdim" : "") + suffix;
  c.inputs = {{.shape = row.shape}};
  c.size = row.size;
  return c;
}

void add_std(Table& table) {
  for (const Row& row : rows()) {
    for (double correction : {0.0, 1.0, 0.5}) {
      OpCase c = over("std", row, elbo::detail::concat(" correction ", correction));
      c.fn = [row, correction](Tensors in) { return elbo::std(in[0], row.axes, correction, row.keepdim); };
      c.reference = [row, correction](Refs in) {
        return reduce(in[0], row.axes, row.keepdim, [correction](const Group& group) {
          const double n = static_cast<double>(group.size()), mean = total(group) / n;
          double sum = 0;
          for (double v : group) sum += (v - mean) * (v - mean);
          return std::sqrt(sum / (n - correction));
        });
      };
      table.push_back(c);
    }
  }
}

void add_norm(Table& table) {
  std::vector<Row> all_rows = rows();
  for (const Row& row : {Row{{}, {}}, Row{{1, 1}, 0}}) all_rows.push_back(row);
  for (double p : {1.0, 2.0, 3.0, 1.5, 0.5, infinity}) {
    for (const Row& row : all_rows) {
      OpCase c = over("norm", row, elbo::detail::concat(" p ", p));
      c.inputs[0].avoid = {0};
      c.inputs[0].distinct = std::isinf(p);
      if (std::isinf(p)) c.inputs[0].lo = -2.9;  // no two of one magnitude
      c.fn = [row, p](Tensors in) { return elbo::norm(in[0], p, row.axes, row.keepdim); };
      c.reference = [row, p](Refs in) {
        return reduce(in[0], row.axes, row.keepdim, [p](const Group& group) {
          double sum = 0, most = 0;
          for (double v : group) sum += std::pow(std::abs(v), p), most = std::max(most, std::abs(v));
          return std::isinf(p) ? most : std::pow(sum, 1 / p);
        });
      };
      table.push_back(c);
    }
    if (std::isinf(p)) continue;
    OpCase c = over("norm", {{2, 0}, 1}, elbo::detail::concat(" p ", p, " of nothing"));
    c.fn = [p](Tensors in) { return elbo::norm(in[0], p, 1); };
    c.reference = [](Refs) { return filled({2}); };
    table.push_back(c);
  }
}

void add_logsumexp_of_several(Table& table) {
  std::vector<Row> all_rows = rows();
  for (const Row& row : {Row{{}, {}}, Row{{2, 3, 4, 2}, {0, 1, 3}, true}, Row{{2, 0}, {}}}) all_rows.push_back(row);
  for (const Row& row : all_rows) {
    if (row.axes.size() == 1) continue;
    OpCase c = over("logsumexp", row, " of several");
    c.fn = [row](Tensors in) { return elbo::logsumexp(in[0], row.axes, row.keepdim); };
    c.reference = [row](Refs in) {
      return reduce(in[0], row.axes, row.keepdim, [](const Group& group) {
        double sum = 0;
        for (double v : group) sum += std::exp(v);
        return std::log(sum);
      });
    };
    table.push_back(c);
  }
}

void add_truth(Table& table) {
  std::vector<Row> all_rows = rows();
  for (const Row& row : {Row{{}, {}}, Row{{1}, 0}, Row{{0}, {}}, Row{{2, 0}, 1, true}}) all_rows.push_back(row);
  for (bool every : {true, false}) {
    for (Kind kind : {Kind::real, Kind::uint8, Kind::int64}) {
      for (const Row& row : all_rows) {
        const char* kinds[] = {" real", " uint8", " int64"};
        OpCase c = over(every ? "all" : "any", row, kinds[static_cast<int>(kind)]);
        // Seldom what decides: a 0 for `all`, something else for `any`.
        c.inputs[0] = {.shape = row.shape, .kind = kind, .grad = false};
        for (std::int64_t i = 0; i < row.shape.numel(); ++i)
          c.inputs[0].values.push_back((i * 7) % 5 == 3 ? (every ? 0 : 2) : (every ? 1 : 0));
        c.fn = [row, every](Tensors in) {
          return every ? elbo::all(in[0], row.axes, row.keepdim) : elbo::any(in[0], row.axes, row.keepdim);
        };
        c.reference = [row, every](Refs in) {
          return reduce(in[0], row.axes, row.keepdim, [every](const Group& group) -> double {
            const auto zeros = std::count(group.begin(), group.end(), 0);
            return every ? zeros == 0 : zeros < static_cast<std::ptrdiff_t>(group.size());
          });
        };
        table.push_back(c);
      }
    }
  }
}

void add_argmin(Table& table) {
  for (const Row& row : rows()) {
    if (row.axes.size() != 1) continue;
    OpCase c = over("argmin", row, "");
    const int axis = *row.axes.begin();
    c.inputs = {{.shape = row.shape, .lo = 0, .hi = 2, .grad = false, .whole = true}};
    c.fn = [row, axis](Tensors in) { return elbo::argmin(in[0], axis, row.keepdim); };
    c.reference = [row](Refs in) {
      return reduce(in[0], row.axes, row.keepdim, [](const Group& group) {
        return static_cast<double>(std::min_element(group.begin(), group.end()) - group.begin());
      });
    };
    table.push_back(c);
  }
  OpCase c = over("argmin", {{1, 4}, 1}, " NaN first");
  c.inputs = {{.shape = {1, 4}, .grad = false, .values = {2, not_a_number, -infinity, not_a_number}}};
  c.fn = [](Tensors in) { return elbo::argmin(in[0], 1); };
  c.reference = [](Refs) { return filled({1}, 1); };
  table.push_back(c);
}

void add_numbers(Table& table) {
  const std::vector<double> odd = {0, -0.0, 1, not_a_number, infinity, -infinity, -1e30, 1e-40};
  for (bool nan : {true, false}) {
    const auto add = [&](const std::string& variant, const Input& input) {
      OpCase c;
      c.op = nan ? "isnan" : "isfinite";
      c.variant = variant;
      c.inputs = {input};
      c.fn = [nan](Tensors in) { return nan ? elbo::isnan(in[0]) : elbo::isfinite(in[0]); };
      c.reference = [nan](Refs in) {
        return map(in[0], [nan](double x) -> double { return nan ? std::isnan(x) : std::isfinite(x); });
      };
      table.push_back(c);
    };
    add("odd numbers", {.shape = {2, 4}, .grad = false, .values = odd});
    add("int64", {.shape = {1, 3}, .kind = Kind::int64, .values = {0, -5, 1e15}});
    add("uint8", {.shape = {2}, .kind = Kind::uint8, .values = {0, 255}});
    add("nothing", {.shape = {0, 2}, .grad = false});
  }
}

}  // namespace

void add_statistics(Table& table) {
  add_std(table);
  add_norm(table);
  add_logsumexp_of_several(table);
  add_truth(table);
  add_argmin(table);
  add_numbers(table);
}

}  // namespace op_cases
