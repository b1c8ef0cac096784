// The sprites: that they show their factors, and which of them a half holds.
#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/datasets/dataset.h>
#include <elbo/datasets/readers_detail.h>
#include <elbo/datasets/shapes.h>

#include <cmath>
#include <numeric>
#include <set>

#include "catch.h"
#include "datasets_support.h"

using namespace elbo;
using namespace elbo::datasets;

namespace {

/// What a picture measures, in pixels.
struct Measures {
  double area = 0, x = 0, y = 0, reach = 0;
};

Measures measure(const ShapeFactors& factors) {
  const std::vector<std::uint8_t> picture = draw_shape(factors);
  const double middle_x = 16 + 32.0 * static_cast<double>(factors.x) / 31;
  const double middle_y = 16 + 32.0 * static_cast<double>(factors.y) / 31;
  Measures out;
  for (std::size_t i = 0; i < picture.size(); ++i) {
    const double x = static_cast<double>(i % 64) + 0.5, y = static_cast<double>(i / 64) + 0.5;
    out.area += picture[i] / 255.0;
    out.x += x * picture[i] / 255.0;
    out.y += y * picture[i] / 255.0;
    if (picture[i]) out.reach = std::max(out.reach, std::hypot(x - middle_x, y - middle_y));
  }
  out.x /= out.area;
  out.y /= out.area;
  return out;
}

Dataset load_shapes(Split split, std::int64_t count) {
  LoadOptions options;
  options.count = count;
  return load("shapes", split, {}, options);
}

}  // namespace

TEST_CASE("shapes: each is as large as geometry says, whatever its place and turn") {
  // A square of side 21.6, an ellipse with half axes 14.5 and 8.7, a square of side 15.6 with two half discs on it.
  const double pi = 3.14159265358979;
  const double areas[] = {21.6 * 21.6, pi * 14.5 * 8.7, 15.6 * 15.6 + pi * 7.8 * 7.8};
  for (std::int64_t shape = 0; shape < 3; ++shape)
    for (std::int64_t scale = 0; scale < 6; ++scale)
      for (std::int64_t turn = 0; turn < 40; turn += 3) {
        const double size = 0.5 + 0.1 * static_cast<double>(scale);
        const Measures is = measure({shape, scale, turn, (turn * 5) % 32, 31 - (turn * 7) % 32});
        INFO("shape " << shape << ", scale " << scale << ", turn " << turn);
        CHECK(is.area == Approx(areas[shape] * size * size).epsilon(0.012));
        CHECK(is.reach < 16.0 * size + 1);  // inside the picture at any place
        CHECK(std::abs(is.x - (16 + 32.0 * static_cast<double>((turn * 5) % 32) / 31)) < 0.6);
      }
}

TEST_CASE("shapes: orientation turns clockwise") {
  // The ellipse lies flat, then stands; after an eighth of a turn its right end is below.
  const auto flat = draw_shape({1, 5, 0, 16, 16}), down = draw_shape({1, 5, 5, 16, 16}),
             upright = draw_shape({1, 5, 10, 16, 16});
  const auto at = [](const std::vector<std::uint8_t>& picture, std::size_t row, std::size_t column) {
    return picture[row * 64 + column];
  };
  CHECK(at(flat, 32, 45) == 255);
  CHECK(at(flat, 45, 32) == 0);
  CHECK(at(upright, 32, 45) == 0);
  CHECK(at(upright, 45, 32) == 255);
  CHECK(at(down, 41, 41) == 255);
  CHECK(at(down, 23, 41) == 0);
  // The heart's tip points down, its notch is above.
  const auto heart = draw_shape({2, 5, 0, 16, 16}), tipped = draw_shape({2, 5, 20, 16, 16});
  CHECK(at(heart, 44, 32) == 255);
  CHECK(at(heart, 44, 26) == 0);
  CHECK(at(heart, 23, 27) == 255);
  CHECK(at(heart, 23, 32) == 0);
  CHECK(at(tipped, 21, 32) == 255);
}

TEST_CASE("shapes: edges are smooth, the rest is black or white") {
  for (std::int64_t shape = 0; shape < 3; ++shape) {
    std::int64_t between = 0, white = 0;
    for (std::uint8_t value : draw_shape({shape, 5, 3, 7, 22})) {
      between += value > 0 && value < 255;
      white += value == 255;
    }
    CHECK(between > 40);
    CHECK(between < 150);
    CHECK(white > 250);
  }
}

TEST_CASE("shapes: factors out of range") {
  CHECK(error_of<IndexError>([] {
          draw_shape({3, 0, 0, 0, 0});
        }) == "[draw_shape] shape 3 is out of range for 3 values");
  CHECK(error_of<IndexError>([] {
          draw_shape({0, 0, -1, 0, 0});
        }) == "[draw_shape] orientation -1 is out of range for 40 values");
  CHECK(error_of<IndexError>([] {
          draw_shape({0, 0, 0, 0, 32});
        }) == "[draw_shape] y 32 is out of range for 32 values");
}

TEST_CASE("shapes: a half has distinct factors, labels and the pictures they describe") {
  const Dataset train = load_shapes(Split::train, 3000), test = load_shapes(Split::test, 2000);
  CHECK(train.name == "shapes");
  CHECK(train.shape() == Shape{3000, 1, 64, 64});
  CHECK(train.class_names == std::vector<std::string>{"square", "ellipse", "heart"});
  CHECK(train.factor_names == std::vector<std::string>{"shape", "scale", "orientation", "x", "y"});
  REQUIRE(train.factors.size() == 3000 * 5);
  std::set<std::vector<std::int64_t>> seen;
  for (const Dataset* data : {&train, &test})
    for (std::int64_t i = 0; i < data->size(); ++i) {
      const auto row = data->factors.begin() + i * 5;
      seen.insert({row, row + 5});
      REQUIRE(data->labels[static_cast<std::size_t>(i)] == row[0]);
      if (i % 100 != 0) continue;
      const auto picture = data->picture(i);
      CHECK(std::vector<std::uint8_t>(picture.begin(), picture.end()) ==
            draw_shape({row[0], row[1], row[2], row[3], row[4]}));
    }
  CHECK(seen.size() == 5000);  // none twice, and none in both
  // Each value of each factor appears about equally often.
  for (std::size_t factor = 0; factor < 5; ++factor) {
    std::vector<std::int64_t> histogram(static_cast<std::size_t>(shape_factor_sizes[factor]));
    for (std::size_t i = factor; i < train.factors.size(); i += 5)
      ++histogram[static_cast<std::size_t>(train.factors[i])];
    const double expected = 3000.0 / static_cast<double>(histogram.size());
    for (std::int64_t count : histogram)
      CHECK(std::abs(static_cast<double>(count) - expected) < 5 * std::sqrt(expected));
  }
}

TEST_CASE("shapes: a larger count goes on where a smaller one ends, and threads change nothing") {
  const int before = num_threads();
  set_num_threads(1);
  const Dataset few = load_shapes(Split::train, 300);
  set_num_threads(3);
  const Dataset more = load_shapes(Split::train, 700);
  set_num_threads(before);
  CHECK(std::ranges::equal(more.first(300).pictures(), few.pictures()));
  CHECK(more.first(300).factors == few.factors);
  // The same on every machine: a sum over what is drawn.
  const auto sum = std::accumulate(few.pictures().begin(), few.pictures().end(), std::uint64_t{0});
  CHECK(sum == 19554306);
}

TEST_CASE("shapes: how many there are") {
  CHECK(load("shapes", Split::test).size() == 5000);
  CHECK(load("shapes", Split::train).size() == 40000);
  CHECK(error_of<ValueError>([] { load_shapes(Split::train, 663553); }) ==
        "dataset shapes: expected a count from 1 to 663552, found 663553");
  CHECK(shapes_count(Split::test, 73728) == 73728);
  CHECK(shapes_count(Split::test, 200000) == 73728);
  CHECK(shapes_count(Split::train, 200000) == 200000);
  CHECK(error_of<ValueError>([] { load_shapes(Split::test, -1); }).find("found -1") != std::string::npos);
}
