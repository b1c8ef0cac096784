// Logarithms of densities, and the divergence of two Gaussians.
#include <cmath>
#include <numbers>

#include "op_cases.h"

namespace op_cases {

namespace {

using std::numbers::pi;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct Row {
  Shape x, mu, scale;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {{2, 3}, {2, 3}, {2, 3}}, {{4, 3}, {3}, {}},     {{3}, {2, 1}, {2, 1}}, {{}, {}, {}},
      {{1, 1}, {1}, {1, 1}},    {{0, 3}, {3}, {0, 3}}, {{90, 80}, {80}, {1}}};
  return table;
}

using Density = std::function<Tensor(const Tensor&, const Tensor&, const Tensor&)>;

void add_density(Table& table, const char* op, const std::string& suffix, const Density& density,
                 const std::function<double(double, double, double)>& naive) {
  for (const Row& row : rows()) {
    OpCase c;
    c.op = op;
    c.variant = row.x.to_string() + " " + row.mu.to_string() + " " + row.scale.to_string() + suffix;
    c.inputs = {{.shape = row.x}, {.shape = row.mu, .offset = true}, {.shape = row.scale, .lo = -1, .hi = 1.5}};
    c.fn = [density](Tensors in) { return density(in[0], in[1], in[2]); };
    c.reference = [naive](Refs in) { return map(in[0], in[1], in[2], naive); };
    if (row.x.numel() > 5000) c.size = Size::large;
    table.push_back(c);
  }
}

void add_scaled_densities(Table& table) {
  add_density(table, "gaussian_log_prob", "", elbo::gaussian_log_prob, [](double x, double mu, double logvar) {
    const double variance = std::exp(logvar);
    return std::log(std::exp(-(x - mu) * (x - mu) / (2 * variance)) / std::sqrt(2 * pi * variance));
  });
  add_density(table, "logistic_log_prob", "", elbo::logistic_log_prob, [](double x, double mu, double log_scale) {
    const double s = std::exp(log_scale), e = std::exp(-(x - mu) / s);
    return std::log(e / (s * (1 + e) * (1 + e)));
  });
  for (double n : {1.0, 4.5, 200.0})
    add_density(
        table, "student_t_log_prob", elbo::detail::concat(" degrees ", n),
        [n](const Tensor& x, const Tensor& mu, const Tensor& log_scale) {
          return elbo::student_t_log_prob(x, mu, log_scale, n);
        },
        [n](double x, double mu, double log_scale) {
          const double s = std::exp(log_scale), z = (x - mu) / s;
          const double constant = std::lgamma((n + 1) / 2) - std::lgamma(n / 2);
          return constant - std::log(std::sqrt(n * pi) * s) - (n + 1) / 2 * std::log(1 + z * z / n);
        });
}

void add_bernoulli(Table& table) {
  for (const Row& row : rows()) {
    OpCase c;
    c.op = "bernoulli_log_prob";
    c.variant = row.x.to_string() + " " + row.mu.to_string();
    c.inputs = {{.shape = row.x, .lo = 0, .hi = 1}, {.shape = row.mu, .lo = -8, .hi = 8}};
    c.fn = [](Tensors in) { return elbo::bernoulli_log_prob(in[0], in[1]); };
    c.reference = [](Refs in) {
      return map(in[0], in[1], [](double x, double logit) {
        const double p = 1 / (1 + std::exp(-logit));
        return x * std::log(p) + (1 - x) * std::log(1 - p);
      });
    };
    if (row.x.numel() > 5000) c.size = Size::large;
    table.push_back(c);
  }
}

void add_categorical(Table& table) {
  for (const Shape& labels : {Shape{4}, Shape{2, 3}, Shape{}, Shape{1, 1}, Shape{0, 2}, Shape{40, 30}}) {
    const std::int64_t classes = 5;
    OpCase c;
    c.op = "categorical_log_prob";
    c.variant = labels.to_string();
    c.inputs = {{.shape = labels, .lo = 0, .hi = classes - 1, .kind = Kind::int64},
                {.shape = labels.insert(labels.rank(), classes), .lo = -4, .hi = 5}};
    c.fn = [](Tensors in) { return elbo::categorical_log_prob(in[0], in[1]); };
    c.reference = [](Refs in) {
      Ref out = in[0];
      for (std::size_t i = 0; i < out.values.size(); ++i) {
        const double* row = in[1].values.data() + i * at(classes);
        double sum = 0;
        for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(row[k]);
        out.values[i] = std::log(std::exp(row[static_cast<std::int64_t>(in[0].values[i])]) / sum);
      }
      return out;
    };
    if (labels.numel() > 1000) c.size = Size::large;
    table.push_back(c);
  }
}

void add_divergence(Table& table) {
  for (const Row& row : rows()) {
    for (elbo::Reduction reduction : {elbo::Reduction::none, elbo::Reduction::sum}) {
      const bool none = reduction == elbo::Reduction::none;
      OpCase c;
      c.op = "gaussian_kl";
      c.variant =
          row.x.to_string() + " " + row.mu.to_string() + " " + row.scale.to_string() + " of two" + (none ? "" : " sum");
      c.inputs = {{.shape = row.x}, {.shape = row.x}, {.shape = row.mu}, {.shape = row.scale, .lo = -1, .hi = 1.5}};
      c.fn = [reduction](Tensors in) { return elbo::gaussian_kl(in[0], in[1], in[2], in[3], reduction); };
      c.reference = [none](Refs in) {
        const Ref distance = map(in[0], in[2], [](double a, double b) { return a - b; });
        const Ref kl = map(distance, in[1], in[3], [](double d, double logvar, double logvar2) {
          return (logvar2 - logvar + (std::exp(logvar) + d * d) / std::exp(logvar2) - 1) / 2;
        });
        return none ? kl : filled({}, total(kl.values));
      };
      if (row.x.numel() > 5000) c.size = Size::large;
      table.push_back(c);
    }
  }
}

}  // namespace

void add_densities(Table& table) {
  add_scaled_densities(table);
  add_bernoulli(table);
  add_categorical(table);
  add_divergence(table);
}

}  // namespace op_cases
