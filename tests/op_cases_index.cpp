// Ops that are index kernels: along one axis, and over pictures.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "op_cases.h"

namespace op_cases {

namespace {

using std::int64_t;

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

OpCase named(const std::string& op, const std::string& variant, const Shape& x) {
  OpCase c;
  c.op = op;
  c.variant = variant;
  c.inputs = {{.shape = x}};
  c.size = x.numel() > 5000 ? Size::large : Size::small;
  return c;
}

int resolved(int axis, const Shape& shape) { return axis < 0 ? axis + shape.rank() : axis; }

// ---- along one axis -----------------------------------------------------------------------------------------------

struct Along {
  Shape x, indices;
  int axis;
  bool bench = false;
};

std::string name_of(const Along& row) {
  return row.x.to_string() + " at " + row.indices.to_string() + " axis " + std::to_string(row.axis);
}

Input indices_for(const Along& row) {
  const double n = static_cast<double>(row.x[resolved(row.axis, row.x)]);
  return {.shape = row.indices, .lo = 0, .hi = std::max(n - 1, 0.0), .kind = Kind::int64};
}

void add_gather(Table& table) {
  const std::vector<Along> rows = {{{5}, {7}, 0},
                                   {{4, 3}, {2, 3}, 0},
                                   {{4, 3}, {4, 5}, -1},
                                   {{2, 3, 4}, {2, 6, 4}, 1},
                                   {{3, 4}, {2, 2}, 1},
                                   {{1, 1}, {1, 3}, 1},
                                   {{4, 3}, {0, 3}, 0},
                                   {{0, 3}, {0, 2}, 1},
                                   {{128, 100}, {128, 784}, 1, true}};
  for (const Along& row : rows) {
    OpCase c = named("gather", name_of(row), row.x);
    c.inputs.push_back(indices_for(row));
    c.bench = row.bench;
    c.fn = [row](Tensors in) { return elbo::gather(in[0], row.axis, in[1]); };
    c.reference = [row](Refs in) {
      Ref out = filled(row.indices);
      for (int64_t i = 0; i < row.indices.numel(); ++i) {
        Index from = unravel(i, row.indices);
        from[at(resolved(row.axis, row.x))] = static_cast<int64_t>(in[1].values[at(i)]);
        out.values[at(i)] = in[0].values[at(ravel(from, row.x))];
      }
      return out;
    };
    table.push_back(c);
  }
}

void add_scatter_add(Table& table) {
  const std::vector<Along> rows = {
      {{5}, {7}, 0},       {{4, 3}, {2, 3}, 0}, {{4, 3}, {4, 5}, -1}, {{2, 3, 4}, {2, 6, 4}, 1},
      {{1, 1}, {1, 3}, 1}, {{4, 3}, {0, 3}, 0}, {{0, 3}, {0, 2}, 1},  {{128, 100}, {128, 784}, 1, true}};
  for (const Along& row : rows) {
    OpCase c = named("scatter_add", name_of(row), row.x);
    c.inputs.push_back(indices_for(row));
    c.inputs.push_back({.shape = row.indices});
    c.bench = row.bench;
    c.fn = [row](Tensors in) { return elbo::scatter_add(in[0], row.axis, in[1], in[2]); };
    c.reference = [row](Refs in) {
      Ref out = in[0];
      for (int64_t i = 0; i < row.indices.numel(); ++i) {
        Index to = unravel(i, row.indices);
        to[at(resolved(row.axis, row.x))] = static_cast<int64_t>(in[1].values[at(i)]);
        out.values[at(ravel(to, row.x))] += in[2].values[at(i)];
      }
      return out;
    };
    table.push_back(c);
  }
}

void add_cumsum(Table& table) {
  struct Row {
    Shape x;
    int axis;
  };
  for (const Row& row : {Row{{}, 0}, Row{{7}, 0}, Row{{4, 3}, 0}, Row{{4, 3}, -1}, Row{{2, 3, 4}, 1}, Row{{1, 1}, 1},
                         Row{{0, 3}, 0}, Row{{3, 0}, 0}, Row{{128, 784}, 1}, Row{{784, 128}, 0}}) {
    OpCase c = named("cumsum", row.x.to_string() + " axis " + std::to_string(row.axis), row.x);
    c.bench = c.size == Size::large;
    c.fn = [row](Tensors in) { return elbo::cumsum(in[0], row.axis); };
    c.reference = [row](Refs in) {
      Ref out = in[0];
      if (row.x.rank() == 0) return out;
      for (int64_t i = 0; i < row.x.numel(); ++i) {
        Index before = unravel(i, row.x);
        if (before[at(resolved(row.axis, row.x))]-- > 0) out.values[at(i)] += out.values[at(ravel(before, row.x))];
      }
      return out;
    };
    table.push_back(c);
  }
}

void add_flip(Table& table) {
  struct Row {
    Shape x;
    Axes axes;
  };
  const std::vector<Row> rows = {{{}, {}},         {{5}, {0}},        {{4, 3}, {0}},        {{4, 3}, {1}},
                                 {{4, 3}, {}},     {{2, 3, 4}, {1}},  {{2, 3, 4}, {0, -1}}, {{1, 1}, {0}},
                                 {{0, 3}, {0, 1}}, {{128, 784}, {1}}, {{128, 784}, {0}}};
  for (const Row& row : rows) {
    std::string axes;
    for (int axis : row.axes) axes += " " + std::to_string(axis);
    OpCase c = named("flip", row.x.to_string() + " axes" + axes, row.x);
    c.bench = c.size == Size::large;
    c.fn = [row](Tensors in) { return elbo::flip(in[0], row.axes); };
    c.reference = [row](Refs in) {
      Ref out = in[0];
      for (int64_t i = 0; i < row.x.numel(); ++i) {
        Index from = unravel(i, row.x);
        for (int d = 0; d < row.x.rank(); ++d) {
          bool turned = row.axes.empty();
          for (int axis : row.axes) turned |= resolved(axis, row.x) == d;
          if (turned) from[at(d)] = row.x[d] - 1 - from[at(d)];
        }
        out.values[at(i)] = in[0].values[at(ravel(from, row.x))];
      }
      return out;
    };
    table.push_back(c);
  }
}

// ---- windows over pictures -----------------------------------------------------------------------------------------

struct PoolRow {
  Shape x;
  elbo::Size2 kernel;
  elbo::Pool2dOptions options = {};
};

std::string text(elbo::Size2 size) { return std::to_string(size.h) + "x" + std::to_string(size.w); }

/// What a window holds, its padding too, where `padding` is the value for that.
Ref naive_pool(const Ref& x, const PoolRow& row, double padding,
               const std::function<double(const std::vector<double>&)>& of) {
  const elbo::Size2 stride = row.options.stride.value_or(row.kernel), pad = row.options.padding;
  const Shape y{x.shape[0], x.shape[1], (x.shape[2] + 2 * pad.h - row.kernel.h) / stride.h + 1,
                (x.shape[3] + 2 * pad.w - row.kernel.w) / stride.w + 1};
  Ref out = filled(y);
  for (int64_t i = 0; i < y.numel(); ++i) {
    Index place = unravel(i, y);
    const int64_t top = place[2] * stride.h - pad.h, left = place[3] * stride.w - pad.w;
    std::vector<double> window;
    for (int64_t h = top; h < top + row.kernel.h; ++h)
      for (int64_t w = left; w < left + row.kernel.w; ++w) {
        const bool inside = h >= 0 && h < x.shape[2] && w >= 0 && w < x.shape[3];
        place[2] = h, place[3] = w;
        window.push_back(inside ? x.values[at(ravel(place, x.shape))] : padding);
      }
    out.values[at(i)] = of(window);
  }
  return out;
}

void add_pools(Table& table) {
  const std::vector<PoolRow> rows = {
      {{2, 3, 4, 6}, 2},
      {{1, 2, 5, 7}, 3, {.stride = 2, .padding = 1}},
      {{1, 1, 5, 5}, 3, {.stride = 1}},
      {{2, 1, 4, 5}, {3, 2}, {.stride = elbo::Size2(1, 3), .padding = elbo::Size2(1, 0)}},
      {{1, 2, 6, 6}, 2, {.stride = 3}},
      {{1, 1, 1, 1}, 1},
      {{0, 3, 4, 4}, 2},
      {{32, 16, 28, 28}, 2},
      {{32, 16, 28, 28}, 3, {.stride = 2, .padding = 1}}};
  for (const PoolRow& row : rows) {
    const std::string variant = row.x.to_string() + " window " + text(row.kernel) + " stride " +
                                text(row.options.stride.value_or(row.kernel)) + " padding " + text(row.options.padding);
    OpCase c = named("avg_pool2d", variant, row.x);
    c.bench = c.size == Size::large;
    c.fn = [row](Tensors in) { return elbo::avg_pool2d(in[0], row.kernel, row.options); };
    c.reference = [row](Refs in) {
      return naive_pool(in[0], row, 0, [](const std::vector<double>& window) {
        return total(window) / static_cast<double>(window.size());
      });
    };
    table.push_back(c);
    c.op = "max_pool2d";
    c.inputs[0].distinct = true;
    c.fn = [row](Tensors in) { return elbo::max_pool2d(in[0], row.kernel, row.options); };
    c.reference = [row](Refs in) {
      return naive_pool(in[0], row, -std::numeric_limits<double>::infinity(), [](const std::vector<double>& window) {
        return *std::max_element(window.begin(), window.end());
      });
    };
    table.push_back(c);
  }
}

// ---- pictures of another size --------------------------------------------------------------------------------------

/// The value of x at a place between pixels, beyond the outermost ones that of these.
double between(const Ref& x, Index plane, double h, double w) {
  double sum = 0;
  const auto clamped = [](double value, int64_t size) { return std::clamp(value, 0.0, static_cast<double>(size - 1)); };
  h = clamped(h, x.shape[2]), w = clamped(w, x.shape[3]);
  for (double y : {std::floor(h), std::floor(h) + 1})
    for (double z : {std::floor(w), std::floor(w) + 1}) {
      const double weight = (1 - std::abs(y - h)) * (1 - std::abs(z - w));
      plane[2] = static_cast<int64_t>(clamped(y, x.shape[2])), plane[3] = static_cast<int64_t>(clamped(z, x.shape[3]));
      if (weight > 0) sum += weight * x.values[at(ravel(plane, x.shape))];
    }
  return sum;
}

void add_upsample(Table& table) {
  using elbo::Size2;
  using elbo::UpsampleMode;
  struct Row {
    Shape x;
    Size2 size;
    bool by_scale = false;
  };
  const std::vector<Row> rows = {
      {{2, 3, 4, 5}, {8, 10}, true}, {{1, 2, 3, 2}, {7, 5}},       {{1, 1, 7, 6}, {3, 4}},
      {{1, 2, 1, 1}, {3, 2}},        {{2, 1, 3, 4}, {3, 4}},       {{1, 1, 5, 2}, {1, 9}},
      {{1, 1, 1, 1}, {1, 1}},        {{0, 2, 3, 3}, {6, 6}, true}, {{32, 16, 14, 14}, {28, 28}, true}};
  for (const Row& row : rows) {
    for (UpsampleMode mode : {UpsampleMode::nearest, UpsampleMode::bilinear}) {
      const bool linear = mode == UpsampleMode::bilinear;
      OpCase c =
          named("upsample", row.x.to_string() + " to " + text(row.size) + (linear ? " bilinear" : " nearest"), row.x);
      c.bench = c.size == Size::large;
      c.fn = [row, mode](Tensors in) {
        if (row.by_scale)
          return elbo::upsample(in[0], {.scale = Size2(row.size.h / row.x[2], row.size.w / row.x[3]), .mode = mode});
        return elbo::upsample(in[0], {.size = row.size, .mode = mode});
      };
      c.reference = [row, linear](Refs in) {
        Ref out = filled({row.x[0], row.x[1], row.size.h, row.size.w});
        for (int64_t i = 0; i < out.shape.numel(); ++i) {
          const Index place = unravel(i, out.shape);
          const double steps_h = static_cast<double>(row.x[2]) / static_cast<double>(row.size.h);
          const double steps_w = static_cast<double>(row.x[3]) / static_cast<double>(row.size.w);
          const double h = static_cast<double>(place[2]), w = static_cast<double>(place[3]);
          out.values[at(i)] =
              linear ? between(in[0], place, (h + 0.5) * steps_h - 0.5, (w + 0.5) * steps_w - 0.5)
                     : between(in[0], place, std::floor(h * steps_h + 1e-9), std::floor(w * steps_w + 1e-9));
        }
        return out;
      };
      table.push_back(c);
    }
  }
}

// ---- the largest and the smallest ---------------------------------------------------------------------------------

/// The places of the k best of a column, best first.
std::vector<int64_t> best_places(const std::vector<double>& column, int64_t k, bool largest) {
  std::vector<int64_t> places(column.size());
  std::iota(places.begin(), places.end(), int64_t{0});
  std::stable_sort(places.begin(), places.end(), [&](int64_t a, int64_t b) {
    return largest ? column[at(a)] > column[at(b)] : column[at(a)] < column[at(b)];
  });
  places.resize(at(k));
  return places;
}

Ref naive_topk(const Ref& x, int64_t k, int axis, bool largest, bool values) {
  Ref out = filled(x.shape.with(axis, k));
  for (int64_t i = 0; i < out.shape.numel(); ++i) {
    Index index = unravel(i, out.shape);
    const int64_t rank = index[at(axis)];
    std::vector<double> column;
    for (int64_t j = 0; j < x.shape[axis]; ++j) {
      index[at(axis)] = j;
      column.push_back(x.values[at(ravel(index, x.shape))]);
    }
    const int64_t place = best_places(column, k, largest)[at(rank)];
    out.values[at(i)] = values ? column[at(place)] : static_cast<double>(place);
  }
  return out;
}

void add_topk(Table& table) {
  struct Row {
    Shape x;
    int64_t k;
    int axis;
    bool bench = false;
  };
  const std::vector<Row> rows = {{{7}, 3, 0},     {{2, 9, 3}, 4, 1}, {{4, 1}, 1, -1}, {{5, 3}, 5, -2},
                                 {{0, 3}, 2, -1}, {{3, 4}, 0, -1},   {{1}, 1, 0},     {{70, 90}, 10, -1, true}};
  for (const Row& row : rows)
    for (bool largest : {true, false})
      for (bool values : {true, false}) {
        OpCase c = named("topk",
                         row.x.to_string() + " k " + std::to_string(row.k) + " axis " + std::to_string(row.axis) +
                             (largest ? " largest" : " smallest") + (values ? "" : " indices"),
                         row.x);
        // Of few numbers where only places come out, so that many are equal.
        c.inputs = {{.shape = row.x, .grad = values, .whole = !values, .distinct = values}};
        c.bench = row.bench && values && largest;
        c.fn = [row, largest, values](Tensors in) {
          const elbo::TopK top = elbo::topk(in[0], row.k, row.axis, largest);
          return values ? top.values : top.indices;
        };
        c.reference = [row, largest, values](Refs in) {
          return naive_topk(in[0], row.k, resolved(row.axis, row.x), largest, values);
        };
        table.push_back(c);
      }
}

}  // namespace

void add_index_ops(Table& table) {
  add_gather(table);
  add_scatter_add(table);
  add_cumsum(table);
  add_flip(table);
  add_topk(table);
  add_pools(table);
  add_upsample(table);
}

}  // namespace op_cases
