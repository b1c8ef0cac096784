// Mixtures of normal distributions: scikit-learn's numbers from the same start (tests/oracle/mixture.py), closed forms,
// draws and states.
#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/models/analysis/mixture.h>

#include <cmath>
#include <limits>

#include "catch.h"
#include "datasets_support.h"
#include "golden_file.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::models;
using std::int64_t;

namespace {

constexpr double pi = 3.14159265358979323846;

Array doubles(const std::vector<double>& values, const Shape& shape) { return Array::from(values, shape); }

/// The rows of the oracle.
Array oracle_rows() {
  std::uint32_t state = 1;
  const auto uniform = [&] {
    state = state * 1664525u + 1013904223u;
    return static_cast<double>(state >> 8) / (1 << 24);
  };
  std::vector<float> out;
  for (int i = 0; i < 90; ++i) {
    double a = uniform();
    a += uniform();
    double b = uniform();
    b += uniform();
    out.push_back(static_cast<float>(a + 1.5 * (i % 3)));
    out.push_back(static_cast<float>(b + 0.5 * a * (i % 3)));
  }
  return Array::from(out, {90, 2});
}

/// Two clouds far from each other: a quarter of the weight at (-4, 0), the rest, aslant, at (3, 5).
GaussianMixture two_clouds() {
  return {doubles({0.25, 0.75}, {2}), doubles({-4, 0, 3, 5}, {2, 2}),
          doubles({0.5, 0, 0, 2, 1, 0.6, 0.6, 1}, {2, 2, 2})};
}

void check_close(const std::vector<double>& found, const std::vector<double>& expected, double epsilon = 1e-9) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("number " << i);
    CHECK(found[i] == Approx(expected[i]).epsilon(epsilon).margin(1e-9));
  }
}

std::vector<double> numbers(const Array& array) { return array.to_vector<double>(); }

}  // namespace

TEST_CASE("mixture: scikit-learn's numbers from the same start") {
  const auto expected = read_golden("golden_mixture.txt");
  const Array rows = oracle_rows();
  std::vector<double> first;
  for (const float value : rows.slice(0, 3).to_vector<float>()) first.push_back(value);
  const GaussianMixture start(doubles({1.0 / 3, 1.0 / 3, 1.0 / 3}, {3}), doubles(first, {3, 2}),
                              doubles({1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1}, {3, 2, 2}));
  std::vector<float> others = rows.slice(0, 5).to_vector<float>();
  for (float& value : others) value += 0.25f;
  for (const std::string name : {"five", "converged"}) {
    const MixtureOptions options =
        name == "five" ? MixtureOptions{.max_iterations = 5, .tolerance = 0} : MixtureOptions{.max_iterations = 500};
    const GaussianMixture fitted = GaussianMixture::fit(rows, start, options);
    INFO(name);
    CHECK(static_cast<double>(fitted.log_likelihoods().size()) == expected.at(name + ".iterations")[0]);
    check_close({fitted.log_likelihoods().back()}, expected.at(name + ".log_likelihood"));
    check_close(numbers(fitted.weights()), expected.at(name + ".weights"));
    check_close(numbers(fitted.means()), expected.at(name + ".means"));
    check_close(numbers(fitted.covariances()), expected.at(name + ".covariances"));
    // x + 0.25 is rounded to float32 here.
    check_close(numbers(fitted.log_prob(Array::from(others, {5, 2}))), expected.at(name + ".log_prob"), 1e-6);
  }
}

TEST_CASE("mixture: one component is the mean and the covariance of the rows") {
  const Array rows = Array::from(std::vector<float>{0, 0, 2, 0, 2, 4, 0, 4}, {4, 2});
  const GaussianMixture fitted = GaussianMixture::fit(rows, {.components = 1, .regularization = 0});
  check_close(numbers(fitted.weights()), {1});
  check_close(numbers(fitted.means()), {1, 2});
  check_close(numbers(fitted.covariances()), {1, 0, 0, 4});
  // Each row is one standard deviation away along both axes.
  check_close(numbers(fitted.log_prob(rows)), std::vector<double>(4, -std::log(2 * pi) - std::log(2) - 1));
  check_close(numbers(GaussianMixture::fit(rows, {.components = 1, .regularization = 0.5}).covariances()),
              {1.5, 0, 0, 4.5});
}

TEST_CASE("mixture: the density sums to 1 and is that of its parts") {
  const GaussianMixture mixture = two_clouds();
  std::vector<float> grid;
  for (int i = 0; i < 200; ++i)
    for (int j = 0; j < 200; ++j) {
      grid.push_back(-12 + 0.1f * static_cast<float>(i));
      grid.push_back(-8 + 0.1f * static_cast<float>(j));
    }
  double sum = 0;
  for (const double value : numbers(mixture.log_prob(Array::from(grid, {40000, 2})))) sum += 0.01 * std::exp(value);
  CHECK(sum == Approx(1).epsilon(1e-4));
  // At the first mean the second cloud is nothing; far away from both, where p is 0 in float64, log p still is a
  // number.
  const Array at = Array::from(std::vector<float>{-4, 0, 1000, 0}, {2, 2});
  const std::vector<double> found = numbers(mixture.log_prob(at));
  CHECK(found[0] == Approx(std::log(0.25 / (2 * pi))));
  CHECK(found[1] < -1e5);
  CHECK(std::isfinite(found[1]));
}

TEST_CASE("mixture: what was drawn from two clouds is found again") {
  Generator generator(3);
  const GaussianMixture truth = two_clouds();
  const Array rows = truth.sample(4000, generator);
  CHECK(rows.shape() == Shape{4000, 2});
  const GaussianMixture fitted = GaussianMixture::fit(rows, {.components = 2, .tolerance = 1e-6, .seed = 1});
  // In either order.
  const std::size_t left = numbers(fitted.means())[0] < 0 ? 0 : 1, right = 1 - left;
  const std::vector<double> means = numbers(fitted.means()), covariances = numbers(fitted.covariances());
  CHECK(numbers(fitted.weights())[left] == Approx(0.25).margin(0.03));
  CHECK(means[2 * left] == Approx(-4).margin(0.1));
  CHECK(means[2 * left + 1] == Approx(0).margin(0.2));
  CHECK(means[2 * right] == Approx(3).margin(0.1));
  CHECK(means[2 * right + 1] == Approx(5).margin(0.1));
  CHECK(covariances[4 * left] == Approx(0.5).margin(0.1));
  CHECK(covariances[4 * left + 3] == Approx(2).margin(0.3));
  CHECK(covariances[4 * right + 1] == Approx(0.6).margin(0.1));
  CHECK(covariances[4 * right + 1] == covariances[4 * right + 2]);
  const std::vector<double>& trace = fitted.log_likelihoods();
  REQUIRE(trace.size() > 1);
  for (std::size_t i = 1; i < trace.size(); ++i) CHECK(trace[i] >= trace[i - 1] - 1e-9);
}

TEST_CASE("mixture: seeds and threads") {
  const Array rows = oracle_rows();
  const auto means = [&](std::uint64_t seed) {
    return numbers(GaussianMixture::fit(rows, {.components = 4, .seed = seed}).means());
  };
  CHECK(means(1) == means(1));
  CHECK(means(1) != means(2));
  const int before = num_threads();
  Generator generator(5);
  const Array many = two_clouds().sample(1000, generator);
  std::vector<std::vector<double>> found;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    const GaussianMixture fitted = GaussianMixture::fit(many, {.components = 3});
    found.push_back(numbers(fitted.covariances()));
    found.push_back(numbers(fitted.log_prob(many)));
  }
  set_num_threads(before);
  CHECK(found[0] == found[2]);
  CHECK(found[1] == found[3]);
  Generator a(9), b(9);
  CHECK(two_clouds().sample(10, a).to_vector<float>() == two_clouds().sample(10, b).to_vector<float>());
  CHECK(two_clouds().sample(10, a).to_vector<float>() != two_clouds().sample(5, b).to_vector<float>());
  CHECK(two_clouds().sample(0, a).shape() == Shape{0, 2});
}

TEST_CASE("mixture: a state is saved and read again") {
  TempDir dir;
  const GaussianMixture fitted = GaussianMixture::fit(oracle_rows(), {.components = 3});
  save_safetensors(dir / "m.safetensors", fitted.state());
  const GaussianMixture read = GaussianMixture::from_state(load_safetensors(dir / "m.safetensors").arrays);
  CHECK(numbers(read.log_prob(oracle_rows())) == numbers(fitted.log_prob(oracle_rows())));
  CHECK(read.log_likelihoods().empty());
  const NamedArrays state = fitted.state();
  const auto message = [](const NamedArrays& given) {
    return error_of<ValueError>([&] { GaussianMixture::from_state(given); });
  };
  const std::string expected = "[GaussianMixture] expected a state of weights, means and covariances, found ";
  CHECK(message({state[0], state[2]}) == expected + "no means");
  CHECK(message({state[0], state[1], state[2], {"bias", state[0].second}}) == expected + "'bias'");
  CHECK(message({state[0], state[1], state[2], state[0]}) == expected + "one of them twice");
}

TEST_CASE("mixture: refusals") {
  const std::string at = "[GaussianMixture] ";
  const auto make = [](const std::vector<double>& weights, const std::vector<double>& covariance) {
    return error_of<ValueError>([&] {
      GaussianMixture(doubles(weights, {static_cast<int64_t>(weights.size())}), Array::zeros({2, 1}, {DType::float64}),
                      doubles(covariance, {2, 1, 1}));
    });
  };
  CHECK(make({0.5, 0.4}, {1, 1}) == at + "weights: expected a sum of 1, found 0.9");
  CHECK(make({1.5, -0.5}, {1, 1}) == at + "weights: expected at least 0, found -0.5");
  CHECK(make({0.5, 0.5}, {1, 0}) == at + "component 1: expected a positive definite covariance, found another");
  CHECK(make({0.5, 0.5}, {1, std::numeric_limits<double>::infinity()}) ==
        at + "covariances: expected finite numbers, found inf");
  CHECK(error_of<ValueError>([] {
          GaussianMixture(doubles({1}, {1}), doubles({0, 0}, {1, 2}), doubles({1, 0.5, 0, 1}, {1, 2, 2}));
        }) == at + "component 0: expected a symmetric covariance, found another");
  CHECK(error_of<ShapeError>([] { GaussianMixture({}, {}, {}); }) ==
        at + "means: expected [components, dimensions], at least one of each, found none");
  CHECK(error_of<ShapeError>([] {
          GaussianMixture(doubles({1}, {1}), doubles({0, 0}, {1, 2}), doubles({1}, {1, 1, 1}));
        }) == at + "covariances: expected [1, 2, 2], found [1, 1, 1]");
  CHECK(error_of<DTypeError>([] {
          GaussianMixture(Array::zeros({1}), doubles({0}, {1, 1}), {});
        }) == at + "weights: expected float64, found float32");

  const Array rows = oracle_rows();
  const auto fit = [&](const MixtureOptions& options) {
    return error_of<ValueError>([&] { GaussianMixture::fit(rows, options); });
  };
  CHECK(fit({.components = 0}) == at + "components: expected 1 to 90, the number of rows, found 0");
  CHECK(fit({.components = 91}) == at + "components: expected 1 to 90, the number of rows, found 91");
  CHECK(fit({.max_iterations = 0}) == at + "iterations: expected at least 1, found 0");
  CHECK(fit({.regularization = -1}) ==
        at + "expected a tolerance and a regularization of at least 0, found 0.001 and -1");
  CHECK(error_of<ValueError>([] {
          GaussianMixture::fit(Array::zeros({4, 2}), {.components = 2});
        }) == at + "expected at least as many different rows as the 2 components, found 1");
  CHECK(error_of<ValueError>([] {
          GaussianMixture::fit(Array::zeros({4, 2}), {.components = 1, .regularization = 0});
        }) == at + "component 0: expected a positive definite covariance, found another");
  CHECK(error_of<ShapeError>([] {
          static_cast<void>(two_clouds().log_prob(Array::zeros({3, 3})));
        }) == at + "rows: expected 2 dimensions, found 3");
  CHECK(error_of<DTypeError>([] {
          static_cast<void>(two_clouds().log_prob(doubles({1, 2}, {1, 2})));
        }) == at + "rows: expected float32, found float64");
  Generator generator(1);
  CHECK(error_of<ValueError>([&] { static_cast<void>(two_clouds().sample(-1, generator)); }) ==
        "[sample] expected a count of at least 0, found -1");
}
