#include "precision_recall.h"

#include <algorithm>
#include <limits>

#include "../../core/parallel_for.h"
#include "neighbours.h"

namespace elbo::models {
namespace {

using internal::TiledPoints;
using std::int64_t;

/// The first and the last point, less one, of a set.
struct Range {
  int64_t begin = 0, end = 0;
};

/// What one point sees of the other set.
struct Seen {
  int64_t balls = 0;  ///< that it lies in
  double nearest = std::numeric_limits<double>::infinity();
};

/// Squared distance of each point to its k-th nearest other.
std::vector<double> squared_radii(const std::vector<double>& rows, int64_t n, int64_t d, int64_t k) {
  const std::vector<internal::Neighbor> neighbors = nearest_neighbors(TiledPoints(rows, n, d), k);
  std::vector<double> out;
  for (int64_t i = 0; i < n; ++i) out.push_back(neighbors[static_cast<std::size_t>(i * k + k - 1)].squared_distance);
  return out;
}

/// What each point of `from` sees of the set `to`, among points of both.
std::vector<Seen> look(const TiledPoints& points, const std::vector<double>& radii, Range from, Range to) {
  constexpr int64_t width = TiledPoints::width;
  const int64_t n = from.end - from.begin;
  std::vector<Seen> out(static_cast<std::size_t>(n));
  parallel_for(n, 2, [&](int64_t begin, int64_t end) {
    double distances[2][width];
    for (int64_t first = begin; first < end; first += 2) {
      const int64_t pair = std::min<int64_t>(2, end - first), a = from.begin + first;
      for (int64_t t = to.begin / width; t * width < to.end; ++t) {
        points.squared_distances(a, a + pair - 1, t, distances[0], distances[1]);
        const int64_t low = std::max(to.begin, t * width), high = std::min(to.end, (t + 1) * width);
        for (int64_t p = 0; p < pair; ++p)
          for (int64_t i = low; i < high; ++i) {
            const double distance = distances[p][i - t * width];
            Seen& seen = out[static_cast<std::size_t>(first + p)];
            seen.balls += distance <= radii[static_cast<std::size_t>(i)];
            seen.nearest = std::min(seen.nearest, distance);
          }
      }
    }
  });
  return out;
}

}  // namespace

PrecisionRecall precision_recall(const Array& real, const Array& generated, int64_t k) {
  std::vector<double> rows = internal::checked_codes("[precision_recall] real", real);
  const std::vector<double> others = internal::checked_codes("[precision_recall] generated", generated);
  const int64_t n = real.shape()[0], m = generated.shape()[0], d = real.shape()[1];
  ELBO_CHECK(generated.shape()[1] == d, ShapeError, "[precision_recall] expected generated points of ", d,
             " dimensions, found ", generated.shape()[1]);
  ELBO_CHECK(k >= 1 && k < std::min(n, m), ValueError, "[precision_recall] k: expected 1 to ", std::min(n, m) - 1,
             ", fewer than there are points, found ", k);
  std::vector<double> radii = squared_radii(rows, n, d, k);
  const std::vector<double> other_radii = squared_radii(others, m, d, k);
  radii.insert(radii.end(), other_radii.begin(), other_radii.end());
  rows.insert(rows.end(), others.begin(), others.end());
  // Together, so that a distance has the same bits wherever it is measured.
  const TiledPoints points(std::move(rows), n + m, d);
  int64_t like_real = 0, balls = 0, recalled = 0, covered = 0;
  for (const Seen& seen : look(points, radii, {n, n + m}, {0, n})) {
    like_real += seen.balls > 0;
    balls += seen.balls;
  }
  const std::vector<Seen> of_real = look(points, radii, {0, n}, {n, n + m});
  for (std::size_t i = 0; i < of_real.size(); ++i) {
    recalled += of_real[i].balls > 0;
    covered += of_real[i].nearest <= radii[i];
  }
  const auto share = [](int64_t count, int64_t all) { return static_cast<double>(count) / static_cast<double>(all); };
  return {share(like_real, m), share(recalled, n), share(balls, k * m), share(covered, n)};
}

}  // namespace elbo::models
