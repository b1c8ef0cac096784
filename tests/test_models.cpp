#include <elbo/core/kernels.h>
#include <elbo/core/safetensors.h>
#include <elbo/models/analysis/evaluate.h>
#include <elbo/models/objective.h>
#include <elbo/models/training/trainer.h>
#include <elbo/models/vae.h>
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

std::unique_ptr<Model> small_model(Likelihood likelihood = Likelihood::bernoulli) {
  ModelConfig config;
  config.picture = {1, 8, 8};
  config.hidden = {16};
  config.latent = 3;
  config.likelihood = likelihood;
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
  VAE vae(config);
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
  CHECK(VAE(config).num_parameters() == 2485512);
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
    Tensor logits = model->forward(some_pictures(2, one.config.picture), labels).logits;
    CHECK(logits.shape() == one.config.picture.insert(0, 2));
  }
}

TEST_CASE("a ConvVAE keeps to PyTorch's names, channels of one's own, and pictures that can be halved") {
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
  auto model = make(config);
  Tensor x = some_pictures(4, {1, 8, 8});
  Prediction p = model->forward(x);
  CHECK_FALSE(p.posterior.logvar.defined());
  CHECK(model->decode(p.posterior.mu).array().to_vector<float>() == p.logits.array().to_vector<float>());
  CHECK(loss_sums(*model, p, x).kl.item() == 0);
  std::vector<std::string> names;
  for (const auto& [name, array] : model->state_dict()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"encoder.0.weight", "encoder.0.bias", "encoder.2.weight", "encoder.2.bias",
                                          "decoder.0.weight", "decoder.0.bias", "decoder.2.weight", "decoder.2.bias"});
}

TEST_CASE("a conditional VAE sees the label on both sides, and others refuse one") {
  ModelConfig config{.model = "cvae", .picture = {1, 8, 8}, .hidden = {16}, .latent = 3, .classes = 4};
  auto model = make(config);
  Tensor x = some_pictures(2, {1, 8, 8}), z = zeros({2, 3});
  Tensor a(Array::from(std::vector<std::int64_t>{0, 1}, {2})), b(Array::from(std::vector<std::int64_t>{2, 1}, {2}));
  auto mu = [&](const Tensor& labels) { return model->encode(x, labels).mu.array().to_vector<float>(); };
  auto logits = [&](const Tensor& labels) { return model->decode(z, labels).array().to_vector<float>(); };
  CHECK(mu(a)[0] != mu(b)[0]);
  CHECK(mu(a)[3] == mu(b)[3]);
  CHECK(logits(a)[0] != logits(b)[0]);
  CHECK(logits(a)[64] == logits(b)[64]);
  CHECK_THROWS_WITH(model->encode(x), "[encode] expected a label from 0 to 3 for each of a batch of 2, found none");
  CHECK_THROWS_WITH(model->decode(z, Tensor(Array::zeros({3}, {.dtype = DType::int64}))),
                    "[decode] expected labels [2], found [3]");
  CHECK_THROWS_AS(model->decode(z, Tensor(Array::full({2}, 4, {.dtype = DType::int64}))), IndexError);
  CHECK_THROWS_WITH(small_model()->encode(x, a), "[encode] the model vae takes no labels, found some");
  CHECK_THROWS_WITH(make({.model = "vae", .classes = 3}), "classes: the model vae takes no labels, found 3 classes");
  CHECK_THROWS_WITH(make({.model = "cvae"}),
                    "model cvae: expected at least one class, found 0: it needs pictures with labels");
  CHECK_THROWS_WITH(make({.model = "gan"}), "model: expected one of ae, vae, cvae, conv-vae, found 'gan'");
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
  config.likelihood = Likelihood::gaussian;
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
    for (Likelihood likelihood : {Likelihood::bernoulli, Likelihood::gaussian}) {
      ModelConfig config{.model = kind, .picture = {1, 8, 8}, .hidden = {16}, .latent = 3};
      config.classes = config.model == "cvae" ? 2 : 0;
      config.likelihood = likelihood;
      auto model = make(config);
      EvaluateOptions options{.beta = 2, .seed = 4, .batch_size = 20};
      std::vector<Losses> scores = score(*model, data, options);
      Evaluation whole = evaluate(*model, data, options);
      REQUIRE(scores.size() == 53);
      Losses sum;
      for (const Losses& one : scores) {
        sum.loss += one.loss / 53;
        sum.reconstruction += one.reconstruction / 53;
        sum.kl += one.kl / 53;
      }
      CHECK(sum.loss == Approx(whole.losses.loss).epsilon(1e-5));
      CHECK(sum.reconstruction == Approx(whole.losses.reconstruction).epsilon(1e-5));
      CHECK(sum.kl == Approx(whole.losses.kl).epsilon(1e-5).margin(1e-9));
      // sigma^2 = 1/2: log(2 pi sigma^2) / 2 is log(pi) / 2 a pixel.
      CHECK(whole.constant == (likelihood == Likelihood::gaussian ? Approx(64 * std::log(M_PI) / 2) : Approx(0)));
    }
  }
}

TEST_CASE("models refuse pictures and codes of other sizes") {
  auto model = small_model();
  CHECK_THROWS_WITH(model->encode(zeros({2, 1, 8, 9})), "[encode] expected pictures [B, 1, 8, 8], found [2, 1, 8, 9]");
  CHECK_THROWS_WITH(model->decode(zeros({2, 4})), "[decode] expected codes [B, 3], found [2, 4]");
  ModelConfig config;
  config.latent = 0;
  CHECK_THROWS_WITH(make(config), "latent: expected at least 1, found 0");
}

TEST_CASE("the objective is reconstruction plus beta times the closed-form KL") {
  auto model = small_model();
  Tensor x = some_pictures(5, {1, 8, 8});
  Prediction p = model->forward(x);
  LossSums sums = loss_sums(*model, p, x);
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
  CHECK(sums.reconstruction.item() == Approx(reconstruction).epsilon(1e-5));
  CHECK(sums.kl.item() == Approx(kl).epsilon(1e-5));
  CHECK(objective(sums, full({}, 2.5), 5).item() == Approx((reconstruction + 2.5 * kl) / 5).epsilon(1e-5));
}

TEST_CASE("a Gaussian likelihood of variance 1/2 is the summed squared error") {
  auto model = small_model(Likelihood::gaussian);
  Tensor x = some_pictures(4, {1, 8, 8});
  Prediction p = model->forward(x);
  double expected = mse_loss(model->mean(p.logits), x, Reduction::sum).item();
  CHECK(loss_sums(*model, p, x).reconstruction.item() == Approx(expected).epsilon(1e-6));
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
  CHECK(whole.losses.loss == Approx(whole.losses.reconstruction + whole.losses.kl));
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
  auto& vae = dynamic_cast<VAE&>(*model);
  datasets::Dataset data = bars(40, 8);
  for (Tensor parameter : vae.fc_mu.parameters()) parameter.mutable_array().fill(0);
  CHECK(evaluate(*model, data).active_units == 0);
  // One latent dimension follows the pictures.
  for (auto& [name, parameter] : vae.fc_mu.named_parameters()) {
    if (name != "weight") continue;
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

TEST_CASE("every field of a config survives the round trip, and a run of the first version can still be read") {
  RunConfig config;
  config.model = {.model = "conv-vae",
                  .picture = {3, 32, 32},
                  .channels = {4, 8},
                  .decoder_channels = {6, 3},
                  .kernel = 3,
                  .decoder_relu = false,
                  .latent = 7,
                  .likelihood = Likelihood::gaussian,
                  .variance = 0.25,
                  .pixels = {-1, 1},
                  .allow_range_mismatch = true};
  config.train.warmup = 2.5;
  config.train.schedule = LrSchedule::step;
  config.train.lr_warmup = 0.5;
  config.train.lr_every = 3;
  config.train.lr_factor = 0.25;
  config.train.lr_patience = 4;
  config.train.device = {DeviceType::cuda, 1};
  config.train.precision = Precision::bf16;
  config.train.graph = false;
  config.train.binarize = true;
  config.data = {.dataset = "folder",
                 .dir = "/x",
                 .load = {.size = 32, .channels = 1, .count = 9},
                 .class_names = {"a", "b \"c\""},
                 .identity = "9 pictures"};
  RunConfig again = RunConfig::from_json(config.to_json(), "config.json");
  CHECK(again.to_json() == config.to_json());
  CHECK(again.model.decoder_channels == config.model.decoder_channels);
  CHECK(again.model.pixels == config.model.pixels);
  CHECK(again.data.class_names == config.data.class_names);
  CHECK(again.data.load.split_rule == datasets::SplitRule::hash);
  CHECK(again.train.device == config.train.device);
  CHECK(again.train.precision == Precision::bf16);
  CHECK_FALSE(again.train.graph);
  CHECK(again.train.binarize);
  CHECK(again.train.schedule == LrSchedule::step);
  CHECK(again.train.lr_warmup == 0.5);
  CHECK(again.train.lr_every == 3);
  CHECK(again.train.lr_factor == 0.25);
  CHECK(again.train.lr_patience == 4);

  const char* first = R"({"model": {"name": "vae", "picture": [1, 28, 28], "hidden": [400], "latent": 20,
    "likelihood": "bernoulli", "variance": 0.5}, "data": {"dataset": "mnist", "dir": ""}, "train": {"epochs": 5,
    "batch_size": 128, "drop_last": false, "lr": 0.001, "beta": 1, "val_size": 0, "patience": 0, "seed": 0,
    "device": "cpu"}})";
  const RunConfig old = RunConfig::from_json(first, "config.json");
  CHECK(old.model.latent == 20);
  CHECK(old.data.load.split_rule == datasets::SplitRule::tenth);
  CHECK(old.data.identity.empty());
  CHECK(old.train.precision == Precision::float32);
  CHECK(old.train.graph);
  CHECK_FALSE(old.train.binarize);
  CHECK_FALSE(old.train.moves_lr());
}

TEST_CASE("schedules of the learning rate have names, and settings that make no sense are refused") {
  for (const char* text : {"constant", "step", "cosine", "one-cycle", "plateau"})
    CHECK(std::string(name(parse_lr_schedule(text))) == text);
  CHECK_THROWS_WITH(parse_lr_schedule("linear"),
                    "schedule: expected constant, step, cosine, one-cycle or plateau, found 'linear'");
  TrainOptions cycle;
  cycle.schedule = LrSchedule::one_cycle;
  cycle.lr_warmup = 1;
  CHECK_THROWS_WITH(cycle.validate(), "lr_warmup: the schedule one-cycle has its own, expected 0, found 1");
  TrainOptions factor;
  factor.lr_factor = 1.5;
  CHECK_THROWS_WITH(factor.validate(), "lr_factor: expected a number above 0 and at most 1, found 1.5");
}

TEST_CASE("only a GPU computes in less than float32") {
  TrainOptions options;
  options.precision = Precision::tf32;
  CHECK_THROWS_WITH(options.validate(), "precision: the CPU computes in float32 alone, found tf32, which needs a GPU");
  options.device = {DeviceType::cuda, 0};
  CHECK_NOTHROW(options.validate());
  CHECK(parse_precision("bf16") == Precision::bf16);
  CHECK_THROWS_WITH(parse_precision("half"), "precision: expected float32, tf32 or bf16, found 'half'");
}

TEST_CASE("the name of a run folder is its last part, however it is written") {
  CHECK(folder_name("runs/one") == "one");
  CHECK(folder_name("runs/one/") == "one");
  CHECK(folder_name("runs/two/../one/.") == "one");
  CHECK(folder_name("runs/one/..") == "runs");
  CHECK(folder_name(".") == std::filesystem::current_path().filename().string());
}

TEST_CASE("run folders that are none are refused in one line") {
  TempDir dir;
  CHECK_THROWS_WITH(load(dir / "none"), (dir / "none").string() + ": expected a run folder, found nothing");
  write_file(dir / "file", "x");
  CHECK_THROWS_WITH(load(dir / "file"), (dir / "file").string() + ": expected a run folder, found a file");
  CHECK_THROWS_WITH(Run::create(dir / "file", {}),
                    (dir / "file").string() + ": expected a new folder for the run, found a file");
  CHECK_THROWS_WITH(load(dir.path()), dir.path().string() + ": expected a run folder, found no config.json in it");
  CHECK_THROWS_AS(Run::create(dir.path(), {}), IoError);

  Run run = Run::create(dir / "run", {});
  CHECK_THROWS_AS(load(dir / "run"), IoError);  // no model.safetensors yet
  run.write_model({{"wrong", Array::zeros({2})}});
  CHECK_THROWS_AS(load(dir / "run"), FormatError);
  for (const char* text : {"", "{", "[]", "{\"model\": 3}", "{\"model\": {\"name\": 3}}"}) {
    write_file(dir / "run/config.json", text);
    CHECK_THROWS_AS(load(dir / "run"), FormatError);
  }
}

TEST_CASE("history lines survive the round trip and bad ones are named") {
  TempDir dir;
  Run run = Run::create(dir / "run", {});
  CHECK(run.history().empty());
  std::vector<EpochRecord> records = {{1, {3, 2, 1}, Losses{3.5, 2.25, 1.25}, 0.5}, {2, {2, 1.5, 0.5}, {}, 0.25}};
  run.write_history(records);
  CHECK(read_file(dir / "run/history.jsonl") ==
        "{\"epoch\":1,\"train\":{\"loss\":3.0,\"reconstruction\":2.0,\"kl\":1.0},"
        "\"val\":{\"loss\":3.5,\"reconstruction\":2.25,\"kl\":1.25},\"seconds\":0.5}\n"
        "{\"epoch\":2,\"train\":{\"loss\":2.0,\"reconstruction\":1.5,\"kl\":0.5},\"val\":null,\"seconds\":0.25}\n");
  auto again = run.history();
  REQUIRE(again.size() == 2);
  CHECK(again[0].val->kl == 1.25);
  CHECK_FALSE(again[0].lr);
  CHECK_FALSE(again[1].val);
  records[0].lr = 0.5;
  run.write_history(records);
  CHECK(run.history()[0].lr == 0.5);
  records[0].epoch = 3;
  run.append_history(records[0]);
  CHECK(run.history().size() == 3);
  // A machine that stopped in the middle of a line.
  write_file(dir / "run/history.jsonl", read_file(dir / "run/history.jsonl") + "{\"epoch\":4,\"tra");
  CHECK(run.history().size() == 3);
  const std::string where = (dir / "run/history.jsonl").string();
  for (const auto& [second, found] : {std::pair{1, "1"}, {3, "3"}, {99, "99"}, {-1, "-1"}}) {
    records[0].epoch = 1;
    records[1].epoch = second;
    run.write_history(records);
    CHECK_THROWS_WITH(run.history(), where + ": line 2: expected epoch 2, found epoch " + found);
  }
  write_file(dir / "run/history.jsonl", "{\"epoch\":1}\n");
  CHECK_THROWS_WITH(run.history(),
                    (dir / "run/history.jsonl").string() + ": line 1: 'train': expected an object, found nothing");
}

namespace {

/// A model whose training differs from its evaluation: it drops codes.
class Dropping : public Model {
 public:
  Dropping() : Model({.picture = {1, 8, 8}, .latent = 16}) {
    register_module("in", &Dropping::in);
    register_module("out", &Dropping::out);
    register_module("drop", &Dropping::drop);
    register_module("norm", &Dropping::norm);
  }
  nn::Linear in{64, 16}, out{16, 64};
  nn::Dropout drop;
  nn::BatchNorm2d norm{1};

 private:
  Posterior encode_pictures(const Tensor& x, const Tensor&) override { return {drop(in(flatten(norm(x)))), {}}; }
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
