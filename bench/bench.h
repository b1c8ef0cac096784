#pragma once
#include <elbo/core/device.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace elbo::bench {

/// What the machine can do at most with the threads in use (roofline.h), or a GPU (device_peaks.h): operations and
/// bytes per second.
struct Peaks {
  double flops = 0, bytes = 0;
};

/// Seconds since it was made: for counters that are speeds, which Google Benchmark would print as "/s".
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// The middle of the values; 0 for none.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// A row for each benchmarked case of the op table (tests/op_cases.h), forward and forward with backward: GFLOP/s for
/// contractions, else GB/s for what an op must read and write at least, and the share of the peak in per cent. Rows
/// that fit into a cache may exceed the memory's bandwidth. On a GPU an iteration's time includes its share of the wait
/// at the end of a hundred, and is that of the call where this takes longer than the kernel.
void register_op_benchmarks(const Peaks& peaks, Device device);
/// The VAE's training step, Adam alone, and a whole epoch.
void register_step_benchmarks(const Peaks& peaks);

/// What `elbo_bench --json` was asked for.
struct JsonOptions {
  std::string what = "step";  ///< `step` or `epoch`
  std::string data;           ///< the folder with Fashion-MNIST; empty to search
  int steps = 300;
};
/// Prints one JSON object with times and losses; what bench/compare.py reads.
void print_json(const JsonOptions& options);

}  // namespace elbo::bench
