#include <elbo/core/safetensors.h>
#include <elbo/models/model.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/run.h>
#include <elbo/viz/image.h>

#include <nlohmann/json.hpp>

#include "catch.h"
#include "program.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::models;
using Catch::Contains;
using nlohmann::ordered_json;

namespace {

ordered_json sound_config() { return ordered_json::parse(RunConfig().to_json()); }

/// What reading the config says, or "read".
std::string complaint(const std::string& text) {
  try {
    RunConfig::from_json(text, "runs/x/config.json");
    return "read";
  } catch (const FormatError& error) {
    return error.what();
  }
}

std::string nested(std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

}  // namespace

TEST_CASE("a wrong value in any field of a config is refused with the file, the field and the value", "[config]") {
  REQUIRE(complaint(sound_config().dump()) == "read");
  const ordered_json sound = sound_config();
  int tried = 0;
  for (const auto& [section, fields] : sound.items()) {
    if (section == "elbo") continue;
    for (const auto& [field, good] : fields.items()) {
      std::vector<std::string> bad = {"null", R"({"a": 1})", R"([[1]])", R"(["a", 1])"};
      if (!good.is_string()) bad.emplace_back(R"("text")");
      if (!good.is_boolean()) bad.emplace_back("true");
      if (!good.is_number()) bad.emplace_back("7");
      if (good.is_number_integer() && field != "beta") bad.insert(bad.end(), {"0.5", "1e300", "99999999999999999999"});
      if (good.is_number() && field != "size" && field != "count" && field != "channels") bad.emplace_back("-1");
      if (good.is_array() && field != "class_names") bad.insert(bad.end(), {"[-1]", "[0.5]", "[99999999999999999999]"});
      if (field == "picture")
        bad.insert(bad.end(), {"[1, 28]", "[1, 0, 28]", "[1, 28, 28, 1]", "[65536, 65536, 65536]"});
      if (field == "hidden" || field == "latent" || field == "classes")
        bad.emplace_back(good.is_array() ? "[9999999999]" : "9999999999");
      if (field == "likelihood" || field == "device" || field == "precision") bad.emplace_back(R"("weird")");
      for (const std::string& value : bad) {
        ordered_json wrong = sound;
        wrong[section][field] = ordered_json::parse(value);
        INFO(section << "." << field << " = " << value);
        const std::string found = complaint(wrong.dump());
        CHECK_THAT(found, Contains("runs/x/config.json: ") && Contains(field) && Contains("found "));
        CHECK(found.find('\n') == std::string::npos);
        ++tried;
      }
    }
  }
  CHECK(tried > 150);
}

TEST_CASE("a config that lacks a field, or has another, says which", "[config]") {
  const ordered_json sound = sound_config();
  for (const auto& [section, fields] : sound.items()) {
    if (section == "elbo") continue;
    for (const auto& [field, good] : fields.items()) {
      if (field.starts_with("cycle")) continue;  // some models took it later
      ordered_json without = sound;
      without[section].erase(field);
      const std::string found = complaint(without.dump());
      INFO(section << "." << field);
      CHECK_THAT(found, Contains("'" + section + "." + field + "': expected ") && Contains("found nothing"));
    }
    ordered_json without = sound, more = sound;
    without.erase(section);
    CHECK(complaint(without.dump()) == "runs/x/config.json: '" + section + "': expected an object, found nothing");
    more[section]["flux"] = {1, 2};
    CHECK(complaint(more.dump()) == "runs/x/config.json: '" + section +
                                        ".flux': expected a field that this version of elbo knows, found another");
  }
  ordered_json more = sound;
  more["more"] = "x";
  CHECK_THAT(complaint(more.dump()), Contains("'more': expected a field that this version of elbo knows"));
  CHECK(complaint("\xEF\xBB\xBF" + sound.dump()) == "read");
}

TEST_CASE("a config of before models were made of parts may lack what came later", "[config]") {
  const std::vector<std::string> needed = {"name",     "picture",  "latent",     "likelihood", "dataset",
                                           "dir",      "epochs",   "batch_size", "drop_last",  "lr",
                                           "val_size", "patience", "seed",       "device"};
  const ordered_json old = ordered_json::parse(read_file(ELBO_SOURCE_DIR "/tests/runs_before_parts/cvae/config.json"));
  REQUIRE(complaint(old.dump()) == "read");
  std::size_t refused = 0;
  for (const char* section : {"model", "data", "train"})
    for (const auto& [field, good] : old[section].items()) {
      ordered_json without = old;
      without[section].erase(field);
      const std::string found = complaint(without.dump());
      INFO(found);
      if (found == "read") continue;
      ++refused;
      CHECK(std::find(needed.begin(), needed.end(), field) != needed.end());
    }
  CHECK(refused == needed.size());
}

TEST_CASE("a config says of labels what its model takes", "[config]") {
  for (const ModelConfig& given :
       {ModelConfig{.model = "cvae", .classes = 2}, {.model = "vae", .classes = 2}, {.model = "cvae"}})
    CHECK(ordered_json::parse(RunConfig{.model = given}.to_json())["model"]["labels"] == true);
  RunConfig config{.model = preset("cvae")};
  config.model.classes = 3;
  ordered_json wrong = ordered_json::parse(config.to_json());
  REQUIRE(complaint(wrong.dump()) == "read");
  wrong["model"]["labels"] = false;
  CHECK_THAT(complaint(wrong.dump()), Contains("'model.labels': expected true for 3 classes, found false"));
  wrong["model"]["classes"] = 0;
  CHECK_THAT(complaint(wrong.dump()), Contains("'model.labels': expected true for the model cvae, found false"));
  config.model.model = "vae";
  wrong = ordered_json::parse(config.to_json());
  wrong["model"]["labels"] = false;
  CHECK_THAT(complaint(wrong.dump()), Contains("'model.labels': expected true for 3 classes, found false"));
}

TEST_CASE("text that is no JSON, or JSON made to hurt, is refused", "[config]") {
  CHECK_THAT(complaint(""), Contains("expected JSON"));
  CHECK_THAT(complaint("{"), Contains("expected JSON"));
  CHECK_THAT(complaint("[]"), Contains("expected an object, found []"));
  CHECK_THAT(complaint("{\"model\": 3}"), Contains("'model': expected an object, found 3"));
  CHECK_THAT(complaint(nested(100000)), Contains("levels of nesting"));
  CHECK_THAT(complaint("{\"model\": " + nested(100000) + "}"), Contains("levels of nesting"));
  CHECK_THAT(complaint(std::string(1000000, '[')), Contains("levels of nesting"));
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  CHECK_THAT(complaint(objects), Contains("levels of nesting"));
  CHECK_THAT(complaint(R"({"model": {}, "model": {}})"), Contains("each name once, found 'model' twice"));
  CHECK_THAT(complaint(R"({"a": NaN})"), Contains("expected JSON"));
  CHECK_THAT(complaint(R"({"a": 1e999})"), Contains("a number out of range"));
  CHECK_THAT(complaint("{\"a\": \"\xff\"}"), Contains("expected JSON"));
  ordered_json wrong = sound_config();
  wrong["model"]["likelihood"] = std::string(100000, 'x') + "\n";
  CHECK(complaint(wrong.dump()).size() < 250);
  wrong["model"]["likelihood"] = "a\nb\x1b";
  CHECK_THAT(complaint(wrong.dump()), Contains(R"(found 'a\x0ab\x1b')"));
}

TEST_CASE("paths and names that are not UTF-8 survive the round trip through a config", "[config]") {
  RunConfig config;
  config.data.dir = "/data/caf\xe9/\\x41";
  config.data.class_names = {"\xff", "\u00fc"};
  const RunConfig again = RunConfig::from_json(config.to_json(), "config.json");
  CHECK(again.data.dir == config.data.dir);
  CHECK(again.data.class_names == config.data.class_names);
}

TEST_CASE("a model's outline is what making it gives", "[config]") {
  std::vector<ModelConfig> configs;
  for (const char* name : {"ae", "vae", "cvae"})
    for (const std::vector<std::int64_t>& hidden : {std::vector<std::int64_t>{}, {5}, {7, 6, 5}})
      configs.push_back({.model = name, .picture = {3, 4, 5}, .hidden = hidden, .latent = 2});
  for (ModelConfig& one : configs) one.classes = one.model == "cvae" ? 4 : 0;
  configs.push_back({.model = "conv-vae", .picture = {1, 28, 28}});
  configs.push_back({.model = "conv-vae", .picture = {3, 32, 16}, .kernel = 3, .decoder_relu = false});
  configs.push_back({.model = "conv-vae", .picture = {2, 8, 4}, .channels = {5, 6}, .decoder_channels = {4, 3}});
  for (const ModelConfig& config : configs) {
    INFO(config.model << " " << config.hidden.size());
    const Outline found = outline(config);
    const auto model = make(config);
    const NamedArrays arrays = model->state_dict();
    REQUIRE(found.parameters.size() == arrays.size());
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      CHECK(found.parameters[i].name == arrays[i].first);
      CHECK(found.parameters[i].shape == arrays[i].second.shape());
      CHECK(found.parameters[i].dtype == arrays[i].second.dtype());
    }
    CHECK(found.count == model->num_parameters());
    CHECK(found.config.channels == model->config().channels);
    CHECK(found.config.decoder_channels == model->config().decoder_channels);
  }
}

TEST_CASE("sizes that overflow are refused before memory is taken", "[config]") {
  constexpr std::int64_t large = 2147483647;
  CHECK(outline({.hidden = {1000000000}}).count == std::int64_t{785 + 2 * 20 + 21 + 784} * 1000000000 + 2 * 20 + 784);
  CHECK_THROWS_AS(outline({.hidden = std::vector<std::int64_t>(4, large)}), ValueError);
  CHECK_THROWS_AS(make({.picture = {1, 65536, 32767}, .hidden = std::vector<std::int64_t>(3, large)}), ValueError);
  CHECK_THROWS_AS(
      outline(
          {.model = "conv-vae", .picture = {1, 4, 4}, .channels = {large, large}, .decoder_channels = {large, large}}),
      ValueError);
  CHECK_THROWS_WITH(outline({.hidden = std::vector<std::int64_t>(100000, 1)}), Contains("hidden: expected at most"));
  CHECK_THROWS_WITH(outline({.model = "vea"}), Contains("found 'vea'"));
}

TEST_CASE("weights are compared with the config before a model is made", "[config]") {
  TempDir dir;
  RunConfig config;
  config.model.picture = {1, 4, 4};
  config.model.hidden = {6};
  config.model.latent = 2;
  Run run = Run::create(dir / "run", config);
  run.write_model(make(config.model)->state_dict());
  REQUIRE_NOTHROW(load(dir / "run"));
  ordered_json wrong = ordered_json::parse(config.to_json());
  wrong["model"]["hidden"] = {1000000000};
  write_file(dir / "run/config.json", wrong.dump());
  CHECK_THROWS_WITH(load(dir / "run"),
                    Contains("model.safetensors: expected the weights of the model in config.json") &&
                        Contains("mismatched: encoder.0.weight float32 [1000000000, 16], found "
                                 "float32 [6, 16]"));
  wrong["model"]["name"] = "vea";
  write_file(dir / "run/config.json", wrong.dump());
  CHECK_THROWS_WITH(load(dir / "run"), Contains((dir / "run/config.json").string()) && Contains("found 'vea'"));
  NamedArrays many;
  for (int i = 0; i < 100; ++i) many.emplace_back("w" + std::to_string(i), Array::zeros({1}));
  write_file(dir / "run/config.json", config.to_json());
  run.write_model(many);
  CHECK_THROWS_WITH(load(dir / "run"), Contains("and 92 more"));
}

TEST_CASE("a line of a history with anything wrong is named", "[config]") {
  TempDir dir;
  Run run = Run::create(dir / "run", {});
  const auto said = [&](const std::string& line) {
    write_file(dir / "run/history.jsonl", line + "\n");
    try {
      run.history();
      return std::string("read");
    } catch (const FormatError& error) {
      return std::string(error.what());
    }
  };
  const std::string losses = R"({"loss": 1, "reconstruction": 1, "kl": 0})";
  const std::string good = R"({"epoch": 1, "train": )" + losses + R"(, "val": )" + losses + R"(, "seconds": 1})";
  REQUIRE(said(good) == "read");
  const ordered_json fields = ordered_json::parse(good);
  for (const auto& [field, value] : fields.items()) {
    for (const char* bad : {"\"x\"", "[1]", "true"}) {
      ordered_json wrong = fields;
      wrong[field] = ordered_json::parse(bad);
      CHECK_THAT(said(wrong.dump()), Contains("history.jsonl: line 1: '" + field) && Contains("found "));
    }
    ordered_json without = fields;
    without.erase(field);
    CHECK_THAT(said(without.dump()), Contains("history.jsonl: line 1: '" + field) && Contains("found nothing"));
  }
  CHECK_THAT(said(nested(100000)), Contains("line 1: expected at most"));
  CHECK(said(R"({"epoch": 1, "train": {"loss": null, "reconstruction": null, "kl": 0}, "val": null, "seconds": 1})") ==
        "read");
  CHECK(std::isnan(run.history()[0].train.loss));
}

TEST_CASE("elbo info describes a model that no memory could hold", "[config][cli][unsanitized]") {
  TempDir dir;
  RunConfig config;
  config.model.hidden = {1000000000};
  Run::create(dir / "run", config);
  const Ended text = run_elbo({"info", (dir / "run").string()}, "ulimit -v 4000000;");
  CHECK(text.status == 0);
  CHECK_THAT(text.out, Contains("1,630,000,000,824"));
  const Ended json = run_elbo({"info", (dir / "run").string(), "--json"}, "ulimit -v 4000000;");
  CHECK(ordered_json::parse(json.out).at("parameters") == outline(config.model).count);
  check_refused(run_elbo({"info", (dir / "no\nrun\xff").string()}), {R"(no\x0arun\xff: expected a run folder)"});
}

TEST_CASE("a checkpoint that may not be read is not one that is missing", "[config]") {
  TempDir dir;
  const Run run = Run::create(dir / "run", {});
  std::filesystem::create_directory(dir / "run" / "checkpoint");
  std::filesystem::permissions(dir / "run" / "checkpoint", std::filesystem::perms::none);
  {
    const NotRoot other(dir);
    CHECK_THROWS_WITH(run.read_checkpoint(),
                      Contains("checkpoint/state.safetensors: cannot look for the file: Permission denied"));
  }
  std::filesystem::permissions(dir / "run" / "checkpoint", std::filesystem::perms::owner_all);
}

TEST_CASE("a run in a folder whose name is not UTF-8, of data in another, works and is valid JSON", "[config][cli]") {
  TempDir dir;
  const auto run = (dir / "run\xff").string(), data = (dir / "pictures\xe9").string();
  viz::write_png(dir / "one.png", viz::Image(8, 8, 1, {90, 90, 90}));
  for (const char* name : {"a\xe9", "b"}) {
    std::filesystem::create_directories(std::filesystem::path(data) / name);
    for (int i = 0; i < 12; ++i)
      std::filesystem::copy_file(dir / "one.png", std::filesystem::path(data) / name / (std::to_string(i) + ".png"));
  }
  const Ended train = run_elbo({"train", "--dataset", "folder", "--data", data, "--size", "8", "--model", "cvae",
                                "--hidden", "4", "--latent", "2", "--epochs", "1", "--out", run, "--json"});
  INFO(train.err);
  REQUIRE(train.status == 0);
  CHECK(ordered_json::parse(train.out).is_object());
  const Ended eval = run_elbo({"eval", run, "--json"});
  INFO(eval.err);
  REQUIRE(eval.status == 0);
  const Ended info = run_elbo({"info", run, "--json"});
  REQUIRE(info.status == 0);
  const ordered_json found = ordered_json::parse(info.out);
  CHECK_THAT(found.at("run").get<std::string>(), Catch::EndsWith(R"(run\xff)"));
  CHECK(found.at("config").at("data").at("class_names") == ordered_json({R"(a\xe9)", "b"}));
}

TEST_CASE("the config of a model that nobody registered here is read and kept as it is", "[config][unknown]") {
  ordered_json strange = sound_config();
  strange["model"] = {
      {"name", "mine"}, {"twist", {1, "a"}}, {"picture", {1, 4, 4}}, {"latent", 3}, {"architecture", "ring"}};
  const RunConfig config = RunConfig::from_json(strange.dump(), "config.json");
  CHECK(config.model.model == "mine");
  CHECK(config.model.latent == 3);
  CHECK(ordered_json::parse(config.to_json())["model"].dump() == strange["model"].dump());
  CHECK(RunConfig::from_json(config.to_json(), "config.json").to_json() == config.to_json());
}

TEST_CASE("of a run of a model that nobody registered here, info and report show what they can", "[cli][unknown]") {
  TempDir dir;
  const std::string run = (dir / "run").string(), other = (dir / "other").string();
  REQUIRE(run_elbo({"train", "--dataset", "shapes", "--count", "60", "--hidden", "4", "--latent", "2", "--epochs", "1",
                    "--out", run})
              .status == 0);
  ordered_json config = ordered_json::parse(read_file(dir / "run/config.json"));
  config["model"]["name"] = "mine";
  config["model"]["twist"] = 7;
  write_file(dir / "run/config.json", config.dump());
  const Ended info = run_elbo({"info", run});
  INFO(info.err);
  CHECK(info.status == 0);
  CHECK_THAT(info.out, Contains("mine, which this program does not know") && Contains("\"twist\":7") &&
                           Contains("encoder.0.weight  [4, 4096]") &&
                           Contains("Model kept (best validation loss): epoch 1"));
  const ordered_json json = ordered_json::parse(run_elbo({"info", run, "--json"}).out);
  CHECK(json.at("config").at("model").at("twist") == 7);
  CHECK(json.at("last").at("train").at("kl").is_number());
  const Ended report = run_elbo({"report", run});
  INFO(report.err);
  CHECK(report.status == 0);
  CHECK_THAT(read_file(dir / "run/report.html"), Contains("mine"));
  for (const char* command : {"eval", "sample", "reconstruct", "interpolate", "traverse", "manifold", "embed", "score"})
    check_refused(run_elbo({command, run}),
                  {run + "/config.json: expected a model that this program knows, found 'mine': a program that "
                         "registers it (models::register_model) and calls elbo::run_cli can read it"});
  check_refused(run_elbo({"train", "--resume", "--out", run}), {"found 'mine'"});
}
