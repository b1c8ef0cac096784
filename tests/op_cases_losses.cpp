// Losses beyond their plain forms: operands that broadcast, weights, smoothed labels, probabilities as targets.
#include <cmath>
#include <limits>

#include "op_cases.h"

namespace op_cases {

namespace {

using elbo::Reduction;

constexpr double infinity = std::numeric_limits<double>::infinity();
const std::vector<Reduction> reductions = {Reduction::none, Reduction::mean, Reduction::sum};

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

const char* name_of(Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return " none";
    case Reduction::mean:
      return " mean";
    case Reduction::sum:
      return " sum";
  }
  return "?";
}

/// `divisor` is what the mean is divided by; the number of losses without it.
Ref reduced(const Ref& x, Reduction reduction, double divisor = -1) {
  if (reduction == Reduction::none) return x;
  const double sum = total(x.values);
  if (reduction == Reduction::sum) return filled({}, sum);
  return filled({}, sum / (divisor < 0 ? static_cast<double>(x.values.size()) : divisor));
}

using Loss = std::function<Tensor(const Tensor&, const Tensor&, Reduction)>;
using Naive = double (*)(double, double);

double naive_bce_with_logits(double x, double t) {
  const double p = 1 / (1 + std::exp(-x));
  return -t * std::log(p) - (1 - t) * std::log(1 - p);
}

struct Pair {
  Shape a, b;
};

/// Rows of a loss of two operands; the second is offset, so that no two elements meet.
void add_pairs(Table& table, const char* op, const std::string& suffix, const std::vector<Pair>& pairs, const Input& a,
               const Input& b, const Loss& loss, const std::function<double(double, double)>& naive,
               const std::vector<Reduction>& which = reductions) {
  for (const Pair& pair : pairs) {
    for (Reduction reduction : which) {
      OpCase c;
      c.op = op;
      c.variant = pair.a.to_string() + " and " + pair.b.to_string() + suffix + name_of(reduction);
      c.inputs = {a, b};
      c.inputs[0].shape = pair.a;
      c.inputs[1].shape = pair.b;
      c.inputs[1].offset = true;
      c.fn = [loss, reduction](Tensors in) { return loss(in[0], in[1], reduction); };
      c.reference = [naive, reduction](Refs in) { return reduced(map(in[0], in[1], naive), reduction); };
      c.finite_differences = pair.a.numel() > 0 || reduction != Reduction::mean;  // a mean of nothing is NaN
      if (pair.a.numel() > 5000) c.size = Size::large;
      table.push_back(c);
    }
  }
}

void add_pair_losses(Table& table) {
  const std::vector<Pair> broadcast = {{{2, 3}, {3}}, {{2, 1}, {2, 3}}, {{3}, {2, 3}},
                                       {{2, 3}, {}},  {{0, 3}, {3}},    {{90, 80}, {80}}};
  const Input real{.lo = -3, .hi = 3}, part{.lo = 0, .hi = 1}, inner{.lo = 0.02, .hi = 0.98}, logit{.lo = -8, .hi = 8};
  add_pairs(
      table, "mse_loss", "", broadcast, real, real,
      [](const Tensor& a, const Tensor& b, Reduction r) { return elbo::mse_loss(a, b, r); },
      [](double a, double b) { return (a - b) * (a - b); });
  add_pairs(
      table, "binary_cross_entropy", "", broadcast, inner, part,
      [](const Tensor& a, const Tensor& b, Reduction r) { return elbo::binary_cross_entropy(a, b, r); },
      [](double p, double t) { return -t * std::log(p) - (1 - t) * std::log(1 - p); });
  add_pairs(
      table, "binary_cross_entropy_with_logits", "", broadcast, logit, part,
      [](const Tensor& a, const Tensor& b, Reduction r) { return elbo::binary_cross_entropy_with_logits(a, b, r); },
      naive_bce_with_logits);
  add_pairs(
      table, "gaussian_kl", "", broadcast, real, real,
      [](const Tensor& a, const Tensor& b, Reduction r) { return elbo::gaussian_kl(a, b, r); },
      [](double mu, double logvar) { return (mu * mu + std::exp(logvar) - 1 - logvar) / 2; });
  // Of a sum alone, and here without a known gradient: tests/test_seeded_losses.cpp has one.
  const auto sum_of = [](Tensor (*loss)(const Tensor&, const Tensor&, const elbo::Array&)) {
    return [loss](const Tensor& a, const Tensor& b, Reduction) { return loss(a, b, {}); };
  };
  add_pairs(table, "mse_loss_sum", "", broadcast, real, real, sum_of(elbo::mse_loss_sum),
            [](double a, double b) { return (a - b) * (a - b); }, {Reduction::sum});
  add_pairs(table, "binary_cross_entropy_with_logits_sum", "", broadcast, logit, part,
            sum_of(elbo::binary_cross_entropy_with_logits_sum), naive_bce_with_logits, {Reduction::sum});
  std::vector<Pair> pairs = broadcast;
  for (const Pair& same : {Pair{{3, 4}, {3, 4}}, Pair{{}, {}}, Pair{{1, 1}, {1, 1}}})
    pairs.insert(pairs.begin() + 1, same);
  add_pairs(
      table, "l1_loss", "", pairs, real, real,
      [](const Tensor& a, const Tensor& b, Reduction r) { return elbo::l1_loss(a, b, r); },
      [](double a, double b) { return std::abs(a - b); });
  for (double delta : {1.0, 0.25, 9.0})
    add_pairs(
        table, "huber_loss", elbo::detail::concat(" delta ", delta), pairs, real, real,
        [delta](const Tensor& a, const Tensor& b, Reduction r) { return elbo::huber_loss(a, b, delta, r); },
        [delta](double a, double b) {
          const double d = std::abs(a - b);
          return d <= delta ? d * d / 2 : delta * (d - delta / 2);
        });
}

void add_pos_weight(Table& table) {
  struct Row {
    Shape logits, target, weight;
  };
  for (const Row& row :
       {Row{{3, 4}, {3, 4}, {4}}, Row{{2, 3}, {3}, {}}, Row{{1}, {1}, {1}}, Row{{0, 3}, {0, 3}, {3}}}) {
    for (Reduction reduction : reductions) {
      OpCase c;
      c.op = "binary_cross_entropy_with_logits";
      c.variant = row.logits.to_string() + " and " + row.target.to_string() + " pos_weight " + row.weight.to_string() +
                  name_of(reduction);
      c.inputs = {{.shape = row.logits, .lo = -8, .hi = 8},
                  {.shape = row.target, .lo = 0, .hi = 1},
                  {.shape = row.weight, .lo = 0.5, .hi = 4}};
      c.fn = [reduction](Tensors in) {
        return elbo::binary_cross_entropy_with_logits(in[0], in[1], {.pos_weight = in[2], .reduction = reduction});
      };
      c.reference = [reduction](Refs in) {
        return reduced(map(in[0], in[1], in[2],
                           [](double x, double t, double w) {
                             const double p = 1 / (1 + std::exp(-x));
                             return -w * t * std::log(p) - (1 - t) * std::log(1 - p);
                           }),
                       reduction);
      };
      c.finite_differences = row.logits.numel() > 0 || reduction != Reduction::mean;
      table.push_back(c);
    }
  }
}

struct ClassRow {
  Shape logits;
  bool weight = false;
  std::int64_t ignored = -1;  ///< a label, or none
  double smoothing = 0;
};

/// The operands of cross_entropy: logits, then labels or probabilities, then weights.
Ref naive_cross_entropy(Refs in, const ClassRow& row, bool labels, Reduction reduction) {
  const Shape& shape = in[0].shape;
  const std::int64_t classes = shape[1],
                     inner = classes == 0 ? 0 : shape.numel() / std::max<std::int64_t>(shape[0] * classes, 1);
  Ref losses = filled(shape.without(1));
  double weights = 0;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t i = 0; i < inner; ++i) {
      const std::int64_t place = n * inner + i;
      const auto element = [&](std::int64_t c) { return at((n * classes + c) * inner + i); };
      const auto weight = [&](std::int64_t c) { return row.weight ? in[2].values[at(c)] : 1; };
      double sum = 0;
      for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(in[0].values[element(c)]);
      const std::int64_t label = labels ? static_cast<std::int64_t>(in[1].values[at(place)]) : -2;
      if (label == row.ignored) continue;
      if (labels) weights += weight(label);
      for (std::int64_t c = 0; c < classes; ++c) {
        const double q = labels ? static_cast<double>(c == label) : in[1].values[element(c)];
        const double smooth = q * (1 - row.smoothing) + row.smoothing / static_cast<double>(classes);
        if (smooth > 0) losses.values[at(place)] -= weight(c) * smooth * (in[0].values[element(c)] - std::log(sum));
      }
    }
  }
  return reduced(losses, reduction, labels ? weights : -1);
}

void add_cross_entropy_row(Table& table, const ClassRow& row, bool labels, Reduction reduction) {
  OpCase c;
  c.op = "cross_entropy";
  c.variant = row.logits.to_string() + (labels ? "" : " probabilities") + (row.weight ? " weight" : "") +
              (row.ignored >= 0 ? " ignore" : "") + elbo::detail::concat(" smoothing ", row.smoothing) +
              name_of(reduction);
  c.inputs = {{.shape = row.logits, .lo = -4, .hi = 5}};
  if (labels)
    c.inputs.push_back(
        {.shape = row.logits.without(1), .lo = 0, .hi = static_cast<double>(row.logits[1] - 1), .kind = Kind::int64});
  else
    c.inputs.push_back({.shape = row.logits, .lo = 0.05, .hi = 1});
  if (row.weight) c.inputs.push_back({.shape = {row.logits[1]}, .lo = 0.5, .hi = 2});
  c.fn = [row, reduction](Tensors in) {
    elbo::CrossEntropyOptions options{.label_smoothing = row.smoothing, .reduction = reduction};
    if (row.weight) options.weight = in[2];
    if (row.ignored >= 0) options.ignore_index = row.ignored;
    return elbo::cross_entropy(in[0], in[1], options);
  };
  c.reference = [row, labels, reduction](Refs in) { return naive_cross_entropy(in, row, labels, reduction); };
  c.finite_differences = row.logits.numel() > 0 || reduction != Reduction::mean;
  if (row.logits.numel() > 5000) c.size = Size::large;
  table.push_back(c);
}

void add_cross_entropies(Table& table) {
  for (Reduction reduction : reductions) {
    for (const ClassRow& row : {ClassRow{{4, 3, 2}}, ClassRow{{2, 3, 2, 2}, true}, ClassRow{{5, 3}, true},
                                ClassRow{{8, 3}, false, 1}, ClassRow{{8, 3}, true, 2}, ClassRow{{4, 3}, false, -1, 0.1},
                                ClassRow{{8, 4, 2}, true, 0, 0.3}, ClassRow{{1, 5}, false, -1, 1}, ClassRow{{0, 3, 2}},
                                ClassRow{{0, 3}, true}, ClassRow{{30, 10, 20}, true, 3, 0.1}})
      add_cross_entropy_row(table, row, true, reduction);
    for (const ClassRow& row : {ClassRow{{4, 3}}, ClassRow{{2, 3, 4}, true}, ClassRow{{4, 3}, false, -1, 0.2},
                                ClassRow{{1, 1}}, ClassRow{{0, 3}}})
      add_cross_entropy_row(table, row, false, reduction);
  }
  OpCase c;
  c.op = "cross_entropy";
  c.variant = "an impossible class of probability 0";
  c.inputs = {{.shape = {1, 3}, .grad = false, .values = {1, -infinity, 1}},
              {.shape = {1, 3}, .grad = false, .values = {0.25, 0, 0.75}}};
  c.fn = [](Tensors in) { return elbo::cross_entropy(in[0], in[1]); };
  c.reference = [](Refs) { return filled({}, std::log(2.0)); };
  table.push_back(c);
}

}  // namespace

void add_losses(Table& table) {
  add_pair_losses(table);
  add_pos_weight(table);
  add_cross_entropies(table);
}

}  // namespace op_cases
