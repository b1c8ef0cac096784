#include "metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "../../core/parallel_for.h"
#include "neighbours.h"

namespace elbo::models {
namespace {

using std::int64_t;

// For each of the k neighbours of points a and b in the embedding, how many points come before it in the codes.
void count_nearer(const internal::TiledPoints& codes, int64_t a, int64_t b, int64_t k,
                  const internal::Neighbor* limits_a, const internal::Neighbor* limits_b, int64_t* nearer_a,
                  int64_t* nearer_b) {
  constexpr int64_t width = internal::TiledPoints::width;
  auto count = [k](int64_t self, int64_t first, const double* distances, const internal::Neighbor* limits,
                   int64_t* nearer) {
    for (int64_t m = 0; m < k; ++m) {
      int64_t less = 0, equal = 0;
      for (int64_t e = 0; e < width; ++e) {
        less += distances[e] < limits[m].squared_distance;
        equal += distances[e] == limits[m].squared_distance;
      }
      nearer[m] += less;
      // Ties are rare: the limit itself, and points at the same place.
      if (equal)
        for (int64_t e = 0; e < width; ++e)
          nearer[m] += distances[e] == limits[m].squared_distance && first + e < limits[m].index && first + e != self;
      // A point is not its own neighbour.
      if (self >= first && self < first + width) nearer[m] -= distances[self - first] < limits[m].squared_distance;
    }
  };
  double to_a[width], to_b[width];
  for (int64_t t = 0; t < codes.tiles(); ++t) {
    codes.squared_distances(a, b, t, to_a, to_b);
    count(a, t * width, to_a, limits_a, nearer_a);
    if (b != a) count(b, t * width, to_b, limits_b, nearer_b);
  }
}

}  // namespace

double trustworthiness(const Array& codes, const Array& embedding, int64_t k) {
  std::vector<double> code_rows = internal::checked_codes("[trustworthiness] codes", codes);
  std::vector<double> embedding_rows = internal::checked_codes("[trustworthiness] embedding", embedding);
  const int64_t n = codes.shape()[0];
  ELBO_CHECK(embedding.shape()[0] == n, ShapeError, "[trustworthiness] expected as many points in the embedding as ",
             "codes: ", n, ", found ", embedding.shape()[0]);
  ELBO_CHECK(k >= 1 && 2 * k < n, ValueError, "[trustworthiness] neighbours: expected at least 1 and fewer than half ",
             "of the ", n, " points, found ", k);
  const internal::TiledPoints from(std::move(code_rows), n, codes.shape()[1]),
      to(std::move(embedding_rows), n, embedding.shape()[1]);
  std::vector<internal::Neighbor> neighbors = internal::nearest_neighbors(to, k);
  std::vector<int64_t> nearer(neighbors.size(), 0);
  parallel_for(n, 2, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * k; i < end * k; ++i) {
      internal::Neighbor& neighbor = neighbors[static_cast<std::size_t>(i)];
      neighbor.squared_distance = from.squared_distance(i / k, neighbor.index);
    }
    for (int64_t a = begin; a < end; a += 2) {
      const int64_t b = std::min(a + 1, end - 1);
      count_nearer(from, a, b, k, neighbors.data() + a * k, neighbors.data() + b * k, nearer.data() + a * k,
                   nearer.data() + b * k);
    }
  });
  // Ranks count from 1: a neighbour with k others before it has rank k + 1.
  double penalty = 0;
  for (int64_t before : nearer) penalty += static_cast<double>(std::max<int64_t>(0, before + 1 - k));
  const auto points = static_cast<double>(n), kk = static_cast<double>(k);
  return 1 - penalty * 2 / (points * kk * (2 * points - 3 * kk - 1));
}

double auroc(std::span<const double> scores, std::span<const int64_t> odd) {
  ELBO_CHECK(scores.size() == odd.size(), ShapeError, "[auroc] expected a label for each score: ", scores.size(),
             ", found ", odd.size());
  int64_t odd_count = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    ELBO_CHECK(!std::isnan(scores[i]), ValueError, "[auroc] scores: expected numbers, found nan at ", i);
    ELBO_CHECK(odd[i] == 0 || odd[i] == 1, ValueError, "[auroc] labels: expected 0 or 1, found ", odd[i], " at ", i);
    odd_count += odd[i];
  }
  const int64_t normal_count = static_cast<int64_t>(odd.size()) - odd_count;
  ELBO_CHECK(odd_count > 0 && normal_count > 0, ValueError, "[auroc] expected normal and odd samples, found ",
             normal_count, " normal, ", odd_count, " odd");
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  // Pairs that the odd sample wins, in halves; whole numbers, so the order within a tie does not matter.
  double halves = 0;
  int64_t normal_below = 0;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    int64_t tied[2] = {0, 0};
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end) ++tied[odd[order[end]]];
    halves += static_cast<double>(tied[1]) * static_cast<double>(2 * normal_below + tied[0]);
    normal_below += tied[0];
  }
  return halves / 2 / static_cast<double>(odd_count) / static_cast<double>(normal_count);
}

}  // namespace elbo::models
