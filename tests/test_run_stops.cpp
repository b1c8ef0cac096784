// A run that is stopped, killed, trained twice at once, or diverges: what stays, and what it goes on from.
#include <elbo/models/training/trained.h>
#include <elbo/models/training/trainer.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "catch.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::models;

namespace {

/// Seven steps an epoch, the last one smaller.
RunConfig small(const std::string& kind = "vae") {
  RunConfig out;
  out.model = {.model = kind, .hidden = {12}, .channels = {3, 4}, .latent = 3};
  out.train = {.epochs = 3, .batch_size = 32, .val_size = 30, .seed = 5};
  return out;
}

const datasets::Dataset& data() {
  static const datasets::Dataset bars_data = bars(230, 12);
  return bars_data;
}

std::string model_of(const Run& run) { return read_file(run / "model.safetensors"); }
std::string checkpoint_of(const Run& run) { return read_file(run.folder() / "checkpoint/state.safetensors"); }

/// Makes the run's model and trainer anew, as another process would, and trains until `stop_after` steps or batches of
/// validation.
FitResult go_on(const Run& run, std::int64_t stop_after) {
  RunConfig config = run.config();
  Generator init(config.train.seed, Stream::init);
  std::unique_ptr<Model> model = make(config.model, &init);
  Trainer trainer(*model, data(), config.train);
  std::int64_t asked = 0;
  return fit(run, trainer, {.should_stop = [&] { return asked++ == stop_after; }});
}

Run created(const std::filesystem::path& folder, const RunConfig& config) {
  return Run::create(folder, completed(config, data()));
}

}  // namespace

TEST_CASE("a run stopped between any two steps goes on to the same bits", "[runs]") {
  for (const std::string& kind :
       std::vector<std::string>{"vae", "cvae", "conv-vae", "binarized", "warm", "one-cycle", "plateau"}) {
    INFO(kind);
    TempDir dir;
    RunConfig config = small(kind == "cvae" || kind == "conv-vae" ? kind : "vae");
    config.train.binarize = kind == "binarized";
    config.model.warmup = kind == "warm" ? 1.5 : 0;
    if (kind == "one-cycle") config.train.schedule = LrSchedule::one_cycle;
    if (kind == "plateau") {
      config.train.schedule = LrSchedule::plateau;
      config.train.lr_patience = 0;
      config.train.lr = 1e-9;  // no epoch betters the first: the third has a tenth of the rate
    }
    const Run whole = created(dir / "whole", config);
    REQUIRE_FALSE(go_on(whole, 1000).stopped);
    if (kind == "plateau") CHECK(whole.history()[2].lr == Approx(1e-10));
    for (std::int64_t steps : {1, 3, 6, 7, 8}) {
      INFO("stopped after every " << steps << " steps");
      const Run run = created(dir / ("stopped" + std::to_string(steps)), config);
      int stops = 0;
      FitResult result;
      while ((result = go_on(run, steps)).stopped) ++stops;
      CHECK(stops >= 2);
      CHECK(result.best_epoch > 0);
      CHECK((model_of(run) == model_of(whole)));
      CHECK((checkpoint_of(run) == checkpoint_of(whole)));
      auto ours = run.history(), theirs = whole.history();
      REQUIRE(ours.size() == theirs.size());
      for (std::size_t i = 0; i < ours.size(); ++i) {
        CHECK(ours[i].train.loss == theirs[i].train.loss);
        CHECK(ours[i].train.terms == theirs[i].train.terms);
        CHECK(ours[i].val->loss == theirs[i].val->loss);
        CHECK(ours[i].lr == theirs[i].lr);
        CHECK(ours[i].seconds > 0);
      }
    }
  }
}

TEST_CASE("a run that is stopped before its first step or during validation loses nothing", "[runs]") {
  TempDir dir;
  const Run run = created(dir / "run", small());
  CHECK(go_on(run, 0).stopped);
  CHECK(standing(run).epochs == 0);
  CHECK(standing(run).batch == 0);
  CHECK(go_on(run, 7).stopped);  // asked before seven steps: the eighth time is before the validation
  CHECK(standing(run).epochs == 0);
  CHECK(standing(run).batch == 7);
  CHECK(run.history().empty());
  CHECK_FALSE(go_on(run, 100).stopped);
  const Run whole = created(dir / "whole", small());
  go_on(whole, 1000);
  CHECK((checkpoint_of(run) == checkpoint_of(whole)));
}

TEST_CASE("checkpoints come within an epoch too, as often as the options say", "[runs]") {
  TempDir dir;
  struct Killed {};
  for (double every : {1e-9, 0.0}) {
    RunConfig config = small();
    config.train.checkpoint_every = every;
    const Run run = created(dir / (every > 0 ? "often" : "rarely"), config);
    Generator init(5, Stream::init);
    std::unique_ptr<Model> model = make(run.config().model, &init);
    Trainer trainer(*model, data(), config.train);
    FitCallbacks callbacks{.on_step = [](const Trainer& t, std::int64_t) {
      if (t.epoch() == 1 && t.batch() == 5) throw Killed{};
    }};
    CHECK_THROWS_AS(fit(run, trainer, callbacks), Killed);
    CHECK(standing(run).epochs == 1);
    CHECK(standing(run).batch == (every > 0 ? 4 : 0));  // before the step that is lost
  }
}

TEST_CASE("a checkpoint whose position cannot be is refused", "[runs]") {
  TempDir dir;
  const Run run = created(dir / "run", small());
  REQUIRE(go_on(run, 3).stopped);
  const NamedArrays good = run.read_checkpoint()->state;
  auto refused = [&](const std::string& name, std::optional<double> value, const std::string& message) {
    NamedArrays bad;
    for (const auto& [key, array] : good) {
      if (key != name)
        bad.emplace_back(key, array);
      else if (value)
        bad.emplace_back(key, Array::full({}, *value, {array.dtype(), cpu}));
    }
    run.write_checkpoint(bad);
    CHECK_THROWS_WITH(go_on(run, 0), Catch::Contains(message));
  };
  refused("position.batch", 0, "expected a 'position.batch' from 1 to 7, found 0");
  refused("position.batch", 8, "expected a 'position.batch' from 1 to 7, found 8");
  refused("position.kl", std::nullopt, "expected one number 'position.kl', found none");
  RunConfig other = run.config();
  other.train.schedule = LrSchedule::plateau;
  const std::unique_ptr<Model> model = make(other.model);
  CHECK_THROWS_WITH(Trainer(*model, data(), other.train).load_state(good),
                    "checkpoint: expected 'val_losses' float64 [0], found none");
}

TEST_CASE("a run is trained by one process at a time, and read by all", "[runs]") {
  TempDir dir;
  const std::filesystem::path folder = dir / "run";
  {
    const Run run = created(folder, small());
    const Run copy = run;
    CHECK_THROWS_WITH(
        Run::open_to_train(folder),
        Catch::Contains("found process " + std::to_string(getpid()) + " on host ") && Catch::Contains("training it"));
    CHECK_THROWS_WITH(go_on(Run::open(folder), 1), Catch::Contains("training it"));
    CHECK_THROWS_AS(Run::create(folder, small()), IoError);
    CHECK(RunLock::holder(folder)->starts_with("process "));
    CHECK_THROWS_WITH(load(folder),
                      Catch::Contains("expected a trained model, found none yet") && Catch::Contains("on host"));
    go_on(run, 9);
    CHECK(load(folder));
    CHECK(Run::open(folder).history().size() == 1);
  }
  CHECK_FALSE(RunLock::holder(folder));
  CHECK_FALSE(std::filesystem::exists(folder / "lock"));
  write_file(folder / "lock", "process 1 on host long-gone\n");  // as a kill leaves it
  CHECK_FALSE(RunLock::holder(folder));
  CHECK_FALSE(go_on(Run::open(folder), 100).stopped);
  CHECK_FALSE(std::filesystem::exists(folder / "lock"));
}

TEST_CASE("a folder in which a run was being made when it was killed is as good as empty", "[runs]") {
  TempDir dir;
  for (const std::string& name : std::vector<std::string>{"", "lock", ".config.json.elbo-tmp-4711-0"}) {
    INFO(name);
    const std::filesystem::path folder = dir / ("run" + name);
    std::filesystem::create_directory(folder);
    if (!name.empty()) write_file(folder / name, "half");
    CHECK(Run::create(folder, small()).folder() == folder);
    CHECK(Run::open(folder).config().train.epochs == 3);
  }
  std::filesystem::create_directory(dir / "other");
  write_file(dir / "other/config.txt", "mine");
  CHECK_THROWS_AS(Run::create(dir / "other", small()), IoError);
  CHECK_FALSE(std::filesystem::exists(dir / "other/lock"));
}

TEST_CASE("a training that diverges writes nothing of it, and says what is kept", "[runs]") {
  TempDir dir;
  SECTION("in its first epoch") {
    for (double val : {0.0, 30.0}) {
      RunConfig config = small();
      config.train.lr = 1e30;
      config.train.val_size = val;
      const Run run = created(dir / ("run" + std::to_string(val)), config);
      CHECK_THROWS_AS(go_on(run, 1000), DivergedError);
      CHECK_THROWS_WITH(go_on(run, 1000), Catch::Contains("training diverged in epoch 1: ") &&
                                              Catch::Contains("no model was kept") &&
                                              Catch::Contains("smaller lr than 1e+30"));
      CHECK(run.history().empty());
      CHECK_FALSE(std::filesystem::exists(run / "model.safetensors"));
      CHECK(standing(run).epochs == 0);
      CHECK(standing(run).batch == 0);
    }
  }
  SECTION("in the last step of an epoch, which no loss of it shows") {
    RunConfig config = small();
    config.train.batch_size = 230;
    config.train.val_size = 0;
    config.train.lr = 1e30;
    const Run run = created(dir / "run", config);
    CHECK_THROWS_WITH(go_on(run, 1000), Catch::Contains("the loss of the model after its last step is "));
    CHECK_FALSE(std::filesystem::exists(run / "model.safetensors"));
  }
  SECTION("after good epochs, from which it goes on with a smaller learning rate") {
    Run run = created(dir / "run", small());
    REQUIRE(go_on(run, 9).stopped);  // in the second epoch
    const std::string good = model_of(run), checkpoint = checkpoint_of(run);
    RunConfig config = run.config();
    config.train.lr = 1e30;
    config.train.checkpoint_every = 1e-9;
    run.set_config(config);
    CHECK_THROWS_WITH(go_on(run, 1000), Catch::Contains("the model of epoch 1 is kept"));
    CHECK((model_of(run) == good));
    config.train.lr = 1e-3;
    run.set_config(config);
    CHECK_FALSE(go_on(run, 1000).stopped);
    for (const EpochRecord& record : run.history()) CHECK(std::isfinite(record.val->loss));
  }
}

TEST_CASE("on other data the epoch of a checkpoint begins anew; what does not fit is refused", "[runs]") {
  TempDir dir;
  const Run run = created(dir / "run", small());
  REQUIRE(go_on(run, 11).stopped);  // in the second epoch
  REQUIRE(standing(run).batch > 1);
  const std::unique_ptr<Model> model = make(run.config().model);
  Trainer fewer(*model, bars(60, 12), run.config().train);
  CHECK_THROWS_WITH(take_up(run, fewer, run.config().data),
                    Catch::Contains("state.safetensors") && Catch::Contains("'position.batch'"));
  DataOptions other = run.config().data;
  other.identity = "60 pictures";
  CHECK(standing(run, other).epochs == 1);
  CHECK(standing(run, other).batch == 0);
  take_up(run, fewer, other);
  CHECK(fewer.epoch() == 1);
  CHECK(fewer.batch() == 0);
}

TEST_CASE("a kill after other data was accepted leaves no place in the old", "[runs]") {
  TempDir dir;
  Run run = created(dir / "run", small());
  REQUIRE(go_on(run, 11).stopped);  // in the second epoch
  RunConfig accepted = run.config();
  accepted.data.identity = "other pictures";
  run.set_config(accepted);  // killed here: the checkpoint is of the pictures before
  CHECK(standing(run).batch == 0);
  REQUIRE(go_on(run, 2).stopped);
  CHECK(standing(run).batch == 2);
  CHECK(run.checkpoint_head()->data == "other pictures");
  CHECK_FALSE(go_on(run, 1000).stopped);
}

TEST_CASE("a checkpoint that does not name its data keeps its place, but not where other data was accepted", "[runs]") {
  TempDir dir;
  const Run run = created(dir / "run", small());
  REQUIRE(go_on(run, 11).stopped);  // in the second epoch
  const std::int64_t batch = standing(run).batch;
  REQUIRE(batch > 1);
  save_safetensors(run / "checkpoint/state.safetensors", run.read_checkpoint()->state, {{"kernels", "v3"}});
  CHECK_FALSE(run.checkpoint_head()->data);
  CHECK(standing(run).batch == batch);
  DataOptions other = run.config().data;
  other.identity = "other pictures";
  other.since = 2;
  CHECK(standing(run, other).batch == 0);
  // It ends in the same bits.
  const Run whole = created(dir / "whole", small());
  go_on(whole, 1000);
  CHECK_FALSE(go_on(run, 1000).stopped);
  CHECK((model_of(run) == model_of(whole)));
}

TEST_CASE("patience counts from the first epoch on other data", "[runs]") {
  TempDir dir;
  RunConfig config = small();
  config.train.epochs = 9;
  config.train.patience = 2;
  const Run run = created(dir / "run", config);
  std::vector<EpochRecord> worse;
  for (int epoch = 1; epoch <= 3; ++epoch)
    worse.push_back({.epoch = epoch, .train = {}, .val = Losses{.loss = static_cast<double>(epoch)}});
  run.write_history(worse);
  run.write_model({});
  run.write_checkpoint({{"epoch", Array::full({}, 3, {DType::int64, cpu})}});
  CHECK(standing(run).is_over(config.train));
  DataOptions other = run.config().data;
  other.identity = "other pictures";
  other.since = 4;
  CHECK_FALSE(standing(run, other).is_over(config.train));
}

TEST_CASE("histories with numbers that were none are read", "[runs]") {
  TempDir dir;
  const Run run = created(dir / "run", small());
  write_file(run / "history.jsonl",
             "{\"epoch\":1,\"train\":{\"loss\":3.0,\"reconstruction\":2.0,\"kl\":1.0},"
             "\"val\":{\"loss\":null,\"reconstruction\":null,\"kl\":null},\"seconds\":0.5}\n");
  const std::vector<EpochRecord> history = run.history();
  REQUIRE(history.size() == 1);
  CHECK(history[0].train.loss == 3);
  CHECK(std::isnan(history[0].val->loss));
}
