#include <elbo/core/gradcheck.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>
#include <elbo/nn/init.h>

#include <cmath>
#include <map>

#include "catch.h"

using namespace elbo;
using namespace elbo::models;

namespace {

const TensorOptions float64{.dtype = DType::float64};

ModelConfig small(const std::string& posterior, const std::string& prior, std::int64_t latent = 3) {
  ModelConfig config;
  config.picture = {1, 4, 4};
  config.latent = latent;
  config.posterior = posterior;
  config.prior = prior;
  config.hidden = {3};
  config.activation = "tanh";
  config.flows = 2;
  config.flow_hidden = 4;
  config.components = 3;
  config.prior_flows = 3;
  config.prior_hidden = 4;
  return config;
}

/// With parameters that are all drawn anew, so that none is 0 or 1, in float64.
std::unique_ptr<LatentModel> made(const ModelConfig& config, double deviation = 0.5) {
  Generator init(5, Stream::init);
  const GeneratorScope scope(init);
  auto out = std::make_unique<LatentModel>(config);
  out->to(DType::float64);
  for (Tensor& parameter : out->parameters()) {
    Tensor values = parameter.detach();
    nn::init::normal_(values, 0, deviation, &init);
  }
  return out;
}

Tensor pictures(std::int64_t n) {
  Generator generator(3);
  return rand({n, 1, 4, 4}, float64, &generator);
}

/// The middles of squares of `step` that fill [-span, span]^2, [n, 2].
Tensor grid(double span, double step) {
  const auto side = static_cast<std::int64_t>(std::lround(2 * span / step));
  Array points = Array::empty({side * side, 2}, float64);
  const auto at = points.mutable_values<double>();
  for (std::int64_t i = 0; i < side * side; ++i) {
    at[static_cast<std::size_t>(2 * i)] = (static_cast<double>(i / side) + 0.5) * step - span;
    at[static_cast<std::size_t>(2 * i + 1)] = (static_cast<double>(i % side) + 0.5) * step - span;
  }
  return points;
}

}  // namespace

TEST_CASE("the density of a prior integrates to 1, and its samples have its moments") {
  for (const char* name : {"normal", "mixture", "vamp", "realnvp"}) {
    INFO(name);
    auto model = made(small("diagonal", name, 2), 0.4);
    const NoGradGuard no_grad;
    const double step = 0.08;
    const Tensor z = grid(8, step), mass = exp(model->log_prior(z)) * (step * step);
    CHECK(sum(mass).item() == Approx(1).margin(1e-3));

    const std::int64_t n = 20000;
    Generator noise(17);
    const Tensor drawn = model->draw_codes(n, {}, &noise).to(DType::float64);
    CHECK(drawn.shape() == Shape{n, 2});
    const auto moments = [](const Tensor& codes) {
      const Tensor x = slice(codes, 1, 0, 1), y = slice(codes, 1, 1, 2);
      return concatenate({x, y, square(x), x * y, square(y), square(x) * y}, 1);
    };
    const Tensor expected = sum(moments(z) * unsqueeze(mass, 1), {0}), found = mean(moments(drawn), {0});
    const Tensor error = elbo::std(moments(drawn), {0}) / std::sqrt(static_cast<double>(n));
    for (std::int64_t i = 0; i < 6; ++i) {
      INFO("moment " << i);
      CHECK(std::abs(found[i].item() - expected[i].item()) < 4 * error[i].item() + 1e-3);
    }
  }
}

TEST_CASE("a mixture has PyTorch's density") {
  auto model = made(small("diagonal", "mixture", 2));
  const auto set = [&](const std::string& name, const Tensor& values) {
    for (auto& [own, parameter] : model->named_parameters())
      if (own == name) parameter.detach().copy_(values);
  };
  set("prior.logits", tensor({0.3, -0.4, 1.0}, float64));
  set("prior.mu", tensor({{0.0, 1.0}, {-2.0, 0.5}, {1.5, -1.0}}, float64));
  set("prior.logvar", tensor({{0.0, -1.0}, {0.4, 0.2}, {-2.0, 1.0}}, float64));
  const Tensor found = model->log_prior(tensor({{0.2, 0.3}, {-3.0, 4.0}}, float64));
  CHECK(found[0].item() == Approx(-3.191773303723987).epsilon(1e-12));
  CHECK(found[1].item() == Approx(-9.443424219204728).epsilon(1e-12));
}

TEST_CASE("a mixture's density has float32's digits where its variances are small") {
  auto model = made(small("diagonal", "mixture", 3));
  std::map<std::string, Tensor> own;
  for (const auto& [name, parameter] : model->named_parameters()) own[name] = parameter.detach();
  own.at("prior.mu") *= 6;
  own.at("prior.logvar").fill_(-14);
  const Tensor mu = own.at("prior.mu").clone(), logvar = own.at("prior.logvar").clone();
  const Tensor weights = log_softmax(own.at("prior.logits").clone(), 0);
  model->to(DType::float32);
  const NoGradGuard no_grad;
  Generator noise(2);
  const Tensor z = model->draw_codes(50, {}, &noise);
  // What float32 makes of the means is no fault of the density.
  const Tensor each =
      gaussian_log_prob(unsqueeze(z.to(DType::float64), 1), mu.to(DType::float32).to(DType::float64), logvar);
  const Tensor exact = logsumexp(sum(each, {2}) + weights, {1});
  CHECK(mean(exact).item() > 10);
  CHECK(max(abs(model->log_prior(z).to(DType::float64) - exact)).item() < 1e-5);
}

TEST_CASE("a vamp prior is the mean of the posteriors of its pseudo-inputs") {
  ModelConfig config = small("diagonal", "vamp");
  config.classes = 2;
  config.model = "cvae";
  config.likelihood = "gaussian";
  config.output = "identity";
  config.pixels = {-1, 1};
  auto model = made(config, 1);
  const NoGradGuard no_grad;
  const Tensor z = randn({4, 3}, float64);
  Tensor asked, shares;
  Encoded q;
  // A stand-in for the encoder, which sees what is asked of it.
  const EncodePictures encode = [&](const Tensor& x, const Tensor& labels) {
    asked = x;
    shares = labels;
    const Tensor flat = flatten(x);
    return q = {slice(flat, 1, 0, 3), slice(flat, 1, 3, 6)};
  };
  const Tensor found = model->prior().log_prob(z, encode);
  CHECK(asked.shape() == Shape{3, 1, 4, 4});
  CHECK(min(asked).item() == -1);
  CHECK(max(asked).item() == 1);
  CHECK(shares.shape() == Shape{3, 2});
  CHECK(min(shares).item() > 0);
  for (std::int64_t k = 0; k < 3; ++k) CHECK(sum(shares[k]).item() == Approx(1));
  Tensor density = zeros({4}, float64);
  for (std::int64_t k = 0; k < 3; ++k) {
    const Encoded one{slice(q.mu, 0, k, k + 1), slice(q.logvar, 0, k, k + 1)};
    density = density + exp(model->posterior().log_prob(one.repeat(4), z)) / 3;
  }
  for (std::int64_t b = 0; b < 4; ++b) CHECK(found[b].item() == Approx(std::log(density[b].item())));
}

TEST_CASE("a fresh vamp prior's pseudo-inputs are grey with a little noise, a fresh realnvp is N(0, 1)") {
  ModelConfig config = small("diagonal", "vamp");
  config.components = 200;
  config.likelihood = "gaussian";
  config.output = "identity";
  config.pixels = {-1, 3};
  Generator init(5, Stream::init);
  for (const auto& [name, parameter] : make(config, &init)->named_parameters()) {
    if (name != "prior.pseudo_inputs") continue;
    CHECK(mean(parameter).item() == Approx(1).margin(0.03));
    CHECK(elbo::std(parameter).item() == Approx(0.4).margin(0.03));
  }
  LatentModel model(small("diagonal", "realnvp", 5));
  const Tensor z = randn({4, 5}), zero = zeros({});
  const std::vector<float> found = model.log_prior(z).to_vector<float>();
  const std::vector<float> expected = sum(gaussian_log_prob(z, zero, zero), {1}).to_vector<float>();
  for (std::size_t i = 0; i < 4; ++i) CHECK(found[i] == Approx(expected[i]).epsilon(1e-6));
}

TEST_CASE("every posterior goes with every prior: gradients, terms of pictures, sizes") {
  const Tensor x = pictures(3);
  for (const char* posterior : {"diagonal", "full", "planar", "iaf"})
    for (const char* prior : {"normal", "mixture", "vamp", "realnvp"}) {
      if (std::string(prior) == "vamp" && std::string(posterior) != "diagonal") continue;
      INFO(posterior << " " << prior);
      const ModelConfig config = small(posterior, prior);
      auto model = made(config);
      const auto terms = [&](bool per_picture) {
        Generator noise(9);
        return model->loss({.x = x, .noise = &noise, .per_picture = per_picture});
      };
      const std::vector<Tensor> parameters = model->parameters();
      const auto loss = [&](std::span<const Tensor>) {
        const Terms all = terms(false);
        return all.list[0].nats + all.list[1].nats;
      };
      CHECK(gradcheck(loss, parameters).message == "");
      const Terms batch = terms(false), each = terms(true);
      REQUIRE(batch.list.size() == 2);
      for (std::size_t i = 0; i < 2; ++i) {
        CHECK(each.list[i].nats.shape() == Shape{3});
        CHECK(sum(each.list[i].nats).item() == Approx(batch.list[i].nats.item()));
      }
      CHECK(model->log_weights({.x = x}, 2).shape() == Shape{2, 3});
      CHECK(outline(config).count == model->num_parameters());
    }
}

TEST_CASE("a vamp prior with labels has a gradient for all of it") {
  ModelConfig config = small("diagonal", "vamp");
  config.model = "cvae";
  config.classes = 2;
  auto model = made(config, 0.2);
  const Tensor x = pictures(2), labels(Array::from(std::vector<std::int64_t>{1, 0}, {2}));
  const auto loss = [&](std::span<const Tensor>) {
    Generator noise(9);
    return model->loss({.x = x, .labels = labels, .noise = &noise}).list[1].nats;
  };
  std::vector<Tensor> own;
  for (const auto& [name, parameter] : model->named_parameters())
    if (name.starts_with("prior.")) own.push_back(parameter);
  REQUIRE(own.size() == 2);
  CHECK(gradcheck(loss, own).message == "");
}

TEST_CASE("the presets of posteriors and priors learn all that they have") {
  const auto parts = [](const ModelConfig& c) { return c.posterior + " " + c.prior; };
  const std::vector<std::pair<std::string, std::string>> rows{{"planar-vae", "planar normal"},
                                                              {"iaf-vae", "iaf normal"},
                                                              {"vamp-vae", "diagonal vamp"},
                                                              {"flow-prior-vae", "diagonal realnvp"}};
  for (const auto& [name, expected] : rows) {
    INFO(name);
    ModelConfig config = preset(name);
    config.picture = {1, 4, 4};
    Generator init(5, Stream::init);
    auto model = make(config, &init);
    CHECK(parts(model->config()) == expected);
    Generator noise(9);
    const Terms terms = model->loss({.x = pictures(3).to(DType::float32), .noise = &noise});
    (terms.list[0].nats + terms.list[1].nats).backward();
    for (const auto& [own, parameter] : model->named_parameters()) {
      INFO(own);
      REQUIRE(parameter.grad().defined());
      CHECK(all(isfinite(parameter.grad())).item() == 1);
    }
    model->sample(2, {}, &noise);
  }
  CHECK(make(preset("vamp-vae"))->config().components == 500);
}

TEST_CASE("priors refuse what they cannot do") {
  CHECK_THROWS_WITH(make(small("full", "vamp")),
                    "prior vamp: expected the posterior diagonal, found full, whose density at the codes of other "
                    "pictures it cannot tell");
  CHECK_THROWS_AS(make(small("point", "vamp")), ValueError);
  CHECK_THROWS_WITH(make(small("diagonal", "realnvp", 1)),
                    "prior realnvp: expected at least 2 latent dimensions, found 1");
  ModelConfig config = small("diagonal", "vamp");
  config.norm = "batch";
  CHECK_NOTHROW(make(config));  // an mlp has no use for it
  config.picture = {1, 8, 8};
  config.architecture = "conv";
  CHECK_THROWS_WITH(make(config),
                    "prior vamp: expected the norm none or group, found batch, whose statistics would mix pictures and "
                    "pseudo-inputs");
  config = small("diagonal", "mixture");
  config.components = 0;
  CHECK_THROWS_AS(make(config), ValueError);
}
