// The zoo's objectives with one player: closed forms, and what all of them promise.
#include <elbo/core/autograd.h>
#include <elbo/core/gradcheck.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/trainer.h>

#include <cmath>
#include <numbers>

#include "catch.h"
#include "golden_file.h"
#include "small_data.h"

using namespace elbo;
using namespace elbo::models;

namespace {

using Settings = std::function<void(ModelConfig&)>;

Settings objective(const std::string& name, const Settings& more = {}) {
  return [=](ModelConfig& c) {
    c.objective = name;
    if (more) more(c);
  };
}

/// In float64: 6 pixels, 5 hidden units, 2 latent dimensions.
std::unique_ptr<LatentModel> tiny(const Settings& settings) {
  ModelConfig c;
  c.picture = {1, 2, 3};
  c.hidden = {5};
  c.activation = "tanh";
  c.latent = 2;
  settings(c);
  auto model = std::make_unique<LatentModel>(c);
  model->to(DType::float64);
  std::uint64_t k = 0;
  for (auto& [name, p] : model->named_parameters())
    Tensor(p).mutable_array().assign(Array::from(filling(p.numel(), k++, 16), p.shape()));
  return model;
}

Tensor tiny_pictures(std::int64_t batch = 4) { return Tensor(Array::from(pixels(batch * 6), {batch, 1, 2, 3})); }

/// The terms of a batch, for noise of seed 11.
Terms terms_of(LatentModel& model, const Tensor& x, bool per_picture = false, std::uint64_t seed = 11,
               Codes codes = Codes::sampled) {
  Generator noise(seed);
  return model.loss({.x = x, .noise = &noise, .train_size = 40, .per_picture = per_picture, .codes = codes});
}

/// What is minimised: a picture's mean.
Tensor loss_of(const Terms& terms, std::int64_t batch) {
  Tensor out;
  for (const Term& term : terms.list) {
    if (!term.counts) continue;
    const Tensor part = term.nats * (term.weight.last() / static_cast<double>(batch));
    out = out.defined() ? out + part : part;
  }
  return out;
}

double value(const Terms& terms, const char* name) {
  const Term* term = terms.find(name);
  REQUIRE(term);
  return term->nats.item();
}

/// The gradients of the parameters, those of the decoder or those of the encoder, one after the other.
std::vector<double> gradients(const LatentModel& model, bool decoder) {
  std::vector<double> out;
  for (const auto& [name, p] : model.named_parameters()) {
    if (name.starts_with("decoder.") != decoder) continue;
    const std::vector<double> g = p.grad().to(DType::float64).to_vector<double>();
    out.insert(out.end(), g.begin(), g.end());
  }
  return out;
}

struct Norms {
  double norm = 0, sum = 0;  ///< the sum with the weights cos(0), cos(1), ...
};
Norms norms(const std::vector<double>& g) {
  Norms out;
  for (std::size_t i = 0; i < g.size(); ++i) {
    out.norm += g[i] * g[i];
    out.sum += g[i] * std::cos(static_cast<double>(i));
  }
  out.norm = std::sqrt(out.norm);
  return out;
}

/// p(x|z) = N(w z + b, v), two pixels, one latent dimension: a Gaussian model, whose log p(x) and p(z|x) are known.
struct Linear {
  std::unique_ptr<LatentModel> model;
  double w[2] = {1.5, -0.5}, b[2] = {0.25, 0.5}, v = 0.5;

  explicit Linear(const Settings& settings) {
    ModelConfig c;
    c.picture = {1, 1, 2};
    c.hidden = {};
    c.latent = 1;
    c.likelihood = "gaussian", c.output = "identity", c.variance = v;
    settings(c);
    model = std::make_unique<LatentModel>(c);
    model->to(DType::float64);
    set("decoder.0.weight", {w[0], w[1]}), set("decoder.0.bias", {b[0], b[1]});
  }
  void set(const std::string& name, const std::vector<double>& values) {
    for (auto& [one, p] : model->named_parameters())
      if (one == name) return void(Tensor(p).mutable_array().assign(Array::from(values, p.shape())));
    FAIL("no parameter " << name);
  }
  /// q(z|x) = p(z|x), its mean moved by `off`.
  void encode_well(double off = 0) {
    const double precision = 1 + (w[0] * w[0] + w[1] * w[1]) / v;
    set("fc_mu.weight", {w[0] / v / precision, w[1] / v / precision});
    set("fc_mu.bias", {off - (w[0] * b[0] + w[1] * b[1]) / v / precision});
    set("fc_logvar.weight", {0, 0}), set("fc_logvar.bias", {-std::log(precision)});
  }
  double log_p(double x0, double x1) const {
    const double d0 = x0 - b[0], d1 = x1 - b[1], c00 = w[0] * w[0] + v, c11 = w[1] * w[1] + v, c01 = w[0] * w[1];
    const double det = c00 * c11 - c01 * c01, squares = (c11 * d0 * d0 - 2 * c01 * d0 * d1 + c00 * d1 * d1) / det;
    return -0.5 * squares - 0.5 * std::log(det) - std::log(2 * std::numbers::pi);
  }
  /// The mean loss over so many draws for one picture.
  double bound(std::int64_t draws, std::uint64_t seed) const {
    const NoGradGuard no_grad;
    return terms_of(*model, repeat(picture(), {draws, 1, 1, 1}), false, seed).find("iwae")->nats.item() /
               static_cast<double>(draws) +
           model->constant();
  }
  static Tensor picture() { return Tensor(Array::from(std::vector<double>{0.75, -1}, {1, 1, 1, 2})); }
};

Settings importance(const std::string& name, std::int64_t samples, std::int64_t groups = 8, bool dreg = false) {
  return objective(name, [=](ModelConfig& c) { c.samples = samples, c.groups = groups, c.dreg = dreg; });
}

}  // namespace

TEST_CASE("with the exact posterior every bound is log p(x)") {
  for (const char* name : {"iwae", "miwae", "piwae", "ciwae"}) {
    INFO(name);
    Linear toy(importance(name, 4, 3));
    toy.encode_well();
    CHECK(toy.bound(2, 5) == Approx(-toy.log_p(0.75, -1)).epsilon(1e-12));
  }
}

TEST_CASE("the bound rises with the samples, to log p(x)") {
  double last = 1e9;
  for (const std::int64_t samples : {1, 3, 10, 100}) {
    Linear toy(importance("iwae", samples));
    toy.encode_well(0.4);
    const double loss = toy.bound(40000 / samples, 5);
    CHECK(loss < last);
    last = loss;
    // KL(q(z|x) || p(z|x)) = off^2 / (2 variance), the variance 1 / 6.
    if (samples == 1) CHECK(loss == Approx(0.4 * 0.4 * 6 / 2 - toy.log_p(0.75, -1)).margin(0.02));
    if (samples == 100) CHECK(loss == Approx(-toy.log_p(0.75, -1)).margin(0.02));
  }
}

TEST_CASE("one sample makes the ELBO of a single draw") {
  const auto model = tiny(importance("iwae", 1));
  const Terms terms = terms_of(*model, tiny_pictures());
  CHECK(value(terms, "iwae") == Approx(value(terms, "reconstruction") + value(terms, "kl")).epsilon(1e-13));
  const Terms elbo = terms_of(*tiny(objective("elbo")), tiny_pictures());
  CHECK(value(terms, "reconstruction") == Approx(value(elbo, "reconstruction")).epsilon(1e-13));
}

TEST_CASE("each sample is of its own picture and label") {
  // All samples are one code, so that the bound is the ELBO of that code.
  const auto labelled = [](std::int64_t samples) { return tiny(importance("miwae", samples, samples + 1)); };
  const Terms one = terms_of(*labelled(1), tiny_pictures(), true, 11, Codes::mean),
              many = terms_of(*labelled(3), tiny_pictures(), true, 11, Codes::mean);
  const std::vector<double> a = one.find("iwae")->nats.to_vector<double>(),
                            b = many.find("iwae")->nats.to_vector<double>();
  for (std::size_t i = 0; i < 4; ++i) CHECK(b[i] == Approx(a[i]).epsilon(1e-12));
  CHECK(a[0] != Approx(a[1]).epsilon(1e-3));

  ModelConfig c;
  c.picture = {1, 2, 3}, c.latent = 2, c.hidden = {5}, c.classes = 2, c.objective = "iwae";
  Generator init(3), noise(4);
  const GeneratorScope scope(init);
  LatentModel model(c);
  const Tensor x = tiny_pictures().to(DType::float32), labels = tensor({0, 1, 1, 0}, {DType::int64});
  const auto bound = [&](const Tensor& y) {
    return model.loss({.x = x, .labels = y, .noise = &noise, .per_picture = true, .codes = Codes::mean})
        .find("iwae")
        ->nats.to_vector<float>();
  };
  const std::vector<float> right = bound(labels), other = bound(tensor({0, 0, 1, 0}, {DType::int64}));
  for (std::size_t i : {0u, 2u, 3u}) CHECK(right[i] == other[i]);
  CHECK(right[1] != other[1]);
}

namespace {

/// The encoder's gradient over many draws: its mean, and the variance of that mean, for each number.
struct Moments {
  std::vector<double> mean, variance;
};
Moments moments(const Settings& settings, int batches, std::int64_t draws) {
  Linear toy(settings);
  toy.encode_well(0.4);
  toy.set("fc_logvar.bias", {0});
  const Tensor x = repeat(Linear::picture(), {draws, 1, 1, 1});
  std::vector<double> sum, squares;
  for (int i = 0; i < batches; ++i) {
    toy.model->zero_grad();
    loss_of(terms_of(*toy.model, x, false, static_cast<std::uint64_t>(i)), draws).backward();
    const std::vector<double> g = gradients(*toy.model, false);
    sum.resize(g.size()), squares.resize(g.size());
    for (std::size_t k = 0; k < g.size(); ++k) sum[k] += g[k], squares[k] += g[k] * g[k];
  }
  Moments out;
  for (std::size_t k = 0; k < sum.size(); ++k) {
    const double mean = sum[k] / batches;
    out.mean.push_back(mean);
    out.variance.push_back((squares[k] / batches - mean * mean) / (batches - 1));
  }
  return out;
}

}  // namespace

TEST_CASE("the doubly reparameterised gradient has the plain one's expectation, and less variance") {
  for (const char* name : {"iwae", "miwae", "ciwae", "piwae"}) {
    INFO(name);
    const Moments plain = moments(importance(name, 5, 2), 50, 400),
                  doubly = moments(importance(name, 5, 2, true), 50, 400);
    REQUIRE(plain.mean.size() == 6);
    for (std::size_t k = 0; k < 6; ++k) {
      const double error = std::sqrt(plain.variance[k] + doubly.variance[k]);
      CHECK(error < 0.1 * std::abs(plain.mean[k]));  // it tells something
      CHECK(std::abs(plain.mean[k] - doubly.mean[k]) < 4 * error);
      CHECK(doubly.variance[k] < plain.variance[k]);
    }
  }
}

TEST_CASE("PIWAE has MIWAE's gradient for the encoder and IWAE's for the decoder, however far apart the weights lie") {
  const auto of = [](const std::string& name, std::int64_t samples, std::int64_t groups, bool decoder) {
    const auto model = tiny(importance(name, samples, groups));
    for (const auto& [parameter, p] : model->named_parameters())
      if (parameter == "decoder.2.weight") {
        Tensor to = p;
        to.mutable_array().assign((200 * p.detach()).array());
      }
    model->to(DType::float32);
    loss_of(terms_of(*model, tiny_pictures().to(DType::float32)), 4).backward();
    return gradients(*model, decoder);
  };
  // In all 6 samples, the same draws.
  const std::vector<double> encoder = of("piwae", 2, 3, false), decoder = of("piwae", 2, 3, true);
  const std::vector<double> miwae = of("miwae", 2, 3, false), iwae = of("iwae", 6, 1, true);
  const auto distance = [](std::vector<double> a, const std::vector<double>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
    return norms(a).norm / norms(b).norm;
  };
  CHECK(distance(encoder, miwae) < 1e-5);
  CHECK(distance(decoder, iwae) < 1e-5);
  CHECK(distance(of("miwae", 2, 3, true), iwae) > 1e-2);
}

// ---- the others -----------------------------------------------------------------------------------------------------

TEST_CASE("the parts of beta-TC-VAE are those of q(z) enumerated, and add up to the KL") {
  const auto model = tiny(objective("beta-tc"));
  const Tensor x = tiny_pictures();
  Generator noise(11), same(11);
  const Terms terms = model->loss({.x = x, .noise = &noise, .train_size = 4});  // the batch is all there is
  const Prediction p = model->forward(x, {}, &same);
  const std::vector<double> z = p.z.to_vector<double>(), mu = p.posterior.mu.to_vector<double>(),
                            logvar = p.posterior.logvar.to_vector<double>();
  const auto density = [&](std::size_t code, std::size_t picture, std::size_t j) {
    const double v = std::exp(logvar[2 * picture + j]), d = z[2 * code + j] - mu[2 * picture + j];
    return std::exp(-d * d / (2 * v)) / std::sqrt(2 * std::numbers::pi * v);
  };
  double given_x = 0, log_q = 0, marginals = 0, prior = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    double both = 0, one[2] = {0, 0};
    for (std::size_t n = 0; n < 4; ++n) {
      both += density(i, n, 0) * density(i, n, 1) / 4;
      for (std::size_t j : {0u, 1u}) one[j] += density(i, n, j) / 4;
    }
    given_x += std::log(density(i, i, 0) * density(i, i, 1));
    log_q += std::log(both);
    marginals += std::log(one[0] * one[1]);
    prior += -(z[2 * i] * z[2 * i] + z[2 * i + 1] * z[2 * i + 1]) / 2 - std::log(2 * std::numbers::pi);
  }
  CHECK(value(terms, "mutual_information") == Approx(given_x - log_q).epsilon(1e-11));
  CHECK(value(terms, "total_correlation") == Approx(log_q - marginals).epsilon(1e-11));
  CHECK(value(terms, "dimension_kl") == Approx(marginals - prior).epsilon(1e-11));
}

TEST_CASE("DIP-VAE's covariance, by hand") {
  ModelConfig c;
  c.picture = {1, 1, 2}, c.hidden = {}, c.latent = 2, c.objective = "dip";
  const Tensor x(Array::from(std::vector<float>{0, 0, 1, 1, 1, 0, 0, 0}, {4, 1, 1, 2}));
  for (const char* dip : {"i", "ii"}) {
    c.dip = dip;
    LatentModel model(c);
    for (auto& [name, p] : model.named_parameters()) {
      if (name == "fc_mu.weight") Tensor(p).mutable_array().assign(Array::from(std::vector<float>{1, 0, 0, 1}, {2, 2}));
      if (name == "fc_mu.bias" || name.starts_with("fc_logvar")) Tensor(p).mutable_array().fill(0);
    }
    // The codes' means are the pictures: variances 1/4 and 3/16, covariance 1/8. The codes' own variance is 1.
    const Terms terms = terms_of(model, x);
    const double first = 0.25 - 1, second = 0.1875 - 1;
    const bool one = c.dip == "i";
    const double diagonal = one ? first * first + second * second : 0.25 * 0.25 + 0.1875 * 0.1875;
    CHECK(value(terms, "dip_diagonal") == Approx(4 * diagonal).epsilon(1e-6));
    CHECK(value(terms, "dip_off_diagonal") == Approx(4 * 2 / 64.0).epsilon(1e-6));
    CHECK(terms.find("dip_diagonal")->weight.last() == 100);
    CHECK(terms.find("dip_off_diagonal")->weight.last() == 10);
  }
}

TEST_CASE("the maximum mean discrepancy is that of two Gaussians") {
  // One dimension, N(m, 1) and N(0, 1): E exp(-(a - b)^2 / 2) = exp(-m^2 / 6) / sqrt(3) across, 1 / sqrt(3) within.
  constexpr int batches = 40;
  constexpr std::int64_t batch = 50;
  for (const double m : {0.0, 1.5}) {
    Linear toy(objective("mmd", [](ModelConfig& c) { c.mmd_kernel = "rbf"; }));
    toy.set("fc_mu.weight", {0, 0}), toy.set("fc_logvar.weight", {0, 0});
    toy.set("fc_mu.bias", {m}), toy.set("fc_logvar.bias", {0});
    const Tensor x = repeat(Linear::picture(), {batch, 1, 1, 1});
    double total = 0, squares = 0;
    for (int i = 0; i < batches; ++i) {
      const double one = value(terms_of(*toy.model, x, false, static_cast<std::uint64_t>(i)), "mmd") / batch;
      total += one, squares += one * one;
    }
    const double mean = total / batches, error = std::sqrt((squares / batches - mean * mean) / (batches - 1));
    const double expected = 2 / std::sqrt(3.0) * (1 - std::exp(-m * m / 6));
    INFO("m " << m << ", mean " << mean << ", expected " << expected << ", error " << error);
    CHECK(std::abs(mean - expected) < 4 * error);
    CHECK(error < 0.02);
  }
}

TEST_CASE("weights that go in cycles, and a capacity that grows") {
  ModelConfig c;
  c.beta = 2, c.cycles = 4, c.cycle_epochs = 8;
  c.picture = {1, 2, 3}, c.hidden = {5}, c.latent = 2;
  const Tensor x = tiny_pictures().to(DType::float32);
  {
    LatentModel model(c);
    const Weight weight = terms_of(model, x).find("kl")->weight;
    CHECK(weight.last() == 2);
    for (const auto& [epochs, expected] : {std::pair(0.0, 0.0),
                                           {0.5, 1.0},
                                           {1.0, 2.0},
                                           {1.75, 2.0},
                                           {2.0, 0.0},
                                           {6.25, 0.5},
                                           {7.5, 2.0},
                                           {8.0, 2.0},
                                           {9.1, 2.0}})
      CHECK(weight.at({.epochs = epochs}) == Approx(expected).margin(1e-12));
  }
  c.cycles = 0, c.cycle_epochs = 0, c.capacity = 20, c.capacity_epochs = 4;
  LatentModel model(c);
  const auto distance = [&] {
    const Terms terms = terms_of(model, x);
    CHECK_FALSE(terms.find("kl")->counts);
    return std::pair(value(terms, "capacity"), value(terms, "kl"));
  };
  for (const auto& [epochs, capacity] : {std::pair(0.0, 0.0), {1.0, 5.0}, {3.5, 17.5}, {4.0, 20.0}, {9.0, 20.0}}) {
    model.advance({.epochs = epochs});
    const auto [found, kl] = distance();
    CHECK(found == Approx(std::abs(kl - 4 * capacity)).epsilon(1e-5));
  }
  model.advance({.epochs = 0});
  model.eval();
  const auto [found, kl] = distance();
  CHECK(found == Approx(std::abs(kl - 4 * 20)).epsilon(1e-5));
}

TEST_CASE("free bits cost nothing") {
  // With mu = 0 and logvar = 0 the KL is 0, and each of the two dimensions costs its free bits.
  const auto model = tiny(objective("elbo", [](ModelConfig& c) { c.free_bits = 0.5; }));
  for (auto& [name, p] : model->named_parameters())
    if (name.starts_with("fc_")) Tensor(p).mutable_array().fill(0);
  const Terms terms = terms_of(*model, tiny_pictures());
  CHECK(value(terms, "kl") == 0);
  CHECK(value(terms, "free_bits") == 4 * 2 * 0.5);
  loss_of({{*terms.find("free_bits")}}, 4).backward();
  CHECK(norms(gradients(*model, false)).norm == 0);
}

TEST_CASE("objectives refuse what makes no sense for them") {
  const auto message = [](const Settings& settings) -> std::string {
    ModelConfig c;
    settings(c);
    try {
      filled(c);
    } catch (const ValueError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message([](ModelConfig& c) { c.objective = "iwae", c.posterior = "point"; }) ==
        "posterior: expected a distribution for the objective iwae, found 'point'");
  CHECK(message([](ModelConfig& c) { c.objective = "ciwae", c.likelihood = "gaussian-optimal"; }) ==
        "likelihood: the objective ciwae weighs one sample against another, expected a likelihood of each, found "
        "'gaussian-optimal'");
  CHECK(message([](ModelConfig& c) { c.objective = "miwae", c.dreg = true, c.posterior = "planar"; }) ==
        "dreg: expected a posterior whose density is known for any code, such as diagonal, found 'planar'");
  CHECK(message([](ModelConfig& c) { c.objective = "rae"; }) ==
        "posterior: expected point for the objective rae, found 'diagonal'");
  CHECK(message([](ModelConfig& c) { c.objective = "dip", c.posterior = "point"; }) ==
        "objective dip: expected the posterior diagonal and the prior normal, found 'point' and 'normal'");
  CHECK(message([](ModelConfig& c) { c.objective = "beta-tc", c.posterior = "point"; }) ==
        "objective beta-tc: expected the posterior diagonal and the prior normal, found 'point' and 'normal'");
  CHECK(message([](ModelConfig& c) { c.free_bits = 1, c.posterior = "point"; }) ==
        "free_bits: expected the posterior diagonal and the prior normal, found 'point' and 'normal'");
  CHECK(message([](ModelConfig& c) { c.free_bits = 1, c.capacity = 2; }) ==
        "capacity: expected 0 with free bits, each of which stands for the KL, found 2");
  CHECK(message([](ModelConfig& c) { c.cycles = 3; }) == "cycle_epochs: expected more than 0 for 3 cycles, found 0");
  CHECK(message([](ModelConfig& c) { c.cycles = 3, c.cycle_epochs = 6, c.warmup = 1; }) ==
        "warmup: expected 0 with cycles, found 1");
}

TEST_CASE("importance weights are of any posterior and prior") {
  const Tensor x = tiny_pictures();
  for (const auto& [posterior, prior] : {std::pair("full", "mixture"),
                                         {"planar", "normal"},
                                         {"iaf", "mixture"},
                                         {"diagonal", "vamp"},
                                         {"diagonal", "realnvp"}}) {
    const auto model =
        tiny(objective("piwae", [p = posterior, q = prior](ModelConfig& c) { c.posterior = p, c.prior = q; }));
    Tensor loss = loss_of(terms_of(*model, x), 4);
    loss.backward();
    CHECK(std::isfinite(loss.item()));
    for (const auto& [name, p] : model->named_parameters()) {
      INFO(posterior << " " << prior << " " << name);
      CHECK(std::isfinite(norms(p.grad().to_vector<double>()).norm));
    }
  }
}

TEST_CASE("every preset of these objectives is made, described and trained") {
  const datasets::Dataset data = bars(40, 8);
  for (const char* name :
       {"annealed-vae", "beta-tc-vae", "dip-vae", "iwae", "miwae", "piwae", "ciwae", "info-vae", "wae-mmd", "rae"}) {
    INFO(name);
    ModelConfig c = preset(name);
    c.picture = {1, 8, 8}, c.hidden = {12}, c.latent = 3;
    Generator init(5);
    const auto model = make(c, &init);
    CHECK(outline(c).count == model->num_parameters());
    Trainer trainer(*model, data, {.batch_size = 12});
    const Losses first = trainer.run_epoch().train, second = trainer.run_epoch().train;
    CHECK(std::isfinite(first.loss));
    CHECK(second["reconstruction"] < first["reconstruction"]);
    CHECK(trainer.is_finite());
    CHECK(model->has_prior() == (c.objective != "rae"));
  }
}
