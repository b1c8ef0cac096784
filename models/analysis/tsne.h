#pragma once
#include <cstdint>
#include <functional>

#include "../../core/api.h"
#include "../../core/array.h"

namespace ELBO_API elbo {
namespace models {

struct TsneOptions {
  double perplexity = 30;  ///< about how many neighbours count; at least 1, less than the number of points
  std::int64_t iterations = 1000;
  std::uint64_t seed = 0;          ///< of a jitter of 1 % of the first places' spread, which parts equal points
  double learning_rate = 0;        ///< 0: max(n / early_exaggeration / 4, 50), as scikit-learn's 'auto'
  double early_exaggeration = 12;  ///< of the affinities in the first 250 iterations, or the first half of fewer
  double theta = 0.5;              ///< Barnes-Hut accuracy: 0 is exact, and slow
  std::function<void(std::int64_t iteration)> on_iteration = {};  ///< called after each, counted from 1
};

struct Tsne {
  Array points = {};  ///< float32 [n, 2], on the host
  double kl = 0;      ///< the Kullback-Leibler divergence it ended with, in nats
};

/// Embeds codes [n, d], float32, in the plane by t-SNE (van der Maaten and Hinton 2008) with the Barnes-Hut
/// approximation (van der Maaten 2014): exact nearest neighbours, places begun at the first two principal components
/// scaled to a standard deviation of 1e-4, gradient descent with gains and momentum, 0.5 during the exaggeration, then
/// 0.8. Equal seeds give equal bits, whatever the number of threads. Throws DTypeError, ShapeError, and ValueError for
/// a NaN or an infinity, fewer than 2 points, options out of range, or a learning rate with which the points fly apart.
Tsne tsne(const Array& codes, const TsneOptions& options = {});

}  // namespace models
}  // namespace elbo
