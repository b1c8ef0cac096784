// Precision and recall, density and coverage: sets whose answer is known, and all pairs by plain loops.
#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/models/analysis/precision_recall.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "catch.h"
#include "datasets_support.h"

using namespace elbo;
using models::precision_recall;
using models::PrecisionRecall;
using std::int64_t;

namespace {

/// n points around `modes` corners of a square, a hundred apart.
Array clouds(int64_t n, int64_t modes, std::uint32_t seed, double shift = 0) {
  std::uint32_t state = seed;
  std::vector<float> out;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t c = 0; c < 2; ++c) {
      double sum = 0;
      for (int draw = 0; draw < 4; ++draw) {
        state = state * 1664525u + 1013904223u;
        sum += static_cast<double>(state >> 8) / (1 << 24);
      }
      out.push_back(static_cast<float>(sum + 100 * static_cast<double>((i % modes) >> c & 1) + shift));
    }
  return Array::from(out, {n, 2});
}

double squared_distance(const Array& a, int64_t i, const Array& b, int64_t j) {
  double sum = 0;
  const int64_t d = a.shape()[1];
  for (int64_t c = 0; c < d; ++c) {
    const double off = static_cast<double>(a.values<float>()[static_cast<std::size_t>(i * d + c)]) -
                       static_cast<double>(b.values<float>()[static_cast<std::size_t>(j * d + c)]);
    sum += off * off;
  }
  return sum;
}

double radius(const Array& points, int64_t i, int64_t k) {
  std::vector<double> all;
  for (int64_t j = 0; j < points.shape()[0]; ++j)
    if (j != i) all.push_back(squared_distance(points, i, points, j));
  std::sort(all.begin(), all.end());
  return all[static_cast<std::size_t>(k - 1)];
}

/// By the definitions.
PrecisionRecall plainly(const Array& real, const Array& generated, int64_t k) {
  const int64_t n = real.shape()[0], m = generated.shape()[0];
  const auto balls = [k](const Array& of, const Array& points, int64_t j) {
    int64_t count = 0;
    for (int64_t i = 0; i < of.shape()[0]; ++i) count += squared_distance(of, i, points, j) <= radius(of, i, k);
    return count;
  };
  PrecisionRecall out;
  for (int64_t j = 0; j < m; ++j) {
    const auto count = static_cast<double>(balls(real, generated, j));
    out.precision += (count > 0 ? 1 : 0) / static_cast<double>(m);
    out.density += count / static_cast<double>(k * m);
  }
  for (int64_t i = 0; i < n; ++i) {
    out.recall += (balls(generated, real, i) > 0 ? 1 : 0) / static_cast<double>(n);
    bool covered = false;
    for (int64_t j = 0; j < m; ++j) covered = covered || squared_distance(real, i, generated, j) <= radius(real, i, k);
    out.coverage += (covered ? 1 : 0) / static_cast<double>(n);
  }
  return out;
}

Array line(const std::vector<float>& values) { return Array::from(values, {static_cast<int64_t>(values.size()), 1}); }

}  // namespace

TEST_CASE("precision_recall: a set and itself") {
  const Array real = clouds(101, 4, 1);
  for (const int64_t k : {1, 3}) {
    const PrecisionRecall found = precision_recall(real, real, k);
    CHECK(found.precision == 1);
    CHECK(found.recall == 1);
    CHECK(found.coverage == 1);
    // A ball holds its centre and the k nearest.
    CHECK(found.density == Approx(static_cast<double>(k + 1) / static_cast<double>(k)));
  }
}

TEST_CASE("precision_recall: sets far from each other, and half of the modes") {
  const Array real = clouds(400, 4, 1);
  const PrecisionRecall far = precision_recall(real, clouds(400, 4, 2, 20));
  CHECK(far.precision == 0);
  CHECK(far.recall == 0);
  CHECK(far.density == 0);
  CHECK(far.coverage == 0);
  const PrecisionRecall half = precision_recall(real, clouds(400, 2, 3));
  CHECK(half.precision > 0.9);
  CHECK(half.recall == Approx(0.5).margin(0.05));
  CHECK(half.recall <= 0.5);
  CHECK(half.coverage == Approx(0.5).margin(0.05));
  CHECK(half.coverage <= 0.5);
  // The other way round half of the generated points are like no real one.
  const PrecisionRecall more = precision_recall(clouds(400, 2, 3), real);
  CHECK(more.precision == half.recall);
  CHECK(more.recall == half.precision);
  const PrecisionRecall alike = precision_recall(real, clouds(400, 4, 4));
  CHECK(alike.density == Approx(1).margin(0.1));
}

TEST_CASE("precision_recall: by hand") {
  // Radii of 1 around 0, 1 and 2; of 3 around -1.5 and 1.5.
  const PrecisionRecall found = precision_recall(line({0, 1, 2}), line({-1.5f, 1.5f}), 1);
  CHECK(found.precision == 0.5);
  CHECK(found.recall == 1);
  CHECK(found.density == 1);
  CHECK(found.coverage == Approx(2.0 / 3));
  // On the edge is inside.
  CHECK(precision_recall(line({0, 1}), line({2, 9}), 1).precision == 0.5);
}

TEST_CASE("precision_recall: as by the definitions, whatever the sizes and threads") {
  const int before = num_threads();
  for (const int64_t n : {5, 8, 23})
    for (const int64_t m : {4, 16, 31})
      for (const int threads : {1, 3}) {
        set_num_threads(threads);
        const Array real = clouds(n, 1, 5), generated = clouds(m, 2, 6, 0.5);
        const PrecisionRecall found = precision_recall(real, generated), expected = plainly(real, generated, 3);
        INFO(n << " and " << m);
        CHECK(found.precision == Approx(expected.precision));
        CHECK(found.recall == Approx(expected.recall));
        CHECK(found.density == Approx(expected.density));
        CHECK(found.coverage == Approx(expected.coverage));
      }
  set_num_threads(before);
}

TEST_CASE("precision_recall: refusals") {
  const Array four = line({0, 1, 2, 3}), three = line({0, 1, 2});
  CHECK(error_of<ValueError>([&] { precision_recall(four, three); }) ==
        "[precision_recall] k: expected 1 to 2, fewer than there are points, found 3");
  CHECK(error_of<ValueError>([&] { precision_recall(four, three, 0); }) ==
        "[precision_recall] k: expected 1 to 2, fewer than there are points, found 0");
  CHECK(error_of<ShapeError>([&] {
          precision_recall(four, Array::zeros({4, 2}));
        }) == "[precision_recall] expected generated points of 1 dimensions, found 2");
  CHECK(error_of<DTypeError>([&] { precision_recall(four, {}); }) ==
        "[precision_recall] generated: expected float32, found nothing");
  CHECK(error_of<ValueError>([&] {
          precision_recall(line({0, std::numeric_limits<float>::infinity(), 1, 2}), four);
        }) == "[precision_recall] real: expected finite numbers, found inf at [1, 0]");
}
