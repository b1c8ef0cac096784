#include "device_peaks.h"
#include "bench.h"

#include <elbo/core/errors.h>
#include <elbo/core/graph.h>
#include <elbo/core/kernels.h>
#include <elbo/core/ops.h>
#include <elbo/core/storage.h>

#include "vae_training.h"

namespace elbo::bench {
namespace {

/// Median seconds of `fn`, the device idle before and after.
template <class Fn>
double timed(Device device, const Fn& fn) {
  constexpr int turns = 5;
  std::vector<double> times;
  fn();
  synchronize(device);
  for (int i = 0; i < turns; ++i) {
    const Stopwatch watch;
    fn();
    synchronize(device);
    times.push_back(watch.seconds());
  }
  return median(times);
}

}  // namespace

double copy_speed(Device device, bool small) {
  constexpr int copies = 10;
  const std::int64_t numbers = small ? 1 << 20 : 1 << 28;
  const Array from = Array::full({numbers}, 1, {.device = device});
  Array to = Array::zeros({numbers}, {.device = device});
  const double seconds = timed(device, [&] {
    for (int i = 0; i < copies; ++i) to.assign(from);
  });
  return 2 * copies * static_cast<double>(from.bytes()) / seconds;
}

double product_speed(Device device, Precision precision, bool small) {
  const std::int64_t n = small ? 64 : 8192;
  const PrecisionGuard guard(precision);
  Generator generator(0, Stream::init, device);
  const Array a = randn({n, n}, {.device = device}, &generator).array();
  const Array b = randn({n, n}, {.device = device}, &generator).array();
  const double seconds = timed(device, [&] { kernels::matmul(a, b); });
  const auto size = static_cast<double>(n);
  return 2 * size * size * size / seconds;
}

Peaks device_peaks(Device device, Precision precision, bool small) {
  return {product_speed(device, precision, small), copy_speed(device, small)};
}

double launch_seconds(Device device) {
  constexpr int launches = 500;
  Array one = Array::zeros({1}, {.device = device});
  return timed(device,
               [&] {
                 for (int i = 0; i < launches; ++i) one.fill(i);
               }) /
         launches;
}

double graph_seconds(Device device, int nodes, bool small) {
  const int replays = small ? 2 : 200;
  Array one = Array::zeros({1}, {.device = device});
  Graph graph = Graph::capture(device, [&] {
    for (int i = 0; i < nodes; ++i) one.fill(i);
  });
  ELBO_CHECK(graph.nodes() == nodes, ValueError, "a graph of ", nodes, " fills: expected as many nodes, found ",
             graph.nodes());
  return timed(device,
               [&] {
                 for (int i = 0; i < replays; ++i) graph.replay();
               }) /
         replays;
}

}  // namespace elbo::bench
