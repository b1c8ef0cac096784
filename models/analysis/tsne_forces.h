#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tsne_affinities.h"

/// The two forces of t-SNE's gradient. Points lie in one array, x and y in turn, in an order along a space-filling
/// curve, so that neighbours in the plane are neighbours in memory. With q(i, j) = 1 / (1 + |y_i - y_j|^2) and
/// Z = sum of all q(i, j), i != j, the gradient is 4 (sum_j p q (y_i - y_j) - sum_j q^2 (y_i - y_j) / Z).
namespace elbo::models::internal {

/// An order of the points along a Hilbert curve over their bounding square: order[i] is the i-th point on the curve.
std::vector<std::int32_t> curve_order(std::span<const float> points);

/// A tree of bounding boxes over points in the order of a curve, in which node i of a level has nodes 4 i to 4 i + 3 of
/// the level below as its children, and a leaf is a few points in a row. Nothing is sorted or linked to build it, so
/// that it can be built anew for every iteration. The order need not be exact: boxes are only larger if points have
/// moved since.
class BoxTree {
 public:
  explicit BoxTree(std::int64_t points);
  /// Takes the points' places; `points` must outlive the calls of `repel`.
  void build(std::span<const float> points);
  /// The targets are cut into groups of neighbours, which share one traversal.
  static constexpr std::int64_t group_size = 32;
  std::int64_t groups() const { return (n_ + group_size - 1) / group_size; }
  /// For each point i of a group: z[i] = sum_j q(i, j), force[2 i] and [2 i + 1] = sum_j q(i, j)^2 (y_i - y_j), j != i.
  /// The points of a box count as that many at their mean if the box's longer side is shorter than `theta` times the
  /// distance from the mean to the targets' box (Barnes and Hut 1986); exact for theta = 0.
  void repel(std::int64_t group, double theta, float* force, float* z) const;

 private:
  /// What a box's points look like from afar: their mean, their number, and the square of the box's longer side.
  struct Node {
    float x, y, count, side_squared;
  };
  struct Box {
    float low[2], high[2];
  };
  class Sources;

  void build_leaves();
  void build_level(std::size_t level);

  std::int64_t n_;
  std::span<const float> points_;
  std::vector<std::int64_t> level_begin_;  // leaves first
  std::vector<Node> nodes_;
  std::vector<Box> boxes_;
};

/// sum_j p(i, j) q(i, j) (y_i - y_j) for rows [begin, end), to force[2 i] and [2 i + 1].
void attract(const Affinities& p, std::span<const float> points, std::int64_t begin, std::int64_t end, float* force);

/// The Kullback-Leibler divergence sum p log(p Z / q) over the entries of p, in nats.
double divergence(const Affinities& p, std::span<const float> points, double z);

}  // namespace elbo::models::internal
