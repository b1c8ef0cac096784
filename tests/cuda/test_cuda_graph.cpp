// Graphs: what was recorded computes what the same calls compute without, and its memory is its own.
#include <elbo/core/graph.h>
#include <elbo/core/ops.h>
#include <elbo/nn/ema.h>

#include <optional>
#include <set>
#include <stdexcept>

#include "../../core/cuda_loader_detail.h"
#include "training_step.h"

using namespace training_step;

namespace {

Array on_gpu(const std::vector<float>& numbers, const Shape& shape) { return Array::from(numbers, shape, gpu); }

/// Products, an activation, a sum and a broadcast of x [5, 7].
Array some_ops(const Array& x, const Array& weight) {
  const NoGradGuard no_grad;
  const Tensor h = tanh(matmul(Tensor(x), Tensor(weight)));
  return mul(h, sum(h, {1}, true)).array();
}

/// Arrays of `count` floats, each full of `value`.
std::vector<Array> many(int arrays, int64_t count, double value) {
  std::vector<Array> out;
  for (int i = 0; i < arrays; ++i) out.push_back(Array::full({count}, value, {DType::float32, gpu}));
  return out;
}
bool all_are(const std::vector<Array>& arrays, float value) {
  for (const Array& array : arrays)
    if (array.to_vector<float>() != std::vector<float>(static_cast<std::size_t>(array.numel()), value)) return false;
  return true;
}

}  // namespace

TEST_CASE("graph on the GPU: a replay computes the eager bits, for the inputs of then", "[cuda][graph]") {
  Array x = on_gpu(values<float>(35, -1, 1, 1), {5, 7});
  const Array weight = on_gpu(values<float>(42, -1, 1, 2), {7, 6});
  some_ops(x, weight);  // warm
  Array result;
  Graph graph = Graph::capture(gpu, [&] { result = some_ops(x, weight); });
  for (unsigned seed = 3; seed < 7; ++seed) {
    x.assign(on_gpu(values<float>(35, -2, 2, seed), {5, 7}));
    graph.replay();
    CHECK(same_bits(result.to_vector<float>(), some_ops(x, weight).to_vector<float>()));
  }
}

TEST_CASE("graph on the GPU: a captured training step does what the steps do without a graph", "[cuda][graph]") {
  Training eager, captured;
  REQUIRE(eager.state() == captured.state());
  eager();
  captured();
  std::optional<Graph> graph;
  const std::vector<double> before = captured.state();
  graph = Graph::capture(gpu, [&] { captured(); });
  CHECK(captured.state() == before);  // recorded, not run
  for (int step = 1; step < 6; ++step) {
    eager.pick(step);
    captured.pick(step);
    eager();
    graph->replay();
    REQUIRE(captured.state() == eager.state());
  }
  CHECK(captured.state() != before);
  // And on without it.
  graph.reset();
  eager();
  captured();
  CHECK(captured.state() == eager.state());
}

TEST_CASE("graph on the GPU: an optimiser over tensors can be captured, and sees its learning rate change",
          "[cuda][graph]") {
  struct Trained {
    explicit Trained(Device device) : w(Array::from(values<float>(33), {33}, device), true) {
      w.backward(Tensor(Array::from(values<float>(33, -1, 1, 2), {33}, device)));
    }
    void operator()() {
      nn::clip_grad_value_({w}, 0.5);
      optimizer.step();
      ema.update();
    }
    std::vector<float> all() const {
      std::vector<float> out = w.array().to_vector<float>();
      const std::vector<float> means = ema.state()[0].second.to_vector<float>();
      out.insert(out.end(), means.begin(), means.end());
      return out;
    }
    Tensor w;
    nn::RMSprop optimizer{{w}, {.weight_decay = 0.1, .momentum = 0.9, .centered = true}};
    nn::EMA ema{{{"w", w}}, 0.9};
  };
  Trained eager(gpu), captured(gpu);
  eager();
  captured();
  Graph graph = Graph::capture(gpu, [&] { captured(); });
  for (const double lr : {0.01, 0.5, 0.0}) {
    eager.optimizer.set_lr(lr);
    captured.optimizer.set_lr(lr);
    eager();
    graph.replay();
    CHECK(same_bits(captured.all(), eager.all()));
  }
}

TEST_CASE("graph on the GPU: replays draw new numbers, those of calls without a graph", "[cuda][graph]") {
  Generator one(11, Stream::user, gpu), other(11, Stream::user, gpu);
  Tensor drawn;
  Graph graph = Graph::capture(gpu, [&] { drawn = randn({33}, {DType::float32, gpu}, &one); });
  std::set<float> firsts;
  for (int i = 0; i < 3; ++i) {
    graph.replay();
    const std::vector<float> found = drawn.array().to_vector<float>();
    CHECK(same_bits(found, randn({33}, {DType::float32, gpu}, &other).array().to_vector<float>()));
    firsts.insert(found[0]);
  }
  CHECK(firsts.size() == 3);
}

TEST_CASE("graph on the GPU: what cannot be recorded is a CaptureError, and the device works on", "[cuda][graph]") {
  Array a = Array::full({3}, 2, {DType::float32, gpu});
  // What is still cached after trim() belongs to graphs that live.
  const auto kept = [] {
    backend(gpu).trim();
    return memory_stats(gpu).cached;
  };
  const auto refused = [&](const std::function<void()>& work) {
    const int64_t before = kept();
    CHECK_THROWS_AS(Graph::capture(gpu, work), CaptureError);
    CHECK(kept() == before);
    CHECK_FALSE(is_capturing(gpu));
    CHECK(add(Tensor(a), Tensor(a)).array().to_vector<float>() == std::vector<float>{4, 4, 4});
  };
  refused([&] { sum(Tensor(a)).item(); });
  refused([&] { a.to_vector<float>(); });
  refused([&] { a.to(cpu); });
  refused([&] { on_gpu({1, 2}, {2}); });
  refused([&] { synchronize(gpu); });
  refused([&] { Graph::capture(gpu, [] {}); });
  // Also where the work hides the error: what could not be recorded is missing in the graph.
  refused([&] {
    const Array total = sum(Tensor(a)).array();
    try {
      total.item();
    } catch (const CaptureError&) {
    }
  });
  // A graph can be made after that, and holds nothing of what failed.
  Array b = Array::zeros({3}, {DType::float32, gpu});
  Graph graph = Graph::capture(gpu, [&] { b.assign(a); });
  graph.replay();
  CHECK(b.to_vector<float>() == std::vector<float>{2, 2, 2});
  CHECK(a.to_vector<float>() == std::vector<float>{2, 2, 2});
}

TEST_CASE("graph on the GPU: it knows how many kernels and copies it has", "[cuda][graph]") {
  const Array a = Array::full({3}, 2, {DType::float32, gpu});
  Array b = Array::zeros({3}, {DType::float32, gpu});
  CHECK(Graph::capture(gpu, [] {}).nodes() == 0);
  for (const int count : {1, 10, 80}) {
    const Graph graph = Graph::capture(gpu, [&] {
      for (int i = 0; i < count; ++i) b.fill(i);
    });
    CHECK(graph.nodes() == count);
  }
  CHECK(Graph::capture(gpu, [&] {
          b.fill(1);
          b.assign(a);
          kernels::add(a, a);
        }).nodes() == 3);
}

TEST_CASE("graph on the GPU: what the work throws goes on, and its memory comes back", "[cuda][graph]") {
  Array a = Array::full({3}, 2, {DType::float32, gpu});
  const int64_t active = memory_stats(gpu).active;
  const auto work = [&] {
    const Tensor twice = add(Tensor(a), Tensor(a));
    throw std::logic_error("mine");
  };
  CHECK_THROWS_AS(Graph::capture(gpu, work), std::logic_error);
  CHECK(memory_stats(gpu).active == active);
  CHECK(add(Tensor(a), Tensor(a)).array().to_vector<float>() == std::vector<float>{4, 4, 4});
}

TEST_CASE("graph on the GPU: memory taken in a capture goes to nobody else while the graph lives", "[cuda][graph]") {
  constexpr int64_t count = 3000;
  Array x = Array::full({count}, 1, {DType::float32, gpu}), result;
  std::set<const void*> inside;
  std::optional<Graph> graph = Graph::capture(gpu, [&] {
    Array twice = kernels::add(x, x), more = kernels::add(twice, x);
    inside = {twice.raw(), more.raw()};
    result = kernels::add(more, twice);
  });
  REQUIRE(inside.size() == 2);
  std::vector<Array> others = many(12, count, 7);
  for (const Array& other : others) CHECK_FALSE(inside.contains(other.raw()));
  for (double value : {1, 2, 5}) {
    x.fill(value);
    graph->replay();
    CHECK(result.to_vector<float>() == std::vector<float>(count, static_cast<float>(5 * value)));
  }
  CHECK(all_are(others, 7));
  // trim() leaves it where it is, too.
  others.clear();
  backend(gpu).trim();
  x.fill(3);
  graph->replay();
  CHECK(result.to_vector<float>() == std::vector<float>(count, 15));

  // Without the graph it is memory like any other.
  graph.reset();
  const int64_t backing = memory_stats(gpu).backing_allocations;
  for (int i = 0; i < 2; ++i) {
    others = many(2, count, 8);
    std::set<const void*> reused;
    for (const Array& other : others) reused.insert(other.raw());
    CHECK(reused == inside);
    others.clear();
  }
  CHECK(memory_stats(gpu).backing_allocations == backing);
}

TEST_CASE("graph on the GPU: two graphs, replayed in turn", "[cuda][graph]") {
  Array x = on_gpu(values<float>(35, -1, 1, 1), {5, 7}), y = on_gpu(values<float>(21, -1, 1, 2), {3, 7});
  const Array weight = on_gpu(values<float>(42, -1, 1, 3), {7, 6});
  some_ops(x, weight);
  some_ops(y, weight);
  Array of_x, of_y;
  Graph first = Graph::capture(gpu, [&] { of_x = some_ops(x, weight); });
  Graph second = Graph::capture(gpu, [&] { of_y = some_ops(y, weight); });
  for (unsigned seed = 4; seed < 7; ++seed) {
    x.assign(on_gpu(values<float>(35, -2, 2, seed), {5, 7}));
    y.assign(on_gpu(values<float>(21, -2, 2, seed), {3, 7}));
    first.replay();
    second.replay();
    if (seed == 5) first.replay();
    CHECK(same_bits(of_x.to_vector<float>(), some_ops(x, weight).to_vector<float>()));
    CHECK(same_bits(of_y.to_vector<float>(), some_ops(y, weight).to_vector<float>()));
  }
  // One goes, the other stays whole.
  first = Graph();
  const std::vector<Array> others = many(12, 30, 7);
  y.assign(on_gpu(values<float>(21, -2, 2, 9), {3, 7}));
  second.replay();
  CHECK(same_bits(of_y.to_vector<float>(), some_ops(y, weight).to_vector<float>()));
  CHECK(all_are(others, 7));
}

TEST_CASE("graph on the GPU: a graph may go before its arrays", "[cuda][graph]") {
  const int64_t active = memory_stats(gpu).active;
  {
    Array x = Array::full({1000}, 3, {DType::float32, gpu}), result;
    {
      Graph graph = Graph::capture(gpu, [&] { result = kernels::add(x, x); });
      graph.replay();
    }
    const std::vector<Array> others = many(8, 1000, 7);
    CHECK(result.to_vector<float>() == std::vector<float>(1000, 6));
    result.fill(1);
    CHECK(all_are(others, 7));
    CHECK(result.to_vector<float>() == std::vector<float>(1000, 1));
  }
  CHECK(memory_stats(gpu).active == active);
}

TEST_CASE("graph on the GPU: whatever call fails in a capture, it is a CaptureError, and the device works on",
          "[cuda][graph]") {
  const auto fail = emulator_function<void(long long, int)>("elbo_emulator_fail_graph");
  if (!fail) return;  // a real GPU cannot be told to
  // Invalid value, no kernel image, out of resources, not supported, capture unmatched and isolation, graph exec update
  // failure, unknown: of a capture's own and of others.
  const std::vector<int> errors = {1, 209, 701, 801, 903, 905, 910, 999};
  Training training, expected;
  training();
  expected();
  const std::vector<double> before = training.state();
  bool captured = false;
  for (std::size_t after = 0; !captured; ++after) {
    REQUIRE(after < 1000);
    INFO("call " << after);
    fail(static_cast<long long>(after), errors[after % errors.size()]);
    std::string message;
    try {
      Graph graph = Graph::capture(gpu, [&] { training(); });
      captured = true;
      CHECK(after > 10);  // there were some to fail
    } catch (const CaptureError& error) {
      message = error.what();
    }
    fail(-1, 0);
    CHECK(message.find('\n') == std::string::npos);
    REQUIRE_FALSE(is_capturing(gpu));
    training.zero_grad();
    REQUIRE(training.state() == before);
  }
  training();
  expected();
  CHECK(training.state() == expected.state());
}

TEST_CASE("graph on the GPU: no memory left at any allocation of a capture", "[cuda][graph]") {
  const CudaPlugin& plugin = detail::cuda_plugin(0);
  Training training, expected;
  training();
  expected();
  const std::vector<double> before = training.state();
  bool captured = false;
  for (int64_t after = 0; !captured; ++after) {
    REQUIRE(after < 1000);
    INFO("allocation " << after);
    plugin.fail_allocation(0, after);
    try {
      Graph graph = Graph::capture(gpu, [&] { training(); });
      captured = true;
      CHECK(after > 10);  // there were some to fail
    } catch (const OutOfMemory&) {
    }
    plugin.fail_allocation(0, -1);
    training.zero_grad();
    REQUIRE(training.state() == before);
  }
  training();
  expected();
  CHECK(training.state() == expected.state());
}
