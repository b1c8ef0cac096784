#include "sap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "../../../core/errors.h"
#include "checks_detail.h"

namespace elbo::models {
namespace {

using internal::CodesAndFactors;
using std::int64_t;

double squared_correlation(const CodesAndFactors& data, int64_t dimension, int64_t j) {
  double mean_x = 0, mean_y = 0;
  for (int64_t i = 0; i < data.n; ++i) {
    mean_x += data.code(i, dimension);
    mean_y += static_cast<double>(data.factor(i, j));
  }
  mean_x /= static_cast<double>(data.n), mean_y /= static_cast<double>(data.n);
  double xx = 0, yy = 0, xy = 0;
  for (int64_t i = 0; i < data.n; ++i) {
    const double x = data.code(i, dimension) - mean_x, y = static_cast<double>(data.factor(i, j)) - mean_y;
    xx += x * x, yy += y * y, xy += x * y;
  }
  // Apart from each other: the product of the two could be too small for a double.
  return xx > 0 && yy > 0 ? (xy / xx) * (xy / yy) : 0;
}

/// The classes of a factor, numbered from 0 without gaps, and what one sample of each counts in a balanced accuracy.
struct Classes {
  std::vector<std::size_t> of_row = {};
  std::vector<double> weights = {};
};

Classes classes_of(const CodesAndFactors& data, int64_t j) {
  std::vector<int64_t> counts(static_cast<std::size_t>(data.sizes[static_cast<std::size_t>(j)]));
  for (int64_t i = 0; i < data.n; ++i) ++counts[static_cast<std::size_t>(data.factor(i, j))];
  Classes out;
  std::vector<std::size_t> number_of(counts.size());
  for (std::size_t value = 0; value < counts.size(); ++value) {
    number_of[value] = out.weights.size();
    if (counts[value] > 0) out.weights.push_back(1 / static_cast<double>(counts[value]));
  }
  ELBO_CHECK(out.weights.size() <= 256, ValueError, "[sap] expected at most 256 values of categorical factor ", j,
             ", found ", out.weights.size());
  for (double& weight : out.weights) weight /= static_cast<double>(out.weights.size());
  for (int64_t i = 0; i < data.n; ++i) out.of_row.push_back(number_of[static_cast<std::size_t>(data.factor(i, j))]);
  return out;
}

/// The best balanced accuracy of at most as many intervals as there are classes, each named after one. Goes through the
/// rows by rising code; best[p * k + c] is what the rows so far can give with the last of them in piece p, named c.
double interval_accuracy(const CodesAndFactors& data, int64_t dimension, const Classes& classes) {
  std::vector<int64_t> order(static_cast<std::size_t>(data.n));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return data.code(a, dimension) < data.code(b, dimension); });
  const std::size_t k = classes.weights.size();
  std::vector<double> best(k * k, 0), gained(k);
  for (std::size_t at = 0; at < order.size();) {
    // Rows of equal codes fall on the same side of every cut.
    std::fill(gained.begin(), gained.end(), 0.0);
    const double code = data.code(order[at], dimension);
    for (; at < order.size() && data.code(order[at], dimension) == code; ++at) {
      const std::size_t c = classes.of_row[static_cast<std::size_t>(order[at])];
      gained[c] += classes.weights[c];
    }
    for (std::size_t p = k; p-- > 0;) {
      const auto before = best.begin() + static_cast<std::ptrdiff_t>((p == 0 ? 0 : p - 1) * k);
      const double cut = p == 0 ? 0 : *std::max_element(before, before + static_cast<std::ptrdiff_t>(k));
      for (std::size_t c = 0; c < k; ++c) best[p * k + c] = std::max(best[p * k + c], cut) + gained[c];
    }
  }
  return *std::max_element(best.begin(), best.end());
}

}  // namespace

Sap sap(const Array& codes, const Array& factors, const std::vector<FactorKind>& kinds) {
  const CodesAndFactors data = internal::checked_codes_and_factors("sap", codes, factors);
  const std::vector<FactorKind> kind_of = internal::checked_kinds("sap", kinds, data.f);
  Sap out;
  out.predicts.resize(static_cast<std::size_t>(data.d * data.f));
  for (int64_t j = 0; j < data.f; ++j) {
    const bool categorical = kind_of[static_cast<std::size_t>(j)] == FactorKind::categorical;
    const Classes classes = categorical ? classes_of(data, j) : Classes{};
    const double chance = categorical ? 1 / static_cast<double>(classes.weights.size()) : 0;
    double first = chance, second = chance;
    for (int64_t i = 0; i < data.d; ++i) {
      const double value = categorical ? interval_accuracy(data, i, classes) : squared_correlation(data, i, j);
      out.predicts[static_cast<std::size_t>(i * data.f + j)] = value;
      second = std::max(second, std::min(first, value));
      first = std::max(first, value);
    }
    const bool varies = data.varies[static_cast<std::size_t>(j)];
    out.gaps.push_back(varies ? first - second : std::numeric_limits<double>::quiet_NaN());
  }
  out.score = internal::mean_of_numbers(out.gaps);
  return out;
}

}  // namespace elbo::models
