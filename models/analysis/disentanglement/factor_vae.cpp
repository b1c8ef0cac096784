#include "factor_vae.h"

#include <algorithm>
#include <cmath>

#include "../../../core/errors.h"
#include "../../../core/kernels.h"
#include "../neighbours.h"
#include "checks_detail.h"

namespace elbo::models {
namespace {

using std::int64_t;

/// Codes [n, d] of a batch.
struct Rows {
  std::vector<double> values = {};
  int64_t n = 0, d = 0;
};

/// `count` whole numbers, each uniform in [0, below[i % below.size()]).
std::vector<int64_t> draw_below(std::span<const int64_t> below, int64_t count, Generator& generator) {
  const Array uniform = kernels::random(RandomKind::uniform, {count}, DType::float64, generator);
  std::vector<int64_t> out;
  for (const double u : uniform.values<double>())
    out.push_back(static_cast<int64_t>(u * static_cast<double>(below[out.size() % below.size()])));
  return out;
}

std::vector<double> variances_of(const Rows& rows) {
  std::vector<double> out;
  for (int64_t c = 0; c < rows.d; ++c) {
    double mean = 0, sum = 0;
    for (int64_t i = 0; i < rows.n; ++i) mean += rows.values[static_cast<std::size_t>(i * rows.d + c)];
    mean /= static_cast<double>(rows.n);
    for (int64_t i = 0; i < rows.n; ++i) {
      const double off = rows.values[static_cast<std::size_t>(i * rows.d + c)] - mean;
      sum += off * off;
    }
    out.push_back(sum / static_cast<double>(rows.n - 1));
  }
  return out;
}

/// A batch in which one factor is the same.
using DrawFixed = std::function<Rows(int64_t factor)>;

/// What both sources of samples share: the votes and the classifier.
class Votes {
 public:
  Votes(std::vector<double> variances, std::vector<bool> varies, const FactorVaeOptions& options)
      : variances_(std::move(variances)), f_(static_cast<int64_t>(varies.size())), options_(options) {
    for (int64_t j = 0; j < f_; ++j)
      if (varies[static_cast<std::size_t>(j)]) varying_.push_back(j);
  }

  FactorVaeScore run(const DrawFixed& draw, Generator& generator) const {
    FactorVaeScore out;
    out.variances = variances_;
    out.votes = count(draw, options_.train_votes, generator);
    if (std::none_of(variances_.begin(), variances_.end(), [&](double v) { return v >= options_.least_variance; }))
      return out;
    std::vector<std::size_t> factor_of;
    for (std::size_t i = 0; i < variances_.size(); ++i) {
      const auto row = out.votes.begin() + static_cast<std::ptrdiff_t>(i) * f_;
      factor_of.push_back(static_cast<std::size_t>(std::max_element(row, row + f_) - row));
    }
    out.train_score = share_right(out.votes, factor_of);
    out.score = share_right(count(draw, options_.test_votes, generator), factor_of);
    return out;
  }

 private:
  std::vector<int64_t> count(const DrawFixed& draw, int64_t votes, Generator& generator) const {
    std::vector<int64_t> out(variances_.size() * static_cast<std::size_t>(f_));
    const auto choices = static_cast<int64_t>(varying_.size());
    for (const int64_t choice : draw_below({&choices, 1}, votes, generator)) {
      const int64_t factor = varying_[static_cast<std::size_t>(choice)];
      const int64_t dimension = least_varying(draw(factor));
      if (dimension >= 0) ++out[static_cast<std::size_t>(dimension * f_ + factor)];
    }
    return out;
  }

  /// -1 where no dimension takes part.
  int64_t least_varying(const Rows& rows) const {
    const std::vector<double> local = variances_of(rows);
    int64_t best = -1;
    double least = 0;
    for (std::size_t i = 0; i < local.size(); ++i) {
      if (!(variances_[i] >= options_.least_variance)) continue;
      const double share = local[i] / variances_[i];
      if (best < 0 || share < least) best = static_cast<int64_t>(i), least = share;
    }
    return best;
  }

  double share_right(const std::vector<int64_t>& votes, const std::vector<std::size_t>& factor_of) const {
    int64_t right = 0, all = 0;
    for (std::size_t at = 0; at < votes.size(); ++at) {
      all += votes[at];
      if (at % static_cast<std::size_t>(f_) == factor_of[at / static_cast<std::size_t>(f_)]) right += votes[at];
    }
    return static_cast<double>(right) / static_cast<double>(all);
  }

  std::vector<double> variances_;
  int64_t f_;
  FactorVaeOptions options_;
  std::vector<int64_t> varying_ = {};
};

void check_options(const FactorVaeOptions& options) {
  ELBO_CHECK(options.train_votes >= 1 && options.test_votes >= 1, ValueError,
             "[factor_vae_score] votes: expected at least 1 to train and to test, found ", options.train_votes, " and ",
             options.test_votes);
  ELBO_CHECK(options.batch_size >= 2 && options.variance_samples >= 2, ValueError,
             "[factor_vae_score] expected a batch and samples for the variance of at least 2, found ",
             options.batch_size, " and ", options.variance_samples);
  ELBO_CHECK(options.least_variance > 0, ValueError, "[factor_vae_score] least variance: expected it above 0, found ",
             options.least_variance);
}

}  // namespace

FactorVaeScore factor_vae_score(const CodesOf& codes_of, std::span<const int64_t> factor_sizes,
                                const FactorVaeOptions& options) {
  check_options(options);
  std::vector<bool> varies;
  for (const int64_t size : factor_sizes) {
    ELBO_CHECK(size >= 1 && size <= 65536, ValueError, "[factor_vae_score] factor sizes: expected 1 to 65536, found ",
               size);
    varies.push_back(size > 1);
  }
  ELBO_CHECK(std::find(varies.begin(), varies.end(), true) != varies.end(), ValueError,
             "[factor_vae_score] factor sizes: expected one above 1, found none");
  const auto f = static_cast<int64_t>(factor_sizes.size());
  Generator generator(options.seed);
  int64_t d = 0;
  const auto codes = [&](const std::vector<int64_t>& factors) {
    const int64_t n = static_cast<int64_t>(factors.size()) / f;
    const Array given = codes_of(Array::from(factors, {n, f}));
    Rows out{internal::checked_codes("[factor_vae_score] codes", given), n, given.shape()[1]};
    ELBO_CHECK(given.shape()[0] == n && (d == 0 || out.d == d), ShapeError, "[factor_vae_score] expected codes [", n,
               d == 0 ? ", dimensions]" : detail::concat(", ", d, "]"), " for factors [", n, ", ", f, "], found ",
               given.shape());
    d = out.d;
    return out;
  };
  const Rows all = codes(draw_below(factor_sizes, options.variance_samples * f, generator));
  const DrawFixed draw = [&](int64_t factor) {
    std::vector<int64_t> factors = draw_below(factor_sizes, options.batch_size * f, generator);
    for (int64_t i = 1; i < options.batch_size; ++i)
      factors[static_cast<std::size_t>(i * f + factor)] = factors[static_cast<std::size_t>(factor)];
    return codes(factors);
  };
  return Votes(variances_of(all), varies, options).run(draw, generator);
}

FactorVaeScore factor_vae_score(const Array& codes, const Array& factors, const FactorVaeOptions& options) {
  check_options(options);
  const internal::CodesAndFactors data = internal::checked_codes_and_factors("factor_vae_score", codes, factors);
  Generator generator(options.seed);
  // The rows of each value of each factor.
  std::vector<std::vector<std::vector<int64_t>>> rows_with;
  for (int64_t j = 0; j < data.f; ++j) {
    rows_with.emplace_back(static_cast<std::size_t>(data.sizes[static_cast<std::size_t>(j)]));
    for (int64_t i = 0; i < data.n; ++i) rows_with.back()[static_cast<std::size_t>(data.factor(i, j))].push_back(i);
  }
  const DrawFixed draw = [&](int64_t factor) {
    const int64_t row = draw_below({&data.n, 1}, 1, generator)[0];
    const std::vector<int64_t>& same =
        rows_with[static_cast<std::size_t>(factor)][static_cast<std::size_t>(data.factor(row, factor))];
    const auto count = static_cast<int64_t>(same.size());
    Rows out{{}, options.batch_size, data.d};
    for (const int64_t place : draw_below({&count, 1}, options.batch_size, generator)) {
      const auto from = data.codes.begin() + same[static_cast<std::size_t>(place)] * data.d;
      out.values.insert(out.values.end(), from, from + data.d);
    }
    return out;
  };
  return Votes(variances_of({data.codes, data.n, data.d}), data.varies, options).run(draw, generator);
}

}  // namespace elbo::models
