// The VAE's training step and epoch: as benchmarks, and as JSON for bench/compare.py.
#include <benchmark/benchmark.h>
#include <elbo/core/parallel_for.h>
#include <elbo/models/training/trainer.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "bench.h"
#include "vae_training.h"

namespace elbo::bench {
namespace {

/// Batches that a loop over data in memory goes through.
constexpr std::int64_t batches_in_memory = 100;

/// Speed as counters, for `samples` pictures an iteration.
void set_counters(benchmark::State& state, const Peaks& peaks, const Stopwatch& watch, double samples) {
  const double speed = samples * static_cast<double>(state.iterations()) / watch.seconds();
  state.counters["samples/s"] = speed;
  state.counters["GFLOP/s"] = speed * flops_per_sample * 1e-9;
  state.counters["% of peak"] = 100 * speed * flops_per_sample / peaks.flops;
}

models::TrainOptions train_options() {
  models::TrainOptions options;
  options.batch_size = batch_size;
  options.val_size = 0;
  return options;
}

nlohmann::json time_steps(const JsonOptions& options) {
  const std::vector<Array> batches = first_batches(training_pictures(options.data), batches_in_memory);
  VaeTraining training;
  std::vector<double> times, losses;
  for (int i = 0; i < options.steps; ++i) {
    const Stopwatch watch;
    const Tensor loss = training.step(batches[static_cast<std::size_t>(i) % batches.size()]);
    losses.push_back(loss.item());
    times.push_back(1e3 * watch.seconds());
  }
  // The first tenth warms caches and pools up.
  return {{"milliseconds", median({times.begin() + options.steps / 10, times.end()})}, {"losses", losses}};
}

nlohmann::json time_epoch(const JsonOptions& options) {
  const datasets::Dataset dataset = training_pictures(options.data);
  const std::unique_ptr<models::Model> model = fresh_vae();
  models::Trainer trainer(*model, dataset, train_options());
  const models::EpochRecord record = trainer.run_epoch();
  return {{"milliseconds", record.seconds * 1e3}, {"losses", {record.train.loss}}};
}

void run_step(benchmark::State& state, const Peaks& peaks) {
  const std::vector<Array> batches = first_batches(training_pictures(), batches_in_memory);
  VaeTraining training;
  std::size_t i = 0;
  const Stopwatch watch;
  for (auto _ : state) training.step(batches[i++ % batches.size()]);
  set_counters(state, peaks, watch, static_cast<double>(batch_size));
}

/// Adam alone on the model's parameters: it reads the parameter, its gradient and two moments, and writes all but the
/// gradient.
void run_adam(benchmark::State& state, const Peaks& peaks) {
  const std::unique_ptr<models::Model> model = fresh_vae();
  double bytes = 0;
  for (Tensor& parameter : model->parameters()) {
    parameter.backward(Array::full(parameter.shape(), 1e-3));
    bytes += 7 * static_cast<double>(parameter.array().bytes());
  }
  nn::Adam adam(model->parameters());
  const Stopwatch watch;
  for (auto _ : state) adam.step();
  const double speed = bytes * static_cast<double>(state.iterations()) / watch.seconds();
  state.counters["GB/s"] = speed * 1e-9;
  state.counters["% of peak"] = 100 * speed / peaks.bytes;
}

void run_epoch(benchmark::State& state, const Peaks& peaks) {
  const datasets::Dataset dataset = training_pictures();
  const std::unique_ptr<models::Model> model = fresh_vae();
  models::Trainer trainer(*model, dataset, train_options());
  const Stopwatch watch;
  for (auto _ : state) trainer.run_epoch();
  set_counters(state, peaks, watch, static_cast<double>(dataset.size()));
}

}  // namespace

void register_step_benchmarks(const Peaks& peaks) {
  const auto add = [&peaks](const char* name, void (*run)(benchmark::State&, const Peaks&)) {
    benchmark::RegisterBenchmark(name, [peaks, run](benchmark::State& state) { run(state, peaks); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  };
  add("adam step/784-400-20", run_adam);
  add("vae step/784-400-20 batch 128", run_step);
  add("vae epoch/784-400-20 batch 128", run_epoch);
}

void print_json(const JsonOptions& options) {
  nlohmann::json out = options.what == "epoch" ? time_epoch(options) : time_steps(options);
  out["threads"] = num_threads();
  std::cout << out << "\n";
}

}  // namespace elbo::bench
