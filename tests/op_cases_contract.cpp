// Matrix products and linear layers.
#include <algorithm>
#include <cmath>

#include <array>

#include "op_cases.h"

namespace op_cases {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// a [m, k] times b [k, n], both starting at the given places.
void multiply(const double* a, const double* b, double* out, std::int64_t m, std::int64_t k, std::int64_t n) {
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t p = 0; p < k; ++p)
      for (std::int64_t j = 0; j < n; ++j) out[i * n + j] += a[i * k + p] * b[p * n + j];
}

/// The leading dimensions of a and b, broadcast, then [m, n].
Ref naive_matmul(const Ref& a, const Ref& b) {
  const std::int64_t m = a.shape[-2], k = a.shape.back(), n = b.shape.back();
  const Shape batch_a(std::span(a.shape.begin(), a.shape.end() - 2));
  const Shape batch_b(std::span(b.shape.begin(), b.shape.end() - 2));
  // Which matrix of a (and of b) each matrix of the result takes: an elementwise map over the numbers of the matrices.
  Ref number_a = filled(batch_a), number_b = filled(batch_b);
  for (std::size_t i = 0; i < number_a.values.size(); ++i) number_a.values[i] = static_cast<double>(i);
  for (std::size_t i = 0; i < number_b.values.size(); ++i) number_b.values[i] = static_cast<double>(i);
  const Ref from_a = map(number_a, number_b, [](double i, double) { return i; });
  const Ref from_b = map(number_a, number_b, [](double, double i) { return i; });

  std::vector<std::int64_t> sizes(from_a.shape.begin(), from_a.shape.end());
  sizes.push_back(m);
  sizes.push_back(n);
  Ref out = filled(Shape(std::span<const std::int64_t>(sizes)));
  for (std::size_t i = 0; i < from_a.values.size(); ++i) {
    const auto ia = static_cast<std::int64_t>(from_a.values[i]), ib = static_cast<std::int64_t>(from_b.values[i]);
    multiply(a.values.data() + ia * m * k, b.values.data() + ib * k * n,
             out.values.data() + static_cast<std::int64_t>(i) * m * n, m, k, n);
  }
  return out;
}

void add_matmul(Table& table) {
  struct Row {
    Shape a, b;
    Size size = Size::small;
    bool bench = false;
  };
  const std::vector<Row> rows = {
      {{2, 3}, {3, 4}},
      {{1, 1}, {1, 1}},
      {{5, 1}, {1, 7}},
      {{1, 9}, {9, 1}},
      {{13, 17}, {17, 11}},
      {{0, 3}, {3, 2}},
      {{2, 0}, {0, 3}},
      {{2, 3}, {3, 0}},
      {{3, 2, 4}, {3, 4, 5}},
      {{3, 2, 4}, {4, 5}},
      {{2, 4}, {3, 4, 5}},
      {{2, 1, 2, 3}, {4, 3, 2}},
      {{1, 2, 3}, {5, 3, 2}},
      {{0, 2, 3}, {3, 2}},
      {{2, 2, 0}, {2, 0, 3}},
      {{67, 131}, {131, 93}, Size::large},
      {{1, 784}, {784, 400}, Size::large},
      {{300, 1}, {1, 300}, Size::large},
      {{7, 65, 33}, {7, 33, 70}, Size::large},
      {{5, 1, 64, 40}, {3, 40, 48}, Size::large},
      {{128, 784}, {784, 400}, Size::large, true},
      {{128, 400}, {400, 784}, Size::large, true},
      {{784, 128}, {128, 400}, Size::large, true},
      {{64, 32, 64}, {64, 64, 32}, Size::large, true},
      {{1024, 1024}, {1024, 1024}, Size::huge, true},
  };
  for (const Row& row : rows) {
    OpCase c;
    c.op = "matmul";
    c.variant = row.a.to_string() + " x " + row.b.to_string();
    c.inputs = {{.shape = row.a}, {.shape = row.b}};
    c.fn = [](Tensors in) { return elbo::matmul(in[0], in[1]); };
    c.reference = [](Refs in) { return naive_matmul(in[0], in[1]); };
    c.size = row.size;
    c.bench = row.bench;
    std::int64_t batch = 1;  // right for the benchmarked rows, whose leading dimensions agree
    for (int d = 0; d + 2 < row.a.rank(); ++d) batch *= row.a[d];
    c.flops = 2 * static_cast<double>(batch * row.a[-2] * row.a.back() * row.b.back());
    table.push_back(c);
  }
}

/// A vector on either side: a row on the left, a column on the right, which the result is without.
void add_vectors(Table& table) {
  struct Row {
    Shape a, b, out;
  };
  for (const Row& row : {Row{{3}, {3}, {}}, Row{{3}, {3, 4}, {4}}, Row{{2, 3}, {3}, {2}}, Row{{3}, {2, 3, 4}, {2, 4}},
                         Row{{2, 5, 3}, {3}, {2, 5}}, Row{{1}, {1}, {}}, Row{{0}, {0}, {}}, Row{{0}, {0, 2}, {2}},
                         Row{{70, 90}, {90}, {70}}}) {
    OpCase c;
    c.op = "matmul";
    c.variant = row.a.to_string() + " x " + row.b.to_string();
    c.inputs = {{.shape = row.a}, {.shape = row.b}};
    c.fn = [](Tensors in) { return elbo::matmul(in[0], in[1]); };
    c.reference = [row](Refs in) {
      const Ref a{row.a.rank() == 1 ? row.a.insert(0, 1) : row.a, in[0].values};
      const Ref b{row.b.rank() == 1 ? row.b.insert(1, 1) : row.b, in[1].values};
      return Ref{row.out, naive_matmul(a, b).values};
    };
    c.size = row.a.numel() > 1000 ? Size::large : Size::small;
    table.push_back(c);
  }
}

double activate(elbo::Activation activation, double x) {
  switch (activation) {
    case elbo::Activation::none:
      return x;
    case elbo::Activation::relu:
      return std::max(x, 0.0);
    case elbo::Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case elbo::Activation::tanh:
      return std::tanh(x);
  }
  return NAN;
}

const char* name_of(elbo::Activation activation) {
  switch (activation) {
    case elbo::Activation::none:
      return "";
    case elbo::Activation::relu:
      return " relu";
    case elbo::Activation::sigmoid:
      return " sigmoid";
    case elbo::Activation::tanh:
      return " tanh";
  }
  return "?";
}

Ref naive_linear(Refs in, bool bias, elbo::Activation activation) {
  const std::int64_t in_features = in[1].shape[1], out_features = in[1].shape[0];
  std::vector<std::int64_t> sizes(in[0].shape.begin(), in[0].shape.end());
  sizes.back() = out_features;
  Ref out = filled(Shape(std::span<const std::int64_t>(sizes)));
  const auto total_out = static_cast<std::int64_t>(out.values.size());
  for (std::int64_t o = 0; o < total_out; ++o) {
    const std::int64_t row = o / out_features, column = o % out_features;
    double sum = bias ? in[2].values[at(column)] : 0;
    for (std::int64_t k = 0; k < in_features; ++k)
      sum += in[0].values[at(row * in_features + k)] * in[1].values[at(column * in_features + k)];
    out.values[at(o)] = activate(activation, sum);
  }
  return out;
}

struct LinearRow {
  Shape x;
  std::int64_t out;
  Size size = Size::small;
  bool bench = false;
};

void add_linear_row(Table& table, const LinearRow& row, bool bias, elbo::Activation activation) {
  const Shape weight{row.out, row.x.back()};
  // Weights of a layer's usual size, so that sigmoid and tanh are not saturated.
  const double bound = 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(row.x.back(), 1)));
  OpCase c;
  c.op = "linear";
  c.variant = row.x.to_string() + " x " + weight.to_string() + (bias ? " bias" : "") + name_of(activation);
  c.inputs = {{.shape = row.x}, {.shape = weight, .lo = -bound, .hi = 1.2 * bound}};
  if (bias) c.inputs.push_back({.shape = {row.out}, .lo = -1, .hi = 0.8});
  c.fn = [bias, activation](Tensors in) { return elbo::linear(in[0], in[1], bias ? in[2] : Tensor(), activation); };
  c.reference = [bias, activation](Refs in) { return naive_linear(in, bias, activation); };
  c.size = row.size;
  c.bench = row.bench && activation != elbo::Activation::tanh;
  c.flops = 2 * static_cast<double>(row.x.numel() * row.out);
  table.push_back(c);
}

void add_linear(Table& table) {
  const std::vector<LinearRow> rows = {
      {{3, 5}, 4},
      {{1, 1}, 1},
      {{7}, 3},
      {{2, 3, 4}, 5},
      {{0, 4}, 3},
      {{4, 1}, 6},
      {{3, 0}, 2},
      {{3, 4}, 0},
      {{65, 37}, 51, Size::large},
      {{1, 784}, 400, Size::large},
      {{96, 784}, 400, Size::large},
      {{128, 784}, 400, Size::large, true},  // the VAE's layers
      {{128, 400}, 20, Size::large, true},
      {{128, 20}, 400, Size::large, true},
      {{128, 400}, 784, Size::large, true},
  };
  for (const LinearRow& row : rows) {
    for (auto activation :
         {elbo::Activation::none, elbo::Activation::relu, elbo::Activation::sigmoid, elbo::Activation::tanh}) {
      for (bool bias : {false, true})
        if (bias || row.size == Size::small) add_linear_row(table, row, bias, activation);
    }
  }
}

/// Two heads on one x, side by side: of 3 outputs with a bias, and of 5 without.
void add_heads(Table& table) {
  for (const Shape& x :
       {Shape{3, 4}, Shape{7}, Shape{2, 3, 5}, Shape{1, 1}, Shape{0, 4}, Shape{3, 0}, Shape{128, 400}}) {
    const std::int64_t in = x.back();
    OpCase c;
    c.op = "linear_heads";
    c.variant = x.to_string();
    c.inputs = {{.shape = x}, {.shape = {3, in}, .lo = -0.1}, {.shape = {3}}, {.shape = {5, in}, .hi = 0.2}};
    c.fn = [](Tensors t) {
      const std::vector<Tensor> y = elbo::linear_heads(t[0], std::array{t[1], t[3]}, std::array{t[2], Tensor()});
      return elbo::concatenate({y[0], y[1]}, -1);
    };
    c.reference = [](Refs t) {
      const Ref first = naive_linear(std::array{t[0], t[1], t[2]}, true, elbo::Activation::none);
      const Ref second = naive_linear(std::array{t[0], t[3]}, false, elbo::Activation::none);
      Ref out = filled(first.shape.with(first.shape.rank() - 1, 8));
      for (std::size_t i = 0; i < out.values.size(); ++i)
        out.values[i] = i % 8 < 3 ? first.values[i / 8 * 3 + i % 8] : second.values[i / 8 * 5 + i % 8 - 3];
      return out;
    };
    c.size = x.numel() > 1000 ? Size::large : Size::small;
    c.flops = 2 * static_cast<double>(x.numel() * 8);
    table.push_back(c);
  }
}

}  // namespace

void add_contractions(Table& table) {
  add_heads(table);
  add_matmul(table);
  add_vectors(table);
  add_linear(table);
}

}  // namespace op_cases
