// Benchmarks over the op table.
#include <benchmark/benchmark.h>

#include "../tests/op_cases.h"
#include "bench.h"

namespace elbo::bench {
namespace {

using op_cases::OpCase;

double bytes_of(const std::vector<Tensor>& tensors) {
  double bytes = 0;
  for (const Tensor& tensor : tensors) bytes += static_cast<double>(tensor.array().bytes());
  return bytes;
}

double gradient_bytes(const std::vector<Tensor>& inputs) {
  double bytes = 0;
  for (const Tensor& x : inputs)
    if (x.requires_grad()) bytes += static_cast<double>(x.array().bytes());
  return bytes;
}

/// Speed as counters; `work` is the number of operations (of a contraction) or bytes of one iteration.
void set_counters(benchmark::State& state, const Peaks& peaks, const Stopwatch& watch, bool contraction, double work) {
  const double speed = work * static_cast<double>(state.iterations()) / watch.seconds();
  state.counters[contraction ? "GFLOP/s" : "GB/s"] = speed * 1e-9;
  state.counters["% of peak"] = 100 * speed / (contraction ? peaks.flops : peaks.bytes);
}

/// The case's operands on a device.
std::vector<Tensor> inputs_on(Device device, const OpCase& c, bool grad) {
  std::vector<Tensor> inputs = op_cases::make_inputs(c, DType::float32, grad);
  for (Tensor& x : inputs) x = Tensor(x.array().to(device), x.requires_grad());
  return inputs;
}

/// Runs `fn` until Google Benchmark has seen enough. A GPU works on its own: it is waited for once in a while.
template <class Fn>
void iterate(benchmark::State& state, Device device, const Fn& fn) {
  const int at_once = device == cpu ? 1 : 100;
  while (state.KeepRunningBatch(at_once)) {
    for (int i = 0; i < at_once; ++i) fn();
    synchronize(device);
  }
}

void run_forward(benchmark::State& state, const OpCase& c, const Peaks& peaks, Device device) {
  const std::vector<Tensor> inputs = inputs_on(device, c, false);
  Tensor y = c.fn(inputs);
  synchronize(device);
  const Stopwatch watch;
  iterate(state, device, [&] {
    y = c.fn(inputs);
    benchmark::DoNotOptimize(y.array().raw());
  });
  set_counters(state, peaks, watch, c.flops > 0, c.flops > 0 ? c.flops : bytes_of(inputs) + bytes_of({y}));
}

void run_backward(benchmark::State& state, const OpCase& c, const Peaks& peaks, Device device) {
  std::vector<Tensor> inputs = inputs_on(device, c, true);
  const Tensor first = c.fn(inputs);
  if (!first.requires_grad()) return state.SkipWithError("the output has no gradient");
  const Array g =
      op_cases::array_of(op_cases::draw_gradient(c, first.shape()), first.shape(), first.dtype()).to(device);
  synchronize(device);
  const Stopwatch watch;
  iterate(state, device, [&] {
    for (Tensor& x : inputs) x.zero_grad();
    Tensor y = c.fn(inputs);
    y.backward(g);
    benchmark::ClobberMemory();
  });
  // Forward as above; backward reads the output's gradient and the operands and writes the operands' gradients.
  const double bytes = 2 * bytes_of(inputs) + 2 * bytes_of({first}) + gradient_bytes(inputs);
  double passes = 1;  // a contraction has one product forward and one for each of its two factors
  for (std::size_t i = 0; i < 2; ++i) passes += inputs[i < inputs.size() ? i : 0].requires_grad() ? 1 : 0;
  set_counters(state, peaks, watch, c.flops > 0, c.flops > 0 ? passes * c.flops : bytes);
}

/// What a call costs beside the arithmetic: eight elements, no gradient.
void run_small_add(benchmark::State& state, Device device) {
  const Tensor a = ones({8}, {.device = device}), b = ones({8}, {.device = device});
  iterate(state, device, [&] { benchmark::DoNotOptimize(a + b); });
}

bool differentiable(const OpCase& c) {
  for (const op_cases::Input& input : c.inputs)
    if (input.kind == op_cases::Kind::real && input.grad) return true;
  return false;
}

}  // namespace

void register_op_benchmarks(const Peaks& peaks, Device device) {
  benchmark::RegisterBenchmark("small add", run_small_add, device)->UseRealTime();
  for (const OpCase& c : op_cases::all()) {
    if (!c.bench) continue;
    const std::string name = c.op + "/" + c.variant;
    benchmark::RegisterBenchmark((name + "/forward").c_str(),
                                 [&c, peaks, device](benchmark::State& state) { run_forward(state, c, peaks, device); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
    if (!differentiable(c)) continue;
    benchmark::RegisterBenchmark(
        (name + "/forward+backward").c_str(),
        [&c, peaks, device](benchmark::State& state) { run_backward(state, c, peaks, device); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace elbo::bench
