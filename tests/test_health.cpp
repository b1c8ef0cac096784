#include <elbo/models/registry.h>
#include <elbo/models/training/health.h>
#include <elbo/models/training/trained.h>

#include "catch.h"
#include "small_data.h"

using namespace elbo;
using namespace elbo::models;

namespace {

/// All warnings of a training, which has a hundred steps an epoch.
std::vector<std::string> warnings_of(RunConfig config, const datasets::Dataset& data) {
  config.train.batch_size = 2;
  config = completed(std::move(config), data);
  Health health(config);
  std::vector<std::string> out = health.of_pictures(data);
  Generator init(config.train.seed, Stream::init);
  std::unique_ptr<Model> model = make(config.model, &init);
  Trainer trainer(*model, data, config.train);
  for (std::int64_t i = 0; i < config.train.epochs; ++i)
    for (const std::string& text : health.after_epoch(trainer, trainer.run_epoch())) out.push_back(text);
  return out;
}

RunConfig small() {
  return {.model = {.hidden = {24}, .latent = 3}, .train = {.epochs = 4, .val_size = 20, .seed = 2}};
}

void check_one(const std::vector<std::string>& warnings, const std::string& words) {
  std::string all;
  for (const std::string& text : warnings) all += text + "\n";
  INFO(all);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Catch::Contains(words));
  CHECK(warnings[0].find('\n') == std::string::npos);
}

}  // namespace

TEST_CASE("a training as it should be gives no warning", "[health]") {
  const datasets::Dataset data = bars(240, 12);
  for (const std::string& kind : known_models()) {
    INFO(kind);
    RunConfig config = small();
    config.model.model = kind;
    config.model.channels = {4, 8};
    CHECK(warnings_of(config, data).empty());
    config.model.warmup = 2;
    config.train.val_size = 0;
    CHECK(warnings_of(config, data).empty());
  }
}

TEST_CASE("pixels that look like the wrong range, and pictures that are all alike, are said", "[health]") {
  datasets::Dataset data = bars(240, 12);
  const std::span<std::uint8_t> pictures = data.features.mutable_values<std::uint8_t>();
  for (std::uint8_t& byte : pictures) byte = byte > 100;
  Health health(small());
  check_one(health.of_pictures(data), "no pixel is above 1 of 255");
  CHECK(health.of_pictures(data).empty());  // once
  data.features.fill(0);
  check_one(Health(small()).of_pictures(data), "all pictures are the same, each pixel 0");
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<std::uint8_t>(i % 144);
  check_one(Health(small()).of_pictures(data), "all pictures are the same: ");
}

TEST_CASE("a collapsed posterior and terms that float32 loses are said once", "[health]") {
  const datasets::Dataset data = bars(240, 12);
  RunConfig config = small();
  config.model.beta = 1000;
  check_one(warnings_of(config, data), "the posterior has collapsed: a KL of ");
  config = small();
  config.model.beta = 1e-9;
  check_one(warnings_of(config, data), "is lost beside the reconstruction");
  config.train.epochs = 1;  // a short training is told at its end
  check_one(warnings_of(config, data), "is lost beside the reconstruction");
  config = small();
  config.model.likelihood = "gaussian";
  config.model.variance = 1e-12;
  check_one(warnings_of(config, data), "is lost beside the reconstruction");
}

TEST_CASE("a reconstruction that float32 loses is said after the first epoch", "[health]") {
  const datasets::Dataset data = bars(240, 12);
  RunConfig config = small();
  config.model.beta = 1e20;
  config.train.epochs = 1;
  check_one(warnings_of(config, data), "is lost beside beta * KL");
  for (const char* kind : {"vae", "ae"})
    for (double variance : {1e30, 1e300}) {
      INFO(kind << ", variance " << variance);
      config = small();
      config.train.epochs = 1;
      config.train.val_size = 0;
      config.model.model = kind;
      config.model.likelihood = "gaussian";
      config.model.variance = variance;
      const std::vector<std::string> found = warnings_of(config, data);
      REQUIRE_FALSE(found.empty());
      CHECK_THAT(found[0], Catch::Contains("the reconstruction (") && Catch::Contains("smaller") &&
                               Catch::Contains("--variance"));
    }
}

TEST_CASE("dead latent dimensions are counted after the last epoch", "[health]") {
  const datasets::Dataset data = bars(240, 12);
  RunConfig config = small();
  config.model.latent = 40;
  config.train.batch_size = 2;
  config.train.lr = 1e-9;
  config = completed(config, data);
  // A model that gives every picture the same code, and hardly moves: its KL is large, and its dimensions say nothing.
  Generator init(1, Stream::init);
  const std::unique_ptr<Model> model = make(config.model, &init);
  for (auto& [name, parameter] : model->named_parameters())
    if (name.starts_with("fc_")) parameter.mutable_array().fill(name == "fc_mu.bias" ? 1 : 0);
  Trainer trainer(*model, data, config.train);
  Health health(config);
  for (std::int64_t epoch = 1; epoch <= config.train.epochs; ++epoch) {
    const std::vector<std::string> warnings = health.after_epoch(trainer, trainer.run_epoch());
    if (epoch < config.train.epochs)
      CHECK(warnings.empty());
    else
      check_one(warnings, "40 of 40 latent dimensions are dead");
  }
}

TEST_CASE("validation pictures that are of another kind are said at the start", "[health]") {
  const datasets::Dataset data = bars(240, 12);
  const RunConfig config = completed(small(), data);
  const std::unique_ptr<Model> model = make(config.model);
  TrainOptions options = config.train;
  options.batch_size = 2;
  Trainer trainer(*model, data, options);
  RunConfig with = config;
  with.train.batch_size = 2;
  Health health(with);
  const auto losses = [](double loss, double reconstruction, double kl) {
    return Losses{loss, {{"reconstruction", reconstruction}, {"kl", kl}}};
  };
  EpochRecord record{1, losses(100, 90, 10), losses(200, 190, 10), 1};
  check_one(health.after_epoch(trainer, record), "validation pictures costs 190 nats");
  CHECK(health.after_epoch(trainer, record).empty());
  record.val = losses(120, 110, 10);
  CHECK(Health(with).after_epoch(trainer, record).empty());
  record = {2, losses(100, 90, 10), losses(200, 190, 10), 1};  // later on it is overfitting, which the table shows
  CHECK(Health(with).after_epoch(trainer, record).empty());
}
