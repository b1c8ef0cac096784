#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "neighbours.h"

namespace elbo::models::internal {

/// The symmetric joint probabilities of t-SNE, in compressed rows; they add up to 1.
struct Affinities {
  std::vector<std::int64_t> begin;   ///< [n + 1]: row i is entries begin[i] to begin[i + 1]
  std::vector<std::int32_t> column;  ///< of each entry; the order within a row has no meaning
  std::vector<float> value;

  std::int64_t size() const { return static_cast<std::int64_t>(begin.size()) - 1; }
};

/// p(j | i) over the neighbours j of one point: proportional to exp(-beta squared_distance), with beta such that the
/// perplexity (e to the entropy) is `perplexity` to 5 digits, or as near as the distances allow.
void conditional_probabilities(std::span<const Neighbor> neighbors, double perplexity, double* out);

/// p(i, j) = (p(j | i) + p(i | j)) / 2n over the min(n - 1, 3 perplexity + 1) nearest neighbours of each point (van der
/// Maaten 2014, section 4.1).
Affinities affinities(const TiledPoints& points, double perplexity);

/// The same with the points in another order: new point i is the old order[i].
Affinities reordered(const Affinities& p, std::span<const std::int32_t> order);

}  // namespace elbo::models::internal
