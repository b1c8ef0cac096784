#include "dci.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../../../core/errors.h"
#include "checks_detail.h"

namespace elbo::models {
namespace {

using internal::CodesAndFactors;
using std::int64_t;

/// Up to `most` places at which to cut a dimension, rising, each halfway between two codes that follow each other.
std::vector<double> cuts_of(const CodesAndFactors& data, int64_t dimension, int64_t most) {
  std::vector<double> sorted;
  for (int64_t i = 0; i < data.n; ++i) sorted.push_back(data.code(i, dimension));
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> distinct = sorted;
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<double> out;
  const auto add = [&](double below) {
    const auto above = std::upper_bound(distinct.begin(), distinct.end(), below);
    if (above != distinct.end() && (out.empty() || out.back() < below)) out.push_back((below + *above) / 2);
  };
  if (static_cast<int64_t>(distinct.size()) <= most + 1)
    for (const double value : distinct) add(value);
  else
    for (int64_t q = 1; q <= most; ++q) add(sorted[static_cast<std::size_t>(q * data.n / (most + 1) - 1)]);
  return out;
}

/// Codes as the number of cuts below them: [d, n].
struct Binned {
  int64_t n = 0;
  std::vector<std::vector<std::uint16_t>> dimensions = {};
};

Binned binned(const CodesAndFactors& data, const std::vector<std::vector<double>>& cuts) {
  Binned out{data.n, {}};
  for (int64_t i = 0; i < data.d; ++i) {
    const std::vector<double>& at = cuts[static_cast<std::size_t>(i)];
    std::vector<std::uint16_t>& bins = out.dimensions.emplace_back();
    for (int64_t row = 0; row < data.n; ++row)
      bins.push_back(
          static_cast<std::uint16_t>(std::lower_bound(at.begin(), at.end(), data.code(row, i)) - at.begin()));
  }
  return out;
}

/// A cut: codes in bins up to `bin` move by `left`, others by `right`. `gain` is what all of it would take away from
/// the sum of squares.
struct Stump {
  std::size_t dimension = 0, bin = 0;
  double left = 0, right = 0, gain = 0;
};

class Booster {
 public:
  Booster(const Binned& train, const std::vector<std::vector<double>>& cuts) : train_(train) {
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      counts_.emplace_back(cuts[i].size() + 1);
      for (const std::uint16_t bin : train.dimensions[i]) ++counts_.back()[bin];
    }
  }

  /// The stump that takes away most; a gain of 0 where there is none.
  Stump best(const std::vector<double>& residuals) const {
    Stump out;
    std::vector<double> sums;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const std::vector<std::uint16_t>& bins = train_.dimensions[i];
      sums.assign(counts_[i].size(), 0.0);
      double all = 0, left = 0, count = 0;
      for (std::size_t row = 0; row < bins.size(); ++row) sums[bins[row]] += residuals[row];
      for (const double sum : sums) all += sum;
      for (std::size_t bin = 0; bin + 1 < sums.size(); ++bin) {
        left += sums[bin], count += counts_[i][bin];
        const double rest = static_cast<double>(train_.n) - count, right = all - left;
        const double gain = left * left / count + right * right / rest;
        if (gain > out.gain) out = {i, bin, left / count, right / rest, gain};
      }
    }
    return out;
  }

 private:
  const Binned& train_;
  std::vector<std::vector<double>> counts_;
};

/// Takes `by` times the stump from the residuals.
void subtract(const Stump& stump, double by, const Binned& from, std::vector<double>& residuals) {
  const std::vector<std::uint16_t>& bins = from.dimensions[stump.dimension];
  for (std::size_t row = 0; row < bins.size(); ++row)
    residuals[row] -= by * (bins[row] <= stump.bin ? stump.left : stump.right);
}

double sum_of_squares(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return sum;
}

/// Squares of one factor, summed over its targets.
struct Squares {
  double before = 0;               ///< of the targets, around their mean
  double test = 0;                 ///< of the errors on the test rows
  std::vector<double> taken = {};  ///< [d]: what the stumps on each dimension took away
};

void boost(const Booster& booster, const Binned& train, const Binned& test, std::vector<double> target,
           std::vector<double> test_target, const DciOptions& options, Squares& out) {
  double mean = 0;
  for (const double value : target) mean += value / static_cast<double>(train.n);
  for (double& value : target) value -= mean;
  for (double& value : test_target) value -= mean;
  const double before = sum_of_squares(target), lr = options.learning_rate;
  for (int64_t round = 0; round < options.rounds; ++round) {
    const Stump stump = booster.best(target);
    if (stump.gain <= 1e-10 * before) break;
    subtract(stump, lr, train, target);
    subtract(stump, lr, test, test_target);
    out.taken[stump.dimension] += lr * (2 - lr) * stump.gain;
  }
  out.before += before;
  out.test += sum_of_squares(test_target);
}

/// The factor itself, or whether it has `value`.
std::vector<double> target_of(const CodesAndFactors& data, int64_t j, int64_t value) {
  std::vector<double> out;
  for (int64_t i = 0; i < data.n; ++i)
    out.push_back(value < 0 ? static_cast<double>(data.factor(i, j)) : data.factor(i, j) == value ? 1 : 0);
  return out;
}

/// 1 - H / log count of a row or column of [.., ..] that begins at `begin`, where `count` of its entries may be above
/// 0.
double purity(const std::vector<double>& matrix, int64_t begin, int64_t step, int64_t length, int64_t count) {
  double sum = 0, entropy = 0;
  for (int64_t i = 0; i < length; ++i) sum += matrix[static_cast<std::size_t>(begin + i * step)];
  if (sum <= 0) return 0;
  for (int64_t i = 0; i < length; ++i) {
    const double p = matrix[static_cast<std::size_t>(begin + i * step)] / sum;
    if (p > 0) entropy -= p * std::log(p);
  }
  return count > 1 ? 1 - entropy / std::log(static_cast<double>(count)) : 1;
}

void fill_scores(Dci& out, const CodesAndFactors& data) {
  const auto factors = static_cast<int64_t>(std::count(data.varies.begin(), data.varies.end(), true));
  double all = 0;
  for (int64_t i = 0; i < data.d; ++i) {
    double importance = 0;
    for (int64_t j = 0; j < data.f; ++j) importance += out.importances[static_cast<std::size_t>(i * data.f + j)];
    out.disentanglements.push_back(purity(out.importances, i * data.f, 1, data.f, factors));
    out.disentanglement += importance * out.disentanglements.back();
    all += importance;
  }
  if (all > 0) out.disentanglement /= all;
  for (int64_t j = 0; j < data.f; ++j)
    out.completenesses.push_back(data.varies[static_cast<std::size_t>(j)]
                                     ? purity(out.importances, j, data.f, data.d, data.d)
                                     : std::numeric_limits<double>::quiet_NaN());
  out.completeness = internal::mean_of_numbers(out.completenesses);
  out.informativeness = internal::mean_of_numbers(out.informativenesses);
}

void check_options(const DciOptions& options) {
  ELBO_CHECK(options.rounds >= 1, ValueError, "[dci] rounds: expected at least 1, found ", options.rounds);
  ELBO_CHECK(options.learning_rate > 0 && options.learning_rate <= 1, ValueError,
             "[dci] learning rate: expected it in (0, 1], found ", options.learning_rate);
  ELBO_CHECK(options.thresholds >= 1 && options.thresholds <= 65535, ValueError,
             "[dci] thresholds: expected 1 to 65535, found ", options.thresholds);
}

}  // namespace

Dci dci(const Array& codes, const Array& factors, const Array& test_codes, const Array& test_factors,
        const DciOptions& options) {
  check_options(options);
  const CodesAndFactors data = internal::checked_codes_and_factors("dci", codes, factors);
  const CodesAndFactors test_data = internal::checked_codes_and_factors("dci", test_codes, test_factors);
  ELBO_CHECK(test_data.d == data.d && test_data.f == data.f, ShapeError, "[dci] expected test codes and factors of ",
             data.d, " dimensions and ", data.f, " factors, found ", test_codes.shape(), " and ", test_factors.shape());
  const std::vector<FactorKind> kinds = internal::checked_kinds("dci", options.kinds, data.f);
  std::vector<std::vector<double>> cuts;
  for (int64_t i = 0; i < data.d; ++i) cuts.push_back(cuts_of(data, i, options.thresholds));
  const Binned train = binned(data, cuts), test = binned(test_data, cuts);
  const Booster booster(train, cuts);
  Dci out;
  out.importances.resize(static_cast<std::size_t>(data.d * data.f));
  for (int64_t j = 0; j < data.f; ++j) {
    const int64_t size = data.sizes[static_cast<std::size_t>(j)];
    const bool categorical = kinds[static_cast<std::size_t>(j)] == FactorKind::categorical;
    ELBO_CHECK(!categorical || size <= 256, ValueError, "[dci] expected at most 256 values of categorical factor ", j,
               ", found ", size);
    if (!data.varies[static_cast<std::size_t>(j)]) {
      out.informativenesses.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    Squares sums{0, 0, std::vector<double>(static_cast<std::size_t>(data.d))};
    for (int64_t value = categorical ? 0 : -1; value < (categorical ? size : 0); ++value)
      boost(booster, train, test, target_of(data, j, value), target_of(test_data, j, value), options, sums);
    for (int64_t i = 0; i < data.d; ++i)
      out.importances[static_cast<std::size_t>(i * data.f + j)] = sums.taken[static_cast<std::size_t>(i)] / sums.before;
    const double share = sums.test / static_cast<double>(test_data.n) / (sums.before / static_cast<double>(data.n));
    out.informativenesses.push_back(std::max(1 - share, 0.0));
  }
  fill_scores(out, data);
  return out;
}

}  // namespace elbo::models
