// Convolutions and transposed convolutions.
#include <algorithm>
#include <cmath>

#include "op_cases.h"

namespace op_cases {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::int64_t offset(const Shape& shape, std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) {
  return ((a * shape[1] + b) * shape[2] + c) * shape[3] + d;
}

/// Calls body(x offset, weight offset within its [kh, kw] plane, y row, y column) for each pair of pixels that a kernel
/// joins: x pixel (h, w) and y pixel (oh, ow) meet at tap (i, j) where h = oh stride - padding + i dilation.
template <class Body>
void for_each_tap(std::int64_t h, std::int64_t w, std::int64_t oh, std::int64_t ow, std::int64_t kh, std::int64_t kw,
                  elbo::Size2 stride, elbo::Size2 padding, elbo::Size2 dilation, Body body) {
  for (std::int64_t r = 0; r < oh; ++r)
    for (std::int64_t i = 0; i < kh; ++i) {
      const std::int64_t y = r * stride.h - padding.h + i * dilation.h;
      if (y < 0 || y >= h) continue;
      for (std::int64_t c = 0; c < ow; ++c)
        for (std::int64_t j = 0; j < kw; ++j) {
          const std::int64_t x = c * stride.w - padding.w + j * dilation.w;
          if (x >= 0 && x < w) body(y, x, i, j, r, c);
        }
    }
}

std::int64_t conv_size(std::int64_t n, std::int64_t k, std::int64_t stride, std::int64_t padding,
                       std::int64_t dilation) {
  return (n + 2 * padding - dilation * (k - 1) - 1) / stride + 1;
}

Ref naive_conv2d(Refs in, const elbo::Conv2dOptions& o) {
  const Shape& x = in[0].shape;
  const Shape& k = in[1].shape;
  const Shape y{x[0], k[0], conv_size(x[2], k[2], o.stride.h, o.padding.h, o.dilation.h),
                conv_size(x[3], k[3], o.stride.w, o.padding.w, o.dilation.w)};
  Ref out = filled(y);
  for (std::int64_t n = 0; n < y[0]; ++n)
    for (std::int64_t co = 0; co < y[1]; ++co) {
      for (std::int64_t i = 0; i < y[2] * y[3]; ++i)
        out.values[at(offset(y, n, co, 0, 0) + i)] = in.size() > 2 ? in[2].values[at(co)] : 0;
      for (std::int64_t ci = 0; ci < x[1]; ++ci)
        for_each_tap(
            x[2], x[3], y[2], y[3], k[2], k[3], o.stride, o.padding, o.dilation,
            [&](std::int64_t h, std::int64_t w, std::int64_t i, std::int64_t j, std::int64_t r, std::int64_t c) {
              out.values[at(offset(y, n, co, r, c))] +=
                  in[0].values[at(offset(x, n, ci, h, w))] * in[1].values[at(offset(k, co, ci, i, j))];
            });
    }
  return out;
}

/// The mirror image: pixels of x are spread over those of y, which play the larger picture's part.
Ref naive_conv_transpose2d(Refs in, const elbo::ConvTranspose2dOptions& o) {
  const Shape& x = in[0].shape;
  const Shape& k = in[1].shape;
  const Shape y{x[0], k[1],
                (x[2] - 1) * o.stride.h - 2 * o.padding.h + o.dilation.h * (k[2] - 1) + o.output_padding.h + 1,
                (x[3] - 1) * o.stride.w - 2 * o.padding.w + o.dilation.w * (k[3] - 1) + o.output_padding.w + 1};
  Ref out = filled(y);
  for (std::int64_t n = 0; n < y[0]; ++n)
    for (std::int64_t co = 0; co < y[1]; ++co) {
      for (std::int64_t i = 0; i < y[2] * y[3]; ++i)
        out.values[at(offset(y, n, co, 0, 0) + i)] = in.size() > 2 ? in[2].values[at(co)] : 0;
      for (std::int64_t ci = 0; ci < x[1]; ++ci)
        for_each_tap(
            y[2], y[3], x[2], x[3], k[2], k[3], o.stride, o.padding, o.dilation,
            [&](std::int64_t h, std::int64_t w, std::int64_t i, std::int64_t j, std::int64_t r, std::int64_t c) {
              out.values[at(offset(y, n, co, h, w))] +=
                  in[0].values[at(offset(x, n, ci, r, c))] * in[1].values[at(offset(k, ci, co, i, j))];
            });
    }
  return out;
}

std::string text(const char* name, elbo::Size2 size, std::int64_t silent) {
  if (size == elbo::Size2(silent)) return "";
  return size.h == size.w ? elbo::detail::concat(" ", name, size.h)
                          : elbo::detail::concat(" ", name, size.h, "x", size.w);
}

struct ConvRow {
  Shape x, weight;
  elbo::Size2 stride = 1, padding = 0, dilation = 1, output_padding = 0;
  Size size = Size::small;
  bool bench = false;
};

/// What becomes of the sums.
struct Ending {
  bool bias = true;
  elbo::Activation activation = elbo::Activation::none;
};

std::vector<Ending> endings(const ConvRow& row) {
  if (row.size == Size::huge) return {{}};
  std::vector<Ending> out{{}, {true, elbo::Activation::relu}};
  if (row.size == Size::small) out.insert(out.end(), {{false}, {true, elbo::Activation::tanh}});
  return out;
}

Ref ended(Ref sums, const Ending& end) {
  for (double& x : sums.values)
    x = end.activation == elbo::Activation::relu   ? std::max(x, 0.0)
        : end.activation == elbo::Activation::tanh ? std::tanh(x)
                                                   : x;
  return sums;
}

std::string variant_of(const ConvRow& row, const Ending& end) {
  return row.x.to_string() + " x " + row.weight.to_string() + text("s", row.stride, 1) + text("p", row.padding, 0) +
         text("d", row.dilation, 1) + text("op", row.output_padding, 0) + (end.bias ? " bias" : "") +
         (end.activation == elbo::Activation::relu   ? " relu"
          : end.activation == elbo::Activation::tanh ? " tanh"
                                                     : "");
}

OpCase conv_case(const ConvRow& row, const Ending& end, std::int64_t channels_out) {
  OpCase c;
  c.variant = variant_of(row, end);
  c.inputs = {{.shape = row.x}, {.shape = row.weight, .lo = -1, .hi = 1.3}};
  if (end.bias) c.inputs.push_back({.shape = {channels_out}});
  c.size = row.size;
  c.bench = row.bench && end.activation == elbo::Activation::none;
  return c;
}

void add_conv2d(Table& table) {
  const std::vector<ConvRow> rows = {
      {{2, 3, 5, 6}, {4, 3, 3, 2}},
      {{1, 1, 1, 1}, {1, 1, 1, 1}},
      {{1, 1, 4, 4}, {1, 1, 4, 4}},
      {{2, 2, 7, 5}, {3, 2, 3, 3}, 2, 1},
      {{2, 1, 8, 8}, {2, 1, 4, 4}, 2, 1},
      {{1, 2, 9, 7}, {2, 2, 3, 2}, {2, 3}, {1, 0}},
      {{1, 2, 9, 8}, {2, 2, 3, 3}, 1, {2, 1}, {2, 1}},
      {{2, 1, 10, 9}, {1, 1, 2, 3}, {3, 2}, {0, 2}, {3, 2}},
      {{1, 1, 2, 2}, {1, 1, 3, 3}, 1, 2},
      {{2, 5, 3, 3}, {4, 5, 1, 1}},
      {{2, 3, 1, 6}, {2, 3, 1, 3}, 1, {0, 1}},
      {{0, 2, 4, 4}, {3, 2, 3, 3}, 1, 1},
      {{2, 0, 4, 4}, {3, 0, 3, 3}, 1, 1},
      {{2, 2, 4, 4}, {0, 2, 3, 3}, 1, 1},
      {{1, 1, 6, 6}, {1, 1, 2, 2}, 3, 0},  // the last rows and columns are never read
      // The zoo's layers, at the batch sizes they are trained with.
      {{128, 1, 28, 28}, {32, 1, 3, 3}, 2, 1, 1, 0, Size::large, true},
      {{128, 32, 14, 14}, {64, 32, 3, 3}, 2, 1, 1, 0, Size::huge, true},
      {{32, 3, 32, 32}, {16, 3, 4, 4}, 2, 1, 1, 0, Size::large, true},
      {{32, 16, 16, 16}, {32, 16, 4, 4}, 2, 1, 1, 0, Size::large, true},
      {{32, 32, 8, 8}, {128, 32, 4, 4}, 2, 1, 1, 0, Size::large, true},
      {{33, 19, 14, 14}, {23, 19, 3, 3}, 1, 1, 1, 0, Size::large},
      {{5, 16, 30, 31}, {33, 16, 3, 2}, {2, 1}, {1, 2}, {1, 2}, 0, Size::large},
      {{32, 64, 28, 28}, {64, 64, 3, 3}, 1, 1, 1, 0, Size::huge, true},
  };
  for (const ConvRow& row : rows) {
    for (const Ending& end : endings(row)) {
      OpCase c = conv_case(row, end, row.weight[0]);
      c.op = "conv2d";
      const elbo::Conv2dOptions options{row.stride, row.padding, row.dilation};
      c.fn = [options, end](Tensors in) {
        return elbo::conv2d(in[0], in[1], end.bias ? in[2] : Tensor(), options, end.activation);
      };
      c.reference = [options, end](Refs in) { return ended(naive_conv2d(in, options), end); };
      c.flops =
          2 * static_cast<double>(row.x[0] * row.weight.numel() *
                                  conv_size(row.x[2], row.weight[2], row.stride.h, row.padding.h, row.dilation.h) *
                                  conv_size(row.x[3], row.weight[3], row.stride.w, row.padding.w, row.dilation.w));
      table.push_back(c);
    }
  }
}

void add_conv_transpose2d(Table& table) {
  const std::vector<ConvRow> rows = {
      {{2, 3, 4, 5}, {3, 4, 3, 2}},
      {{1, 1, 1, 1}, {1, 1, 1, 1}},
      {{1, 2, 1, 1}, {2, 3, 4, 4}},
      {{2, 2, 4, 3}, {2, 3, 3, 3}, 2, 1, 1, 1},
      {{2, 2, 3, 3}, {2, 1, 4, 4}, 2, 1},
      {{1, 2, 4, 3}, {2, 2, 3, 2}, {2, 3}, {1, 0}, 1, {1, 2}},
      {{1, 2, 4, 5}, {2, 2, 3, 3}, 1, {2, 1}, {2, 1}, {1, 0}},
      {{2, 1, 3, 4}, {1, 2, 2, 3}, {3, 2}, {0, 2}, {3, 2}, {2, 1}},
      {{1, 1, 3, 3}, {1, 1, 1, 1}, 2, 0, 1, 1},
      {{2, 5, 3, 3}, {5, 4, 1, 1}},
      {{1, 1, 2, 3}, {1, 2, 1, 1}, 1, 0, 2, 1},  // pixels beyond those that the kernel spreads
      {{2, 3, 4, 3}, {3, 2, 1, 1}, 1, 0, {3, 2}, {2, 0}},
      {{1, 1, 2, 2}, {1, 1, 2, 2}, 3, 0},  // gaps between the spread kernels
      {{0, 2, 4, 4}, {2, 3, 3, 3}, 2, 1},
      {{2, 0, 4, 4}, {0, 3, 3, 3}, 2, 1},
      {{2, 2, 4, 4}, {2, 0, 3, 3}, 2, 1},
      {{128, 64, 7, 7}, {64, 32, 4, 4}, 2, 1, 1, 0, Size::huge, true},
      {{128, 32, 14, 14}, {32, 1, 4, 4}, 2, 1, 1, 0, Size::large, true},
      {{32, 128, 4, 4}, {128, 64, 4, 4}, 2, 1, 1, 0, Size::large, true},
      {{32, 64, 8, 8}, {64, 32, 4, 4}, 2, 1, 1, 0, Size::large, true},
      {{32, 32, 16, 16}, {32, 3, 4, 4}, 2, 1, 1, 0, Size::large, true},
      {{5, 17, 14, 13}, {17, 19, 3, 2}, {2, 1}, {1, 2}, {1, 2}, {1, 0}, Size::large},
  };
  for (const ConvRow& row : rows) {
    for (const Ending& end : endings(row)) {
      OpCase c = conv_case(row, end, row.weight[1]);
      c.op = "conv_transpose2d";
      const elbo::ConvTranspose2dOptions options{row.stride, row.padding, row.output_padding, row.dilation};
      c.fn = [options, end](Tensors in) {
        return elbo::conv_transpose2d(in[0], in[1], end.bias ? in[2] : Tensor(), options, end.activation);
      };
      c.reference = [options, end](Refs in) { return ended(naive_conv_transpose2d(in, options), end); };
      c.flops = 2 * static_cast<double>(row.x[0] * row.weight.numel() * row.x[2] * row.x[3]);
      table.push_back(c);
    }
  }
}

}  // namespace

void add_convolutions(Table& table) {
  add_conv2d(table);
  add_conv_transpose2d(table);
}

}  // namespace op_cases
