#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "../../core/array.h"

/// What PCA, t-SNE and the metrics share: points in float64 on the host, and distances between them.
namespace elbo::models::internal {

/// Copies codes [n, d], float32 on any device, in row-major order. Throws DTypeError for another type, ShapeError for
/// another rank or a size of 0, and ValueError for a NaN or an infinity, naming its place; messages begin with `what`,
/// such as "[pca] codes".
std::vector<double> checked_codes(std::string_view what, const Array& codes);

/// Points in tiles of 8, coordinate by coordinate, so that the distances to 8 points are computed at once. Differences
/// are squared and added in float64 in the order of the coordinates, without the cancellation of the form with the
/// matrix product: equal points have distance 0, and a distance has the same bits wherever it is computed.
class TiledPoints {
 public:
  static constexpr std::int64_t width = 8;

  /// `rows` holds n points of d coordinates.
  TiledPoints(std::vector<double> rows, std::int64_t n, std::int64_t d);

  std::int64_t size() const { return n_; }
  std::int64_t tiles() const { return (n_ + width - 1) / width; }
  /// Coordinates of point i.
  const double* row(std::int64_t i) const { return rows_.data() + i * d_; }
  /// Squared distances of points a and b to the 8 points of tile `t`; those past the last point are infinite.
  void squared_distances(std::int64_t a, std::int64_t b, std::int64_t t, double* to_a, double* to_b) const;
  /// Squared distance of two points.
  double squared_distance(std::int64_t a, std::int64_t b) const;

 private:
  std::int64_t n_, d_;
  std::vector<double> rows_, tiles_;
};

struct Neighbor {
  double squared_distance;
  std::int32_t index;
  /// Nearer first, ties by index.
  friend bool operator<(const Neighbor& a, const Neighbor& b) {
    return a.squared_distance < b.squared_distance || (a.squared_distance == b.squared_distance && a.index < b.index);
  }
};

/// The k nearest others of each point, [n, k], nearest first; exact, by comparing all pairs. k < n.
std::vector<Neighbor> nearest_neighbors(const TiledPoints& points, std::int64_t k);

}  // namespace elbo::models::internal
