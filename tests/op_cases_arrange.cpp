// Ops that arrange elements: new dimensions, parts, repetition, masks.
#include <algorithm>

#include "op_cases.h"

namespace op_cases {

namespace {

using Sizes = std::vector<std::int64_t>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::string text(const Sizes& sizes) {
  std::string out;
  for (std::int64_t size : sizes) out += elbo::detail::concat(" ", size);
  return out;
}

OpCase named(const char* op, const std::string& variant, const std::vector<Shape>& inputs) {
  OpCase c;
  c.op = op;
  c.variant = variant;
  for (const Shape& shape : inputs) c.inputs.push_back({.shape = shape});
  if (inputs[0].numel() > 5000) c.size = Size::large;
  return c;
}

/// A row for an op that changes the shape alone.
struct ViewRow {
  Shape from;
  Axes axes;
  Shape to;
};

void add_views(Table& table) {
  const std::vector<ViewRow> unsqueezed = {{{3}, 0, {1, 3}},       {{3}, -1, {3, 1}}, {{}, 0, {1}},
                                           {{2, 3}, 1, {2, 1, 3}}, {{1}, 1, {1, 1}},  {{0, 2}, -3, {1, 0, 2}},
                                           {{2, 3}, -2, {2, 1, 3}}};
  for (const ViewRow& row : unsqueezed) {
    const int axis = *row.axes.begin();
    OpCase c = named("unsqueeze", row.from.to_string() + " axis " + std::to_string(axis), {row.from});
    c.fn = [axis](Tensors in) { return elbo::unsqueeze(in[0], axis); };
    c.reference = [row](Refs in) { return Ref{row.to, in[0].values}; };
    table.push_back(c);
  }
  const std::vector<ViewRow> squeezed = {
      {{1, 3, 1}, {}, {3}},       {{1, 3, 1}, 0, {3, 1}}, {{1, 3, 1}, -1, {1, 3}}, {{1, 3, 1}, {0, 2}, {3}},
      {{2, 3}, {}, {2, 3}},       {{2, 1}, {0, 1}, {2}},  {{1, 1}, {}, {}},        {{}, 0, {}},
      {{1, 0, 1}, {2, 1}, {1, 0}}};
  for (const ViewRow& row : squeezed) {
    std::string axes = row.axes.empty() ? " all" : " axes";
    for (int axis : row.axes) axes += elbo::detail::concat(" ", axis);
    OpCase c = named("squeeze", row.from.to_string() + axes, {row.from});
    c.fn = [row](Tensors in) { return row.axes.empty() ? elbo::squeeze(in[0]) : elbo::squeeze(in[0], row.axes); };
    c.reference = [row](Refs in) { return Ref{row.to, in[0].values}; };
    table.push_back(c);
  }
  for (const Shape& shape : {Shape{3}, Shape{2, 1}, Shape{0, 2}, Shape{}}) {
    OpCase c = named("clone", shape.to_string(), {shape});
    c.fn = [](Tensors in) { return elbo::clone(in[0]); };
    c.reference = [](Refs in) { return in[0]; };
    table.push_back(c);
  }
}

/// Element i of each part in turn, at its place of the result: what a stack is.
Ref naive_stack(Refs parts, int dim) {
  Ref out = filled(parts[0].shape.insert(dim, static_cast<std::int64_t>(parts.size())));
  for (std::int64_t i = 0; i < out.shape.numel(); ++i) {
    const Index index = unravel(i, out.shape);
    Index source{};
    for (int d = 0; d < parts[0].shape.rank(); ++d) source[at(d)] = index[at(d < dim ? d : d + 1)];
    out.values[at(i)] = parts[at(index[at(dim)])].values[at(ravel(source, parts[0].shape))];
  }
  return out;
}

void add_stack(Table& table) {
  struct Row {
    Shape part;
    std::size_t count;
    int axis;
  };
  for (const Row& row : {Row{{2, 3}, 2, 0}, Row{{2, 3}, 3, 1}, Row{{2, 3}, 2, -1}, Row{{2, 3}, 2, -3}, Row{{}, 4, 0},
                         Row{{1}, 2, 1}, Row{{0, 2}, 3, 1}, Row{{0}, 2, 0}, Row{{60, 50}, 4, 1}}) {
    OpCase c =
        named("stack", std::to_string(row.count) + " of " + row.part.to_string() + " axis " + std::to_string(row.axis),
              std::vector<Shape>(row.count, row.part));
    c.fn = [row](Tensors in) { return elbo::stack(in, row.axis); };
    c.reference = [row](Refs in) { return naive_stack(in, row.axis < 0 ? row.axis + row.part.rank() + 1 : row.axis); };
    table.push_back(c);
  }
}

/// x with `sizes` rows along an axis in the opposite order of parts: what `joined` makes of the parts.
Ref parts_reversed(const Ref& x, int axis, const Sizes& sizes) {
  Ref out = filled(x.shape);
  std::int64_t begin = 0, end = x.shape[axis];
  for (std::int64_t size : sizes) {
    end -= size;
    for (std::int64_t i = 0; i < x.shape.numel(); ++i) {
      Index index = unravel(i, x.shape);
      if (index[at(axis)] < begin || index[at(axis)] >= begin + size) continue;
      index[at(axis)] += end - begin;
      out.values[at(ravel(index, x.shape))] = x.values[at(i)];
    }
    begin += size;
  }
  return out;
}

/// The parts, the last first, in one tensor.
Tensor joined(std::vector<Tensor> parts, int axis) {
  std::reverse(parts.begin(), parts.end());
  return elbo::concatenate(parts, axis);
}

void add_parts(Table& table) {
  struct Row {
    Shape x;
    int axis;
    std::int64_t given;  ///< the size of a part, or the number of chunks; 0 for a list of sizes
    Sizes sizes;         ///< of the parts, written down
  };
  const auto add = [&](const char* op, const Row& row,
                       const std::function<std::vector<Tensor>(const Tensor&)>& parts_of) {
    OpCase c = named(op, row.x.to_string() + " axis " + std::to_string(row.axis) + " to" + text(row.sizes), {row.x});
    c.fn = [row, parts_of](Tensors in) { return joined(parts_of(in[0]), row.axis); };
    c.reference = [row](Refs in) {
      return parts_reversed(in[0], row.axis < 0 ? row.axis + row.x.rank() : row.axis, row.sizes);
    };
    table.push_back(c);
  };
  for (const Row& row : {Row{{5}, 0, 2, {2, 2, 1}}, Row{{2, 6}, 1, 3, {3, 3}}, Row{{3, 2}, -1, 5, {2}},
                         Row{{1, 4}, 0, 1, {1}}, Row{{0, 3}, 0, 2, {0}}, Row{{0, 3}, 1, 2, {2, 1}}})
    add("split", row, [row](const Tensor& x) { return elbo::split(x, row.given, row.axis); });
  for (const Row& row : {Row{{5}, 0, 0, {1, 4}}, Row{{2, 6}, -1, 0, {2, 0, 3, 1}}, Row{{100, 70}, 1, 0, {10, 60}}})
    add("split", row, [row](const Tensor& x) { return elbo::split(x, row.sizes, row.axis); });
  for (const Row& row :
       {Row{{5}, 0, 2, {3, 2}}, Row{{2, 6}, 1, 4, {2, 2, 2}}, Row{{2, 6}, -1, 3, {2, 2, 2}},
        Row{{1, 3}, 1, 9, {1, 1, 1}}, Row{{0, 2}, 0, 3, {0}}, Row{{80, 70}, 0, 7, {12, 12, 12, 12, 12, 12, 8}}})
    add("chunk", row, [row](const Tensor& x) { return elbo::chunk(x, row.given, row.axis); });
}

void add_repeat(Table& table) {
  struct Row {
    Shape x;
    Sizes repeats;
  };
  for (const Row& row :
       {Row{{3}, {2}}, Row{{2, 3}, {2, 2}}, Row{{2, 3}, {1, 3}}, Row{{3}, {2, 1, 2}}, Row{{}, {3}}, Row{{}, {}},
        Row{{1, 2}, {3, 1}}, Row{{0, 2}, {2, 2}}, Row{{2}, {0}}, Row{{2, 3, 2}, {2, 1, 3}}, Row{{64, 50}, {1, 3}}}) {
    OpCase c = named("repeat", row.x.to_string() + " by" + text(row.repeats), {row.x});
    c.fn = [row](Tensors in) { return elbo::repeat(in[0], row.repeats); };
    c.reference = [row](Refs in) {
      const int extra = static_cast<int>(row.repeats.size()) - row.x.rank();
      Sizes sizes = row.repeats;
      for (int d = 0; d < row.x.rank(); ++d) sizes[at(d + extra)] *= row.x[d];
      Ref out = filled(Shape(std::span<const std::int64_t>(sizes)));
      for (std::int64_t i = 0; i < out.shape.numel(); ++i) {
        const Index index = unravel(i, out.shape);
        Index source{};
        for (int d = 0; d < row.x.rank(); ++d) source[at(d)] = index[at(d + extra)] % row.x[d];
        out.values[at(i)] = in[0].values[at(ravel(source, row.x))];
      }
      return out;
    };
    c.size = row.x.numel() > 1000 ? Size::large : Size::small;
    table.push_back(c);
  }
}

void add_pad_modes(Table& table) {
  using elbo::PadMode;
  struct Row {
    Shape x;
    Sizes before, after;
    PadMode mode;
  };
  const Sizes none{0, 0};
  for (const Row& row :
       {Row{{4}, {3}, {2}, PadMode::reflect}, Row{{3, 4}, {1, 0}, {2, 3}, PadMode::reflect},
        Row{{3, 1}, {2, 0}, {0, 0}, PadMode::reflect}, Row{{0, 3}, {0, 2}, {0, 1}, PadMode::reflect},
        Row{{2, 3}, none, none, PadMode::reflect}, Row{{4}, {3}, {9}, PadMode::replicate},
        Row{{2, 1}, {1, 2}, {0, 3}, PadMode::replicate}, Row{{0, 2}, {0, 1}, {0, 1}, PadMode::replicate},
        Row{{2, 3}, {1, 0}, {0, 2}, PadMode::zeros}, Row{{8, 30, 30}, {0, 3, 3}, {0, 3, 3}, PadMode::reflect},
        Row{{8, 30, 30}, {0, 3, 3}, {0, 3, 3}, PadMode::replicate}}) {
    const char* modes[] = {" zeros", " reflect", " replicate"};
    OpCase c = named(
        "pad", row.x.to_string() + text(row.before) + " and" + text(row.after) + modes[static_cast<int>(row.mode)],
        {row.x});
    c.fn = [row](Tensors in) { return elbo::pad(in[0], row.before, row.after, row.mode); };
    c.reference = [row](Refs in) {
      Shape shape = row.x;
      for (int d = 0; d < shape.rank(); ++d) shape = shape.with(d, shape[d] + row.before[at(d)] + row.after[at(d)]);
      Ref out = filled(shape);
      for (std::int64_t i = 0; i < shape.numel(); ++i) {
        Index index = unravel(i, shape);
        bool outside = false;
        for (int d = 0; d < shape.rank(); ++d) {
          std::int64_t& place = index[at(d)];
          place -= row.before[at(d)];
          const std::int64_t last = row.x[d] - 1;
          if (place >= 0 && place <= last) continue;
          outside = true;
          if (row.mode == PadMode::reflect) place = place < 0 ? -place : 2 * last - place;
          if (row.mode == PadMode::replicate) place = place < 0 ? 0 : last;
        }
        if (!outside || row.mode != PadMode::zeros) out.values[at(i)] = in[0].values[at(ravel(index, row.x))];
      }
      return out;
    };
    table.push_back(c);
  }
}

void add_masked_fill(Table& table) {
  struct Row {
    Shape x, mask;
  };
  for (const Row& row : {Row{{2, 3}, {2, 3}}, Row{{2, 3}, {3}}, Row{{2, 3}, {2, 1}}, Row{{3}, {2, 1}}, Row{{}, {}},
                         Row{{0, 3}, {3}}, Row{{1}, {4}}, Row{{90, 80}, {90, 80}}}) {
    OpCase c = named("masked_fill", row.x.to_string() + " where " + row.mask.to_string(), {row.x, row.mask});
    c.inputs[1] = {.shape = row.mask, .lo = 0, .hi = 1, .kind = Kind::uint8};
    c.fn = [](Tensors in) { return elbo::masked_fill(in[0], in[1], -1.5); };
    c.reference = [](Refs in) {
      return map(in[0], in[1], [](double x, double masked) { return masked != 0 ? -1.5 : x; });
    };
    table.push_back(c);
  }
}

void add_triangles(Table& table) {
  struct Row {
    Shape x;
    std::int64_t diagonal;
  };
  for (const Row& row : {Row{{3, 3}, 0}, Row{{3, 4}, 1}, Row{{4, 3}, -2}, Row{{2, 3, 3}, 0}, Row{{1, 1}, 0},
                         Row{{2, 3}, 9}, Row{{2, 3}, -9}, Row{{0, 3}, 0}, Row{{3, 0}, 1}, Row{{2, 60, 70}, 3}}) {
    for (bool lower : {true, false}) {
      OpCase c =
          named(lower ? "tril" : "triu", row.x.to_string() + " diagonal " + std::to_string(row.diagonal), {row.x});
      c.fn = [row, lower](Tensors in) {
        return lower ? elbo::tril(in[0], row.diagonal) : elbo::triu(in[0], row.diagonal);
      };
      c.reference = [row, lower](Refs in) {
        Ref out = in[0];
        for (std::int64_t i = 0; i < row.x.numel(); ++i) {
          const Index index = unravel(i, row.x);
          const std::int64_t over = index[at(row.x.rank() - 1)] - index[at(row.x.rank() - 2)] - row.diagonal;
          if (lower ? over > 0 : over < 0) out.values[at(i)] = 0;
        }
        return out;
      };
      table.push_back(c);
    }
  }
}

}  // namespace

void add_arrange_ops(Table& table) {
  add_views(table);
  add_stack(table);
  add_parts(table);
  add_repeat(table);
  add_pad_modes(table);
  add_masked_fill(table);
  add_triangles(table);
}

}  // namespace op_cases
