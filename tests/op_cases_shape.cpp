// Ops that move elements.
#include <algorithm>

#include "op_cases.h"

namespace op_cases {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

Size size_for(const Shape& shape) { return shape.numel() > 5000 ? Size::large : Size::small; }

/// out[index] = x[source(index)].
Ref moved(const Ref& x, const Shape& shape, const std::function<Index(const Index&)>& source) {
  Ref out = filled(shape);
  for (std::int64_t i = 0; i < shape.numel(); ++i)
    out.values[at(i)] = x.values[at(ravel(source(unravel(i, shape)), x.shape))];
  return out;
}

OpCase named(const char* op, const std::string& variant, const Shape& x) {
  OpCase c;
  c.op = op;
  c.variant = variant;
  c.inputs = {{.shape = x}};
  c.size = size_for(x);
  return c;
}

void add_reshape(Table& table) {
  struct Row {
    Shape from;
    std::vector<std::int64_t> sizes;  ///< as given to reshape; -1 for the one left open
    Shape to;
  };
  const std::vector<Row> rows = {
      {{2, 6}, {3, 4}, {3, 4}},  {{2, 6}, {-1}, {12}}, {{2, 3, 4}, {4, -1, 2}, {4, 3, 2}},
      {{}, {1, 1}, {1, 1}},      {{1}, {}, {}},        {{0, 3}, {3, 0}, {3, 0}},
      {{0, 3}, {-1, 3}, {0, 3}}, {{7}, {7}, {7}},      {{128, 784}, {128, 1, 28, 28}, {128, 1, 28, 28}},
  };
  for (const Row& row : rows) {
    OpCase c = named("reshape", row.from.to_string() + " to " + row.to.to_string(), row.from);
    const bool open = std::find(row.sizes.begin(), row.sizes.end(), -1) != row.sizes.end();
    if (open) c.variant += " by -1";
    c.fn = [row, open](Tensors in) {
      if (!open) return elbo::reshape(in[0], row.to);
      if (row.sizes.size() == 1) return elbo::reshape(in[0], {row.sizes[0]});
      if (row.sizes.size() == 2) return elbo::reshape(in[0], {row.sizes[0], row.sizes[1]});
      return elbo::reshape(in[0], {row.sizes[0], row.sizes[1], row.sizes[2]});
    };
    c.reference = [row](Refs in) { return Ref{row.to, in[0].values}; };
    table.push_back(c);
  }
}

void add_flatten(Table& table) {
  struct Row {
    Shape from;
    int start;
    Shape to;
  };
  const std::vector<Row> rows = {
      {{2, 3, 4}, 1, {2, 12}}, {{2, 3, 4}, 0, {24}}, {{2, 3, 4, 1}, 2, {2, 3, 4}}, {{2, 3}, 1, {2, 3}},
      {{0, 2, 2}, 1, {0, 4}},  {{1, 1}, 0, {1}},     {{2, 3, 4}, -1, {2, 3, 4}},   {{64, 8, 4, 4}, 1, {64, 128}},
  };
  for (const Row& row : rows) {
    OpCase c = named("flatten", row.from.to_string() + " from " + std::to_string(row.start), row.from);
    c.fn = [row](Tensors in) { return elbo::flatten(in[0], row.start); };
    c.reference = [row](Refs in) { return Ref{row.to, in[0].values}; };
    table.push_back(c);
  }
}

void add_expand(Table& table) {
  const std::vector<std::pair<Shape, Shape>> rows = {
      {{3}, {2, 3}},    {{2, 1, 4}, {2, 3, 4}}, {{}, {2, 2}},           {{0, 1}, {2, 0, 3}},
      {{2, 3}, {2, 3}}, {{5, 1}, {2, 5, 3}},    {{1, 784}, {128, 784}},
  };
  for (const auto& [from, to] : rows) {
    OpCase c = named("expand", from.to_string() + " to " + to.to_string(), from);
    c.size = size_for(to);
    c.fn = [to = to](Tensors in) { return elbo::expand(in[0], to); };
    c.reference = [to = to](Refs in) { return map(in[0], filled(to), [](double x, double) { return x; }); };
    table.push_back(c);
  }
}

Ref naive_permute(const Ref& x, const std::vector<int>& dims) {
  std::vector<std::int64_t> sizes;
  for (int d : dims) sizes.push_back(x.shape[d < 0 ? d + x.shape.rank() : d]);
  return moved(x, Shape(std::span<const std::int64_t>(sizes)), [&](const Index& index) {
    Index source{};
    for (std::size_t i = 0; i < dims.size(); ++i)
      source[at(dims[i] < 0 ? dims[i] + x.shape.rank() : dims[i])] = index[i];
    return source;
  });
}

void add_permute(Table& table) {
  struct Row {
    Shape x;
    std::vector<int> dims;
    bool bench = false;
  };
  const std::vector<Row> rows = {
      {{2, 3}, {1, 0}},
      {{2, 3, 4}, {2, 0, 1}},
      {{2, 3, 4}, {0, 1, 2}},
      {{2, 3, 4}, {-1, 0, -2}},
      {{2, 1, 3, 4}, {3, 1, 0, 2}},
      {{}, {}},
      {{5}, {0}},
      {{0, 3, 2}, {2, 1, 0}},
      {{1, 1, 1}, {1, 2, 0}},
      {{128, 784}, {1, 0}, true},
      {{32, 16, 28, 28}, {0, 2, 3, 1}, true},
  };
  for (const Row& row : rows) {
    std::string dims;
    for (int d : row.dims) dims += elbo::detail::concat(" ", d);
    OpCase c = named("permute", row.x.to_string() + " by" + dims, row.x);
    c.bench = row.bench;
    c.fn = [row](Tensors in) { return elbo::permute(in[0], row.dims); };
    c.reference = [row](Refs in) { return naive_permute(in[0], row.dims); };
    table.push_back(c);
  }
}

void add_transpose(Table& table) {
  struct Row {
    Shape x;
    int a, b;
    bool bench = false;
  };
  const std::vector<Row> rows = {
      {{2, 3}, 0, 1}, {{2, 3, 4}, 0, 2},    {{2, 3, 4}, -1, 1}, {{4, 3}, 1, 1},           {{1, 5}, 0, 1},
      {{0, 3}, 0, 1}, {{2, 3, 4, 5}, 1, 2}, {{67, 131}, 0, 1},  {{128, 784}, 0, 1, true}, {{1024, 1024}, 0, 1, true},
  };
  for (const Row& row : rows) {
    OpCase c = named("transpose", row.x.to_string() + " " + std::to_string(row.a) + " " + std::to_string(row.b), row.x);
    c.bench = row.bench;
    c.fn = [row](Tensors in) { return elbo::transpose(in[0], row.a, row.b); };
    c.reference = [row](Refs in) {
      const int rank = in[0].shape.rank();
      std::vector<int> dims;
      for (int d = 0; d < rank; ++d) dims.push_back(d);
      std::swap(dims[at(row.a < 0 ? row.a + rank : row.a)], dims[at(row.b < 0 ? row.b + rank : row.b)]);
      return naive_permute(in[0], dims);
    };
    table.push_back(c);
  }
}

Ref naive_concatenate(Refs parts, int axis) {
  const int rank = parts[0].shape.rank();
  const int d = axis < 0 ? axis + rank : axis;
  std::int64_t size = 0;
  for (const Ref& part : parts) size += part.shape[d];
  Ref out = filled(parts[0].shape.with(d, size));
  std::int64_t begin = 0;
  for (const Ref& part : parts) {
    for (std::int64_t i = 0; i < part.shape.numel(); ++i) {
      Index index = unravel(i, part.shape);
      index[at(d)] += begin;
      out.values[at(ravel(index, out.shape))] = part.values[at(i)];
    }
    begin += part.shape[d];
  }
  return out;
}

void add_concatenate(Table& table) {
  struct Row {
    std::vector<Shape> parts;
    int axis;
    bool bench = false;
  };
  const std::vector<Row> rows = {
      {{{2, 3}, {4, 3}}, 0},
      {{{2, 3}, {2, 1}, {2, 2}}, 1},
      {{{2, 3, 2}, {2, 1, 2}}, -2},
      {{{5}}, 0},
      {{{2, 0}, {2, 3}}, 1},
      {{{0, 2}, {0, 3}}, 1},
      {{{1, 1}, {1, 1}}, 0},
      {{{3}, {0}, {2}}, -1},
      {{{128, 784}, {128, 10}}, 1, true},
      {{{64, 784}, {64, 784}}, 0, true},
  };
  for (const Row& row : rows) {
    OpCase c = named("concatenate", "", row.parts[0]);
    c.inputs.clear();
    for (const Shape& part : row.parts) {
      c.inputs.push_back({.shape = part});
      c.variant += part.to_string() + " ";
    }
    c.variant += "axis " + std::to_string(row.axis);
    c.bench = row.bench;
    c.fn = [row](Tensors in) { return elbo::concatenate(in, row.axis); };
    c.reference = [row](Refs in) { return naive_concatenate(in, row.axis); };
    table.push_back(c);
  }
}

void add_slice(Table& table) {
  struct Row {
    Shape x;
    int axis;
    std::int64_t begin, end, step;
    std::vector<std::int64_t> kept;  ///< the indices that remain, written down
  };
  const std::vector<Row> rows = {
      {{5}, 0, 1, 4, 1, {1, 2, 3}},   {{5, 2}, 0, 2, 5, 1, {2, 3, 4}},   {{2, 7}, 1, 0, 7, 3, {0, 3, 6}},
      {{2, 7}, 1, -3, -1, 1, {4, 5}}, {{2, 3, 4}, 1, 1, 100, 1, {1, 2}}, {{2, 3, 4}, -1, -100, 3, 2, {0, 2}},
      {{4, 3}, 0, 0, 4, 2, {0, 2}},   {{4, 3}, 0, 3, 1, 1, {}},          {{4, 3}, 1, 2, 2, 1, {}},
      {{0, 3}, 1, 0, 2, 1, {0, 1}},   {{1, 1}, 0, 0, 1, 1, {0}},         {{4}, 0, 9, 12, 1, {}},
  };
  for (const Row& row : rows) {
    OpCase c = named("slice",
                     row.x.to_string() + " axis " + std::to_string(row.axis) + " " + std::to_string(row.begin) + ":" +
                         std::to_string(row.end) + ":" + std::to_string(row.step),
                     row.x);
    c.fn = [row](Tensors in) { return elbo::slice(in[0], row.axis, row.begin, row.end, row.step); };
    c.reference = [row](Refs in) {
      const int d = row.axis < 0 ? row.axis + row.x.rank() : row.axis;
      return moved(in[0], row.x.with(d, static_cast<std::int64_t>(row.kept.size())), [&](Index index) {
        index[at(d)] = row.kept[at(index[at(d)])];
        return index;
      });
    };
    table.push_back(c);
  }
  OpCase c = named("slice", "[128, 784] axis 1 28:756:1", {128, 784});
  c.bench = true;
  c.fn = [](Tensors in) { return elbo::slice(in[0], 1, 28, 756); };
  c.reference = [](Refs in) {
    return moved(in[0], {128, 728}, [](Index index) {
      index[1] += 28;
      return index;
    });
  };
  table.push_back(c);
}

void add_index_select(Table& table) {
  struct Row {
    Shape x;
    int axis;
    std::vector<double> indices;
    bool bench = false;
  };
  std::vector<Row> rows = {
      {{5}, 0, {3, 0, 3, 4}}, {{4, 3}, 0, {1, 1, 1}}, {{4, 3}, 1, {2, 0}}, {{2, 3, 4}, -2, {0, 2, 2, 1}},
      {{3, 2}, 0, {}},        {{2, 0}, 0, {1, 1, 0}}, {{1, 1}, 1, {0, 0}}, {{0, 3}, 1, {2, 1}},
  };
  Row large{{1000, 784}, 0, {}, true};
  for (int i = 0; i < 128; ++i) large.indices.push_back((i * 37) % 101);
  rows.push_back(large);
  for (const Row& row : rows) {
    OpCase c = named(
        "index_select",
        row.x.to_string() + " axis " + std::to_string(row.axis) + " " + std::to_string(row.indices.size()) + " indices",
        row.x);
    const auto count = static_cast<std::int64_t>(row.indices.size());
    c.inputs.push_back({.shape = {count}, .kind = Kind::int64, .values = row.indices});
    c.bench = row.bench;
    c.fn = [row](Tensors in) { return elbo::index_select(in[0], row.axis, in[1]); };
    c.reference = [row, count](Refs in) {
      const int d = row.axis < 0 ? row.axis + row.x.rank() : row.axis;
      return moved(in[0], row.x.with(d, count), [&](Index index) {
        index[at(d)] = static_cast<std::int64_t>(row.indices[at(index[at(d)])]);
        return index;
      });
    };
    table.push_back(c);
  }
}

void add_one_hot(Table& table) {
  struct Row {
    Shape labels;
    std::int64_t classes;
  };
  for (const Row& row : {Row{{4}, 3}, Row{{}, 5}, Row{{2, 3}, 4}, Row{{0}, 3}, Row{{1}, 1}, Row{{1000}, 10}}) {
    for (DType dtype : {DType::float32, DType::float64}) {
      OpCase c;
      c.op = "one_hot";
      c.variant = row.labels.to_string() + " of " + std::to_string(row.classes) + " " + elbo::name(dtype);
      c.inputs = {{.shape = row.labels, .lo = 0, .hi = static_cast<double>(row.classes - 1), .kind = Kind::int64}};
      c.fn = [row, dtype](Tensors in) { return elbo::one_hot(in[0], row.classes, dtype); };
      c.reference = [row](Refs in) {
        Ref out = filled(row.labels.insert(row.labels.rank(), row.classes));
        for (std::size_t i = 0; i < in[0].values.size(); ++i)
          out.values[i * at(row.classes) + at(static_cast<std::int64_t>(in[0].values[i]))] = 1;
        return out;
      };
      c.size = row.labels.numel() > 100 ? Size::large : Size::small;
      table.push_back(c);
    }
  }
}

void add_pad(Table& table) {
  struct Row {
    Shape x;
    std::vector<std::int64_t> before, after;
    double value;
    bool bench = false;
  };
  const std::vector<Row> rows = {
      {{3}, {1}, {2}, 0},
      {{2, 3}, {0, 1}, {2, 0}, -1.5},
      {{2, 2, 3}, {1, 0, 2}, {0, 3, 1}, 4},
      {{2, 3}, {0, 0}, {0, 0}, 7},
      {{0, 2}, {1, 1}, {1, 0}, 2.5},
      {{}, {}, {}, 1},
      {{1, 1}, {0, 4}, {0, 0}, 0},
      {{128, 1, 28, 28}, {0, 0, 2, 2}, {0, 0, 2, 2}, 0, true},
  };
  for (const Row& row : rows) {
    OpCase c = named("pad", row.x.to_string() + " with " + std::to_string(row.value), row.x);
    c.bench = row.bench;
    c.fn = [row](Tensors in) { return elbo::pad(in[0], row.before, row.after, row.value); };
    c.reference = [row](Refs in) {
      Shape shape = row.x;
      for (int d = 0; d < shape.rank(); ++d) shape = shape.with(d, shape[d] + row.before[at(d)] + row.after[at(d)]);
      Ref out = filled(shape, row.value);
      for (std::int64_t i = 0; i < row.x.numel(); ++i) {
        Index index = unravel(i, row.x);
        for (int d = 0; d < row.x.rank(); ++d) index[at(d)] += row.before[at(d)];
        out.values[at(ravel(index, shape))] = in[0].values[at(i)];
      }
      return out;
    };
    table.push_back(c);
  }
}

}  // namespace

void add_shape_ops(Table& table) {
  add_reshape(table);
  add_flatten(table);
  add_expand(table);
  add_transpose(table);
  add_permute(table);
  add_concatenate(table);
  add_slice(table);
  add_index_select(table);
  add_one_hot(table);
  add_pad(table);
}

}  // namespace op_cases
