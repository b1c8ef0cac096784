#include <elbo/core/array.h>
#include <elbo/core/device.h>
#include <elbo/core/generator.h>
#include <elbo/core/graph.h>
#include <elbo/core/kernels.h>

#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "self.h"

using namespace elbo;

// Arrays, generators and graphs on GPUs of the mock plugin, which can copy and fill: each hidden test case runs in a
// process of its own, with that plugin.
namespace {

constexpr Device gpu{DeviceType::cuda, 0}, other_gpu{DeviceType::cuda, 1};

std::string with_mock(const std::string& tag) {
  return run_self("ELBO_CUDA_LIBRARY='" ELBO_MOCK_PLUGINS "/working.so'", tag);
}

/// Graphs of the mock plugin that live.
std::int64_t graphs() { return memory_stats(gpu).cached; }

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "(none)";
}

}  // namespace

TEST_CASE("device: names are read and written") {
  CHECK(Device::parse("cpu") == cpu);
  CHECK(Device::parse("cuda") == gpu);
  CHECK(Device::parse("cuda:1") == other_gpu);
  CHECK(Device::parse("auto") == default_device());
  CHECK(other_gpu.to_string() == "cuda:1");
  CHECK(available(cpu));
  for (const char* text : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:99999999999", "auto:0"})
    CHECK(message_of([&] { Device::parse(text); }) ==
          "unknown device '" + std::string(text) + "': expected auto, cpu, cuda or cuda:N");
}

TEST_CASE("(in a process of its own) arrays on GPUs", "[.mock_arrays]") {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  {
    const Array a = Array::from(values, {2, 3}, gpu);
    REQUIRE(a.device() == gpu);
    REQUIRE(a.to_vector<float>() == values);
    REQUIRE(a.slice(1, 2).to_vector<float>() == std::vector<float>{4, 5, 6});
    REQUIRE(a.slice(1, 2).reshape({3}).slice(2, 3).item() == 6);
    REQUIRE_THROWS_AS(a.values<float>(), DeviceError);
    REQUIRE(message_of([&] { a.values<float>(); }) == "[values] the array lies on cuda:0: copy it with to(cpu)");

    // Between GPUs, by way of the host.
    const Array b = a.to(other_gpu);
    REQUIRE(b.device() == other_gpu);
    REQUIRE(b.to_vector<float>() == values);
    Array c = Array::zeros({2, 3}, {DType::float32, gpu});
    c.assign(b);
    REQUIRE(c.to_vector<float>() == values);
    REQUIRE(c.copy().device() == gpu);
    Array host = Array::zeros({2, 3});
    host.assign(b);
    REQUIRE(host.values<float>()[5] == 6);
    c.assign(Array::full({2, 3}, 7));
    REQUIRE(c.to(cpu).to_vector<float>()[0] == 7);

    REQUIRE(Array::full({}, 2.5, {DType::float64, gpu}).item() == 2.5);
    REQUIRE(Array::full({}, 200, {DType::uint8, gpu}).item() == 200);
    REQUIRE(Array::full({}, -3, {DType::int64, other_gpu}).item() == -3);
    REQUIRE(Array::zeros({0, 3}, {DType::float32, gpu}).to(cpu).numel() == 0);
    REQUIRE(memory_stats(gpu).active > 0);
    REQUIRE(a.to_string() == Array::from(values, {2, 3}).to_string());
  }
  REQUIRE(memory_stats(gpu).active == 0);
  REQUIRE(memory_stats(other_gpu).active == 0);
  print_result("passed");
}

TEST_CASE("(in a process of its own) default generators", "[.mock_generators]") {
  Generator& on_cpu = default_generator();
  REQUIRE(on_cpu.seed() == 0);
  REQUIRE(&default_generator(cpu) == &on_cpu);
  default_generator(gpu).set_offset(5);
  manual_seed(42);
  REQUIRE(on_cpu.seed() == 42);
  REQUIRE(default_generator(gpu).seed() == 42);
  REQUIRE(default_generator(gpu).offset().item() == 0);
  REQUIRE(default_generator(gpu).device() == gpu);
  REQUIRE(&default_generator(gpu) == &default_generator(gpu));
  // One that is made later takes the seed as well.
  REQUIRE(default_generator(other_gpu).seed() == 42);
  REQUIRE(default_generator(other_gpu).device() == other_gpu);
  REQUIRE(default_generator(other_gpu).stream() == Stream::user);
  REQUIRE_THROWS_AS(default_generator({DeviceType::cuda, 2}), DeviceError);
  REQUIRE_THROWS_AS(default_generator({DeviceType::cuda, 2}), DeviceError);
  manual_seed(7);
  for (Device device : {cpu, gpu, other_gpu}) REQUIRE(default_generator(device).seed() == 7);
  print_result("passed");
}

TEST_CASE("(in a process of its own) graphs", "[.mock_graphs]") {
  Array a = Array::full({3}, 1, {DType::float32, gpu}), b = Array::zeros({3}, {DType::float32, gpu});
  REQUIRE_FALSE(is_capturing(gpu));
  {
    Graph graph = Graph::capture(gpu, [&] {
      REQUIRE(is_capturing(gpu));
      REQUIRE_FALSE(is_capturing(other_gpu));
      b.assign(a);
    });
    REQUIRE(graph);
    REQUIRE(graph.nodes() == 1);
    REQUIRE_FALSE(is_capturing(gpu));
    REQUIRE(b.to_vector<float>() == std::vector<float>(3, 0));  // recorded, not run
    graph.replay();
    REQUIRE(b.to_vector<float>() == std::vector<float>(3, 1));
    a.fill(2);
    graph.replay();
    REQUIRE(b.to_vector<float>() == std::vector<float>(3, 2));

    // A graph moves; what it replaces is dropped.
    Graph second = Graph::capture(gpu, [&] { b.fill(9); });
    REQUIRE(graphs() == 2);
    second = std::move(graph);
    REQUIRE(graphs() == 1);
    a.fill(3);
    second.replay();
    REQUIRE(b.to_vector<float>() == std::vector<float>(3, 3));
    Graph third(std::move(second));
    REQUIRE(third);
    REQUIRE(third.nodes() == 1);
    REQUIRE_THROWS_AS(second.replay(), CaptureError);  // NOLINT: after the move
    REQUIRE(second.nodes() == 0);                      // NOLINT
    third = Graph::capture(gpu, [&] {
      b.fill(5);
      b.fill(4);
    });
    REQUIRE(third.nodes() == 2);
    third.replay();
    REQUIRE(b.to_vector<float>() == std::vector<float>(3, 4));
    REQUIRE(graphs() == 1);
  }
  REQUIRE(graphs() == 0);
  Graph none;
  REQUIRE_FALSE(none);
  REQUIRE(none.nodes() == 0);
  REQUIRE(message_of([&] { none.replay(); }) == "[replay] expected a graph, found one that was never captured");
  print_result("passed");
}

TEST_CASE("(in a process of its own) captures that fail", "[.mock_capture_errors]") {
  Array a = Array::full({}, 1, {DType::float32, gpu}), b = Array::zeros({}, {DType::float32, gpu});
  const auto refused = [&](const std::function<void()>& call) {
    REQUIRE_THROWS_AS(Graph::capture(gpu, call), CaptureError);
    // The device is as before.
    REQUIRE_FALSE(is_capturing(gpu));
    REQUIRE(graphs() == 0);
    REQUIRE(a.item() == 1);
    b.assign(a);
    synchronize(gpu);
    REQUIRE(b.item() == 1);
  };
  refused([&] { a.item(); });
  refused([&] { a.to_vector<float>(); });
  refused([&] { a.to(cpu); });
  refused([&] { Array::full({}, 1).to(gpu); });
  refused([&] { synchronize(gpu); });
  refused([&] { Graph::capture(gpu, [] {}); });
  // Also where the work hides the error: what could not be recorded is missing in the graph.
  refused([&] {
    try {
      a.item();
    } catch (const CaptureError&) {
    }
  });
  REQUIRE_THAT(message_of([&] { Graph::capture(gpu, [&] { a.item(); }); }), Catch::Contains("[copy]"));
  REQUIRE_THAT(message_of([&] { Graph::capture(gpu, [] { Graph::capture(gpu, [] {}); }); }),
               Catch::Contains("[capture]") && Catch::Contains("cuda:0"));

  // What the work throws goes on, and nothing is left of the graph.
  REQUIRE_THROWS_AS(Graph::capture(gpu, [] { throw std::logic_error("mine"); }), std::logic_error);
  REQUIRE_THROWS_AS(Graph::capture(gpu, [] { fail<OutOfMemory>("none left"); }), OutOfMemory);
  refused([&] {
    b.fill(3);
    a.item();
  });

  // A replay while the device records.
  Graph graph = Graph::capture(gpu, [&] { b.assign(a); });
  REQUIRE_THROWS_AS(Graph::capture(gpu, [&] { graph.replay(); }), CaptureError);
  graph.replay();

  // One device records, another works; and records too.
  Graph outer = Graph::capture(gpu, [&] {
    b.fill(6);
    Array c = Array::full({}, 5, {DType::float32, other_gpu});
    REQUIRE(c.item() == 5);
    Graph inner = Graph::capture(other_gpu, [&] { c.fill(8); });
    REQUIRE_FALSE(is_capturing(other_gpu));
    inner.replay();
    REQUIRE(c.item() == 8);
  });
  outer.replay();
  REQUIRE(b.item() == 6);
  print_result("passed");
}

TEST_CASE("device: arrays are copied between the host and GPUs, and between GPUs") {
  CHECK(with_mock("[.mock_arrays]") == "passed");
}

TEST_CASE("device: each has a default generator, and manual_seed seeds them all") {
  CHECK(with_mock("[.mock_generators]") == "passed");
}

TEST_CASE("graph: what was recorded is replayed with what the arrays hold by then") {
  CHECK(with_mock("[.mock_graphs]") == "passed");
}

TEST_CASE("graph: what cannot be recorded is a CaptureError, and the device works on") {
  CHECK(with_mock("[.mock_capture_errors]") == "passed");
}

TEST_CASE("graph: the CPU has none") {
  bool called = false;
  CHECK(message_of([&] { Graph::capture(cpu, [&] { called = true; }); }) ==
        "[capture] expected a GPU, found cpu: it records no graphs");
  CHECK_THROWS_AS(Graph::capture(cpu, [] {}), CaptureError);
  CHECK_FALSE(called);
  CHECK_FALSE(is_capturing(cpu));
}

TEST_CASE("device: there is one CPU", "[device]") {
  constexpr Device second{DeviceType::cpu, 1};
  CHECK_FALSE(available(second));
  CHECK_THROWS_AS(Array::zeros({2}, {.device = second}), DeviceError);
}

TEST_CASE("(in a process of its own) an op that fails after the end of main", "[.failure_at_exit]") {
  static const Array numbers = Array::full({3}, 7);
  std::atexit([] {
    try {
      kernels::check_range(numbers, 0, 1);
    } catch (const ValueError& error) {
      print_result(error.what());
    }
  });
  REQUIRE_THROWS_AS(kernels::check_range(numbers, 0, 1), ValueError);
}

TEST_CASE("device: what fails after the end of main still has its message", "[device]") {
  CHECK_THAT(run_self("ELBO_TEST=1", "[.failure_at_exit]"), Catch::Contains("expected numbers in [0, 1], found 7"));
}
