// Likelihoods: PyTorch's numbers, gradients, what integrates or adds up to 1, and the edges of float32.
#include <elbo/core/gradcheck.h>
#include <elbo/core/ops.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>

#include <cmath>
#include <functional>

#include "catch.h"

using namespace elbo;
using namespace elbo::models;

namespace {

constexpr TensorOptions f64{.dtype = DType::float64};

Tensor table(const Shape& shape, const std::function<double(std::int64_t)>& at, DType dtype = DType::float64) {
  std::vector<double> numbers;
  for (std::int64_t i = 0; i < shape.numel(); ++i) numbers.push_back(at(i));
  return Tensor(Array::from(numbers, shape)).to(dtype);
}

std::vector<double> numbers(const Tensor& x) { return x.detach().to(DType::float64).to_vector<double>(); }
bool all_finite(const Tensor& x) { return all(isfinite(x)).to_vector<std::uint8_t>()[0] != 0; }

std::unique_ptr<Likelihood> likelihood(const ModelConfig& config, DType dtype = DType::float64) {
  std::unique_ptr<Likelihood> out = likelihoods().at(config.likelihood).make(config);
  out->to(dtype);
  return out;
}

/// Two channels of 2 x 3 pixels, as in tests/oracle/likelihoods.py.
ModelConfig small(const std::string& name) {
  ModelConfig out;
  out.picture = {2, 2, 3};
  out.likelihood = name;
  out.mixtures = 2;
  return out;
}

/// What a decoder could have given, and bytes as pixels: the formulas of the oracle.
Tensor some_decoded(const Likelihood& p, DType dtype = DType::float64) {
  return table(
      {2, 2 * p.numbers(), 2, 3}, [](std::int64_t i) { return 3 * std::sin(static_cast<double>(i)); }, dtype);
}
Tensor some_bytes(DType dtype = DType::float64) {
  return table(
      {2, 2, 2, 3}, [](std::int64_t i) { return static_cast<double>(std::min<std::int64_t>(i * 51 % 306, 255)) / 255; },
      dtype);
}

/// One pixel of one channel, for a row of them.
ModelConfig one_pixel(const std::string& name, std::array<double, 2> pixels = {0, 1}) {
  ModelConfig out;
  out.picture = {1, 1, 1};
  out.likelihood = name;
  out.pixels = pixels;
  out.mixtures = 1;
  if (pixels[0] < 0) out.output = "identity";
  return out;
}

/// The probability of each byte for one row [1, numbers, 1, 1] of the decoder.
std::vector<double> byte_probabilities(Likelihood& p, const Tensor& decoded, const ModelConfig& c) {
  const double low = c.pixels[0], step = (c.pixels[1] - low) / 255;
  const Tensor x = table(
      {256, 1, 1, 1}, [&](std::int64_t i) { return low + static_cast<double>(i) * step; }, decoded.dtype());
  std::vector<double> out = numbers(p.nll(repeat(decoded, {256, 1, 1, 1}), x, true));
  for (double& one : out) one = std::exp(-one);
  return out;
}

std::unique_ptr<LatentModel> tiny_model(const std::string& name) {
  ModelConfig config;
  config.picture = {2, 2, 2};
  config.hidden = {3};
  config.latent = 2;
  config.activation = "tanh";
  config.mixtures = 2;
  config.likelihood = name;
  Generator init(5, Stream::init);
  const GeneratorScope scope(init);
  return std::make_unique<LatentModel>(config);
}

}  // namespace

TEST_CASE("likelihoods: PyTorch's numbers", "[likelihoods]") {
  struct Case {
    const char* name;
    double first, second;
  };
  // Printed by tests/oracle/likelihoods.py.
  const Case one = GENERATE(Case{"continuous-bernoulli", 7.57642424656954, 3.7225616585603},
                            Case{"gaussian-learned", 13.3570075166135, 12.7374287111048},
                            Case{"gaussian-optimal", 11.4152731902023, 9.57489975779817},
                            Case{"gaussian-pixel", 27.7385086410185, 12.7533390963163},
                            Case{"logistic", 122.802886225785, 105.705557024558},
                            Case{"logistic-mixture", 57.9867849935843, 97.5278041213481});
  INFO(one.name);
  const auto p = likelihood(small(one.name));
  const Tensor decoded = some_decoded(*p), x = some_bytes();
  const std::vector<double> found = numbers(p->nll(decoded, x, true));
  REQUIRE(found.size() == 2);
  CHECK(found[0] == Approx(one.first).epsilon(1e-8));
  CHECK(found[1] == Approx(one.second).epsilon(1e-8));
  CHECK(p->constant() == 0);
}

TEST_CASE("likelihoods: over the batch the sum of its pictures; pictures have the picture's shape", "[likelihoods]") {
  for (const std::string& name : likelihoods().names()) {
    INFO(name);
    const auto p = likelihood(small(name), DType::float32);
    const Tensor decoded = some_decoded(*p, DType::float32), x = some_bytes(DType::float32);
    const Tensor each = p->nll(decoded, x, true), all = p->nll(decoded, x, false);
    CHECK(each.shape() == Shape{2});
    CHECK(all.shape() == Shape{});
    CHECK(all.item() == Approx(sum(each).item()).epsilon(1e-6));
    Generator noise(3);
    CHECK(p->mean(decoded).shape() == x.shape());
    CHECK(p->sample(decoded, &noise).shape() == x.shape());
    CHECK(p->is_of_bytes() == (name.find("logistic") == 0));
  }
}

TEST_CASE("likelihoods: the gradient of a whole model's loss", "[likelihoods]") {
  for (const std::string& name : likelihoods().names()) {
    INFO(name);
    const auto model = tiny_model(name);
    model->to(DType::float64);
    // Grey, and black or white.
    const Tensor x = table({2, 2, 2, 2}, [](std::int64_t i) {
      return i < 8 ? static_cast<double>(i * 37 % 256) / 255 : static_cast<double>(i % 3 == 0);
    });
    const auto loss = [&](std::span<const Tensor>) {
      Generator noise(7);
      const Terms terms = model->loss({.x = x, .noise = &noise});
      return terms.list[0].nats + terms.list[1].nats;
    };
    CHECK(gradcheck(loss, model->parameters()).message == "");
  }
}

TEST_CASE("likelihoods: nothing is NaN at the edges", "[likelihoods]") {
  for (const std::string& name : likelihoods().names()) {
    INFO(name);
    ModelConfig config = one_pixel(name);
    config.mixtures = 2;
    const auto p = likelihood(config, DType::float32);
    const std::vector<double> edges{0, 1e-30, -1e-4, 0.5, -0.5, 20, -20, 100, -100, 1e4, -1e4};
    const auto n = std::ssize(edges);
    for (const double pixel : {0.0, 1e-3, 0.5, 1.0}) {
      // Each edge for each of the numbers, beside the next ones for the others.
      Tensor decoded = table(
          {n * n, p->numbers(), 1, 1},
          [&](std::int64_t i) {
            const std::int64_t row = i / p->numbers(), column = i % p->numbers();
            return edges[static_cast<std::size_t>((row % n + column * (row / n)) % n)];
          },
          DType::float32);
      decoded.requires_grad_();
      const Tensor each = p->nll(decoded, full(Shape{n * n, 1, 1, 1}, pixel), true);
      CHECK(all_finite(each));
      sum(each).backward();
      CHECK(all_finite(decoded.grad()));
      for (const Tensor& parameter : p->parameters()) CHECK(all_finite(parameter.grad()));
      const NoGradGuard no_grad;
      Generator noise(3);
      const Tensor mean = p->mean(decoded);
      CHECK(all_finite(mean));
      CHECK(min(mean).item() >= -1e-6);
      CHECK(max(mean).item() <= 1 + 1e-6);
      CHECK_FALSE(any(isnan(p->sample(decoded, &noise))).to_vector<std::uint8_t>()[0]);
    }
  }
}

TEST_CASE("continuous-bernoulli: a density, with the mean that it says, on both sides of its series", "[likelihoods]") {
  const auto p = likelihood(one_pixel("continuous-bernoulli"));
  const std::int64_t n = 2000;
  const Tensor x = table({n, 1, 1, 1}, [&](std::int64_t i) { return (static_cast<double>(i) + 0.5) / n; });
  for (const double logit : {0.0, 1e-9, 0.01, -0.3, 0.4999999, 0.5, -0.5000001, 1.0, -4.0, 12.0}) {
    INFO(logit);
    const Tensor decoded = full({n, 1, 1, 1}, logit, f64);
    const Tensor density = exp(-p->nll(decoded, x, true));
    // Midpoints: an error of at most max |f''| / (24 n^2), f'' about logit^3.
    CHECK(mean(density).item() == Approx(1).epsilon(2e-5));
    CHECK(mean(density * flatten(x, 0)).item() == Approx(p->mean(decoded).to_vector<double>()[0]).epsilon(4e-5));
  }
  // tests/oracle/likelihoods.py
  const std::vector<double> expected{
      0.5, 0.690949272225649, 0.703343728082481, 0.535175060327408, 0.325286587646127, 0.287934743081808};
  const std::vector<double> found = numbers(p->mean(some_decoded(*likelihood(small("continuous-bernoulli")))));
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(found[i] == Approx(expected[i]).epsilon(1e-9));
  // lambda = 0.9: not 0.9.
  CHECK(p->mean(full({1, 1, 1, 1}, std::log(9.0), f64)).item() == Approx(0.9 / 0.8 - 1 / std::log(9.0)));
}

TEST_CASE("likelihoods: samples have the mean that is said, and bytes are bytes", "[likelihoods]") {
  const std::int64_t n = 20000;
  for (const std::string& name : likelihoods().names()) {
    ModelConfig config = one_pixel(name);
    config.mixtures = 2;
    const auto p = likelihood(config, DType::float32);
    for (const double number : {-6.0, 0.0, 0.7, 30.0}) {
      INFO(name << " " << number);
      // The last is a scale or variance that is small; others have either sign, so that components differ.
      const Tensor decoded = table(
          {n, p->numbers(), 1, 1},
          [&](std::int64_t i) {
            const std::int64_t column = i % p->numbers();
            return column > 0 && column + 1 == p->numbers() ? -3 : column % 2 == 0 ? number : -number;
          },
          DType::float32);
      Generator noise(3);
      const NoGradGuard no_grad;
      const Tensor drawn = p->sample(decoded, &noise);
      const double within = 4 * elbo::std(drawn).item() / std::sqrt(n) + (p->is_of_bytes() ? 0.5 / 255 : 1e-6);
      CHECK(std::abs(mean(drawn).item() - mean(p->mean(decoded)).item()) <= within);
      if (!p->is_of_bytes()) continue;
      CHECK(max(abs(drawn * 255 - round(drawn * 255))).item() < 1e-4);
      CHECK(min(drawn).item() >= 0);
      CHECK(max(drawn).item() <= 1);
    }
  }
}

TEST_CASE("logistic likelihoods: the probabilities of all bytes add up to 1, and have the mean", "[likelihoods]") {
  for (const char* name : {"logistic", "logistic-mixture"})
    for (const std::array<double, 2> pixels : {std::array{0.0, 1.0}, std::array{-1.0, 1.0}})
      for (const DType dtype : {DType::float32, DType::float64})
        for (const double number : {-1e4, -3.0, -0.4, 0.0, 1.0, 1e4})
          for (const double scale : {-1e4, -5.0, -2.0, 0.0, 1e4}) {
            INFO(name << " " << pixels[0] << " " << elbo::name(dtype) << " " << number << " " << scale);
            const ModelConfig config = one_pixel(name, pixels);
            const auto p = likelihood(config, dtype);
            Tensor decoded = full({1, 1, 1, 1}, number, {.dtype = dtype});
            const NoGradGuard no_grad;
            if (p->numbers() == 3)
              decoded = concatenate({decoded, decoded, full({1, 1, 1, 1}, scale, {.dtype = dtype})}, 1);
            else
              p->parameters()[0].fill_(scale);
            double total = 0, mean = 0;
            const std::vector<double> each = byte_probabilities(*p, decoded, config);
            const double step = (pixels[1] - pixels[0]) / 255;
            for (std::size_t i = 0; i < each.size(); ++i) {
              total += each[i];
              mean += each[i] * (pixels[0] + static_cast<double>(i) * step);
            }
            CHECK(total == Approx(1).epsilon(dtype == DType::float32 ? 1e-4 : 1e-12));
            CHECK(std::abs(p->mean(decoded).item() - mean) <= 0.5 * step * (1 + 1e-3));
          }
}

TEST_CASE("logistic-mixture: weights are a softmax, and each channel of a pixel has its own", "[likelihoods]") {
  const auto p = likelihood(small("logistic-mixture"));
  const Tensor x = some_bytes(), decoded = some_decoded(*p);
  const double before = p->nll(decoded, x, false).item();
  // A number for all weights of a pixel changes nothing; the other channel's pixels neither.
  const Tensor shift = concatenate({full({2, 4, 2, 3}, 5, f64), zeros({2, 8, 2, 3}, f64)}, 1);
  CHECK(p->nll(decoded + shift, x, false).item() == Approx(before));
  const Tensor other = concatenate({slice(x, 1, 0, 1), 1 - slice(x, 1, 1, 2)}, 1);
  const auto of_first = [&](const Tensor& pixels) {
    Tensor in = decoded.detach().requires_grad_();
    p->nll(in, pixels, false).backward();
    return numbers(slice(in.grad(), 1, 0, 1));  // the first component's weights of the first channel
  };
  CHECK(of_first(x) == of_first(other));
}

TEST_CASE("gaussian-learned: the variance that costs least is the mean squared error", "[likelihoods]") {
  const auto p = likelihood(small("gaussian-learned"));
  const Tensor decoded = some_decoded(*p), x = some_bytes();
  const double mse = mse_loss(p->mean(decoded), x).item();
  Tensor log_sigma = p->parameters()[0];
  CHECK(p->named_parameters()[0].first == "log_sigma");
  {
    const NoGradGuard no_grad;
    log_sigma.fill_(0.5 * std::log(mse - std::exp(-12)));
  }
  p->nll(decoded, x, false).backward();
  CHECK(std::abs(log_sigma.grad().item()) < 1e-8);
}

TEST_CASE("Gaussians with a variance of their own: at least e^-12", "[likelihoods]") {
  const NoGradGuard no_grad;
  const Tensor x = some_bytes();
  const double floor = 12 * 0.5 * (-12 + std::log(2 * M_PI));  // a picture's, where the mean is right
  ModelConfig config = small("gaussian-learned");
  config.output = "identity";
  const auto learned = likelihood(config);
  learned->parameters()[0].fill_(-1e3);
  CHECK(numbers(learned->nll(x, x, true))[0] == Approx(floor));
  config.likelihood = "gaussian-pixel";
  const Tensor sure = full({2, 2, 2, 3}, -1e3, f64);
  CHECK(numbers(likelihood(config)->nll(concatenate({x, sure}, 1), x, true))[1] == Approx(floor));
  config.likelihood = "gaussian-optimal";
  CHECK(numbers(likelihood(config)->nll(x, x, true))[0] == Approx(floor));
}

TEST_CASE("gaussian-optimal: training has each batch's variance, evaluation a running one", "[likelihoods]") {
  const auto p = likelihood(small("gaussian-optimal"));
  CHECK(p->parameters().empty());
  REQUIRE(p->named_buffers().size() == 1);
  CHECK(p->named_buffers()[0].first == "running_variance");
  const Tensor running = p->named_buffers()[0].second;
  const Tensor decoded = some_decoded(*p), x = some_bytes();
  const double mse = mse_loss(p->mean(decoded), x).item() + std::exp(-12);
  CHECK(running.item() == 1);
  CHECK(p->nll(decoded, x, false).item() == Approx(12 * (1 + std::log(2 * M_PI * mse))).epsilon(1e-4));
  CHECK(running.item() == Approx(0.9 + 0.1 * mse));
  p->nll(decoded, x, true);
  CHECK(running.item() == Approx(0.81 + 0.19 * mse));

  // No other variance is better: that is where it lies in evaluation.
  const double best = p->nll(decoded, x, false).item();
  p->eval();
  Tensor buffer = running;
  for (const double factor : {0.5, 0.9, 1.1, 2.0}) {
    buffer.fill_(mse * factor);
    CHECK(p->nll(decoded, x, false).item() > best);
    CHECK(running.item() == Approx(mse * factor));  // it stays
  }
  // A picture's likelihood is its own.
  const double alone = p->nll(slice(decoded, 0, 1, 2), slice(x, 0, 1, 2), false).item();
  CHECK(alone == Approx(numbers(p->nll(decoded, x, true))[1]));
}

TEST_CASE("likelihoods: a model's outline has its parameters, under their names", "[likelihoods]") {
  for (const std::string& name : likelihoods().names()) {
    INFO(name);
    const auto model = tiny_model(name);
    const Outline found = outline(model->config());
    const NamedArrays state = model->state_dict();
    REQUIRE(found.parameters.size() == state.size());
    CHECK(found.count == model->num_parameters());
    for (std::size_t i = 0; i < state.size(); ++i) {
      CHECK(found.parameters[i].name == state[i].first);
      CHECK(found.parameters[i].shape == state[i].second.shape());
    }
    const std::string last = name == "gaussian-learned"   ? "likelihood.log_sigma"
                             : name == "gaussian-optimal" ? "likelihood.running_variance"
                             : name == "logistic"         ? "likelihood.log_scale"
                                                          : "decoder.2.bias";
    CHECK(state.back().first == last);
  }
}

TEST_CASE("likelihoods: pixels that they cannot be of are refused", "[likelihoods]") {
  ModelConfig config = one_pixel("continuous-bernoulli");
  config.pixels = {-1, 1};
  CHECK_THROWS_WITH(filled(config), Catch::Contains("continuous-bernoulli likelihood, found [-1, 1]"));
  CHECK_NOTHROW(filled(one_pixel("logistic-mixture", {-1, 1})));
}

TEST_CASE("sigma-vae: the VAE with the variance that is best", "[likelihoods]") {
  ModelConfig config = preset("sigma-vae");
  config.picture = {1, 2, 2};
  config.hidden = {3};
  CHECK(make(config)->config().likelihood == "gaussian-optimal");
}
