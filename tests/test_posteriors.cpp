#include <elbo/core/autograd.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>

#include <Eigen/Dense>
#include <cmath>
#include <numbers>

#include "catch.h"

using namespace elbo;
using namespace elbo::models;

namespace {

constexpr std::int64_t features = 5;
const TensorOptions float64{.dtype = DType::float64};

ModelConfig small(const char* posterior) {
  ModelConfig config;
  config.picture = {1, 4, 4};
  config.latent = 3;
  config.posterior = posterior;
  config.hidden = {features};
  config.activation = "tanh";
  config.flows = 3;
  config.flow_hidden = 7;
  return config;
}

std::unique_ptr<Posterior> made(const ModelConfig& config) {
  Generator init(5, Stream::init);
  const GeneratorScope scope(init);
  auto out = posteriors().at(config.posterior).make(config, features);
  out->to(DType::float64);
  return out;
}

/// Of two pictures, with numbers larger than a fresh encoder's, so that constraints bind.
Encoded some(Posterior& posterior, double scale = 3) {
  Generator generator(8);
  const NoGradGuard no_grad;
  return posterior.encode(randn({2, features}, float64, &generator) * scale);
}

/// One picture's q with the numbers of oracle/parts.py.
Encoded of_oracle() {
  return {tensor({{0.5, -1, 2}}, float64), tensor({{0.2, -0.6, 1}}, float64), tensor({{0.7, -0.3, 1.1}}, float64)};
}

/// dz/dmu of picture b, as rows.
Eigen::Matrix3d jacobian(const Tensor& z, const Tensor& mu, std::int64_t b) {
  Eigen::Matrix3d out;
  for (int i = 0; i < 3; ++i) {
    const Tensor row = autograd::grad({z[b][i]}, {mu}, {}, true)[0];
    for (int j = 0; j < 3; ++j) out(i, j) = row[b][j].item();
  }
  return out;
}

double log_normal(double x) { return -(x * x + std::log(2 * std::numbers::pi)) / 2; }

/// The mean of `values`, and its standard error.
std::pair<double, double> mean_and_error(const Tensor& values) {
  return {mean(values).item(), std::sqrt(var(values).item() / static_cast<double>(values.numel()))};
}

}  // namespace

TEST_CASE("log q of a flow's draw is a change of variables") {
  for (const char* name : {"planar", "iaf"}) {
    INFO(name);
    auto posterior = made(small(name));
    double largest = 0;
    for (double scale : {0.3, 1.0, 3.0}) {
      Encoded q = some(*posterior, scale);
      q.mu.requires_grad_();
      Generator noise(4), same(4);
      const Draw draw = posterior->draw(q, Codes::sampled, &noise);
      const Tensor eps = randn({2, 3}, float64, &same);
      for (std::int64_t b = 0; b < 2; ++b) {
        // z0 = mu + exp(logvar / 2) eps: what moves mu moves z0, and the flows behind it do not see mu.
        const double log_determinant = std::log(std::abs(jacobian(draw.z, q.mu, b).determinant()));
        largest = std::max(largest, std::abs(log_determinant));
        double expected = -log_determinant;
        for (std::int64_t i = 0; i < 3; ++i) expected += log_normal(eps[b][i].item()) - q.logvar[b][i].item() / 2;
        CHECK(draw.log_q[b].item() == Approx(expected).epsilon(1e-9));
      }
    }
    CHECK(largest > 0.5);
  }
}

TEST_CASE("a step of iaf is autoregressive, the next one the other way round") {
  ModelConfig config = small("iaf");
  for (std::int64_t flows : {1, 2}) {
    config.flows = flows;
    auto posterior = made(config);
    Encoded q = some(*posterior, 1);
    q.mu.requires_grad_();
    q.more.requires_grad_();
    const Draw draw = posterior->draw(q, Codes::mean, nullptr);
    const Eigen::Matrix3d j = jacobian(draw.z, q.mu, 0);
    // One step: below the diagonal all, above nothing. Two, the second of them reversed: all.
    for (int row = 0; row < 3; ++row)
      for (int column = 0; column < 3; ++column) {
        INFO(flows << " flows, " << row << ", " << column);
        CHECK((j(row, column) != 0) == (flows == 2 || column <= row));
      }
    // The context reaches every dimension, the first one too.
    for (std::int64_t i = 0; i < 3; ++i)
      CHECK(any(ne(autograd::grad({draw.z[0][i]}, {q.more}, {}, true)[0], 0)).item() == 1);
  }
  config.latent = 1;
  CHECK(made(config)->sample(some(*made(config)), Codes::mean, nullptr).shape() == Shape{2, 1});
}

TEST_CASE("gates of a fresh iaf are mostly open") {
  auto posterior = made(small("iaf"));
  for (const auto& [name, parameter] : posterior->named_parameters())
    if (name.ends_with(".s.bias")) CHECK(min(parameter).item() == 1.5);
}

TEST_CASE("a planar flow is invertible whatever u and w are") {
  auto posterior = made(small("planar"));
  // w^T u = -6: without the constraint the determinant is -5 on the hyperplane w^T z + b = 0.
  const Tensor flow = tensor({{-2, -1, -3, 1, 1, 1, 0}}, float64);
  Encoded q{zeros({1, 3}, float64), zeros({1, 3}, float64), repeat(flow, {1, 3})};
  q.mu.requires_grad_();
  const Draw draw = posterior->draw(q, Codes::mean, nullptr);
  const double determinant = jacobian(draw.z, q.mu, 0).determinant();
  CHECK(determinant > 0);
  CHECK(draw.log_q.item() == Approx(3 * log_normal(0) - std::log(determinant)).epsilon(1e-9));
}

TEST_CASE("a planar flow stays finite where u or w are extreme") {
  auto posterior = made(small("planar"));
  posterior->to(DType::float32);
  // u, w, b: w = 0; w^T u = -300, with z on the hyperplane w^T z + b = 0; w^T u = 300; far from that hyperplane.
  const std::vector<std::vector<float>> flows{{1, 2, 3, 0, 0, 0, 1},
                                              {-10, -10, -10, 10, 10, 10, 0},
                                              {10, 10, 10, 10, 10, 10, 0},
                                              {-10, -10, -10, 10, 10, 10, 1000},
                                              {0, 0, 0, 0, 0, 0, 0}};
  for (const std::vector<float>& flow : flows) {
    Encoded q{zeros({1, 3}), zeros({1, 3}), repeat(Tensor(Array::from(flow, {1, 7})), {1, 3})};
    for (Tensor* numbers : {&q.mu, &q.logvar, &q.more}) numbers->requires_grad_();
    const Draw draw = posterior->draw(q, Codes::mean, nullptr);
    (sum(draw.z) + sum(draw.log_q)).backward();
    for (const Tensor& t : {draw.z, draw.log_q, q.mu.grad(), q.logvar.grad(), q.more.grad()})
      CHECK(all(isfinite(t)).item() == 1);
  }
}

TEST_CASE("a full covariance has PyTorch's density and KL") {
  auto posterior = made(small("full"));
  const Encoded q = of_oracle();
  CHECK(posterior->log_prob(q, tensor({{1, 0.25, -0.5}}, float64)).item() == Approx(-6.539522701244759).epsilon(1e-12));
  CHECK(posterior->kl_to_normal(q, false).item() == Approx(3.964248111356621).epsilon(1e-12));
  CHECK(posterior->kl_to_normal(q, true).shape() == Shape{1});
}

TEST_CASE("a full covariance draws mu + L eps, and tells the density of any code") {
  auto posterior = made(small("full"));
  const Encoded q = of_oracle();
  Generator noise(4), same(4);
  const Draw draw = posterior->draw(q, Codes::sampled, &noise);
  const std::vector<double> e = randn({1, 3}, float64, &same).to_vector<double>();
  const double expected[] = {0.5 + std::exp(0.1) * e[0], -1 + 0.7 * e[0] + std::exp(-0.3) * e[1],
                             2 - 0.3 * e[0] + 1.1 * e[1] + std::exp(0.5) * e[2]};
  for (std::int64_t i = 0; i < 3; ++i) CHECK(draw.z[0][i].item() == Approx(expected[i]).epsilon(1e-12));
  CHECK(posterior->log_prob(q, draw.z).item() == Approx(draw.log_q.item()).epsilon(1e-10));
}

TEST_CASE("a closed KL is the mean of log q - log p over draws") {
  for (const char* name : {"diagonal", "full"}) {
    INFO(name);
    auto posterior = made(small(name));
    const Encoded q = some(*posterior, 1);
    Generator noise(11);
    const Draw draw = posterior->draw(q.repeat(20000), Codes::sampled, &noise);
    const Tensor zero = zeros({}, float64);
    const Tensor ratios = draw.log_q - sum(gaussian_log_prob(draw.z, zero, zero), {1});
    const Tensor kl = posterior->kl_to_normal(q, true);
    for (std::int64_t b = 0; b < 2; ++b) {
      const auto [mean, error] = mean_and_error(slice(ratios, 0, b, ratios.numel(), 2));
      CHECK(std::abs(kl[b].item() - mean) < 4 * error);
      CHECK(error < 0.05 * kl[b].item());
    }
    CHECK(posterior->kl_to_normal(q, false).item() == Approx(sum(kl).item()));
  }
}

TEST_CASE("the code that stands for a picture draws nothing") {
  for (const char* name : {"diagonal", "full", "planar", "iaf"}) {
    INFO(name);
    auto posterior = made(small(name));
    const Encoded q = some(*posterior);
    Generator noise(4);
    const Tensor z = posterior->sample(q, Codes::mean, &noise);
    CHECK(noise.offset().item() == 0);
    CHECK(z.to_vector<double>() == posterior->draw(q, Codes::mean, &noise).z.to_vector<double>());
    const bool moved = z.to_vector<double>() != q.mu.to_vector<double>();
    CHECK(moved == (std::string(name) != "diagonal" && std::string(name) != "full"));
    Generator one(4), other(4);
    CHECK(posterior->sample(q, Codes::sampled, &one).to_vector<double>() ==
          posterior->draw(q, Codes::sampled, &other).z.to_vector<double>());
    CHECK(one.offset().item() == 1);
  }
}

TEST_CASE("posteriors refuse what they cannot do") {
  ModelConfig config = small("full");
  config.latent = 1;
  CHECK_THROWS_WITH(make(config),
                    "posterior full: expected at least 2 latent dimensions, found 1: with one it is diagonal");
  config = small("full");
  config.latent = std::int64_t{1} << 40;
  CHECK_THROWS_AS(outline(config), ValueError);
  config = small("planar");
  config.flows = 0;
  CHECK_THROWS_AS(make(config), ValueError);
  auto posterior = made(small("planar"));
  CHECK_FALSE(posterior->has_density());
  CHECK_FALSE(posterior->has_kl_to_normal());
  const Encoded q = some(*posterior);
  CHECK_THROWS_AS(posterior->log_prob(q, q.mu), ValueError);
}

TEST_CASE("the layers of posteriors have names") {
  const auto names = [](const char* posterior) {
    std::vector<std::string> out;
    for (const auto& [name, array] : made(small(posterior))->state_dict())
      out.push_back(name + " " + array.shape().to_string());
    return out;
  };
  const std::vector<std::string> gaussian{"fc_mu.weight [3, 5]", "fc_mu.bias [3]", "fc_logvar.weight [3, 5]",
                                          "fc_logvar.bias [3]"};
  const auto with = [&](std::vector<std::string> before, const std::vector<std::string>& more) {
    before.insert(before.end(), gaussian.begin(), gaussian.end());
    before.insert(before.end(), more.begin(), more.end());
    return before;
  };
  CHECK(names("diagonal") == gaussian);
  CHECK(names("full") == with({"tril_places [9]"}, {"fc_tril.weight [3, 5]", "fc_tril.bias [3]"}));
  CHECK(names("planar") == with({}, {"fc_flows.weight [21, 5]", "fc_flows.bias [21]"}));
  const std::vector<std::string> iaf = names("iaf");
  CHECK(std::vector(iaf.begin(), iaf.begin() + 6) == with({}, {"fc_context.weight [7, 5]", "fc_context.bias [7]"}));
  const std::vector<std::string> step{
      "steps.0.z.weight [7, 3]", "steps.0.z.bias [7]",   "steps.0.z.mask [7, 3]", "steps.0.context.weight [7, 7]",
      "steps.0.m.weight [3, 7]", "steps.0.m.bias [3]",   "steps.0.m.mask [3, 7]", "steps.0.s.weight [3, 7]",
      "steps.0.s.bias [3]",      "steps.0.s.mask [3, 7]"};
  CHECK(std::vector(iaf.begin() + 6, iaf.begin() + 16) == step);
  CHECK(iaf.size() == 36);
}
