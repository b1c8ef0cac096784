#include <elbo/core/safetensors.h>
#include <elbo/models/evaluate.h>
#include <elbo/models/objective.h>
#include <elbo/models/vae.h>

#include <cmath>
#include <numeric>

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
  auto loaded = load(dir / "run");
  Tensor x = some_pictures(3, {1, 8, 8});
  CHECK(loaded->reconstruct(x).array().to_vector<float>() == model->reconstruct(x).array().to_vector<float>());
  CHECK_FALSE(loaded->is_training());
  CHECK(Run::open(dir / "run").config().to_json() == config.to_json());
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
  CHECK_FALSE(again[1].val);
  write_file(dir / "run/history.jsonl", "{\"epoch\":1}\n");
  CHECK_THROWS_WITH(run.history(), (dir / "run/history.jsonl").string() +
                                       ": line 1: expected one epoch as JSON, found '{\"epoch\":1}'");
}
