#pragma once
#include <cstdint>
#include <vector>

#include "../../core/api.h"
#include "../../core/generator.h"
#include "../../core/safetensors.h"

namespace ELBO_API elbo {
namespace models {

struct MixtureOptions {
  std::int64_t components = 10;
  std::int64_t max_iterations = 100;
  double tolerance = 1e-3;       ///< EM ends where the mean log-likelihood changes by less, in nats
  double regularization = 1e-6;  ///< added to each variance
  std::uint64_t seed = 0;        ///< of the start
};

/// A mixture of normal distributions with full covariances: p(x) = sum_c weights[c] N(x; means[c], covariances[c]). For
/// example over the codes of a trained autoencoder, so that new codes can be drawn from where its codes lie (Ghosh,
/// Sajjadi, Vergari, Black and Schoelkopf, "From variational to deterministic autoencoders", 2020, section 4). All is
/// computed in float64.
///
///     auto density = GaussianMixture::fit(encode_means(model, train), {.components = 10, .seed = 7});
///     Array codes = density.sample(64, generator);
class GaussianMixture {
 public:
  /// weights [k], of at least 0, which sum to 1; means [k, d]; covariances [k, d, d], symmetric and positive definite;
  /// all float64. Throws DTypeError, ShapeError, and ValueError for others.
  GaussianMixture(const Array& weights, const Array& means, const Array& covariances);

  /// Fits rows [n, d], float32, by expectation-maximisation (Dempster, Laird and Rubin 1977). It starts from centres
  /// that are drawn among the rows as k-means++ does (Arthur and Vassilvitskii 2007), and the weights, means and
  /// covariances of the rows nearest to each. Throws DTypeError, ShapeError, and ValueError for a NaN or an infinity,
  /// for options that make no sense, with fewer different rows than components, or where a covariance is not positive
  /// definite in spite of the regularization.
  static GaussianMixture fit(const Array& rows, const MixtureOptions& options = {});
  /// The same from another start; its components count, and the seed does not.
  static GaussianMixture fit(const Array& rows, const GaussianMixture& start, const MixtureOptions& options = {});

  std::int64_t components() const { return means_.shape()[0]; }
  std::int64_t dimensions() const { return means_.shape()[1]; }
  const Array& weights() const { return weights_; }
  const Array& means() const { return means_; }
  const Array& covariances() const { return covariances_; }
  /// Of a fit: the mean log-likelihood of a row, in nats, before each iteration; it never falls but for rounding and
  /// the regularization. Empty for what was not fitted.
  const std::vector<double>& log_likelihoods() const { return log_likelihoods_; }

  /// log p of rows [n, d], float32: float64 [n] in nats, on the host. Throws DTypeError, ShapeError, and ValueError for
  /// a NaN or an infinity.
  Array log_prob(const Array& rows) const;
  /// n draws: float32 [n, d] on the generator's device. Throws ValueError for n < 0.
  Array sample(std::int64_t n, Generator& generator) const;

  /// `weights`, `means` and `covariances`, to be saved. The arrays are the mixture's own.
  NamedArrays state() const;
  /// From such a state, its names in any order. Throws ValueError for other names, and what the constructor throws.
  static GaussianMixture from_state(const NamedArrays& state);

 private:
  Array weights_, means_, covariances_;
  Array factors_;  ///< [k, d, d]: of each covariance the lower triangular L with L L^T = covariance
  std::vector<double> log_likelihoods_ = {};
};

}  // namespace models
}  // namespace elbo
