// Normalisation, losses, variational and random ops.
#include <elbo/core/functors.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "op_cases.h"

namespace op_cases {

namespace {

using elbo::Reduction;
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// ---- normalisation ------------------------------------------------------------------------------------------------

struct Moments {
  Ref mean, variance;  // biased
};

Moments moments(const Ref& x, const Axes& axes) {
  const auto mean = [](const std::vector<double>& group) { return total(group) / static_cast<double>(group.size()); };
  const auto variance = [mean](const std::vector<double>& group) {
    const double centre = mean(group);
    double sum = 0;
    for (double v : group) sum += (v - centre) * (v - centre);
    return sum / static_cast<double>(group.size());
  };
  return {reduce(x, axes, true, mean), reduce(x, axes, true, variance)};
}

Ref normalized(const Ref& x, const Moments& m, double eps) {
  const Ref centred = map(x, m.mean, [](double a, double b) { return a - b; });
  return map(centred, m.variance, [eps](double a, double v) { return a / std::sqrt(v + eps); });
}

/// Per-channel values [C] as [1, C, 1, ...], to broadcast against x.
Ref per_channel(const Ref& values, int rank) {
  std::vector<std::int64_t> sizes(at(rank), 1);
  sizes[1] = values.shape[0];
  return {Shape(std::span<const std::int64_t>(sizes)), values.values};
}

Ref scaled(const Ref& x, const Ref& weight, const Ref& bias) {
  return map(map(x, weight, [](double a, double w) { return a * w; }), bias, [](double a, double b) { return a + b; });
}

Axes all_but_channels(const Shape& shape) {
  Axes axes;
  for (int d = 0; d < shape.rank(); ++d)
    if (d != 1) axes.push_back(d);
  return axes;
}

enum class BatchNormOutput { y, running_mean, running_var };
struct BatchNormRow {
  Shape x;
  Size size = Size::small;
  bool bench = false;
};

/// Operands: x, weight, bias, running mean, running variance; without `affine` the second and third are not passed on.
Tensor run_batch_norm(Tensors in, bool training, bool affine, BatchNormOutput output) {
  // Copies: the op moves the running statistics in place, and a case must give the same each time.
  Tensor mean(in[3].array().copy()), variance(in[4].array().copy());
  Tensor y = elbo::batch_norm(in[0], affine ? in[1] : Tensor(), affine ? in[2] : Tensor(), mean, variance, training,
                              0.3, 1e-3);
  return output == BatchNormOutput::y ? y : output == BatchNormOutput::running_mean ? mean : variance;
}

Ref naive_batch_norm(Refs in, bool training, bool affine, BatchNormOutput output) {
  const int rank = in[0].shape.rank();
  Moments m = moments(in[0], all_but_channels(in[0].shape));
  const double n = static_cast<double>(in[0].shape.without(1).numel());
  if (output != BatchNormOutput::y) {
    const bool of_mean = output == BatchNormOutput::running_mean;
    const double factor = of_mean ? 1 : n / (n - 1);
    Ref batch{in[3].shape, of_mean ? m.mean.values : m.variance.values};
    return map(of_mean ? in[3] : in[4], batch,
               [factor](double old, double now) { return 0.7 * old + 0.3 * factor * now; });
  }
  if (!training) m = {per_channel(in[3], rank), per_channel(in[4], rank)};
  const Ref y = normalized(in[0], m, 1e-3);
  return affine ? scaled(y, per_channel(in[1], rank), per_channel(in[2], rank)) : y;
}

void add_batch_norm_row(Table& table, const BatchNormRow& row, bool training, bool affine, BatchNormOutput output) {
  const Shape channels{row.x[1]};
  OpCase c;
  c.op = "batch_norm";
  c.variant = row.x.to_string() + (training ? " training" : " eval") + (affine ? " affine" : "") +
              (output == BatchNormOutput::y              ? ""
               : output == BatchNormOutput::running_mean ? " mean"
                                                         : " var");
  const bool grad = output == BatchNormOutput::y;
  c.inputs = {{.shape = row.x, .grad = grad},
              {.shape = channels, .lo = 0.5, .hi = 2, .grad = grad && affine},
              {.shape = channels, .grad = grad && affine},
              {.shape = channels, .grad = false},
              {.shape = channels, .lo = 0.3, .hi = 2, .grad = false}};
  c.fn = [=](Tensors in) { return run_batch_norm(in, training, affine, output); };
  c.reference = [=](Refs in) { return naive_batch_norm(in, training, affine, output); };
  c.size = row.size;
  c.bench = row.bench && affine && grad;
  table.push_back(c);
}

void add_batch_norm(Table& table) {
  const std::vector<BatchNormRow> rows = {
      {{4, 3}},
      {{5, 2, 3}},
      {{3, 2, 2, 4}},
      {{2, 1, 3, 1}},
      {{7, 1}},
      {{3, 0, 2, 2}},
      {{128, 400}, Size::large, true},
      {{32, 16, 16, 16}, Size::large, true},
      {{33, 7, 29, 31}, Size::large},
  };
  for (const BatchNormRow& row : rows) {
    for (bool training : {true, false})
      for (bool affine : {true, false}) add_batch_norm_row(table, row, training, affine, BatchNormOutput::y);
    add_batch_norm_row(table, row, true, true, BatchNormOutput::running_mean);
    add_batch_norm_row(table, row, true, true, BatchNormOutput::running_var);
  }
  add_batch_norm_row(table, {{0, 3, 2, 2}}, false, true, BatchNormOutput::y);
  add_batch_norm_row(table, {{1, 3, 1, 1}}, false, true, BatchNormOutput::y);
}

struct LayerNormRow {
  Shape x, normalized_shape;
  Size size = Size::small;
  bool bench = false;
};

void add_layer_norm_row(Table& table, const LayerNormRow& row, bool weight, bool bias) {
  OpCase c;
  c.op = "layer_norm";
  c.variant = row.x.to_string() + " over " + row.normalized_shape.to_string() + (weight ? " weight" : "") +
              (bias ? " bias" : "");
  c.inputs = {{.shape = row.x}};
  if (weight) c.inputs.push_back({.shape = row.normalized_shape, .lo = 0.5, .hi = 2});
  if (bias) c.inputs.push_back({.shape = row.normalized_shape});
  c.fn = [row, weight, bias](Tensors in) {
    return elbo::layer_norm(in[0], row.normalized_shape, weight ? in[1] : Tensor(), bias ? in.back() : Tensor(), 1e-3);
  };
  c.reference = [row, weight, bias](Refs in) {
    Axes axes;
    for (int d = 1; d <= row.normalized_shape.rank(); ++d) axes.push_back(-d);
    const Ref y = normalized(in[0], moments(in[0], axes), 1e-3);
    return scaled(y, weight ? in[1] : filled({}, 1), bias ? in.back() : filled({}, 0));
  };
  c.size = row.size;
  c.bench = row.bench && weight && bias;
  table.push_back(c);
}

void add_layer_norm(Table& table) {
  const std::vector<LayerNormRow> rows = {
      {{3, 5}, {5}},
      {{2, 3, 4}, {4}},
      {{2, 3, 4}, {3, 4}},
      {{6}, {6}},
      {{0, 4}, {4}},
      {{2, 1, 7}, {1, 7}},
      {{128, 784}, {784}, Size::large, true},
      {{37, 3, 65}, {3, 65}, Size::large},
  };
  for (const LayerNormRow& row : rows)
    for (bool weight : {false, true})
      for (bool bias : {false, true}) add_layer_norm_row(table, row, weight, bias);
}

// ---- losses -------------------------------------------------------------------------------------------------------

const char* name_of(Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return "none";
    case Reduction::mean:
      return "mean";
    case Reduction::sum:
      return "sum";
  }
  return "?";
}

Ref reduced(const Ref& x, Reduction reduction) {
  if (reduction == Reduction::none) return x;
  const double sum = total(x.values);
  return filled({}, reduction == Reduction::sum ? sum : sum / static_cast<double>(x.values.size()));
}

using LossFn = Tensor (*)(const Tensor&, const Tensor&, Reduction);
struct Loss {
  const char* op;  ///< in ops.h
  LossFn fn;
  double (*naive)(double, double);
};

/// The ops behind the elements in ELBO_LOSS_OPS.
const std::map<std::string, Loss>& losses() {
  static const std::map<std::string, Loss> table = {
      {"squared_difference", {"mse_loss", elbo::mse_loss, [](double a, double b) { return (a - b) * (a - b); }}},
      {"bce",
       {"binary_cross_entropy", elbo::binary_cross_entropy,
        [](double p, double t) { return -t * std::log(p) - (1 - t) * std::log(1 - p); }}},
      {"bce_with_logits",
       {"binary_cross_entropy_with_logits", elbo::binary_cross_entropy_with_logits,
        [](double x, double t) {
          const double p = 1 / (1 + std::exp(-x));
          return -t * std::log(p) - (1 - t) * std::log(1 - p);
        }}},
      {"gaussian_kl",
       {"gaussian_kl", elbo::gaussian_kl,
        [](double mu, double logvar) { return (mu * mu + std::exp(logvar) - 1 - logvar) / 2; }}},
  };
  return table;
}

void add_loss(Table& table, const std::string& element, double lo_a, double hi_a, double lo_b, double hi_b) {
  const auto found = losses().find(element);
  if (found == losses().end()) throw std::logic_error("op table: no op for the loss element " + element);
  const Loss loss = found->second;
  struct Row {
    Shape shape;
    Size size = Size::small;
    bool bench = false;
  };
  const std::vector<Row> rows = {{{5}},
                                 {{}},
                                 {{3, 4}},
                                 {{2, 1, 3}},
                                 {{1, 1}},
                                 {{0, 3}},
                                 {{67, 131}, Size::large},
                                 {{128, 784}, Size::large, true}};
  for (const Row& row : rows) {
    for (Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
      OpCase c;
      c.op = loss.op;
      c.variant = row.shape.to_string() + " " + name_of(reduction);
      c.inputs = {{.shape = row.shape, .lo = lo_a, .hi = hi_a}, {.shape = row.shape, .lo = lo_b, .hi = hi_b}};
      c.fn = [loss, reduction](Tensors in) { return loss.fn(in[0], in[1], reduction); };
      c.reference = [loss, reduction](Refs in) { return reduced(map(in[0], in[1], loss.naive), reduction); };
      c.size = row.size;
      c.bench = row.bench && reduction != Reduction::mean;
      table.push_back(c);
    }
  }
}

void add_cross_entropy(Table& table) {
  struct Row {
    Shape logits;
    Size size = Size::small;
    bool bench = false;
  };
  const std::vector<Row> rows = {{{4, 3}}, {{1, 5}}, {{3, 1}}, {{0, 4}}, {{1000, 100}, Size::large, true}};
  for (const Row& row : rows) {
    for (Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
      OpCase c;
      c.op = "cross_entropy";
      c.variant = row.logits.to_string() + " " + name_of(reduction);
      c.inputs = {
          {.shape = row.logits, .lo = -4, .hi = 5},
          {.shape = {row.logits[0]}, .lo = 0, .hi = static_cast<double>(row.logits[1] - 1), .kind = Kind::int64}};
      c.fn = [reduction](Tensors in) { return elbo::cross_entropy(in[0], in[1], reduction); };
      c.reference = [reduction](Refs in) {
        Ref loss = filled({in[0].shape[0]});
        for (std::int64_t i = 0; i < in[0].shape[0]; ++i) {
          const double* row_of = in[0].values.data() + i * in[0].shape[1];
          double sum = 0;
          for (std::int64_t j = 0; j < in[0].shape[1]; ++j) sum += std::exp(row_of[j]);
          loss.values[at(i)] = std::log(sum) - row_of[static_cast<std::int64_t>(in[1].values[at(i)])];
        }
        return reduced(loss, reduction);
      };
      c.size = row.size;
      c.bench = row.bench && reduction == Reduction::mean;
      table.push_back(c);
    }
  }
}

// ---- random ops, from a generator that starts anew at each call ----------------------------------------------------

void add_random_ops(Table& table) {
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{3, 4}, Shape{0, 2}, Shape{1, 1}, Shape{128, 784}}) {
    OpCase c;
    c.op = "reparameterize";
    c.variant = shape.to_string();
    c.inputs = {{.shape = shape}, {.shape = shape, .lo = -3, .hi = 2}};
    c.fn = [](Tensors in) {
      elbo::Generator generator(7, elbo::Stream::user, in[0].device());
      return elbo::reparameterize(in[0], in[1], &generator);
    };
    c.size = shape.numel() > 1000 ? Size::large : Size::small;
    c.bench = c.size == Size::large;
    table.push_back(c);

    c.op = "reparameterize_kl";
    c.fn = [](Tensors in) {
      elbo::Generator generator(7, elbo::Stream::user, in[0].device());
      const elbo::DrawnCode drawn = elbo::reparameterize_kl(in[0], in[1], &generator);
      return drawn.z + drawn.kl;
    };
    table.push_back(c);

    c.op = "dropout";
    c.inputs = {{.shape = shape}};
    c.variant = shape.to_string() + " training";
    c.fn = [](Tensors in) {
      elbo::Generator generator(7, elbo::Stream::user, in[0].device());
      return elbo::dropout(in[0], 0.3, true, &generator);
    };
    table.push_back(c);
    c.bench = false;
    const auto same = [](Refs in) { return in[0]; };
    c.variant = shape.to_string() + " eval";
    c.fn = [](Tensors in) { return elbo::dropout(in[0], 0.3, false); };
    c.reference = same;
    table.push_back(c);
    c.variant = shape.to_string() + " p 0";
    c.fn = [](Tensors in) {
      elbo::Generator generator(7, elbo::Stream::user, in[0].device());
      return elbo::dropout(in[0], 0, true, &generator);
    };
    table.push_back(c);
  }
}

}  // namespace

void add_norms_and_losses(Table& table) {
  add_batch_norm(table);
  add_layer_norm(table);
#define ELBO_ADD_LOSS(name, Functor, lo_a, hi_a, lo_b, hi_b) add_loss(table, #name, lo_a, hi_a, lo_b, hi_b);
  ELBO_LOSS_OPS(ELBO_ADD_LOSS)
#undef ELBO_ADD_LOSS
  add_cross_entropy(table);
  add_random_ops(table);
}

const std::vector<RandomCase>& random_cases() {
  using G = elbo::Generator*;
  static const std::vector<RandomCase> table = {
      {"rand", "", [](G g, const Shape& s, DType t) { return elbo::rand(s, {.dtype = t}, g); }, 0.5, 1.0 / 12, 0, 1},
      {"randn", "", [](G g, const Shape& s, DType t) { return elbo::randn(s, {.dtype = t}, g); }, 0, 1, -9, 9},
      {"rand_like", "", [](G g, const Shape& s, DType t) { return elbo::rand_like(elbo::zeros(s, {.dtype = t}), g); },
       0.5, 1.0 / 12, 0, 1},
      {"randn_like", "", [](G g, const Shape& s, DType t) { return elbo::randn_like(elbo::zeros(s, {.dtype = t}), g); },
       0, 1, -9, 9},
      {"randint", "from -2 to 3",
       [](G g, const Shape& s, DType t) { return elbo::cast(elbo::randint(-2, 4, s, elbo::cpu, g), t); }, 0.5,
       35.0 / 12, -2, 3},
      {"randperm", "of 200,000",
       [](G g, const Shape& s, DType t) {
         return elbo::cast(elbo::reshape(elbo::randperm(s.numel(), elbo::cpu, g), s), t);
       },
       99999.5, (200000.0 * 200000.0 - 1) / 12, 0, 199999},
      {"bernoulli", "p 0.3", [](G g, const Shape& s, DType t) { return elbo::bernoulli(0.3, s, {.dtype = t}, g); }, 0.3,
       0.21, 0, 1},
      {"bernoulli", "p 0", [](G g, const Shape& s, DType t) { return elbo::bernoulli(0, s, {.dtype = t}, g); }, 0, 0, 0,
       0},
      {"bernoulli", "p 1", [](G g, const Shape& s, DType t) { return elbo::bernoulli(1, s, {.dtype = t}, g); }, 1, 0, 1,
       1},
      {"bernoulli", "probabilities",
       [](G g, const Shape& s, DType t) { return elbo::bernoulli(elbo::full(s, 0.8, {.dtype = t}), g); }, 0.8, 0.16, 0,
       1},
      {"multinomial", "of weights 1 and 3",
       [](G g, const Shape& s, DType t) {
         const Tensor weights(array_of({0, 1, 3}, {3}, t));
         return elbo::cast(elbo::reshape(elbo::multinomial(weights, s.numel(), true, g), s), t);
       },
       1.75, 0.1875, 1, 2},
      {"dropout", "p 0.25 of ones",
       [](G g, const Shape& s, DType t) { return elbo::dropout(elbo::ones(s, {.dtype = t}), 0.25, true, g); }, 1,
       0.25 / 0.75, 0, 1 / 0.75},
      {"reparameterize", "mu 2, logvar log 9",
       [](G g, const Shape& s, DType t) {
         return elbo::reparameterize(elbo::full(s, 2, {.dtype = t}), elbo::full(s, std::log(9.0), {.dtype = t}), g);
       },
       2, 9, -25, 29},
  };
  return table;
}

}  // namespace op_cases
