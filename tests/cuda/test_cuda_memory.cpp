// The GPU's memory pool: what it counts, what a warm step takes, and what happens where there is none left.
#include <elbo/core/cuda_loader.h>
#include <elbo/core/graph.h>

#include <cstdlib>
#include <regex>
#include <sstream>

#include "../../core/cuda_loader_detail.h"
#include "../self.h"
#include "training_step.h"

using namespace training_step;

namespace {

constexpr int64_t mebibyte = 1 << 20;

/// So many bytes on the GPU, uninitialised.
Array bytes_of(int64_t count) { return Array::empty({count}, {DType::uint8, gpu}); }

/// The memory of an emulated GPU, 48 MiB above what is taken, for a scope: a test can fill it. A real one's is what it
/// is.
class LittleMemory {
 public:
  LittleMemory() : set_(emulator_function<void(std::size_t)>("elbo_emulator_set_memory")) {
    backend(gpu).trim();
    std::size_t (*in_use)() = emulator_function<std::size_t()>("elbo_emulator_memory_in_use");
    if (set_) set_(in_use() + (std::size_t{48} << 20));
  }
  ~LittleMemory() {
    if (set_) set_(std::size_t{2} << 30);
  }
  LittleMemory(const LittleMemory&) = delete;
  LittleMemory& operator=(const LittleMemory&) = delete;

 private:
  void (*set_)(std::size_t);
};

std::string out_of_memory(const std::function<void()>& call) {
  try {
    call();
  } catch (const OutOfMemory& error) {
    return error.what();
  }
  return "(none)";
}

/// The device does its work.
void check_works() {
  const Array three =
      kernels::add(Array::full({1000}, 1, {DType::float32, gpu}), Array::full({1000}, 2, {DType::float32, gpu}));
  REQUIRE(three.to_vector<float>() == std::vector<float>(1000, 3));
}

}  // namespace

TEST_CASE("memory on the GPU: active, peak and cached bytes", "[cuda][memory]") {
  backend(gpu).trim();
  const MemoryStats begin = memory_stats(gpu);
  {
    const Array a = bytes_of(5 * mebibyte);
    const MemoryStats one = memory_stats(gpu);
    CHECK(one.active >= begin.active + 5 * mebibyte);
    CHECK(one.active <= begin.active + 5 * mebibyte * 5 / 4);
    CHECK(one.peak >= one.active);
    CHECK(one.backing_allocations == begin.backing_allocations + 1);
    const Array b = bytes_of(5 * mebibyte);
    CHECK(memory_stats(gpu).active - begin.active == 2 * (one.active - begin.active));
  }
  const MemoryStats end = memory_stats(gpu);
  CHECK(end.active == begin.active);
  CHECK(end.peak >= begin.active + 10 * mebibyte);
  CHECK(end.cached >= begin.cached + 10 * mebibyte);
  {
    const Array again = bytes_of(5 * mebibyte);
    CHECK(memory_stats(gpu).backing_allocations == end.backing_allocations);
    CHECK(memory_stats(gpu).peak == end.peak);
  }
  backend(gpu).trim();
  CHECK(memory_stats(gpu).cached <= begin.cached);
  CHECK(memory_stats(gpu).active == begin.active);
  check_works();
}

TEST_CASE("memory on the GPU: what is cached goes back to the driver with trim()", "[cuda][memory]") {
  backend(gpu).trim();
  const int64_t free = cuda_free_memory(0);
  { const Array a = bytes_of(32 * mebibyte); }
  // Others may use a real GPU as well: no more than roughly.
  CHECK(cuda_free_memory(0) <= free - 16 * mebibyte);
  backend(gpu).trim();
  CHECK(cuda_free_memory(0) >= free - 8 * mebibyte);
}

TEST_CASE("memory on the GPU: a warm training step takes no block from the driver", "[cuda][memory]") {
  Training training;
  for (int step = 0; step < 3; ++step) training();
  const MemoryStats warm = memory_stats(gpu);
  for (int step = 0; step < 5; ++step) {
    training.pick(step);
    training();
  }
  const MemoryStats end = memory_stats(gpu);
  CHECK(end.backing_allocations == warm.backing_allocations);
  CHECK(end.peak == warm.peak);
  CHECK(end.active == warm.active);
}

TEST_CASE("memory on the GPU: out of memory says what was requested, free and there, and the process goes on",
          "[cuda][memory]") {
  const int64_t active = memory_stats(gpu).active;
  const std::string message = out_of_memory([] { bytes_of(1024 * 1024 * mebibyte); });
  INFO(message);
  CHECK(std::regex_search(message,
                          std::regex(R"(requested 1048576\.0 MiB, free [0-9]+\.[0-9] MiB of [0-9]+\.[0-9] MiB)")));
  CHECK(message.find('\n') == std::string::npos);
  CHECK(memory_stats(gpu).active == active);
  check_works();
  // In the middle of something, too.
  const Array row = Array::full({1 << 20}, 1, {DType::uint8, gpu});
  CHECK_THROWS_AS(kernels::expand(row, {1 << 20, 1 << 20}), OutOfMemory);
  check_works();
}

TEST_CASE("memory on the GPU: where it has run out, what is cached is given up for a second try", "[cuda][memory]") {
  const LittleMemory little;
  backend(gpu).trim();
  const int64_t free = cuda_free_memory(0), half = free / 2, most = free / 100 * 65;
  { const Array a = bytes_of(half); }
  CHECK(memory_stats(gpu).cached >= half);
  {
    const Array b = bytes_of(most);  // of another size: both do not fit
    CHECK(memory_stats(gpu).cached < half);
    CHECK_THROWS_AS(bytes_of(most), OutOfMemory);
    check_works();
  }
  const Array c = bytes_of(half);
  check_works();
}

TEST_CASE("memory on the GPU: none left at any allocation of a training step", "[cuda][memory]") {
  const CudaPlugin& plugin = detail::cuda_plugin(0);
  Training training;
  for (int step = 0; step < 2; ++step) training();
  training.zero_grad();
  const std::vector<Array> saved = training.copy();
  const std::vector<double> before = training.state(), parameters = training.parameters();
  const int64_t active = memory_stats(gpu).active;
  training();
  const std::vector<double> expected = training.state(), moved = training.parameters();
  REQUIRE(expected != before);

  bool passed = false;
  for (int64_t after = 0; !passed; ++after) {
    REQUIRE(after < 1000);
    INFO("allocation " << after);
    training.restore(saved);
    training.zero_grad();
    REQUIRE(training.state() == before);
    plugin.fail_allocation(0, after);
    const std::string message = out_of_memory([&] { training(); });
    plugin.fail_allocation(0, -1);
    passed = message == "(none)";
    if (passed) {
      CHECK(after > 10);  // there were some to fail
      CHECK(training.state() == expected);
      continue;
    }
    INFO(message);
    CHECK(message.find("requested") != std::string::npos);
    // Nothing is lost, and no parameter has half moved.
    training.zero_grad();
    REQUIRE(memory_stats(gpu).active == active);
    const std::vector<double> found = training.parameters();
    REQUIRE((found == parameters || found == moved));
    training.restore(saved);
    training();
    REQUIRE(training.state() == expected);
  }
}

TEST_CASE("(in a process of its own) memory as it was asked for", "[.cuda_exact_pool]") {
  const auto in_use = emulator_function<std::size_t()>("elbo_emulator_memory_in_use");
  const MemoryStats begin = memory_stats(gpu);
  const std::size_t used = in_use ? in_use() : 0;
  {
    const Array a = bytes_of(1001);
    REQUIRE(memory_stats(gpu).active == begin.active + 1001);
    if (in_use) REQUIRE(in_use() == used + 1001);
    check_works();
  }
  if (in_use) REQUIRE(in_use() == used);
  const MemoryStats end = memory_stats(gpu);
  REQUIRE(end.active == begin.active);
  REQUIRE(end.cached == 0);
  REQUIRE(end.backing_allocations > begin.backing_allocations + 1);
  Training training;
  for (int step = 0; step < 2; ++step) training();
  const std::vector<double> before = training.state();
  REQUIRE_THROWS_AS(Graph::capture(gpu, [&] { training(); }), CaptureError);
  REQUIRE(training.state() == before);
  training();
  std::ostringstream text;
  text.precision(17);
  for (const double each : training.state()) text << each << " ";
  print_result(text.str());
}

TEST_CASE("(in a process of its own) the same steps", "[.cuda_cached_pool]") {
  Training training;
  for (int step = 0; step < 3; ++step) training();
  std::ostringstream text;
  text.precision(17);
  for (const double each : training.state()) text << each << " ";
  print_result(text.str());
}

TEST_CASE("memory on the GPU: ELBO_CUDA_POOL=exact takes each block from the driver, and gives it back",
          "[cuda][memory]") {
  const std::string exact = run_self("ELBO_CUDA_POOL=exact", "[.cuda_exact_pool]");
  CHECK(exact != "(nothing)");
  CHECK(exact == run_self("ELBO_CUDA_POOL=cached", "[.cuda_cached_pool]"));
  CHECK(run_self("ELBO_CUDA_POOL=", "[.cuda_cached_pool]") == exact);
  CHECK(run_self("ELBO_CUDA_POOL=round", "[.cuda_pool_refused]") ==
        "device cuda:0 cannot be used: expected ELBO_CUDA_POOL to be cached or exact, found round");
}

TEST_CASE("(in a process of its own) why a GPU cannot be used", "[.cuda_pool_refused]") {
  try {
    backend(gpu);
  } catch (const DeviceError& error) {
    const std::string message = error.what();
    print_result(message.substr(0, message.find(" (")));
  }
}

// ---- what fails when the program ends: threads' objects are gone by then

namespace {

const CudaPlugin* at_exit = nullptr;

}  // namespace

TEST_CASE("(in a process of its own) a call that fails after the end of main", "[.cuda_failure_at_exit]") {
  // Registered before the first use of CUDA: what is made there is gone by then, unless it is never destroyed.
  std::atexit([] {
    CudaDeviceInfo none;
    const std::string message = at_exit->describe(99, &none).message;
    print_result(message + "; " + std::to_string(cuda_report().devices.at(0).name.size() > 0) +
                 std::to_string(available(gpu)));
  });
  at_exit = &detail::cuda_plugin(0);
  CudaDeviceInfo info;
  REQUIRE_FALSE(at_exit->describe(99, &info).ok());
  REQUIRE(available(gpu));
  REQUIRE_FALSE(cuda_report().devices.empty());
}

TEST_CASE("memory on the GPU: what fails after the end of main still has its message", "[cuda][memory]") {
  const std::string message = run_self("ELBO_TEST=1", "[.cuda_failure_at_exit]");
  CHECK_THAT(message, Catch::StartsWith("cudaGetDeviceProperties: ") && Catch::EndsWith("; 11"));
}

// ---- a fault of the GPU: after it the process can use it no more, so that it is one of its own

TEST_CASE("(in a process of its own) a fault in mid-training", "[.cuda_fault]") {
  Training training;
  training();
  training.state();
  detail::cuda_plugin(0).inject_fault(0);
  const auto fails = [](const std::function<void()>& call) {
    try {
      call();
    } catch (const CudaError& error) {
      return std::string(error.what()).find('\n') == std::string::npos;
    }
    return false;
  };
  // At the latest when somebody waits.
  REQUIRE(fails([&] {
    training();
    training.state();
  }));
  // And from then on.
  REQUIRE(fails([&] { training.state(); }));
  REQUIRE(fails([] { synchronize(gpu); }));
  // The CPU works.
  REQUIRE(kernels::add(Array::full({}, 1), Array::full({}, 2)).item() == 3);
  print_result("passed");
}

TEST_CASE("memory on the GPU: after a fault every wait is a CudaError, and the process ends in order",
          "[cuda][memory]") {
  CHECK(run_self("ELBO_TEST=1", "[.cuda_fault]") == "passed");
}
