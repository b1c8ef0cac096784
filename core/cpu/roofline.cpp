#include "roofline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "gemm.h"

namespace elbo::cpu_kernels {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The seconds that `fn(thread)` takes on all threads at once: from when all have come to when all are done. The best of
// some rounds, as other programs only ever make it slower.
template <class Fn>
double best_time(int threads, int rounds, Fn fn) {
  std::vector<double> times(static_cast<std::size_t>(rounds));
  for (double& time : times) {
    std::atomic<int> waiting{threads}, running{threads};
    Clock::time_point start;
    double taken = 0;
    const auto run = [&](int thread) {
      if (--waiting == 0)
        start = Clock::now();
      else
        while (waiting > 0) std::this_thread::yield();
      fn(thread);
      if (--running == 0) taken = seconds_since(start);
    };
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(run, i);
    run(0);
    for (std::thread& other : others) other.join();
    time = taken;
  }
  return *std::min_element(times.begin(), times.end());
}

}  // namespace

double fma_peak(int threads) {
  constexpr std::int64_t rounds = 300'000;
  double best = 0;
  for (Isa isa : available_isas()) {
    const GemmTable& table = gemm_table(isa);
    std::atomic<float> sink{0};  // so that no compiler drops the work
    const double seconds = best_time(threads, 8, [&](int) { sink = table.fma_rounds(rounds); });
    best = std::max(best, static_cast<double>(rounds) * table.fma_flops * threads / seconds);
  }
  return best;
}

double memory_bandwidth(int threads) {
  constexpr std::int64_t n = 16 << 20;  // 64 MiB each
  const auto array = [] { return std::make_unique_for_overwrite<float[]>(n); };
  const std::unique_ptr<float[]> a = array(), b = array(), c = array();
  const auto each = [&](auto fn) {
    return [&, fn](int thread) {
      for (std::int64_t i = n * thread / threads, end = n * (thread + 1) / threads; i < end; ++i) fn(i);
    };
  };
  // The first touch decides where the memory lies.
  best_time(threads, 1, each([&](std::int64_t i) { a[i] = 0, b[i] = 1, c[i] = static_cast<float>(i); }));
  float* const to = a.get();
  const float *const x = b.get(), *const y = c.get();
  const double seconds = best_time(threads, 8, each([=](std::int64_t i) { to[i] = x[i] + 0.5f * y[i]; }));
  return 3.0 * sizeof(float) * static_cast<double>(n) / seconds;
}

}  // namespace elbo::cpu_kernels
