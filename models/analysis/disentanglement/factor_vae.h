#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "../../../core/api.h"
#include "../../../core/array.h"

namespace ELBO_API elbo {
namespace models {

struct FactorVaeOptions {
  std::int64_t train_votes = 800;          ///< that the classifier is made of
  std::int64_t test_votes = 800;           ///< that it is scored on
  std::int64_t batch_size = 64;            ///< samples behind a vote
  std::int64_t variance_samples = 10'000;  ///< from which each dimension's variance is estimated
  /// A dimension that varies less over all samples takes no part. disentanglement_lib has such a threshold too; a VAE's
  /// dimension that tells nothing has codes of a variance near 0, one that tells much near 1.
  double least_variance = 0.05;
  std::uint64_t seed = 0;
};

struct FactorVaeScore {
  double score = 0;                      ///< the share of test votes that are told right: 1 is best
  double train_score = 0;                ///< the same of the votes that made the classifier
  std::vector<double> variances = {};    ///< [d]: over all samples
  std::vector<std::int64_t> votes = {};  ///< [d, f], row-major: train votes of each dimension for each factor
};

/// Gives the codes, float32 [n, d], of n samples with the given factors, int64 [n, f].
using CodesOf = std::function<Array(const Array& factors)>;

/// The score of Kim and Mnih, "Disentangling by factorising", 2018, section 4. A vote: one of the factors that vary is
/// chosen, and a value of it; a batch of samples has this value, and all other factors drawn uniformly. Of its codes'
/// variances, each divided by the one over all samples, the least names a dimension, the first of several. The
/// classifier takes each dimension for the factor that most of its train votes had, the first of several, and a
/// dimension without any for factor 0. Variances are divided by n - 1. Where no dimension varies enough the score is 0.
/// All is drawn from Generator(seed).
///
/// factor_sizes: the number of values of each of f factors, at least one of them above 1. Throws ValueError for options
/// or sizes that make no sense (a batch below 2, another count below 1, a size outside [1, 65536]), and for what
/// `codes_of` gives DTypeError, ShapeError, and ValueError for a NaN or an infinity.
FactorVaeScore factor_vae_score(const CodesOf& codes_of, std::span<const std::int64_t> factor_sizes,
                                const FactorVaeOptions& options = {});

/// The same where samples cannot be made to order: a batch is drawn, with replacement, from the rows of codes [n, d],
/// float32, and their factors [n, f], int64 from 0, that have the chosen value, which is that of a row drawn among all;
/// and the variances are those of all rows. Throws DTypeError, ShapeError, and ValueError for a NaN or an infinity, a
/// factor outside [0, 65536), where no factor varies, and for options.
FactorVaeScore factor_vae_score(const Array& codes, const Array& factors, const FactorVaeOptions& options = {});

}  // namespace models
}  // namespace elbo
