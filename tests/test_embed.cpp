#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/datasets/dataset.h>
#include <elbo/models/analysis/metrics.h>
#include <elbo/models/analysis/pca.h>
#include <elbo/models/analysis/tsne.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "../models/analysis/tsne_forces.h"
#include "catch.h"

namespace {

using namespace elbo;
using models::TsneOptions;
using std::int64_t;

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// The codes of oracle/embedding.py.
Array pattern(int64_t n, int64_t d) {
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < d; ++j) values.push_back(static_cast<float>((i * 7 + j * 13 + i * j) % 31) / 32);
  return Array::from(values, {n, d});
}

// The same: five clusters, each coordinate the sum of two uniform numbers around its centre.
Array clusters(int64_t n, int64_t d, double distance) {
  std::vector<float> values;
  std::uint32_t state = 1;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < d; ++j) {
      double u = 0;
      for (int draw = 0; draw < 2; ++draw) {
        state = state * 1664525u + 1013904223u;
        u += static_cast<double>(state >> 8) / (1 << 24);
      }
      values.push_back(static_cast<float>(distance * static_cast<double>((i % 5) * (j + 3) % 5) + u - 1));
    }
  return Array::from(values, {n, d});
}

Array first_two(const Array& codes) {
  const auto values = codes.values<float>();
  std::vector<float> out;
  for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(codes.shape()[1]))
    out.insert(out.end(), {values[i], values[i + 1]});
  return Array::from(out, {codes.shape()[0], 2});
}

// Places in the plane in the order of the curve: a spiral, dense inside, with some points twice.
std::vector<float> spiral(int64_t n) {
  std::vector<float> points, sorted;
  for (int64_t i = 0; i < n; ++i) {
    const double turn = 0.3 * static_cast<double>(i - (i % 10 == 9)), radius = 0.01 * turn * turn;
    points.push_back(static_cast<float>(radius * std::cos(turn)));
    points.push_back(static_cast<float>(radius * std::sin(turn)));
  }
  for (std::int32_t i : models::internal::curve_order(points))
    sorted.insert(sorted.end(), {points[2 * static_cast<std::size_t>(i)], points[2 * static_cast<std::size_t>(i) + 1]});
  return sorted;
}

struct Forces {
  std::vector<double> force, z;
};

Forces exact_repulsion(const std::vector<float>& points) {
  Forces out{std::vector<double>(points.size()), std::vector<double>(points.size() / 2)};
  for (std::size_t i = 0; i < out.z.size(); ++i)
    for (std::size_t j = 0; j < out.z.size(); ++j) {
      if (i == j) continue;
      const double dx = static_cast<double>(points[2 * i]) - points[2 * j];
      const double dy = static_cast<double>(points[2 * i + 1]) - points[2 * j + 1];
      const double q = 1 / (1 + dx * dx + dy * dy);
      out.z[i] += q;
      out.force[2 * i] += q * q * dx;
      out.force[2 * i + 1] += q * q * dy;
    }
  return out;
}

Forces tree_repulsion(const std::vector<float>& points, double theta) {
  std::vector<float> force(points.size(), nan_value), z(points.size() / 2, nan_value);
  models::internal::BoxTree tree(static_cast<int64_t>(z.size()));
  tree.build(points);
  for (int64_t group = 0; group < tree.groups(); ++group) tree.repel(group, theta, force.data(), z.data());
  return {{force.begin(), force.end()}, {z.begin(), z.end()}};
}

// |a - b| / |b| as vectors.
double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) error += (a[i] - b[i]) * (a[i] - b[i]), norm += b[i] * b[i];
  return std::sqrt(error / norm);
}

models::internal::TiledPoints tiled(const Array& codes) {
  return {models::internal::checked_codes("[test] codes", codes), codes.shape()[0], codes.shape()[1]};
}

bool same_bits(const Array& a, const Array& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

bool all_finite(const models::Tsne& t) {
  const auto values = t.points.values<float>();
  return std::isfinite(t.kl) && std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

template <class E, class Fn>
std::string error_of(Fn fn) {
  try {
    fn();
  } catch (const E& error) {
    return error.what();
  }
  return "(nothing thrown)";
}

}  // namespace

// ---- PCA -----------------------------------------------------------------------------------------------------------

TEST_CASE("pca: a line has one component", "[embed]") {
  std::vector<float> line;
  for (int t = -3; t <= 3; ++t)
    line.insert(line.end(), {static_cast<float>(1 - 3 * t), 7, static_cast<float>(2 + 4 * t)});
  const Array codes = Array::from(line, {7, 3});
  const models::Pca pca = models::pca(codes, 3);
  const std::vector<double> mean{1, 7, 2}, axis{-0.6, 0, 0.8}, ratio{1, 0, 0};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(pca.mean[i] == Approx(mean[i]).margin(1e-12));
    CHECK(pca.components[i] == Approx(axis[i]).margin(1e-12));
    CHECK(pca.explained_variance_ratio[i] == Approx(ratio[i]).margin(1e-12));
  }
  const auto projected = pca.project(codes);
  CHECK(projected.shape() == Shape{7, 3});
  CHECK(projected.dtype() == DType::float32);
  for (int t = -3; t <= 3; ++t)
    CHECK(projected.values<float>()[static_cast<std::size_t>(3 * (t + 3))] == Approx(5 * t).margin(1e-6));
}

TEST_CASE("pca: scikit-learn's components, signs and ratios", "[embed]") {
  const Array codes = pattern(40, 4);
  const models::Pca pca = models::pca(codes, 3);
  const std::vector<double> mean{0.46328125, 0.4859375, 0.46015625, 0.4828125};
  const std::vector<double> components{-0.4992204862773199,  -0.10530031043035816,  0.6911327987654671,
                                       -0.5118849530655487,  -0.4522235799545013,   0.8783386877131854,
                                       -0.12567602361465227, 0.09066708602257413,   -0.6265568027457831,
                                       -0.39409015776506195, -0.014729162112165848, 0.6722369911490768};
  const std::vector<double> ratio{0.3318891681919554, 0.25192771860942986, 0.22797604749831066};
  const std::vector<double> first{0.6023601470961768, 0.07412449881354613, 0.15998117550412036};
  REQUIRE(pca.mean.size() == 4);
  REQUIRE(pca.components.size() == 12);
  REQUIRE(pca.explained_variance_ratio.size() == 3);
  for (std::size_t i = 0; i < 4; ++i) CHECK(pca.mean[i] == Approx(mean[i]).margin(1e-12));
  for (std::size_t i = 0; i < 12; ++i) CHECK(pca.components[i] == Approx(components[i]).margin(1e-10));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(pca.explained_variance_ratio[i] == Approx(ratio[i]).margin(1e-10));
    CHECK(pca.project(codes).to_vector<float>()[i] == Approx(first[i]).margin(1e-6));
  }
  CHECK(models::pca(codes).explained_variance_ratio.size() == 2);
}

TEST_CASE("pca: codes that do not vary, huge codes, and bad input", "[embed]") {
  const models::Pca flat = models::pca(Array::full({5, 3}, 2));
  CHECK(flat.explained_variance_ratio == std::vector<double>{0, 0});
  for (float value : flat.project(Array::full({5, 3}, 2)).to_vector<float>()) CHECK(value == 0);
  const Array huge = Array::from(std::vector<float>{3e38f, 3e38f, -3e38f, -3e38f}, {2, 2});
  for (float value : models::pca(huge).project(huge).to_vector<float>()) CHECK(std::isfinite(value));

  const Array codes = pattern(5, 3);
  Array broken = codes.copy();
  broken.mutable_values<float>()[7] = nan_value;
  CHECK(error_of<ValueError>([&] { models::pca(broken); }) ==
        "[pca] codes: expected finite numbers, found nan at [2, 1]");
  CHECK(error_of<ValueError>([&] { flat.project(broken); }) ==
        "[project] codes: expected finite numbers, found nan at [2, 1]");
  CHECK(error_of<ValueError>([&] { models::pca(codes, 4); }) ==
        "[pca] components: expected 1 to 3, the dimensions of the codes, found 4");
  CHECK_THROWS_AS(models::pca(codes, 0), ValueError);
  CHECK_THROWS_AS(models::pca(Array::zeros({4})), ShapeError);
  CHECK_THROWS_AS(models::pca(Array::zeros({0, 4})), ShapeError);
  CHECK_THROWS_AS(models::pca(Array::zeros({4, 4}, {DType::float64})), DTypeError);
  CHECK_THROWS_AS(models::pca(Array()), DTypeError);
  CHECK_THROWS_AS(flat.project(pattern(5, 4)), ShapeError);
}

// ---- metrics -------------------------------------------------------------------------------------------------------

TEST_CASE("trustworthiness: scikit-learn's values", "[embed]") {
  const std::vector<std::pair<double, std::vector<double>>> expected{
      {0.0, {0.6646181716833891, 0.6737556306306306, 0.6801755517340212}},
      {0.25, {0.7361789297658863, 0.7435326576576576, 0.7456475112257572}}};
  for (const auto& [distance, values] : expected) {
    const Array codes = clusters(600, 8, distance);
    CHECK(models::trustworthiness(codes, first_two(codes), 1) == Approx(values[0]).margin(1e-9));
    CHECK(models::trustworthiness(codes, first_two(codes)) == Approx(values[1]).margin(1e-9));
    CHECK(models::trustworthiness(codes, first_two(codes), 12) == Approx(values[2]).margin(1e-9));
    CHECK(models::trustworthiness(codes, codes, 7) == 1);
  }
}

TEST_CASE("trustworthiness: a case by hand, with points at one place", "[embed]") {
  const Array codes = Array::from(std::vector<float>{0, 1, 2, 3, 4}, {5, 1});
  const Array embedding = Array::from(std::vector<float>{0, 10, 20, 10.5f, 0.25f}, {5, 1});
  // Nearest in the embedding, and its rank in the codes. 0 -> 4: rank 4. 1 -> 3: 0 and 2 before it: rank 3. 2 -> 3:
  // level with 1, which has the lower index: rank 2. 3 -> 1: 2 and 4 before it: rank 3. 4 -> 0: rank 4. Penalties 3 + 2
  // + 1 + 2 + 3.
  CHECK(models::trustworthiness(codes, embedding, 1) == Approx(1 - 11 * 2.0 / (5 * (10 - 3 - 1))));
  const Array same = Array::zeros({5, 1});
  CHECK(models::trustworthiness(same, same, 2) == 1);  // ties by index in both
  CHECK_THROWS_AS(models::trustworthiness(codes, embedding, 3), ValueError);
  CHECK_THROWS_AS(models::trustworthiness(codes, embedding, 0), ValueError);
  CHECK_THROWS_AS(models::trustworthiness(codes, Array::zeros({4, 1}), 1), ShapeError);
  Array broken = embedding.copy();
  broken.mutable_values<float>()[3] = nan_value;
  CHECK(error_of<ValueError>([&] { models::trustworthiness(codes, broken, 1); }) ==
        "[trustworthiness] embedding: expected finite numbers, found nan at [3, 0]");
}

TEST_CASE("auroc: cases by hand, ties, and scikit-learn's value", "[embed]") {
  auto auroc = [](const std::vector<double>& scores, const std::vector<int64_t>& odd) {
    return models::auroc(scores, odd);
  };
  CHECK(auroc({1, 2, 3, 4}, {0, 0, 1, 1}) == 1);
  CHECK(auroc({4, 3, 2, 1}, {0, 0, 1, 1}) == 0);
  CHECK(auroc({7, 7, 7}, {1, 0, 0}) == 0.5);
  CHECK(auroc({1, 3, 2, 4}, {0, 0, 1, 1}) == 0.75);
  CHECK(auroc({1, 2, 2, 3}, {0, 0, 1, 1}) == 0.875);
  CHECK(auroc({-infinity, 0, infinity}, {0, 1, 0}) == 0.5);
  std::vector<double> scores;
  std::vector<int64_t> odd;
  for (int64_t i = 0; i < 60; ++i) {
    scores.push_back(static_cast<double>(i * 37 % 17) / 4);
    odd.push_back(i * i % 7 < 3);
  }
  CHECK(auroc(scores, odd) == Approx(0.5369357045143639).margin(1e-12));
  CHECK(error_of<ValueError>([&] {
          auroc({1, std::nan(""), 2}, {0, 1, 0});
        }) == "[auroc] scores: expected numbers, found nan at 1");
  CHECK(error_of<ValueError>([&] {
          auroc({1, 2}, {1, 1});
        }) == "[auroc] expected normal and odd samples, found 0 normal, 2 odd");
  CHECK_THROWS_AS(auroc({1, 2}, {0, 0}), ValueError);
  CHECK_THROWS_AS(auroc({1, 2}, {0, 2}), ValueError);
  CHECK_THROWS_AS(auroc({}, {}), ValueError);
  CHECK_THROWS_AS(auroc({1, 2}, {0}), ShapeError);
}

// ---- the parts of t-SNE --------------------------------------------------------------------------------------------

TEST_CASE("nearest_neighbors: all pairs, sorted, ties by index", "[embed]") {
  for (int64_t n : {2, 7, 8, 9, 100}) {
    const Array codes = pattern(n, 3);  // has equal points from n = 32 on
    const auto points = tiled(codes);
    for (int64_t k : {int64_t{1}, n / 2, n - 1}) {
      const auto found = models::internal::nearest_neighbors(points, k);
      for (int64_t i = 0; i < n; ++i) {
        std::vector<models::internal::Neighbor> others;
        for (int64_t j = 0; j < n; ++j)
          if (j != i) others.push_back({points.squared_distance(i, j), static_cast<std::int32_t>(j)});
        std::sort(others.begin(), others.end());
        for (int64_t m = 0; m < k; ++m) {
          const auto& neighbor = found[static_cast<std::size_t>(i * k + m)];
          REQUIRE(neighbor.index == others[static_cast<std::size_t>(m)].index);
          REQUIRE(neighbor.squared_distance == others[static_cast<std::size_t>(m)].squared_distance);
        }
      }
    }
  }
}

TEST_CASE("conditional_probabilities: have the perplexity asked for", "[embed]") {
  std::vector<models::internal::Neighbor> neighbors;
  std::vector<double> p(50);
  auto perplexity = [&p] {
    double entropy = 0;
    for (double value : p) entropy -= value > 0 ? value * std::log(value) : 0;
    return std::exp(entropy);
  };
  for (double scale : {1e-12, 1.0, 1e12}) {
    neighbors.clear();
    for (int i = 0; i < 50; ++i) neighbors.push_back({scale * (1000 + i * i), i});
    for (double wanted : {1.5, 5.0, 49.0}) {
      models::internal::conditional_probabilities(neighbors, wanted, p.data());
      CHECK(perplexity() == Approx(wanted).epsilon(2e-5));
      CHECK(std::accumulate(p.begin(), p.end(), 0.0) == Approx(1));
      CHECK(std::is_sorted(p.rbegin(), p.rend()));
    }
  }
  // No distances: all the same. Ten at the least distance: at least the perplexity 10.
  for (auto& neighbor : neighbors) neighbor.squared_distance = 3;
  models::internal::conditional_probabilities(neighbors, 5, p.data());
  for (double value : p) CHECK(value == Approx(0.02));
  for (std::size_t i = 10; i < 50; ++i) neighbors[i].squared_distance = 4;
  models::internal::conditional_probabilities(neighbors, 5, p.data());
  for (std::size_t i = 0; i < 50; ++i) CHECK(p[i] == Approx(i < 10 ? 0.1 : 0).margin(1e-9));
}

TEST_CASE("affinities: the mean of both conditional probabilities, in any order of the points", "[embed]") {
  const int64_t n = 60;
  const auto points = tiled(clusters(n, 4, 1));
  const models::internal::Affinities p = models::internal::affinities(points, 5);  // 16 neighbours
  const auto neighbors = models::internal::nearest_neighbors(points, 16);
  std::vector<double> dense(n * n), row(16);
  for (int64_t i = 0; i < n; ++i) {
    const std::span<const models::internal::Neighbor> near(neighbors.data() + i * 16, 16);
    models::internal::conditional_probabilities(near, 5, row.data());
    for (std::size_t m = 0; m < 16; ++m) {
      dense[static_cast<std::size_t>(i * n + near[m].index)] += row[m] / (2.0 * n);
      dense[static_cast<std::size_t>(near[m].index * n + i)] += row[m] / (2.0 * n);
    }
  }
  std::vector<std::int32_t> order(n);
  for (std::int32_t i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = (i * 7 + 3) % 60;
  const models::internal::Affinities turned = models::internal::reordered(p, order);
  auto to_dense = [](const models::internal::Affinities& sparse) {
    std::vector<double> out(n * n);
    for (std::size_t i = 0; i < n; ++i)
      for (auto e = static_cast<std::size_t>(sparse.begin[i]); e < static_cast<std::size_t>(sparse.begin[i + 1]); ++e)
        out[i * n + static_cast<std::size_t>(sparse.column[e])] += sparse.value[e];
    return out;
  };
  const std::vector<double> straight = to_dense(p), permuted = to_dense(turned);
  double total = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      total += straight[i * n + j];
      REQUIRE(straight[i * n + j] == Approx(dense[i * n + j]).margin(1e-9));
      REQUIRE(permuted[i * n + j] ==
              straight[static_cast<std::size_t>(order[i]) * n + static_cast<std::size_t>(order[j])]);
    }
  CHECK(total == Approx(1).epsilon(1e-6));
}

TEST_CASE("curve_order: neighbours on the curve are neighbours in the plane", "[embed]") {
  std::vector<float> grid;
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 16; ++column)
      grid.insert(grid.end(), {static_cast<float>(column), static_cast<float>(row)});
  const std::vector<std::int32_t> order = models::internal::curve_order(grid);
  std::vector<bool> seen(256);
  for (std::size_t i = 0; i < 256; ++i) {
    seen[static_cast<std::size_t>(order[i])] = true;
    if (i == 0) continue;
    const int a = order[i - 1], b = order[i];
    REQUIRE(std::abs(a % 16 - b % 16) + std::abs(a / 16 - b / 16) == 1);
  }
  CHECK(std::all_of(seen.begin(), seen.end(), [](bool s) { return s; }));
}

TEST_CASE("BoxTree: theta 0 is exact, theta 0.5 within one percent", "[embed]") {
  for (int64_t n : {1, 2, 8, 9, 32, 33, 129, 1500}) {
    INFO("points " << n);
    const std::vector<float> points = spiral(n);
    const Forces exact = exact_repulsion(points), opened = tree_repulsion(points, 0);
    for (std::size_t i = 0; i < exact.z.size(); ++i) {
      REQUIRE(opened.z[i] == Approx(exact.z[i]).margin(1e-5 * (1 + exact.z[i])));
      REQUIRE(opened.force[2 * i] == Approx(exact.force[2 * i]).margin(1e-5 * (1 + exact.z[i])));
      REQUIRE(opened.force[2 * i + 1] == Approx(exact.force[2 * i + 1]).margin(1e-5 * (1 + exact.z[i])));
    }
    if (n < 3) continue;
    const Forces approximate = tree_repulsion(points, 0.5);
    CHECK(relative_error(approximate.force, exact.force) < 0.01);
    CHECK(relative_error(approximate.z, exact.z) < 0.01);
    // It is an approximation, and a worse one for a larger theta.
    if (n == 1500) {
      CHECK(relative_error(approximate.force, exact.force) > 1e-4);
      CHECK(relative_error(tree_repulsion(points, 1).force, exact.force) >
            2 * relative_error(approximate.force, exact.force));
    }
  }
}

TEST_CASE("tsne: both forces are the gradient of the divergence", "[embed]") {
  const int64_t n = 45;
  const models::internal::Affinities p = models::internal::affinities(tiled(clusters(n, 3, 1)), 6);
  std::vector<float> points;
  for (int64_t i = 0; i < 2 * n; ++i) points.push_back(static_cast<float>(i * i * 5 % 37) / 8);
  auto divergence = [&] {
    const Forces exact = exact_repulsion(points);
    return models::internal::divergence(p, points, std::accumulate(exact.z.begin(), exact.z.end(), 0.0));
  };
  std::vector<float> attraction(points.size(), nan_value);
  models::internal::attract(p, points, 0, 20, attraction.data());
  models::internal::attract(p, points, 20, n, attraction.data());
  const Forces repulsion = tree_repulsion(points, 0);
  const double z = std::accumulate(repulsion.z.begin(), repulsion.z.end(), 0.0);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double gradient = 4 * (attraction[i] - repulsion.force[i] / z);
    const float place = points[i], h = 1.0f / 128;
    points[i] = place + h;
    const double above = divergence();
    points[i] = place - h;
    const double below = divergence();
    points[i] = place;
    REQUIRE(gradient == Approx((above - below) / (2 * h)).margin(2e-6));
  }
}

// ---- t-SNE ---------------------------------------------------------------------------------------------------------

TEST_CASE("tsne: keeps neighbours as well as scikit-learn", "[embed]") {
  // Trustworthiness and divergence of scikit-learn's embedding of the same codes.
  struct Case {
    double distance, trustworthiness, kl;
  };
  for (const Case& c :
       {Case{0.0, 0.9609746621621622, 1.558573603630066}, Case{0.25, 0.9685923423423424, 1.2658538818359375}}) {
    const Array codes = clusters(600, 8, c.distance);
    int64_t calls = 0, last = 0;
    const models::Tsne t = models::tsne(codes, {.on_iteration = [&](int64_t i) { ++calls, last = i; }});
    CHECK(t.points.shape() == Shape{600, 2});
    CHECK(calls == 1000);
    CHECK(last == 1000);
    CHECK(models::trustworthiness(codes, t.points) > c.trustworthiness - 0.01);
    CHECK(t.kl < 1.05 * c.kl);  // both vary by some 3 % with the first places
    CHECK(t.kl > 0.9 * c.kl);
  }
}

TEST_CASE("tsne: clusters that lie apart stay apart", "[embed]") {
  const models::Tsne t = models::tsne(clusters(300, 10, 10), {.perplexity = 15, .iterations = 500});
  const auto y = t.points.values<float>();
  // Every point is nearer to all of its own cluster than to any of another.
  for (std::size_t i = 0; i < 300; ++i) {
    double farthest_own = 0, nearest_other = infinity;
    for (std::size_t j = 0; j < 300; ++j) {
      const double distance = std::hypot(y[2 * i] - y[2 * j], y[2 * i + 1] - y[2 * j + 1]);
      if (i % 5 == j % 5)
        farthest_own = std::max(farthest_own, distance);
      else
        nearest_other = std::min(nearest_other, distance);
    }
    REQUIRE(farthest_own < nearest_other);
  }
}

TEST_CASE("tsne: exaggeration does not draw codes without clusters to one point", "[embed]") {
  // Left to itself the spread falls to 1e-19 by the end of the exaggeration, and for these two some points stay
  // together: a divergence of 2.1 and 2.4.
  const TsneOptions first{.iterations = 500, .seed = 0, .learning_rate = 40};
  CHECK(models::tsne(clusters(500, 8, 0), first).kl < 1.7);
  const TsneOptions second{.iterations = 500, .seed = 1, .learning_rate = 20};
  CHECK(models::tsne(clusters(700, 8, 0), second).kl < 1.9);
}

TEST_CASE("tsne: the same bits for any number of threads and from equal seeds", "[embed][bits]") {
  const Array codes = clusters(333, 6, 0.5);
  const int before = num_threads();
  auto run = [&](int threads, std::uint64_t seed, double scale = 1) {
    set_num_threads(threads);
    Array scaled = codes.copy();
    for (float& value : scaled.mutable_values<float>()) value = static_cast<float>(value * scale);
    models::Tsne t = models::tsne(scaled, {.iterations = 120, .seed = seed});
    set_num_threads(before);
    return t;
  };
  const models::Tsne one = run(1, 0);
  for (int threads : {1, 2, 4}) {
    const models::Tsne other = run(threads, 0);
    CHECK(same_bits(one.points, other.points));
    CHECK(one.kl == other.kl);
  }
  CHECK(same_bits(one.points, run(2, 0, 1024).points));  // nor does the codes' scale matter
  CHECK_FALSE(same_bits(one.points, run(2, 1).points));

  set_num_threads(1);
  const double trust = models::trustworthiness(codes, one.points);
  set_num_threads(4);
  CHECK(models::trustworthiness(codes, one.points) == trust);
  set_num_threads(before);
}

TEST_CASE("tsne: few points, equal points, dimensions that do not vary, huge codes", "[embed]") {
  for (int64_t n : {2, 3, 5, 40}) {
    INFO("points " << n);
    const TsneOptions options{.perplexity = std::min(30.0, static_cast<double>(n) - 0.5), .iterations = 300};
    CHECK(all_finite(models::tsne(clusters(n, 4, 1), options)));
    CHECK(all_finite(models::tsne(Array::full({n, 3}, 5), options)));
  }
  // Ten places, twenty points at each; one dimension of three varies.
  std::vector<float> values;
  for (int i = 0; i < 200; ++i) values.insert(values.end(), {3, static_cast<float>(i % 10), 0});
  const models::Tsne t = models::tsne(Array::from(values, {200, 3}), {.perplexity = 10});
  REQUIRE(all_finite(t));
  const auto y = t.points.values<float>();
  for (std::size_t axis : {0, 1}) {  // not on a line
    const auto coordinate = [&](std::size_t i) { return y[2 * i + axis]; };
    float low = coordinate(0), high = low;
    for (std::size_t i = 0; i < 200; ++i) low = std::min(low, coordinate(i)), high = std::max(high, coordinate(i));
    CHECK(high - low > 1);
  }
  CHECK(all_finite(models::tsne(Array::from(values, {600, 1}), {.perplexity = 10, .iterations = 100})));
  Array huge = clusters(50, 4, 1);
  for (float& value : huge.mutable_values<float>()) value *= 5e37f;
  CHECK(all_finite(models::tsne(huge, {.perplexity = 5, .iterations = 100})));
  huge.mutable_values<float>()[0] = 1e-38f;
  CHECK(all_finite(models::tsne(huge, {.perplexity = 5, .iterations = 1})));
}

TEST_CASE("tsne: bad input", "[embed]") {
  const Array codes = clusters(20, 3, 1);
  Array broken = codes.copy();
  broken.mutable_values<float>()[10] = std::numeric_limits<float>::infinity();
  CHECK(error_of<ValueError>([&] { models::tsne(broken, {.perplexity = 5}); }) ==
        "[tsne] codes: expected finite numbers, found inf at [3, 1]");
  CHECK(error_of<ValueError>([&] { models::tsne(codes); }) ==
        "[tsne] perplexity: expected at least 1 and less than the number of points, 20, found 30");
  auto refused = [&](const TsneOptions& options) {
    return error_of<ValueError>([&] { models::tsne(codes, options); }) != "(nothing thrown)";
  };
  const double nan = std::nan("");
  CHECK(refused({.perplexity = 20}));
  CHECK(refused({.perplexity = 0.5}));
  CHECK(refused({.perplexity = nan}));
  CHECK(refused({.perplexity = 5, .iterations = 0}));
  CHECK(refused({.perplexity = 5, .learning_rate = -1}));
  CHECK(refused({.perplexity = 5, .learning_rate = nan}));
  CHECK(refused({.perplexity = 5, .early_exaggeration = 0.5}));
  CHECK(refused({.perplexity = 5, .early_exaggeration = infinity}));
  CHECK(refused({.perplexity = 5, .theta = -1}));
  CHECK(refused({.perplexity = 5, .theta = nan}));
  CHECK_FALSE(refused({.perplexity = 5, .iterations = 10}));
  CHECK_THROWS_AS(models::tsne(clusters(1, 3, 1), {.perplexity = 1}), ValueError);
  CHECK_THROWS_AS(models::tsne(Array::zeros({20})), ShapeError);
  CHECK_THROWS_AS(models::tsne(Array::zeros({20, 2}, {DType::float64})), DTypeError);
  CHECK(error_of<ValueError>([&] {
          models::tsne(codes, {.perplexity = 5, .learning_rate = 1e15});
        }).find(": the learning rate is too high") != std::string::npos);
}

TEST_CASE("tsne: 10,000 codes of Fashion-MNIST", "[embed][slow]") {
  datasets::Dataset data;
  try {
    data = datasets::load("fashion-mnist", datasets::Split::test);
  } catch (const IoError& error) {
    WARN("skipped: " << error.what());
    return;
  }
  std::vector<float> pixels;
  for (std::uint8_t pixel : data.pictures()) pixels.push_back(static_cast<float>(pixel) / 255);
  const Array pictures = Array::from(pixels, {data.size(), data.picture_size()});
  const models::Pca pca = models::pca(pictures, 20);
  // scikit-learn, on the same pictures.
  CHECK(pca.explained_variance_ratio[0] == Approx(0.29166945997).margin(1e-6));
  const Array codes = pca.project(pictures);
  const models::Tsne t = models::tsne(codes);
  CHECK(models::trustworthiness(codes, t.points) > 0.99826 - 0.01);
  CHECK(t.kl < 1.417 * 1.01);
}
