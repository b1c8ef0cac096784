// Run folders that were written before models were made of parts: they open, measure the same, and go on to the bits
// that the program of then ended in. tests/runs_before_parts holds them; each was trained on bars(64, 8), the VAE
// stopped after three of the six steps of its second epoch. The numbers below are what that program found.
#include <elbo/core/backend.h>
#include <elbo/models/analysis/evaluate.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/trained.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "catch.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::models;

namespace {

struct Old {
  std::string name;
  std::int64_t epochs;              ///< to train in all
  double loss, reconstruction, kl;  ///< of the model that is kept, codes drawn
  double mse;
  Losses last_train, last_val;  ///< of the last epoch, after going on
  std::string model, state;     ///< hashes of the bits it ends in
};

std::vector<Old> old_runs() {
  const auto losses = [](double loss, double reconstruction, double kl) {
    return Losses{loss, {{"reconstruction", reconstruction}, {"kl", kl}}};
  };
  return {
      {"ae", 3, 45.12395477294922, 45.12395477294922, 0, 0.2273128777742386,
       losses(44.99715105692545, 44.99715105692545, 0), losses(44.91102981567383, 44.91102981567383, 0),
       "daef07707dd1e31a", "868d6aeddbc3fdbf"},
      {"vae", 2, 14.522968590259552, 14.365340232849121, 0.07881417870521545, 0.22445844113826752,
       losses(14.382371528695028, 14.260373910268148, 0.06878113684554894),
       losses(14.403775162994862, 14.282332420349121, 0.060721371322870255), "effc172647728a36", "41858ec40d01b252"},
      {"cvae", 3, 44.50222483277321, 44.4622917175293, 0.03993311524391174, 0.22240103781223297,
       losses(44.49027735584726, 44.4549617767334, 0.03531557911386093),
       losses(44.36803991533816, 44.339576721191406, 0.028463194146752357), "5c09de36f225cf79", "66fb5b70b50dabef"},
      {"conv-vae", 3, 44.16415498778224, 44.152687072753906, 0.011467915028333664, 0.22007505595684052,
       losses(44.136439995529756, 44.1259339650472, 0.010506030482550463),
       losses(44.18271080125123, 44.17334747314453, 0.009363328106701374), "f46c23620245f2f4", "23dfb5754cae5fc8"}};
}

datasets::Dataset data() {
  datasets::Dataset out = bars(64, 8);
  out.name = "idx";
  return out;
}

/// The old run in a folder of its own.
std::filesystem::path copied(const TempDir& dir, const std::string& name) {
  std::filesystem::copy(std::filesystem::path(ELBO_SOURCE_DIR "/tests/runs_before_parts") / name, dir / name,
                        std::filesystem::copy_options::recursive);
  return dir / name;
}

/// FNV-1a of all names and bytes, the names in order; the weight that checkpoints had then left out.
std::string hash_of(NamedArrays arrays) {
  std::sort(arrays.begin(), arrays.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](const char* bytes, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) hash = (hash ^ static_cast<unsigned char>(bytes[i])) * 0x100000001b3;
  };
  for (const auto& [name, array] : arrays) {
    if (name == "beta") continue;
    add(name.data(), name.size());
    add(static_cast<const char*>(array.raw()), array.bytes());
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

/// Kernels of another kind round in another way.
bool has_the_kernels_of_then() { return std::string(backend(cpu).description()) == "v3"; }

void check_close(double found, double expected) {
  if (has_the_kernels_of_then())
    CHECK(found == expected);
  else
    CHECK(found == Approx(expected).epsilon(1e-5).margin(1e-7));
}

void check_close(const Losses& found, const Losses& expected) {
  check_close(found.loss, expected.loss);
  check_close(found["reconstruction"], expected["reconstruction"]);
  check_close(found["kl"], expected["kl"]);
}

}  // namespace

TEST_CASE("a run of before there were parts opens and measures the same", "[runs]") {
  for (const Old& old : old_runs()) {
    INFO(old.name);
    TempDir dir;
    const Trained trained = open(copied(dir, old.name));
    check_data(trained.run, data().identity());
    const ModelConfig& config = trained.model->config();
    CHECK(config.architecture == (old.name == "conv-vae" ? "conv" : "mlp"));
    CHECK(config.posterior == (old.name == "ae" ? "point" : "diagonal"));
    CHECK(config.likelihood == (old.name == "vae" ? "gaussian" : "bernoulli"));
    CHECK(config.beta == (old.name == "vae" ? 2 : 1));
    CHECK(config.warmup == (old.name == "vae" ? 1.5 : 0));
    CHECK(config.labels == (old.name == "cvae"));
    const Evaluation found = evaluate(*trained.model, data());
    check_close(found.losses.loss, old.loss);
    check_close(found.losses["reconstruction"], old.reconstruction);
    check_close(found.losses["kl"], old.kl);
    check_close(found.mse, old.mse);
  }
}

TEST_CASE("a run of before there were parts goes on to the same bits", "[runs]") {
  for (const Old& old : old_runs()) {
    INFO(old.name);
    TempDir dir;
    Run run = Run::open_to_train(copied(dir, old.name));
    RunConfig config = run.config();
    const Standing before = standing(run);
    CHECK(before.epochs == (old.name == "vae" ? 1 : 2));
    CHECK(before.batch == (old.name == "vae" ? 3 : 0));
    config.train.epochs = old.epochs;
    run.set_config(config);
    Generator init(config.train.seed, Stream::init);
    const std::unique_ptr<Model> model = make(config.model, &init);
    Trainer trainer(*model, data(), config.train);
    fit(run, trainer);
    const std::vector<EpochRecord> history = run.history();
    REQUIRE(std::ssize(history) == old.epochs);
    check_close(history.back().train, old.last_train);
    check_close(*history.back().val, old.last_val);
    if (!has_the_kernels_of_then()) continue;
    CHECK(hash_of(load_safetensors(run / "model.safetensors").arrays) == old.model);
    CHECK(hash_of(run.read_checkpoint()->state) == old.state);
  }
}

TEST_CASE("the same settings and seed make the model of before there were parts", "[runs]") {
  if (!has_the_kernels_of_then()) return;
  for (const Old& old : old_runs()) {
    INFO(old.name);
    TempDir dir;
    RunConfig config = Run::open(copied(dir, old.name)).config();
    config.train.epochs = old.epochs;
    CHECK(hash_of(train(dir / "new", config, data()).model->state_dict()) == old.model);
  }
}

TEST_CASE("runs from when models were first made of parts open with the settings that they had", "[runs]") {
  // One config a line, of each model. A setting that came later belongs into may_be_missing() of models/config.cpp.
  std::ifstream file(std::string(ELBO_SOURCE_DIR) + "/tests/configs_since_parts.jsonl");
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const nlohmann::json then = nlohmann::json::parse(line);
    INFO(then["model"]["name"]);
    const RunConfig config = RunConfig::from_json(line, "config.json");
    const nlohmann::json now = nlohmann::json::parse(config.to_json());
    for (const char* part : {"model", "data", "train"})
      for (const auto& [name, value] : then[part].items()) {
        INFO(part << "." << name);
        // What has no effect is no longer said.
        if (now[part].contains(name))
          CHECK(now[part][name] == value);
        else
          CHECK(why_unused(config.model, name) != "");
      }
  }
  CHECK(lines == 24);
}
