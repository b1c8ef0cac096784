// Convolutions of lines and of groups of channels.
#include "op_cases.h"

namespace op_cases {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct Row {
  Shape x, weight;  ///< of pictures, or with one dimension less, of lines
  std::int64_t groups = 1;
  std::int64_t stride = 1, padding = 0, dilation = 1, output_padding = 0;
};

bool of_lines(const Row& row) { return row.x.rank() == 3; }

/// What there is along the height: of a line, one row that nothing is done to.
Row along_height(const Row& row) { return of_lines(row) ? Row{} : row; }

/// A line as a picture of one row.
Ref picture(const Ref& x) { return x.shape.rank() == 3 ? Ref{x.shape.insert(2, 1), x.values} : x; }

/// What a convolution sums up: body(value of x, value of the weight, channel, row and column of the result).
/// Transposed, the pixel of the result that a tap leads to; otherwise, the one that it comes from.
Ref naive(Refs in, const Row& row, bool transposed) {
  const Ref x = picture(in[0]), w = picture(in[1]);
  const Row v = along_height(row);
  const auto size = [&](int dim, const Row& r) {
    const std::int64_t n = x.shape[dim], reach = r.dilation * (w.shape[dim] - 1);
    return transposed ? (n - 1) * r.stride - 2 * r.padding + reach + r.output_padding + 1
                      : (n + 2 * r.padding - reach - 1) / r.stride + 1;
  };
  const std::int64_t channels = transposed ? w.shape[1] * row.groups : w.shape[0];
  const std::int64_t in_group = x.shape[1] / row.groups, out_group = channels / row.groups;
  Ref y = filled({x.shape[0], channels, size(2, v), size(3, row)});
  for (std::int64_t i = 0; i < y.shape.numel(); ++i)
    if (in.size() > 2) y.values[at(i)] = in[2].values[at(unravel(i, y.shape)[1])];
  // The picture that taps slide over, and the one whose pixels they slide to.
  const Shape &wide = transposed ? y.shape : x.shape, &narrow = transposed ? x.shape : y.shape;
  for (std::int64_t n = 0; n < x.shape[0]; ++n)
    for (std::int64_t a = 0; a < x.shape[1]; ++a)
      for (std::int64_t b = 0; b < out_group; ++b)
        for (std::int64_t place = 0; place < narrow[2] * narrow[3]; ++place)
          for (std::int64_t tap = 0; tap < w.shape[2] * w.shape[3]; ++tap) {
            const std::int64_t group = a / in_group, out = group * out_group + b;
            const std::int64_t r = place / narrow[3], c = place % narrow[3], i = tap / w.shape[3], j = tap % w.shape[3];
            const std::int64_t h = r * v.stride - v.padding + i * v.dilation;
            const std::int64_t l = c * row.stride - row.padding + j * row.dilation;
            if (h < 0 || h >= wide[2] || l < 0 || l >= wide[3]) continue;
            const Index from = transposed ? Index{n, a, r, c} : Index{n, a, h, l};
            const Index to = transposed ? Index{n, out, h, l} : Index{n, out, r, c};
            const Index with = transposed ? Index{a, b, i, j} : Index{out, a % in_group, i, j};
            y.values[at(ravel(to, y.shape))] += x.values[at(ravel(from, x.shape))] * w.values[at(ravel(with, w.shape))];
          }
  if (of_lines(row)) y.shape = y.shape.without(2);
  return y;
}

Tensor convolve(Tensors in, const Row& row, bool transposed) {
  const Tensor bias = in.size() > 2 ? in[2] : Tensor();
  const auto& [x, weight, groups, stride, padding, dilation, extra] = row;
  if (of_lines(row))
    return transposed ? elbo::conv_transpose1d(in[0], in[1], bias, {stride, padding, extra, dilation, groups})
                      : elbo::conv1d(in[0], in[1], bias, {stride, padding, dilation, groups});
  return transposed ? elbo::conv_transpose2d(in[0], in[1], bias, {stride, padding, extra, dilation, groups})
                    : elbo::conv2d(in[0], in[1], bias, {stride, padding, dilation, groups});
}

void add_rows(Table& table, const std::vector<Row>& rows, bool transposed) {
  for (const Row& row : rows) {
    for (bool bias : {false, true}) {
      OpCase c;
      c.op = std::string(transposed ? "conv_transpose" : "conv") + (of_lines(row) ? "1d" : "2d");
      c.variant = row.x.to_string() + " x " + row.weight.to_string() +
                  elbo::detail::concat(" groups ", row.groups, " s", row.stride, " p", row.padding, " d", row.dilation,
                                       " op", row.output_padding) +
                  (bias ? " bias" : "");
      c.inputs = {{.shape = row.x}, {.shape = row.weight, .lo = -1, .hi = 1.3}};
      if (bias) c.inputs.push_back({.shape = {transposed ? row.weight[1] * row.groups : row.weight[0]}});
      c.fn = [row, transposed](Tensors in) { return convolve(in, row, transposed); };
      c.reference = [row, transposed](Refs in) { return naive(in, row, transposed); };
      if (row.x.numel() > 2000) c.size = Size::large;
      table.push_back(c);
    }
  }
}

}  // namespace

void add_groups(Table& table) {
  add_rows(table,
           {{{2, 3, 8}, {4, 3, 3}},
            {{1, 1, 1}, {1, 1, 1}},
            {{2, 4, 9}, {6, 2, 3}, 2, 2, 1, 2},
            {{2, 3, 7}, {3, 1, 2}, 3},
            {{0, 2, 5}, {3, 2, 2}},
            {{3, 8, 300}, {8, 4, 5}, 2, 1, 2},
            {{2, 4, 5, 6}, {6, 2, 3, 2}, 2},
            {{1, 3, 6, 5}, {3, 1, 3, 3}, 3, 2, 1},
            {{2, 2, 7, 6}, {4, 1, 2, 3}, 2, 1, 2, 2},
            {{0, 4, 3, 3}, {2, 2, 2, 2}, 2},
            {{3, 8, 20, 21}, {8, 1, 3, 3}, 8, 1, 1}},
           false);
  add_rows(table,
           {{{2, 3, 8}, {3, 4, 3}},
            {{1, 1, 1}, {1, 1, 1}},
            {{2, 4, 5}, {4, 3, 3}, 2, 2, 1, 1, 1},
            {{2, 3, 4}, {3, 1, 2}, 3, 2, 0, 2},
            {{0, 2, 5}, {2, 3, 2}},
            {{3, 8, 300}, {8, 2, 4}, 4, 2, 1},
            {{2, 4, 3, 4}, {4, 3, 2, 3}, 2, 2, 1},
            {{1, 3, 3, 2}, {3, 1, 3, 3}, 3, 2, 1, 1, 1},
            {{0, 4, 3, 3}, {4, 2, 2, 2}, 2},
            {{3, 8, 20, 21}, {8, 1, 3, 3}, 8, 1, 1}},
           true);
}

}  // namespace op_cases
