#include <elbo/models/analysis/information.h>
#include <elbo/models/analysis/nll.h>
#include <elbo/models/latent_model.h>

#include <cmath>
#include <numbers>

#include "catch.h"
#include "small_data.h"

using namespace elbo;
using namespace elbo::models;

namespace {

constexpr double variance = 0.3;

/// A linear Gaussian model: z ~ N(0, 1) in one dimension, x = w z + b + noise in two, so that p(x) and p(z|x) are
/// known. Its posterior is the exact one, or with `off` a wider one at another place.
struct LinearGaussian {
  std::unique_ptr<Model> model;
  double w[2] = {0.8, -0.5}, b[2] = {0.4, 0.6};

  explicit LinearGaussian(double off) {
    ModelConfig config{.picture = {1, 1, 2}, .hidden = {}, .latent = 1};
    config.likelihood = "gaussian";
    config.variance = variance;
    config.output = "identity";
    model = make(config);
    const double precision = 1 + (w[0] * w[0] + w[1] * w[1]) / variance;
    const auto slope = [&](int i) { return w[i] / variance / precision; };
    const double at = -(slope(0) * b[0] + slope(1) * b[1]) + off;
    model->load_state_dict({{"fc_mu.weight", floats({slope(0), slope(1)}, {1, 2})},
                            {"fc_mu.bias", floats({at}, {1})},
                            {"fc_logvar.weight", floats({0, 0}, {1, 2})},
                            {"fc_logvar.bias", floats({std::log(1 / precision) + 2 * off}, {1})},
                            {"decoder.0.weight", floats({w[0], w[1]}, {2, 1})},
                            {"decoder.0.bias", floats({b[0], b[1]}, {2})}});
  }

  static Array floats(const std::vector<double>& values, const Shape& shape) {
    return Array::from(std::vector<float>(values.begin(), values.end()), shape);
  }

  /// -log N(x; b, w w^T + variance), of a covariance [[a, c], [c, d]].
  double nll(double x0, double x1) const {
    const double a = w[0] * w[0] + variance, d = w[1] * w[1] + variance, c = w[0] * w[1];
    const double det = a * d - c * c, u = x0 - b[0], v = x1 - b[1];
    return std::log(2 * std::numbers::pi) + 0.5 * std::log(det) + 0.5 * (d * u * u - 2 * c * u * v + a * v * v) / det;
  }
};

datasets::Dataset two_pixels() {
  datasets::Dataset out;
  out.name = "two pixels";
  out.features = Array::from(std::vector<std::uint8_t>{0, 0, 51, 255, 204, 102, 255, 255}, {4, 1, 1, 2});
  return out;
}

double exact(const LinearGaussian& model) {
  return (model.nll(0, 0) + model.nll(0.2, 1) + model.nll(0.8, 0.4) + model.nll(1, 1)) / 4;
}

}  // namespace

TEST_CASE("with the exact posterior every draw has the weight p(x)", "[nll]") {
  LinearGaussian exactly(0);
  const Nll found = estimate_nll(*exactly.model, two_pixels(), {.samples = 3});
  CHECK(found.nats == Approx(exact(exactly)).epsilon(1e-5));
  CHECK(found.effective_samples == Approx(3).epsilon(1e-4));
  REQUIRE(found.of_picture.size() == 4);
  CHECK(found.of_picture[1] == Approx(exactly.nll(0.2, 1)).epsilon(1e-5));
  CHECK(found.of_picture[2] == Approx(exactly.nll(0.8, 0.4)).epsilon(1e-5));
}

TEST_CASE("with another posterior the estimate comes to p(x) from above as the draws grow", "[nll]") {
  LinearGaussian off(0.7);
  const double truth = exact(off);
  double before = std::numeric_limits<double>::infinity();
  for (const std::int64_t samples : {1, 10, 100}) {
    // The mean over many estimates, which falls strictly.
    double mean = 0;
    const int times = 200;
    for (int seed = 0; seed < times; ++seed)
      mean +=
          estimate_nll(*off.model, two_pixels(), {.samples = samples, .seed = static_cast<std::uint64_t>(seed)}).nats /
          times;
    CHECK(mean > truth - 0.005);
    CHECK(mean < before);
    before = mean;
  }
  CHECK(before == Approx(truth).margin(0.01));
  const Nll many = estimate_nll(*off.model, two_pixels(), {.samples = 20000});
  CHECK(many.nats == Approx(truth).margin(0.01));
  CHECK(many.effective_samples < 15000);
}

TEST_CASE("an estimate is the same whatever the batches, has the error of its mean, and refuses what has no weights",
          "[nll]") {
  LinearGaussian off(0.7);
  const Nll one = estimate_nll(*off.model, two_pixels(), {.samples = 5000});
  const Nll all = estimate_nll(*off.model, two_pixels(), {.samples = 5000, .batch_size = 4});
  CHECK(one.nats == Approx(all.nats).margin(0.02));
  double squares = 0;
  for (const double nats : one.of_picture) squares += (nats - one.nats) * (nats - one.nats);
  CHECK(one.standard_error == Approx(std::sqrt(squares / 3 / 4)));
  CHECK_THROWS_WITH(estimate_nll(*off.model, two_pixels(), {.samples = 0}),
                    "[estimate_nll] samples: expected at least 1, found 0");
  ModelConfig plain{.model = "ae", .picture = {1, 1, 2}, .hidden = {}, .latent = 1};
  CHECK_THROWS_WITH(estimate_nll(*make(plain), two_pixels()),
                    "[estimate_nll] the model ae cannot tell p(x, z) and q(z|x): expected one that draws its codes and "
                    "has a density for them");
}

TEST_CASE("the KL is the mutual information and the marginal KL", "[nll]") {
  const datasets::Dataset data = bars(200, 8);
  Generator init(5, Stream::init);
  const std::unique_ptr<Model> model = make({.picture = {1, 8, 8}, .hidden = {16}, .latent = 3}, &init);
  // Codes that say something: the heads' weights, grown.
  NamedArrays state;
  for (const auto& [name, array] : model->state_dict()) {
    std::vector<float> values = array.to_vector<float>();
    for (float& value : values) value *= name == "fc_mu.weight" ? 20.0f : 1.0f;
    state.emplace_back(name, Array::from(values, array.shape()));
  }
  model->load_state_dict(state);
  const CodeInformation found = code_information(as_latent(*model), data);
  double kl = 0;
  for (const double one : found.kl) kl += one;
  // One draw a picture stands for each expectation: the mean over seeds, within four of its standard errors.
  std::vector<double> sums;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const CodeInformation one = code_information(as_latent(*model), data, seed);
    sums.push_back(one.mutual_information + one.marginal_kl);
  }
  double mean = 0, squares = 0;
  for (const double one : sums) mean += one / 30;
  for (const double one : sums) squares += (one - mean) * (one - mean);
  CHECK(std::abs(mean - kl) < 4 * std::sqrt(squares / 29 / 30));
  CHECK(found.mutual_information > 0);
  CHECK(found.mutual_information <= std::log(200.0));
  CHECK(found.active == std::vector<std::int64_t>{0, 1, 2});
  // A code that says nothing: its KL is 0, and so are both parts.
  for (auto& [name, array] : state)
    if (name.starts_with("fc_")) array = Array::zeros(array.shape());
  model->load_state_dict(state);
  const CodeInformation none = code_information(as_latent(*model), data);
  CHECK(none.mutual_information == Approx(0).margin(1e-6));
  CHECK(none.marginal_kl == Approx(0).margin(1e-6));
  CHECK(none.kl == std::vector<double>(3, 0));
  CHECK(none.active.empty());
}

TEST_CASE("the dimensions that say most of the pictures are those of the largest KL", "[nll]") {
  const datasets::Dataset data = bars(60, 8);
  Generator init(5, Stream::init);
  const std::unique_ptr<Model> model = make({.picture = {1, 8, 8}, .hidden = {16}, .latent = 4}, &init);
  NamedArrays state = model->state_dict();
  for (auto& [name, array] : state)
    if (name == "fc_mu.weight") {
      std::vector<float> values = array.to_vector<float>();
      for (std::size_t i = 0; i < values.size(); ++i) values[i] *= i / 16 == 1 || i / 16 == 3 ? 30.0f : 1.0f;
      array = Array::from(values, array.shape());
    }
  model->load_state_dict(state);
  CHECK(telling_dimensions(*model, data, 2) == std::vector<std::int64_t>{1, 3});
  CHECK(telling_dimensions(*model, data, 4) == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(telling_dimensions(*model, data, 9) == std::vector<std::int64_t>{0, 1, 2, 3});
  // A code without a distribution: by how much it varies.
  const std::unique_ptr<Model> points = make({.model = "ae", .picture = {1, 8, 8}, .hidden = {16}, .latent = 3}, &init);
  state = points->state_dict();
  for (auto& [name, array] : state)
    if (name == "encoder.2.weight") {
      std::vector<float> values = array.to_vector<float>();
      for (std::size_t i = 0; i < values.size(); ++i) values[i] *= i / 16 == 2 ? 30.0f : 1.0f;
      array = Array::from(values, array.shape());
    }
  points->load_state_dict(state);
  CHECK(telling_dimensions(*points, data, 1) == std::vector<std::int64_t>{2});
}

TEST_CASE("pictures are drawn black and white once, by their bytes' probabilities", "[nll]") {
  datasets::Dataset grey;
  grey.features = Array::full({400, 1, 10, 10}, 64, {DType::uint8});
  grey.labels.assign(400, 3);
  const datasets::Dataset drawn = grey.binarized(1);
  CHECK(drawn.labels == grey.labels);
  std::int64_t white = 0, others = 0;
  for (const std::uint8_t byte : drawn.pictures()) {
    white += byte == 255;
    others += byte != 0 && byte != 255;
  }
  CHECK(others == 0);
  // Of 40,000 pixels 64 / 255 are white, within five standard deviations.
  CHECK(std::abs(static_cast<double>(white) - 40000 * 64.0 / 255) < 5 * std::sqrt(40000 * 0.251 * 0.749));
  const auto same = [](const datasets::Dataset& a, const datasets::Dataset& b) {
    return std::equal(a.pictures().begin(), a.pictures().end(), b.pictures().begin());
  };
  CHECK(same(drawn, grey.binarized(1)));
  CHECK_FALSE(same(drawn, grey.binarized(2)));
  grey.features = Array::from(std::vector<std::uint8_t>{0, 255, 0, 255}, {1, 1, 2, 2});
  grey.labels.clear();
  CHECK(same(grey.binarized(7), grey));
}
