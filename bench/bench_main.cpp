// elbo_bench: Google Benchmark over the op table and a training step; with --json one training run for compare.py.
#include <benchmark/benchmark.h>
#include <elbo/core/backend.h>
#include <elbo/core/errors.h>
#include <elbo/core/parallel_for.h>
#include <elbo/core/storage.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "../core/cpu/roofline.h"
#include "bench.h"
#include "device_peaks.h"

namespace bench = elbo::bench;

namespace {

bench::Peaks measured_peaks(elbo::Device device) {
  if (device != elbo::cpu) {
    const bench::Peaks peaks = bench::device_peaks(device);
    std::fprintf(stderr, "peaks of %s in this run: %.0f GFLOP/s (float32 product), %.1f GB/s (copy)\n",
                 elbo::backend(device).description(), peaks.flops * 1e-9, peaks.bytes * 1e-9);
    return peaks;
  }
  const int threads = elbo::num_threads();
  const bench::Peaks peaks{elbo::cpu_kernels::fma_peak(threads), elbo::cpu_kernels::memory_bandwidth(threads)};
  std::fprintf(stderr, "peaks of %d threads in this run: %.0f GFLOP/s (float32 FMA), %.1f GB/s (memory)\n", threads,
               peaks.flops * 1e-9, peaks.bytes * 1e-9);
  return peaks;
}

int run_benchmarks(const char* program, const std::vector<std::string>& remaining, elbo::Device device) {
  std::vector<std::string> words{program};
  words.insert(words.end(), remaining.begin(), remaining.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  const bench::Peaks peaks = measured_peaks(device);
  bench::register_op_benchmarks(peaks, device);
  if (device == elbo::cpu) bench::register_step_benchmarks(peaks);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{
      "Benchmarks of the ops and of a training step, each with its share of the peak measured in the same run.\n"
      "Google Benchmark's own options work too.\n\nExample: elbo_bench --threads 2 --benchmark_filter='^matmul/'"};
  int threads = 0;
  std::string device = "cpu";
  bench::JsonOptions json;
  app.allow_extras();
  app.add_option("--threads", threads, "Threads to compute with; all processors by default")
      ->check(CLI::Range(1, 1024));
  app.add_option("--device", device, "Where the ops run: cpu, cuda or cuda:N (training steps on a GPU: elbo_step)")
      ->capture_default_str();
  auto* as_json = app.add_option("--json", json.what, "Instead of benchmarks train once and print times and losses")
                      ->check(CLI::IsMember({"step", "epoch"}));
  app.add_option("--data", json.data, "Folder with Fashion-MNIST, for --json");
  app.add_option("--steps", json.steps, "Training steps for --json step")
      ->capture_default_str()
      ->check(CLI::Range(10, 1000000));
  CLI11_PARSE(app, argc, argv);
  if (threads > 0) elbo::set_num_threads(threads);
  if (!*as_json) return run_benchmarks(argv[0], app.remaining(), elbo::Device::parse(device));
  if (!app.remaining().empty()) elbo::fail("unknown option ", app.remaining().front());
  bench::print_json(json);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "elbo_bench: " << error.what() << "\n";
  return 2;
}
