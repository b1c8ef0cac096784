// The trainer on the GPU: steps replayed as graphs give the bits of steps without, a run goes on where it stopped, and
// what goes wrong loses nothing.
#include <elbo/models/registry.h>
#include <elbo/models/training/trained.h>
#include <elbo/models/training/trainer.h>

#include <algorithm>
#include <cstdlib>

#include "../../core/cuda_loader_detail.h"
#include "../self.h"
#include "../small_data.h"
#include "../temp_dir.h"
#include "backend_calls.h"

using namespace elbo;
using namespace elbo::models;
using backend_calls::gpu;

namespace {

RunConfig config_of(const std::string& kind) {
  RunConfig config;
  config.model = {.model = kind, .hidden = {12}, .channels = {2, 4}, .latent = 3};
  // 100 training pictures: six batches of 16 and one of 4.
  config.train = {.epochs = 4, .batch_size = 16, .lr = 3e-3, .val_size = 20, .seed = 5, .device = gpu};
  return config;
}

datasets::Dataset data() { return bars(120, 8); }

struct Outcome {
  std::vector<Losses> losses;  // of training and validation, in turn
  NamedArrays state;           // on the CPU
  std::string note;
  bool replays = false;
  std::int64_t graph_nodes = 0;
};

/// Trains with no folder.
Outcome train_here(RunConfig config, const Trainer::OnStep& on_step = {}) {
  const datasets::Dataset pictures = data();
  config = completed(config, pictures);
  Generator init(config.train.seed, Stream::init);
  auto model = make(config.model, &init);
  Trainer trainer(*model, pictures, config.train);
  Outcome out;
  for (std::int64_t epoch = 0; epoch < config.train.epochs; ++epoch) {
    const EpochRecord record = trainer.run_epoch(on_step);
    out.losses.push_back(record.train);
    out.losses.push_back(*record.val);
  }
  for (auto& [name, array] : trainer.state()) out.state.emplace_back(name, array.copy().to(cpu));
  out.note = trainer.graph_note();
  out.replays = trainer.replays();
  out.graph_nodes = trainer.graph_nodes();
  return out;
}

void check_same(const NamedArrays& found, const NamedArrays& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(expected[i].first);
    REQUIRE(found[i].first == expected[i].first);
    const Array a = found[i].second.to(cpu), b = expected[i].second.to(cpu);
    REQUIRE(a.shape() == b.shape());
    CHECK(std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
  }
}

void check_same(const Outcome& found, const Outcome& expected) {
  REQUIRE(found.losses.size() == expected.losses.size());
  for (std::size_t i = 0; i < expected.losses.size(); ++i) {
    CHECK(found.losses[i].loss == expected.losses[i].loss);
    CHECK(found.losses[i].terms == expected.losses[i].terms);
  }
  check_same(found.state, expected.state);
}

/// The emulator's count of launches; null on a real GPU.
long long (*launch_counter())() { return backend_calls::emulator_function<long long()>("elbo_emulator_launches"); }

}  // namespace

TEST_CASE("a profiled training runs each op by itself, to the same bits", "[cuda][profile]") {
  const RunConfig config = config_of("vae");
  const datasets::Dataset pictures = data();
  Generator init(config.train.seed, Stream::init);
  auto model = make(completed(config, pictures).model, &init);
  Trainer trainer(*model, pictures, config.train);
  Profile profile;
  trainer.set_profile(&profile);
  const EpochRecord record = trainer.run_epoch();
  CHECK(record.train.loss == train_here(config).losses.front().loss);
  CHECK_FALSE(trainer.replays());
  CHECK(trainer.graph_nodes() == 0);
  CHECK(profile.spans() == 7);
  CHECK(profile.peaks().flops == 0);
  const auto rows = profile.rows();
  CHECK(
      std::any_of(rows.begin(), rows.end(), [](const ProfileRow& row) { return row.op == "adam" && row.calls == 7; }));
}

TEST_CASE("training on the GPU: graphs give the bits of steps without, for the whole zoo", "[cuda][training]") {
  for (const std::string& kind : known_models()) {
    INFO(kind);
    RunConfig config = config_of(kind);
    const Outcome replayed = train_here(config);
    CHECK(replayed.replays);
    CHECK(replayed.note.empty());
    CHECK(replayed.losses.front().loss > replayed.losses[6].loss);
    config.train.graph = false;
    const Outcome stepped = train_here(config);
    CHECK_FALSE(stepped.replays);
    check_same(replayed, stepped);
  }
}

TEST_CASE("training on the GPU: graphs see a warm-up, a schedule, labels and black-or-white pictures change",
          "[cuda][training]") {
  RunConfig config = config_of("cvae");
  config.model.warmup = 2;
  config.train.schedule = LrSchedule::cosine;
  config.train.binarize = true;
  const Outcome replayed = train_here(config);
  REQUIRE(replayed.replays);
  config.train.graph = false;
  check_same(replayed, train_here(config));
  config.train.binarize = false;
  CHECK(train_here(config).losses.front().loss != replayed.losses.front().loss);
}

TEST_CASE("training on the GPU: binarised pictures are those of the CPU", "[cuda][training]") {
  RunConfig config = config_of("vae");
  config.train.binarize = true;
  config.train.epochs = 2;
  const Outcome on_gpu = train_here(config);
  config.train.device = cpu;
  const Outcome on_cpu = train_here(config);
  for (std::size_t i = 0; i < on_cpu.losses.size(); ++i)
    CHECK(on_gpu.losses[i].loss == Approx(on_cpu.losses[i].loss).epsilon(1e-4));
}

TEST_CASE("training on the GPU: a replayed step is one launch and takes no memory", "[cuda][training]") {
  RunConfig config = config_of("vae");
  const auto launches = launch_counter();
  int steps = 0;
  MemoryStats before{}, after{};
  long long launched = 0;
  const Outcome replayed = train_here(config, [&](std::int64_t) {
    // In the third of four epochs of seven steps both kinds of steps are recorded.
    ++steps;
    if (steps == 17) before = memory_stats(gpu), launched = launches ? launches() : 0;
    if (steps == 19) after = memory_stats(gpu), launched = (launches ? launches() : 0) - launched;
  });
  CHECK(steps == 28);
  CHECK(after.backing_allocations == before.backing_allocations);
  CHECK(after.active == before.active);
  CHECK(before.active > 0);
  if (!launches) return;
  CHECK(launched == 2);
  // Its graph has the kernels that a step launches without one, and a few copies.
  config.train.graph = false;
  steps = 0;
  const Outcome stepped = train_here(config, [&](std::int64_t) {
    ++steps;
    if (steps == 17) launched = launches();
    if (steps == 18) launched = launches() - launched;
  });
  CHECK(stepped.graph_nodes == 0);
  CHECK(replayed.graph_nodes >= launched);
  CHECK(replayed.graph_nodes <= launched + 5);
}

TEST_CASE("training on the GPU: steps between which nothing is written are one launch, to the same bits",
          "[cuda][training]") {
  // 100 training pictures in batches of 4: one step as it stands, one recorded, then eight at a time.
  const auto launches = launch_counter();
  RunConfig config = config_of("cvae");
  config.train.batch_size = 4, config.train.epochs = 2, config.train.binarize = true;
  std::vector<std::int64_t> seen;
  long long before = 0, launched = 0;
  const auto watch = [&](std::int64_t samples) {
    seen.push_back(samples);
    if (launches && seen.size() == 3) before = launches();
    if (launches && seen.size() == 4) launched = launches() - before;
  };
  const Outcome replayed = train_here(config, watch);
  REQUIRE(replayed.replays);
  const std::vector<std::int64_t> expected = {4, 8, 40, 72, 76, 80, 84, 88, 92, 96, 100, 32, 64, 96, 100};
  CHECK(seen == expected);
  if (launches) CHECK(launched == 1);
  config.train.graph = false;
  check_same(replayed, train_here(config));
  // What moves from step to step is written before each.
  config.train.graph = true;
  config.model.warmup = 1;
  seen.clear();
  const Outcome warmed = train_here(config, watch);
  CHECK(seen.size() == 25 + 4);
  config.train.graph = false;
  check_same(warmed, train_here(config));
  config = config_of("vae");
  config.model.capacity = 5, config.model.capacity_epochs = 1;
  config.train.batch_size = 4, config.train.epochs = 1;
  seen.clear();
  train_here(config, watch);
  CHECK(seen.size() == 25);
}

TEST_CASE("training on the GPU: a step's graph has no more nodes than it needs", "[cuda][training]") {
  // Each node costs some two microseconds, more than its arithmetic: these numbers are the step's time.
  const auto nodes = [](RunConfig config, std::int64_t side) {
    config.model.hidden = {400}, config.model.channels = {}, config.model.latent = 20;
    config.train.batch_size = 128, config.train.epochs = 1, config.train.val_size = 4;
    const datasets::Dataset pictures = bars(2 * 128 + 4, side);
    config = completed(config, pictures);
    const auto model = make(config.model);
    Trainer trainer(*model, pictures, config.train);
    trainer.run_epoch();
    return trainer.graph_nodes();
  };
  CHECK(nodes(config_of("vae"), 28) == 13);
  CHECK(nodes(config_of("conv-vae"), 28) == 24);
  RunConfig config = config_of("conv-vae");
  for (const Precision precision : {Precision::float32, Precision::tf32, Precision::bf16}) {
    config.train.precision = precision;
    CHECK(nodes(config, 32) == 32);
  }
}

TEST_CASE("training on the GPU: a graph that cannot be recorded is done without, and a note says why",
          "[cuda][training]") {
  RunConfig config = config_of("vae");
  const Outcome expected = train_here(config);
  int steps = 0;
  const Outcome found = train_here(config, [&](std::int64_t) {
    // The second step is to be recorded: no memory is left in the middle of that.
    if (++steps == 1) detail::cuda_plugin(0).fail_allocation(0, 5);
  });
  CHECK_FALSE(found.replays);
  CHECK(found.note.find("no memory left on the GPU") != std::string::npos);
  check_same(found, expected);
}

TEST_CASE("training on the GPU: whatever fails where a graph is made or replayed, it goes on without, and says why",
          "[cuda][training]") {
  const auto fail = backend_calls::emulator_function<void(long long, int)>("elbo_emulator_fail_graph");
  if (!fail) return;  // a real GPU cannot be told to
  RunConfig config = config_of("vae");
  config.train.epochs = 2;
  const Outcome expected = train_here(config);
  int calls = 0;  // of the first recording: the first step after which all is recorded and replayed
  for (bool failed = true; failed; ++calls) {
    REQUIRE(calls < 1000);
    int steps = 0;
    INFO("call " << calls);
    const Outcome found = train_here(config, [&](std::int64_t) {
      if (++steps == 1) fail(calls, 701);
    });
    fail(-1, 0);
    failed = !found.replays;
    check_same(found, expected);
    if (!failed) break;
    const bool library = found.note.find("CUBLAS_STATUS_EXECUTION_FAILED") != std::string::npos;
    CHECK((library || found.note.find("too many resources") != std::string::npos));
    CHECK(found.note.find('\n') == std::string::npos);
    if (calls > 3) calls += 7;  // each takes a while
  }
  CHECK(calls > 24);  // two graphs of some 14 calls, and replays
}

TEST_CASE("training on the GPU: tf32 and bf16 round, and train all the same", "[cuda][training]") {
  for (const std::string kind : {"vae", "conv-vae"}) {
    RunConfig config = config_of(kind);
    const Outcome exact = train_here(config);
    for (Precision precision : {Precision::tf32, Precision::bf16}) {
      INFO(kind << " in " << name(precision));
      config.train.precision = precision;
      const Outcome rounded = train_here(config);
      CHECK(rounded.replays);
      CHECK(rounded.losses.back().loss == Approx(exact.losses.back().loss).epsilon(0.03));
      CHECK(rounded.losses.back().loss != exact.losses.back().loss);
      for (const auto& [name, array] : rounded.state)
        CHECK((array.dtype() != DType::float32 || std::isfinite(array.to_vector<float>().front())));
      config.train.graph = false;
      check_same(rounded, train_here(config));
      config.train.graph = true;
    }
  }
}

// ---- runs that stop -------------------------------------------------------------------------------------------------

namespace {

/// What fit() leaves in a folder: the checkpoint, after `stop` has run at the end of each epoch.
NamedArrays fit_in(const std::filesystem::path& folder, const std::function<void(std::int64_t epoch)>& stop = {}) {
  FitCallbacks callbacks;
  if (stop) callbacks.on_epoch = [&](const EpochRecord& record, bool) { stop(record.epoch); };
  const Trained trained = train(folder, config_of("vae"), data(), callbacks);
  return trained.run.read_checkpoint()->state;
}

struct Stopped {};

}  // namespace

TEST_CASE("training on the GPU: a run that stopped goes on to the same bits", "[cuda][training]") {
  TempDir dir;
  const NamedArrays expected = fit_in(dir / "whole");
  CHECK_THROWS_AS(fit_in(dir / "stopped",
                         [](std::int64_t epoch) {
                           if (epoch == 2) throw Stopped{};
                         }),
                  Stopped);
  check_same(fit_in(dir / "stopped"), expected);
}

TEST_CASE("training on the GPU: a run that stopped between any two steps goes on to the same bits",
          "[cuda][training]") {
  TempDir dir;
  const NamedArrays expected = fit_in(dir / "whole");
  for (std::int64_t steps : {3, 7, 8}) {  // seven steps an epoch, then its validation
    INFO("stopped after every " << steps << " steps");
    const std::filesystem::path folder = dir / ("stopped" + std::to_string(steps));
    int stops = 0;
    for (bool stopped = true; stopped; stops += stopped) {
      stopped = false;
      std::int64_t asked = 0;
      try {
        train(folder, config_of("vae"), data(), {.should_stop = [&] { return stopped = asked++ == steps; }});
      } catch (const IoError&) {
        CHECK(stopped);  // before the first epoch was over: there is no model to open
      }
    }
    CHECK(stops >= 3);
    check_same(Run::open(folder).read_checkpoint()->state, expected);
  }
}

TEST_CASE("(in a process of its own) a training that meets a fault of the GPU", "[.cuda_fault_in_training]") {
  const std::filesystem::path folder = std::getenv("ELBO_TEST_FOLDER");
  try {
    fit_in(folder, [](std::int64_t epoch) {
      if (epoch == 2) detail::cuda_plugin(0).inject_fault(0);
    });
  } catch (const CudaError& error) {
    print_result(error.what());
    return;
  }
  print_result("no CudaError");
}

TEST_CASE("training on the GPU: a fault in mid-training is a CudaError, and the last checkpoint is whole",
          "[cuda][training]") {
  TempDir dir;
  const std::string message =
      run_self("ELBO_TEST_FOLDER='" + (dir / "faulty").string() + "'", "[.cuda_fault_in_training]");
  INFO(message);
  CHECK(message.front() == '[');
  CHECK(message.find("no CudaError") == std::string::npos);
  const Run run = Run::open(dir / "faulty");
  CHECK(run.history().size() == 2);
  // It goes on from there to the same end.
  check_same(fit_in(dir / "faulty"), fit_in(dir / "whole"));
}
