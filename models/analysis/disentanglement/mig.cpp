#include "mig.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../../../core/errors.h"
#include "checks_detail.h"

namespace elbo::models {
namespace {

using internal::CodesAndFactors;
using std::int64_t;

/// The bin of each row's code along a dimension.
std::vector<int64_t> bins_of(const CodesAndFactors& data, int64_t dimension, int64_t bins) {
  double low = data.code(0, dimension), high = low;
  for (int64_t i = 0; i < data.n; ++i) {
    low = std::min(low, data.code(i, dimension));
    high = std::max(high, data.code(i, dimension));
  }
  std::vector<int64_t> out(static_cast<std::size_t>(data.n), 0);
  if (low == high) return out;
  for (int64_t i = 0; i < data.n; ++i) {
    const double place = (data.code(i, dimension) - low) / (high - low) * static_cast<double>(bins);
    out[static_cast<std::size_t>(i)] = std::min(static_cast<int64_t>(place), bins - 1);
  }
  return out;
}

/// -sum p log p of counts that sum to n.
double entropy(const std::vector<int64_t>& counts, int64_t n) {
  double sum = 0;
  for (const int64_t count : counts) {
    const double p = static_cast<double>(count) / static_cast<double>(n);
    if (count > 0) sum -= p * std::log(p);
  }
  return sum;
}

/// sum p(a, b) log(p(a, b) / (p(a) p(b))) over the bins of a dimension and the values of a factor.
double mutual_information(const std::vector<int64_t>& binned, int64_t bins, const CodesAndFactors& data, int64_t j) {
  const int64_t size = data.sizes[static_cast<std::size_t>(j)];
  std::vector<int64_t> joint(static_cast<std::size_t>(bins * size)), of_bin(static_cast<std::size_t>(bins)),
      of_value(static_cast<std::size_t>(size));
  for (int64_t i = 0; i < data.n; ++i) {
    const int64_t bin = binned[static_cast<std::size_t>(i)], value = data.factor(i, j);
    ++joint[static_cast<std::size_t>(bin * size + value)];
    ++of_bin[static_cast<std::size_t>(bin)];
    ++of_value[static_cast<std::size_t>(value)];
  }
  const auto n = static_cast<double>(data.n);
  double sum = 0;
  for (std::size_t at = 0; at < joint.size(); ++at) {
    if (joint[at] == 0) continue;
    const auto count = static_cast<double>(joint[at]);
    const auto a = static_cast<double>(of_bin[at / static_cast<std::size_t>(size)]);
    const auto b = static_cast<double>(of_value[at % static_cast<std::size_t>(size)]);
    sum += count / n * std::log(count * n / (a * b));
  }
  return std::max(sum, 0.0);
}

/// The largest entry of a column of [d, f] less the second largest.
double gap_of(const std::vector<double>& matrix, int64_t d, int64_t f, int64_t column) {
  double first = 0, second = 0;
  for (int64_t i = 0; i < d; ++i) {
    const double value = matrix[static_cast<std::size_t>(i * f + column)];
    second = std::max(second, std::min(first, value));
    first = std::max(first, value);
  }
  return first - second;
}

}  // namespace

Mig mig(const Array& codes, const Array& factors, const MigOptions& options) {
  ELBO_CHECK(options.bins >= 2 && options.bins <= 65536, ValueError, "[mig] bins: expected 2 to 65536, found ",
             options.bins);
  const CodesAndFactors data = internal::checked_codes_and_factors("mig", codes, factors);
  Mig out;
  for (int64_t i = 0; i < data.d; ++i) {
    const std::vector<int64_t> binned = bins_of(data, i, options.bins);
    for (int64_t j = 0; j < data.f; ++j)
      out.mutual_information.push_back(mutual_information(binned, options.bins, data, j));
  }
  for (int64_t j = 0; j < data.f; ++j) {
    std::vector<int64_t> counts(static_cast<std::size_t>(data.sizes[static_cast<std::size_t>(j)]));
    for (int64_t i = 0; i < data.n; ++i) ++counts[static_cast<std::size_t>(data.factor(i, j))];
    out.entropies.push_back(entropy(counts, data.n));
    const bool varies = data.varies[static_cast<std::size_t>(j)];
    out.gaps.push_back(varies ? gap_of(out.mutual_information, data.d, data.f, j) / out.entropies.back()
                              : std::numeric_limits<double>::quiet_NaN());
  }
  out.score = internal::mean_of_numbers(out.gaps);
  return out;
}

}  // namespace elbo::models
