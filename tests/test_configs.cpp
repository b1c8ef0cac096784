// Configs, and run folders as files.
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

TEST_CASE("every field of a config survives the round trip, and a run of the first version can still be read") {
  RunConfig config;
  config.model = {.model = "conv-vae",
                  .picture = {3, 32, 32},
                  .channels = {4, 8},
                  .decoder_channels = {6, 3},
                  .kernel = 3,
                  .decoder_relu = false,
                  .latent = 7,
                  .likelihood = "gaussian",
                  .variance = 0.25,
                  .pixels = {-1, 1},
                  .allow_range_mismatch = true};
  config.model.warmup = 2.5;
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
  CHECK(again.model.warmup == 2.5);
  CHECK(again.model.likelihood == "gaussian");
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
  CHECK(old.model.beta == 1);
  CHECK(old.model.warmup == 0);
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
  const auto losses = [](double loss, double reconstruction, double kl) {
    return Losses{loss, {{"reconstruction", reconstruction}, {"kl", kl}}};
  };
  std::vector<EpochRecord> records = {{1, losses(3, 2, 1), losses(3.5, 2.25, 1.25), 0.5},
                                      {2, losses(2, 1.5, 0.5), {}, 0.25}};
  run.write_history(records);
  CHECK(read_file(dir / "run/history.jsonl") ==
        "{\"epoch\":1,\"train\":{\"loss\":3.0,\"reconstruction\":2.0,\"kl\":1.0},"
        "\"val\":{\"loss\":3.5,\"reconstruction\":2.25,\"kl\":1.25},\"seconds\":0.5}\n"
        "{\"epoch\":2,\"train\":{\"loss\":2.0,\"reconstruction\":1.5,\"kl\":0.5},\"val\":null,\"seconds\":0.25}\n");
  auto again = run.history();
  REQUIRE(again.size() == 2);
  CHECK((*again[0].val)["kl"] == 1.25);
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
