#include <elbo/core/backend.h>
#include <elbo/core/parallel_for.h>
#include <elbo/datasets/split.h>
#include <elbo/models/analysis/evaluate.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/trained.h>
#include <elbo/models/training/trainer.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>

#include "catch.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::models;

namespace {

/// Allocations of at least this many bytes are data, not small host objects.
constexpr std::size_t data_bytes = 4096;
std::atomic<std::int64_t> data_allocations{0};

void* counted_or_null(std::size_t bytes) noexcept {
  if (bytes >= data_bytes) ++data_allocations;
  return std::malloc(bytes > 0 ? bytes : 1);
}
void* counted(std::size_t bytes) {
  void* block = counted_or_null(bytes);
  if (!block) throw std::bad_alloc();
  return block;
}

}  // namespace

// The whole test program counts its large allocations.
void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return counted_or_null(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return counted_or_null(bytes); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { std::free(block); }

namespace {

TrainOptions options_of(std::int64_t epochs) {
  TrainOptions options;
  options.epochs = epochs;
  options.batch_size = 64;
  options.val_size = 50;
  options.seed = 11;
  return options;
}

std::unique_ptr<Model> fresh_model(const ModelConfig& config = {}) {
  Generator init(11, Stream::init);
  return make(config, &init);
}

/// Every bit of a state, in one string.
std::string bits(const NamedArrays& arrays) {
  std::string out;
  for (const auto& [name, array] : arrays) {
    out += name;
    out.append(static_cast<const char*>(array.raw()), array.bytes());
  }
  return out;
}

struct Outcome {
  std::vector<EpochRecord> history;
  std::string state;
};

Outcome train(int threads, std::int64_t epochs, Threading whose = threading()) {
  const int before = num_threads();
  const Threading whose_before = threading();
  set_num_threads(threads);
  set_threading(whose);
  auto model = fresh_model();
  datasets::Dataset data = bars(500);
  Trainer trainer(*model, data, options_of(epochs));
  Outcome out;
  for (std::int64_t i = 0; i < epochs; ++i) out.history.push_back(trainer.run_epoch());
  out.state = bits(trainer.state());
  set_num_threads(before);
  set_threading(whose_before);
  return out;
}

bool same(const Losses& a, const Losses& b) { return a.loss == b.loss && a.terms == b.terms; }

}  // namespace

TEST_CASE("training ends in the same bits with 1, 2 and 4 threads, the library's own or OpenMP's", "[bits]") {
  Outcome one = train(1, 2);
  for (Threading whose : {Threading::own, Threading::openmp})
    for (int threads : {2, 4}) {
      if (whose == Threading::openmp && !has_openmp()) continue;
      Outcome other = train(threads, 2, whose);
      CHECK((one.state == other.state));
      for (std::size_t i = 0; i < one.history.size(); ++i) {
        CHECK(same(one.history[i].train, other.history[i].train));
        CHECK(same(*one.history[i].val, *other.history[i].val));
      }
    }
}

TEST_CASE("training learns") {
  auto model = fresh_model();
  Trainer trainer(*model, bars(500), options_of(10));
  CHECK(trainer.train_count() == 450);
  CHECK(trainer.val_count() == 50);
  double first = trainer.run_epoch().train.loss;
  for (int epoch = 2; epoch < 10; ++epoch) trainer.run_epoch();
  EpochRecord last = trainer.run_epoch();
  INFO("from " << first << " to " << last.train.loss << ", validation " << last.val->loss);
  CHECK(last.train.loss < 0.6 * first);
  CHECK(last.val->loss < 0.6 * first);
  CHECK(last.train.loss == Approx(last.train["reconstruction"] + last.train["kl"]));
}

TEST_CASE("a warm training step allocates nothing") {
  auto model = fresh_model();
  TrainOptions options = options_of(1);
  options.val_size = 0;
  options.batch_size = 32;
  Trainer trainer(*model, bars(32 * 20), options);
  std::int64_t pool_before = -1, data_before = -1;
  int step = 0;
  trainer.run_epoch([&](std::int64_t) {
    ++step;
    if (step == 6) {
      pool_before = memory_stats(cpu).backing_allocations;
      data_before = data_allocations;
    }
    if (step == 16) {
      CHECK(memory_stats(cpu).backing_allocations == pool_before);
      CHECK(data_allocations == data_before);
    }
  });
  CHECK(step == 20);
}

TEST_CASE("validating more often or less changes no bit of the training") {
  auto with = fresh_model(), without = fresh_model();
  datasets::Dataset data = bars(300);
  Trainer a(*with, data, options_of(2)), b(*without, data, options_of(2));
  a.run_epoch();
  evaluate(*with, data, {.seed = 3});
  with->sample(10);
  a.run_epoch();
  b.run_epoch();
  b.run_epoch();
  CHECK((bits(a.state()) == bits(b.state())));
}

TEST_CASE("a run that is killed goes on to the same bits") {
  TempDir dir;
  datasets::Dataset data = bars(300);
  RunConfig config;
  config.train = options_of(4);
  auto reference_model = fresh_model();
  Trainer reference(*reference_model, data, config.train);
  Run whole = Run::create(dir / "whole", config);
  fit(whole, reference);

  Run run = Run::create(dir / "killed", config);
  struct Killed {};
  for (std::int64_t at_epoch : {0, 2, 3}) {
    auto model = fresh_model();
    Trainer trainer(*model, data, config.train);
    FitCallbacks callbacks;
    callbacks.on_step = [&](const Trainer& t, std::int64_t samples) {
      if (t.epoch() == at_epoch && samples >= 128) throw Killed{};
    };
    CHECK_THROWS_AS(fit(run, trainer, callbacks), Killed);
  }
  // Killed between the history and the checkpoint: a line too many, which will come again.
  auto records = run.history();
  records.push_back(records.back());
  ++records.back().epoch;
  run.write_history(records);
  auto model = fresh_model();
  Trainer trainer(*model, data, config.train);
  fit(run, trainer);

  CHECK(run.read_checkpoint()->kernels == backend(cpu).description());
  CHECK((bits(trainer.state()) == bits(reference.state())));
  CHECK((read_file(dir / "killed/model.safetensors") == read_file(dir / "whole/model.safetensors")));
  auto ours = run.history(), theirs = whole.history();
  REQUIRE(ours.size() == theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    CHECK(same(ours[i].train, theirs[i].train));
    CHECK(same(*ours[i].val, *theirs[i].val));
  }
}

TEST_CASE("patience ends a run that does not get better, and the best model is kept") {
  TempDir dir;
  RunConfig config;
  config.train = options_of(50);
  config.train.patience = 2;
  config.train.lr = 0.02;  // too high to get better for long
  auto model = fresh_model();
  Trainer trainer(*model, bars(200), config.train);
  Run run = Run::create(dir / "run", config);
  FitResult result = fit(run, trainer);
  REQUIRE(result.stopped_early);
  CHECK(trainer.epoch() == result.best_epoch + 2);
  auto history = run.history();
  for (const EpochRecord& record : history)
    CHECK(record.val->loss >= history[static_cast<std::size_t>(result.best_epoch - 1)].val->loss);
}

TEST_CASE("the trainer refuses what makes no sense") {
  auto model = fresh_model();
  datasets::Dataset data = bars(20);
  auto with = [](auto change) {
    TrainOptions options;
    change(options);
    return options;
  };
  auto check = [&](const TrainOptions& options, const std::string& message) {
    CHECK_THROWS_WITH(Trainer(*model, data, options), message);
  };
  check(with([](auto& o) { o.batch_size = 0; }), "batch_size: expected at least 1, found 0");
  check(with([](auto& o) { o.lr = NAN; }), "lr: expected a number above 0, found nan");
  check(with([](auto& o) { o.lr = -1; }), "lr: expected a number above 0, found -1");
  check(with([](auto& o) { o.epochs = 0; }), "epochs: expected at least 1, found 0");
  CHECK_THROWS_AS(Trainer(*model, data, with([](auto& o) { o.val_size = 20; })), ValueError);
  CHECK_THROWS_AS(Trainer(*model, data, with([](auto& o) { o.drop_last = true; })), ValueError);
  CHECK_THROWS_AS(Trainer(*model, bars(20, 8), {}), ValueError);
  CHECK_THROWS_AS(Trainer(*model, bars(0), {}), ValueError);
}

TEST_CASE("the trainer follows the gradient of the objective") {
  // One step over all pictures, and the same by hand with the objective itself.
  datasets::Dataset data = bars(30);
  TrainOptions options = options_of(1);
  options.val_size = 0;
  auto trained = fresh_model({.beta = 0.3}), by_hand = fresh_model();
  Trainer trainer(*trained, data, options);
  const Losses losses = trainer.run_epoch().train;
  datasets::Batches batches(data.pictures_array(), {}, datasets::split(30, 0, options.seed).train,
                            {.batch_size = 64, .seed = options.seed});
  batches.begin_epoch(0);
  Tensor x(batches.next()->pictures);
  Generator noise(options.seed, Stream::noise);
  nn::Adam adam(by_hand->named_parameters(), {.lr = options.lr});
  LatentModel& vae = as_latent(*by_hand);
  const Prediction p = vae.forward(x, {}, &noise);
  Tensor loss = (vae.nll(p, {.x = x}) + vae.kl(p, {.x = x}) * 0.3f) * (1.0f / 30);
  loss.backward();
  adam.step();
  CHECK(losses.loss == Approx(loss.item()).epsilon(1e-6));
  auto expected = by_hand->state_dict(), found = trained->state_dict();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(expected[i].first);
    CHECK(found[i].second.to_vector<float>() == expected[i].second.to_vector<float>());
  }
}

TEST_CASE("a warm-up lets the KL divergence's weight grow from 0, step by step") {
  TrainOptions options = options_of(3);
  options.lr = 1e-9;
  // A model that gives every picture the same KL, and hardly moves.
  auto model = fresh_model({.beta = 3, .warmup = 2});
  for (auto& [name, parameter] : model->named_parameters())
    if (name.starts_with("fc_")) parameter.mutable_array().fill(name == "fc_mu.bias" ? 1 : 0);
  Trainer trainer(*model, bars(500), options);
  EpochRecord first = trainer.run_epoch(), second = trainer.run_epoch(), third = trainer.run_epoch();
  // 450 pictures are 8 batches, the last of 2: the weights are 3 * (i / 8) / 2 in the first epoch.
  auto mean_weight = [](const Losses& l) { return (l.loss - l["reconstruction"]) / l["kl"]; };
  double weights = 0;
  for (int i = 0; i < 8; ++i) weights += 1.5 * i / 8 * (i < 7 ? 64 : 2) / 450;
  CHECK(mean_weight(first.train) == Approx(weights).epsilon(1e-4));
  CHECK(mean_weight(second.train) == Approx(1.5 + weights).epsilon(1e-4));
  CHECK(mean_weight(third.train) == Approx(3).epsilon(1e-4));
  // Validation always weighs it in full, so that epochs compare.
  CHECK(mean_weight(*first.val) == Approx(3).epsilon(1e-4));
}

TEST_CASE("a schedule moves the learning rate, step by step or by the validation losses") {
  // The rates of each epoch's last step, of 8 an epoch.
  const auto rates = [](const std::function<void(TrainOptions&)>& set, std::int64_t epochs = 3) {
    TrainOptions options = options_of(epochs);
    options.lr = 1e-9;  // hardly moves: no epoch betters the first
    set(options);
    auto model = fresh_model();
    Trainer trainer(*model, bars(500), options);
    std::vector<double> out;
    for (std::int64_t i = 0; i < epochs; ++i) out.push_back(trainer.run_epoch().lr.value_or(0) * 1e9);
    return out;
  };
  const auto check = [](const std::vector<double>& found, const nn::Schedule& schedule) {
    for (std::size_t i = 0; i < found.size(); ++i)
      CHECK(found[i] == Approx(schedule(static_cast<std::int64_t>(i) * 8 + 7)).epsilon(1e-12));
  };
  CHECK(rates([](TrainOptions&) {}) == std::vector<double>(3));
  check(rates([](TrainOptions& o) { o.lr_warmup = 1.5; }), nn::warmup(12, nn::constant(1)));
  check(rates([](TrainOptions& o) { o.schedule = LrSchedule::cosine, o.lr_warmup = 0.5; }),
        nn::warmup(4, nn::cosine(1, 20)));
  check(rates([](TrainOptions& o) { o.schedule = LrSchedule::one_cycle; }), nn::one_cycle(1, 24));
  check(rates([](TrainOptions& o) { o.schedule = LrSchedule::step, o.lr_every = 2, o.lr_factor = 0.5; }),
        nn::step_lr(1, 16, 0.5));
  const auto plateau = [](TrainOptions& o) {
    o.schedule = LrSchedule::plateau, o.lr_patience = 1, o.lr_factor = 0.5, o.lr_warmup = 0.5;
  };
  CHECK(rates(plateau, 6) == std::vector<double>{1, 1, 1, 0.5, 0.5, 0.25});

  auto model = fresh_model();
  TrainOptions without = options_of(1);
  without.schedule = LrSchedule::plateau;
  without.val_size = 0;
  CHECK_THROWS_WITH(Trainer(*model, bars(500), without),
                    "schedule plateau: expected pictures to validate on, found none");
}

TEST_CASE("every model of the zoo trains to the same bits with any number of threads", "[bits]") {
  for (const std::string& kind : known_models()) {
    INFO(kind);
    RunConfig config;
    config.model = {.model = kind, .hidden = {32}, .channels = {4, 8}, .latent = 3};
    config.train = {.epochs = 1, .batch_size = 64, .val_size = 30, .seed = 3};
    std::vector<std::string> models;
    std::vector<double> losses;
    int before = num_threads();
    for (int threads : {1, 3}) {
      set_num_threads(threads);
      TempDir dir;
      Run run = models::train(dir / "run", config, bars(300)).run;
      models.push_back(read_file(run / "model.safetensors"));
      losses.push_back(run.history().back().val->loss);
    }
    set_num_threads(before);
    CHECK((models[0] == models[1]));
    CHECK(losses[0] == losses[1]);
  }
}

TEST_CASE("models::train goes on where it stopped, and refuses a folder with another run") {
  TempDir dir;
  RunConfig config;
  config.model = {.model = "cvae", .hidden = {16}, .latent = 2};
  config.train = {.epochs = 2, .val_size = 30};
  datasets::Dataset data = bars(200);
  int epochs = 0;
  FitCallbacks count{.on_epoch = [&](const EpochRecord&, bool) { ++epochs; }};
  Run run = models::train(dir / "run", config, data, count).run;
  CHECK(run.config().model.classes == 2);
  CHECK(epochs == 2);
  models::train(dir / "run", config, data, count);
  CHECK(epochs == 2);
  config.train.lr = 2e-3;
  CHECK_THROWS_WITH(
      models::train(dir / "run", config, data),
      (dir / "run").string() + ": expected a new folder, or one with a run of these settings, found one with others");
  data.labels.clear();
  CHECK_THROWS_WITH(models::train(dir / "other", config, data), "model cvae: it takes labels, found none in bars");
  CHECK_FALSE(std::filesystem::exists(dir / "other"));
}

TEST_CASE("fit begins no training of a model that takes labels without pictures of each, and goes on with one",
          "[classes]") {
  TempDir dir;
  RunConfig config;
  config.model = {.model = "cvae", .hidden = {8}, .latent = 2};
  config.train = {.epochs = 1, .val_size = 10};
  const datasets::Dataset whole = bars(40, 8);
  datasets::Dataset data = whole;
  data.class_names = {"across", "along", "none"};
  const std::string why =
      "expected pictures to train on of each class, found none of 'none' among 30: try more "
      "pictures of it, data without such classes, or a model without labels";
  const auto note = [&](const datasets::Dataset& pictures, const std::string& name, std::int64_t classes) {
    ModelConfig of = completed(config, whole).model;
    of.model = name;
    of.classes = classes;
    const std::unique_ptr<Model> model = make(of);
    return Trainer(*model, pictures, config.train).class_note();
  };
  CHECK(note(data, "cvae", 3) == why);
  CHECK(note(whole, "cvae", 2).empty());
  CHECK(note(data, "vae", 0).empty());
  CHECK_THROWS_WITH(models::train(dir / "run", config, data), "model cvae: " + why);
  CHECK_FALSE(std::filesystem::exists(dir / "run"));

  const auto fit_on = [](const Run& run, const datasets::Dataset& pictures) {
    std::unique_ptr<Model> model = make(run.config().model);
    Trainer trainer(*model, pictures, run.config().train);
    return fit(run, trainer);
  };
  const Run refused = Run::create(dir / "refused", completed(config, data));
  CHECK_THROWS_WITH(fit_on(refused, data), "model cvae: " + why);
  CHECK_FALSE(refused.has("history.jsonl"));

  // Of a run that was begun nothing is lost.
  Run begun = Run::create(dir / "begun", completed(config, whole));
  fit_on(begun, whole);
  RunConfig longer = begun.config();
  longer.train.epochs = 2;
  begun.set_config(longer);
  data = whole;
  std::fill(data.labels.begin(), data.labels.end(), 0);
  fit_on(begun, data);
  CHECK(begun.history().size() == 2);

  // All pictures of the second class are the ones to validate on.
  data = whole;
  std::fill(data.labels.begin(), data.labels.end(), 0);
  for (const std::int64_t i : datasets::split(40, 10, config.train.seed).val)
    data.labels[static_cast<std::size_t>(i)] = 1;
  CHECK_THAT(note(data, "cvae", 2), Catch::Contains("found none of 1 among 30, as some are held out to validate on: "
                                                    "try a smaller val-size, more"));
  data.labels.pop_back();
  CHECK_THROWS_WITH(note(data, "cvae", 2),
                    Catch::Contains("expected a label for each of the 40 pictures") && Catch::Contains("found 39"));
}
