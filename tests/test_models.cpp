#include <elbo/core/kernels.h>
#include <elbo/core/safetensors.h>
#include <elbo/models/analysis/evaluate.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/training/trainer.h>
#include <elbo/nn/layers.h>

#include <cmath>
#include <numeric>
#include <thread>

#include "catch.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::models;

namespace {

std::unique_ptr<Model> small_model(const std::string& likelihood = "bernoulli", double beta = 1) {
  ModelConfig config{.picture = {1, 8, 8}, .hidden = {16}, .latent = 3, .likelihood = likelihood, .beta = beta};
  Generator init(5, Stream::init);
  return make(config, &init);
}

Tensor some_pictures(std::int64_t n, const Shape& picture) {
  Generator generator(3);
  return rand(picture.insert(0, n), {}, &generator);
}

}  // namespace

TEST_CASE("the VAE has the reference's parameters, under PyTorch's names") {
  ModelConfig config;
  LatentModel vae(config);
  CHECK(vae.num_parameters() == 652824);
  std::vector<std::pair<std::string, Shape>> expected = {{"encoder.0.weight", {400, 784}}, {"encoder.0.bias", {400}},
                                                         {"fc_mu.weight", {20, 400}},      {"fc_mu.bias", {20}},
                                                         {"fc_logvar.weight", {20, 400}},  {"fc_logvar.bias", {20}},
                                                         {"decoder.0.weight", {400, 20}},  {"decoder.0.bias", {400}},
                                                         {"decoder.2.weight", {784, 400}}, {"decoder.2.bias", {784}}};
  NamedArrays state = vae.state_dict();
  REQUIRE(state.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(state[i].first == expected[i].first);
    CHECK(state[i].second.shape() == expected[i].second);
  }
  config.picture = {3, 32, 32};
  CHECK(LatentModel(config).num_parameters() == 2485512);
}

TEST_CASE("every model of the zoo has the reference's number of parameters") {
  Shape grey{1, 28, 28}, rgb{3, 32, 32};
  struct Case {
    ModelConfig config;
    std::int64_t parameters;
  };
  std::vector<Case> cases = {
      {{.model = "vae", .picture = grey, .hidden = {400}, .latent = 20}, 652824},
      {{.model = "vae", .picture = rgb, .hidden = {400}, .latent = 20}, 2485512},
      {{.model = "ae", .picture = grey, .hidden = {400}, .latent = 20}, 644804},
      {{.model = "cvae", .picture = grey, .hidden = {400}, .latent = 20, .classes = 10}, 660824},
      {{.model = "ae", .picture = grey, .hidden = {256, 128}, .latent = 32}, 476720},
      {{.model = "ae", .picture = grey, .hidden = {256, 128}, .latent = 2}, 469010},
      {{.model = "vae", .picture = grey, .hidden = {512, 256}, .latent = 20}, 1082680},
      {{.model = "cvae", .picture = grey, .hidden = {512, 256}, .latent = 20, .classes = 10}, 1090360},
      {{.model = "vae", .picture = grey, .hidden = {400, 400, 400}, .latent = 15}, 1288414},
      {{.model = "cvae", .picture = grey, .hidden = {400, 400, 400}, .latent = 15, .classes = 10}, 1296414},
      {{.model = "conv-vae", .picture = rgb, .channels = {16, 32, 128}, .latent = 128}, 1028883},
      {{.model = "conv-vae", .picture = rgb, .latent = 128}, 1028883},
      {{.model = "conv-vae", .picture = grey, .channels = {32, 64}, .kernel = 3, .decoder_relu = false, .latent = 20},
       243465}};
  for (const Case& one : cases) {
    auto model = make(one.config);
    INFO(one.config.model << " " << one.config.picture.to_string());
    CHECK(model->num_parameters() == one.parameters);
    Tensor labels = model->is_conditional() ? Tensor(Array::from(std::vector<std::int64_t>{3, 9}, {2})) : Tensor();
    Tensor logits = as_latent(*model).forward(some_pictures(2, one.config.picture), labels).logits;
    CHECK(logits.shape() == one.config.picture.insert(0, 2));
  }
}

TEST_CASE("the convolutional VAE keeps to PyTorch's names, channels of one's own, and pictures that can be halved") {
  ModelConfig config{.model = "conv-vae", .picture = {2, 8, 16}, .channels = {5, 6}, .latent = 3};
  config.decoder_channels = {7, 4};
  auto model = make(config);
  std::vector<std::pair<std::string, Shape>> expected = {{"encoder.0.weight", {5, 2, 4, 4}}, {"encoder.0.bias", {5}},
                                                         {"encoder.2.weight", {6, 5, 4, 4}}, {"encoder.2.bias", {6}},
                                                         {"fc_mu.weight", {3, 48}},          {"fc_mu.bias", {3}},
                                                         {"fc_logvar.weight", {3, 48}},      {"fc_logvar.bias", {3}},
                                                         {"decoder.0.weight", {56, 3}},      {"decoder.0.bias", {56}},
                                                         {"decoder.3.weight", {7, 4, 4, 4}}, {"decoder.3.bias", {4}},
                                                         {"decoder.5.weight", {4, 2, 4, 4}}, {"decoder.5.bias", {2}}};
  NamedArrays state = model->state_dict();
  REQUIRE(state.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(state[i].first == expected[i].first);
    CHECK(state[i].second.shape() == expected[i].second);
  }
  CHECK(make({.model = "conv-vae", .picture = {1, 64, 64}, .channels = {8, 16, 32, 64}})->config().decoder_channels ==
        std::vector<std::int64_t>{64, 32, 16, 8});
  config.channels = {5, 6, 7, 8};
  CHECK_THROWS_WITH(make(config),
                    "channels: 4 convolutions halve the picture as often, found 8 x 16 pixels, which cannot be");
  config.channels = {5};
  CHECK_THROWS_WITH(make(config), "decoder_channels: expected 1, as many as channels, found 2");
}

TEST_CASE("an autoencoder has a code and no KL") {
  ModelConfig config{.model = "ae", .picture = {1, 8, 8}, .hidden = {16}, .latent = 3};
  LatentModel model(config);
  Tensor x = some_pictures(4, {1, 8, 8});
  Prediction p = model.forward(x);
  CHECK_FALSE(p.posterior.logvar.defined());
  CHECK_FALSE(p.log_q.defined());
  CHECK(model.decode(p.posterior.mu).array().to_vector<float>() == p.logits.array().to_vector<float>());
  CHECK(model.kl(p, {.x = x}).item() == 0);
  CHECK(model.loss({.x = x}).find("kl")->nats.item() == 0);
  CHECK_FALSE(model.has_prior());
  CHECK_FALSE(model.log_weights({.x = x}, 2).defined());
  std::vector<std::string> names;
  for (const auto& [name, array] : model.state_dict()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"encoder.0.weight", "encoder.0.bias", "encoder.2.weight", "encoder.2.bias",
                                          "decoder.0.weight", "decoder.0.bias", "decoder.2.weight", "decoder.2.bias"});
}

TEST_CASE("a conditional VAE sees the label on both sides, and others refuse one") {
  ModelConfig config{.model = "cvae", .picture = {1, 8, 8}, .hidden = {16}, .latent = 3, .classes = 4};
  LatentModel model(config);
  Tensor x = some_pictures(2, {1, 8, 8}), z = zeros({2, 3});
  Tensor a(Array::from(std::vector<std::int64_t>{0, 1}, {2})), b(Array::from(std::vector<std::int64_t>{2, 1}, {2}));
  auto mu = [&](const Tensor& labels) { return model.encode(x, labels).mu.array().to_vector<float>(); };
  auto logits = [&](const Tensor& labels) { return model.decode(z, labels).array().to_vector<float>(); };
  CHECK(mu(a)[0] != mu(b)[0]);
  CHECK(mu(a)[3] == mu(b)[3]);
  CHECK(logits(a)[0] != logits(b)[0]);
  CHECK(logits(a)[64] == logits(b)[64]);
  CHECK_THROWS_WITH(model.encode(x), "[encode] expected a label from 0 to 3 for each of a batch of 2, found none");
  CHECK_THROWS_WITH(model.decode(z, Tensor(Array::zeros({3}, {.dtype = DType::int64}))),
                    "[decode] expected labels [2], found [3]");
  CHECK_THROWS_AS(model.decode(z, Tensor(Array::full({2}, 4, {.dtype = DType::int64}))), IndexError);
  CHECK_THROWS_WITH(as_latent(*small_model()).encode(x, a), "[encode] the model vae takes no labels, found some");
  CHECK_THROWS_WITH(make({.model = "cvae"}),
                    "model cvae: expected at least one class, found 0: it needs pictures with labels");
  CHECK_THROWS_WITH(make({.model = "gan"}), Catch::StartsWith("model: expected one of ae, vae, cvae, conv-vae, ") &&
                                                Catch::EndsWith(", found 'gan'"));
}

TEST_CASE("any model takes labels where it has classes, or where they are asked for") {
  Tensor x = some_pictures(2, {1, 8, 8}), z = zeros({2, 3});
  Tensor a(Array::from(std::vector<std::int64_t>{0, 1}, {2})), b(Array::from(std::vector<std::int64_t>{2, 1}, {2}));
  for (const char* kind : {"ae", "vae", "conv-vae"}) {
    INFO(kind);
    ModelConfig config{
        .model = kind, .picture = {1, 8, 8}, .hidden = {16}, .channels = {4, 8}, .latent = 3, .classes = 4};
    Generator init(5, Stream::init);
    const auto made = make(config, &init);
    LatentModel& model = as_latent(*made);
    CHECK(model.is_conditional());
    CHECK(model.config().labels);
    const auto first = [](const Tensor& t) { return slice(t, 0, 0, 1).array().to_vector<float>(); };
    const auto second = [](const Tensor& t) { return slice(t, 0, 1, 2).array().to_vector<float>(); };
    CHECK(first(model.encode(x, a).mu) != first(model.encode(x, b).mu));
    CHECK(second(model.encode(x, a).mu) == second(model.encode(x, b).mu));
    CHECK(first(model.decode(z, a)) != first(model.decode(z, b)));
    CHECK(second(model.decode(z, a)) == second(model.decode(z, b)));
    CHECK_THROWS_AS(model.reconstruct(x), ValueError);
    config.classes = 0;
    config.labels = true;
    CHECK_THROWS_WITH(make(config), Catch::Contains("expected at least one class, found 0"));
  }
}

TEST_CASE("a vae with labels is the cvae, bit for bit") {
  const auto bits = [](ModelConfig config) {
    config.picture = {1, 8, 8};
    config.classes = 4;
    Generator init(5, Stream::init);
    std::vector<float> out;
    for (const auto& [name, array] : make(config, &init)->state_dict())
      for (float value : array.to_vector<float>()) out.push_back(value);
    return out;
  };
  CHECK(bits({.model = "cvae", .hidden = {16}, .latent = 3}) == bits({.model = "vae", .hidden = {16}, .latent = 3}));
}

TEST_CASE("only a model with one code a picture is a LatentModel") {
  class Other : public Model {
   public:
    Other() : Model(ModelConfig{.model = "other", .picture = {1, 8, 8}}) {}
    Terms loss(const StepInput&, int) override { return {}; }
    Tensor mean(const Tensor& decoded) const override { return decoded; }
    Tensor reconstruct(const Tensor& x, const Tensor&) override { return x; }
    Tensor sample(std::int64_t n, const Tensor&, Generator*) override { return zeros({n, 1, 8, 8}); }
  };
  Other other;
  CHECK_THROWS_WITH(as_latent(other), "[as_latent] expected a model with one code a picture, found the model other");
  CHECK(other.code_size() == 0);
  CHECK_THROWS_WITH(other.code(zeros({1, 1, 8, 8})),
                    "[code] the model other has no codes, one a picture, to work with");
  CHECK_THROWS_AS(other.picture(zeros({1, 3})), ValueError);
  CHECK_THROWS_AS(other.draw_codes(1), ValueError);
  CHECK_FALSE(other.log_weights({.x = zeros({1, 1, 8, 8})}, 1).defined());
  auto model = small_model();
  CHECK(&as_latent(*model) == model.get());
}

TEST_CASE("terms are found by name") {
  Terms terms;
  terms.add("reconstruction", zeros({}));
  terms.report("mutual_information", full({}, 2));
  CHECK(terms.find("reconstruction")->counts);
  CHECK_FALSE(terms.find("mutual_information")->counts);
  CHECK(terms.find("mutual_information")->nats.item() == 2);
  CHECK(terms.find("kl") == nullptr);
}

TEST_CASE("importance weights tell how probable a picture is") {
  // With q(z|x) = p(z), the weights are p(x|z) alone.
  auto model = small_model("gaussian");
  for (auto& [name, parameter] : model->named_parameters())
    if (name.starts_with("fc_")) parameter.mutable_array().fill(0);
  Tensor x = some_pictures(3, {1, 8, 8});
  Generator noise(4), again(4);
  const Tensor found = model->log_weights({.x = x, .noise = &noise}, 2);
  REQUIRE(found.shape() == Shape{2, 3});
  const NoGradGuard no_grad;
  const Tensor z = randn({6, 3}, {}, &again);
  const std::vector<float> mean = as_latent(*model).picture(z).array().to_vector<float>();
  const std::vector<float> pixels = x.array().to_vector<float>(), weights = found.array().to_vector<float>();
  for (std::size_t row = 0; row < 6; ++row) {
    double log_p = -64 * std::log(M_PI) / 2;
    for (std::size_t i = 0; i < 64; ++i) log_p -= std::pow(mean[row * 64 + i] - pixels[row % 3 * 64 + i], 2);
    CHECK(weights[row] == Approx(log_p).epsilon(1e-5));
  }
}

TEST_CASE("the reference's unit values") {
  // KL of N(mu, 1) in two dimensions.
  for (double mu : {0.0, 1.0, 2.0}) {
    CHECK(gaussian_kl(full({1, 2}, mu), zeros({1, 2}), Reduction::sum).item() == Approx(mu * mu).margin(1e-6));
  }
  // Four pixels and 15 latent dimensions with mu = 1, logvar = 0.
  Tensor logits(Array::from(std::vector<float>{2, 5, 6, 7}, {1, 4}));
  Tensor target = sigmoid(Tensor(Array::from(std::vector<float>{1, 10, 9, 3}, {1, 4})));
  double loss = binary_cross_entropy_with_logits(logits, target, Reduction::sum).item() +
                gaussian_kl(full({1, 15}, 1), zeros({1, 15}), Reduction::sum).item();
  CHECK(loss == Approx(8.507862).margin(1e-5));
}

TEST_CASE("pixels that the sigmoid cannot reach are refused unless asked for") {
  ModelConfig config{.picture = {1, 8, 8}, .hidden = {16}, .latent = 3, .pixels = {-1, 1}};
  CHECK_THROWS_WITH(make(config),
                    "pixels: expected a range within [0, 1] for the bernoulli likelihood, found [-1, 1]: another needs "
                    "--likelihood gaussian");
  config.likelihood = "gaussian";
  CHECK_THROWS_WITH(make(config), Catch::Contains("the decoder's sigmoid gives 0 to 1, found a range of [-1, 1]") &&
                                      Catch::Contains("--allow-range-mismatch"));
  config.allow_range_mismatch = true;
  auto model = make(config);
  // A black picture becomes -1 everywhere: the squared error to sigmoid(logits) is at least 1 a pixel.
  datasets::Dataset data = bars(20, 8);
  data.features.fill(0);
  CHECK(evaluate(*model, data).mse > 1);
  config.pixels = {1, 0};
  CHECK_THROWS_AS(make(config), ValueError);
}

TEST_CASE("scores of single pictures add up to the evaluation, labels included") {
  datasets::Dataset data = bars(53, 8);
  for (const char* kind : {"vae", "cvae", "ae"}) {
    for (const char* likelihood : {"bernoulli", "gaussian"}) {
      ModelConfig config{.model = kind, .picture = {1, 8, 8}, .hidden = {16}, .latent = 3};
      config.classes = config.model == "cvae" ? 2 : 0;
      config.likelihood = likelihood;
      config.beta = 2;  // a score is the ELBO all the same
      auto model = make(config);
      EvaluateOptions options{.seed = 4, .batch_size = 20};
      std::vector<Losses> scores = score(*model, data, options);
      Evaluation whole = evaluate(*model, data, options);
      REQUIRE(scores.size() == 53);
      Losses sum;
      double reconstruction = 0, kl = 0;
      for (const Losses& one : scores) {
        sum.loss += one.loss / 53;
        reconstruction += one["reconstruction"] / 53;
        kl += one["kl"] / 53;
      }
      CHECK(sum.loss == Approx(whole.losses["reconstruction"] + whole.losses["kl"]).epsilon(1e-5));
      CHECK(reconstruction == Approx(whole.losses["reconstruction"]).epsilon(1e-5));
      CHECK(kl == Approx(whole.losses["kl"]).epsilon(1e-5).margin(1e-9));
      CHECK(whole.losses.loss == Approx(reconstruction + 2 * kl).epsilon(1e-5));
      CHECK(whole.losses.terms.size() == 2);
      CHECK(whole.losses.find("mmd") == nullptr);
      CHECK_THROWS_WITH(whole.losses["mmd"], "[Losses] expected one of reconstruction, kl, found 'mmd'");
      // sigma^2 = 1/2: log(2 pi sigma^2) / 2 is log(pi) / 2 a pixel.
      CHECK(whole.constant == (config.likelihood == "gaussian" ? Approx(64 * std::log(M_PI) / 2) : Approx(0)));
    }
  }
}

TEST_CASE("models refuse pictures and codes of other sizes") {
  auto model = small_model();
  CHECK_THROWS_WITH(as_latent(*model).encode(zeros({2, 1, 8, 9})),
                    "[encode] expected pictures [B, 1, 8, 8], found [2, 1, 8, 9]");
  CHECK_THROWS_WITH(as_latent(*model).decode(zeros({2, 4})), "[decode] expected codes [B, 3], found [2, 4]");
  ModelConfig config;
  config.latent = 0;
  CHECK_THROWS_WITH(make(config), "latent: expected at least 1, found 0");
}

TEST_CASE("the objective is reconstruction plus beta times the closed-form KL") {
  auto model = small_model("bernoulli", 2.5);
  Tensor x = some_pictures(5, {1, 8, 8});
  Generator noise(8), again(8);
  Prediction p = as_latent(*model).forward(x, {}, &noise);
  const Terms terms = model->loss({.x = x, .noise = &again});
  REQUIRE(terms.list.size() == 2);
  double reconstruction = 0, kl = 0;
  auto logits = p.logits.array().to_vector<float>(), pixels = x.array().to_vector<float>();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    double q = 1 / (1 + std::exp(-static_cast<double>(logits[i])));
    reconstruction -= pixels[i] * std::log(q) + (1 - pixels[i]) * std::log(1 - q);
  }
  auto mu = p.posterior.mu.array().to_vector<float>(), logvar = p.posterior.logvar.array().to_vector<float>();
  for (std::size_t i = 0; i < mu.size(); ++i) {
    double m = mu[i], v = logvar[i];
    kl += 0.5 * (m * m + std::exp(v) - 1 - v);
  }
  CHECK(terms.list[0].name == "reconstruction");
  CHECK(terms.list[0].nats.item() == Approx(reconstruction).epsilon(1e-5));
  CHECK(terms.list[0].weight.last() == 1);
  CHECK(terms.list[1].name == "kl");
  CHECK(terms.list[1].nats.item() == Approx(kl).epsilon(1e-5));
  CHECK(terms.list[1].weight.last() == 2.5);
  CHECK_FALSE(terms.list[1].weight.moves());
  CHECK_FALSE(terms.decoded.defined());  // a by-product of measuring alone
  for (const Term& term : model->elbo({.x = x}).list) CHECK(term.weight.last() == 1);
  const NoGradGuard no_grad;
  const Terms measured = model->loss({.x = x, .per_picture = true, .codes = Codes::mean});
  CHECK(measured.decoded.shape() == x.shape());
  CHECK(measured.codes.array().to_vector<float>() == p.posterior.mu.array().to_vector<float>());
  for (const Term& term : measured.list) CHECK(term.nats.shape() == Shape{5});
  CHECK(sum(measured.list[1].nats).item() == Approx(kl).epsilon(1e-5));
}

TEST_CASE("a Gaussian likelihood of variance 1/2 is the summed squared error") {
  auto model = small_model("gaussian");
  Tensor x = some_pictures(4, {1, 8, 8});
  LatentModel& latent = as_latent(*model);
  Prediction p = latent.forward(x);
  double expected = mse_loss(model->mean(p.logits), x, Reduction::sum).item();
  CHECK(latent.nll(p, {.x = x}).item() == Approx(expected).epsilon(1e-6));
  CHECK(sum(latent.nll(p, {.x = x, .per_picture = true})).item() == Approx(expected).epsilon(1e-6));
}

TEST_CASE("an evaluation counts every picture once, whatever the batches") {
  auto model = small_model();
  datasets::Dataset data = bars(53, 8);
  Evaluation whole = evaluate(*model, data, {.codes = Codes::mean, .batch_size = 53});
  Evaluation parts = evaluate(*model, data, {.codes = Codes::mean, .batch_size = 10});
  CHECK(whole.count == 53);
  CHECK(parts.losses.loss == Approx(whole.losses.loss).epsilon(1e-6));
  CHECK(parts.mse == Approx(whole.mse).epsilon(1e-6));
  CHECK(parts.active_units == whole.active_units);
  CHECK(whole.losses.loss == Approx(whole.losses["reconstruction"] + whole.losses["kl"]));
  const Array indices = arange(53, {DType::int64}).array();
  const Array floats = kernels::gather_pictures(data.pictures_array(), indices, 1.0 / 255, 0);
  Evaluation scaled =
      evaluate(*model, floats, {}, indices.values<std::int64_t>(), {.codes = Codes::mean, .batch_size = 53});
  CHECK(scaled.losses.loss == whole.losses.loss);
  CHECK_THROWS_WITH(evaluate(*model, indices, {}, indices.values<std::int64_t>()),
                    "pictures: expected uint8 or float32, found int64");
  Evaluation again = evaluate(*model, data, {.seed = 4});
  CHECK(again.losses.loss == evaluate(*model, data, {.seed = 4}).losses.loss);
  CHECK(again.losses.loss != evaluate(*model, data, {.seed = 5}).losses.loss);
}

TEST_CASE("an untrained encoder has no active units; one that spreads its codes has them") {
  auto model = small_model();
  datasets::Dataset data = bars(40, 8);
  for (auto& [name, parameter] : model->named_parameters())
    if (name.starts_with("fc_mu.")) parameter.mutable_array().fill(0);
  CHECK(evaluate(*model, data).active_units == 0);
  // One latent dimension follows the pictures.
  for (auto& [name, parameter] : model->named_parameters()) {
    if (name != "fc_mu.weight") continue;
    auto row = parameter.mutable_array().slice(1, 2);
    row.fill(1);
  }
  CHECK(evaluate(*model, data).active_units == 1);
}

TEST_CASE("a run folder gives its model back") {
  TempDir dir;
  auto model = small_model();
  RunConfig config;
  config.model = model->config();
  config.train.seed = 9;
  Run run = Run::create(dir / "run", config);
  run.write_model(model->state_dict());
  const double draws = default_generator().offset().item();
  auto loaded = load(dir / "run");
  CHECK(default_generator().offset().item() == draws);  // the weights of the file are not drawn first
  Tensor x = some_pictures(3, {1, 8, 8});
  CHECK(loaded->reconstruct(x).array().to_vector<float>() == model->reconstruct(x).array().to_vector<float>());
  CHECK_FALSE(loaded->is_training());
  CHECK(Run::open(dir / "run").config().to_json() == config.to_json());
}

TEST_CASE("weights that are NaN or infinite are refused, with their file and name") {
  TempDir dir;
  auto model = small_model();
  RunConfig config;
  config.model = model->config();
  Run run = Run::create(dir / "run", config);
  const NamedArrays good = model->state_dict();
  for (double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    NamedArrays weights = good;
    auto& [name, array] = weights.back();
    array = array.copy();
    array.slice(1, 2).fill(bad);
    run.write_model(weights);
    INFO(bad);
    CHECK_THROWS_WITH(load(dir / "run"), Catch::Contains("model.safetensors: " + name + ": expected finite numbers") &&
                                             Catch::Contains("at element "));
    CHECK_THROWS_AS(load(dir / "run"), FormatError);
  }
  NamedArrays wide = good;  // finite as a double, and not as the float that the model has
  wide.back().second = Array::full(wide.back().second.shape(), 1e300, {DType::float64});
  run.write_model(wide);
  CHECK_THROWS_WITH(load(dir / "run"), Catch::Contains("expected finite numbers, found inf"));
  run.write_model(good);
  CHECK_NOTHROW(load(dir / "run"));
}

namespace {

/// A model whose training differs from its evaluation: it drops codes.
class Dropping : public LatentModel {
 public:
  Dropping() : LatentModel({.model = "ae", .picture = {1, 8, 8}, .latent = 16}, OwnNetworks{}) {
    register_module("in", &Dropping::in);
    register_module("out", &Dropping::out);
    register_module("drop", &Dropping::drop);
    register_module("norm", &Dropping::norm);
  }
  nn::Linear in{64, 16}, out{16, 64};
  nn::Dropout drop;
  nn::BatchNorm2d norm{1};

 private:
  Encoded encode_pictures(const Tensor& x, const Tensor&) override { return {drop(in(flatten(norm(x))))}; }
  Tensor decode_codes(const Tensor& z, const Tensor&) override {
    return reshape(out(drop(z)), {z.shape()[0], 1, 8, 8});
  }
};

}  // namespace

TEST_CASE("one model in training is scored by several threads in evaluation, and stays as it is", "[threads]") {
  Dropping model;
  const datasets::Dataset data = bars(40, 8);
  const auto scores = [&] {
    std::vector<double> out;
    for (const Losses& losses : score(model, data)) out.push_back(losses.loss);
    return out;
  };
  model.eval();
  const std::vector<double> expected = scores();
  model.train();
  const double draws = default_generator().offset().item();
  std::vector<std::vector<double>> found(3);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < found.size(); ++t) threads.emplace_back([&, t] { found[t] = scores(); });
  bool training = true;
  for (int i = 0; i < 1000; ++i) training = training && model.is_training();  // an EvalGuard is of one thread alone
  for (std::thread& thread : threads) thread.join();
  CHECK(training);
  for (const std::vector<double>& one : found) CHECK(one == expected);
  CHECK(model.norm.num_batches_tracked.item() == 0);
  CHECK(default_generator().offset().item() == draws);
}
