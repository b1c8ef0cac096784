// elbo_conv_times: times single convolutions, for compare_convs.py. For each line "pictures channels filters side
// kernel stride padding" that it reads: microseconds of the forward pass, of the data gradient and of the weights',
// each in the faster of the two layouts.
#include <elbo/core/kernels.h>
#include <elbo/core/ops.h>
#include <elbo/core/parallel_for.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>

#include "bench.h"

namespace {

using namespace elbo;

/// The median of five turns, each of as many calls as take about 30 ms.
double microseconds(const std::function<void()>& call) {
  call();
  const bench::Stopwatch once;
  call();
  const int calls = std::max(1, static_cast<int>(0.03 / once.seconds()));
  std::vector<double> turns;
  for (int turn = 0; turn < 5; ++turn) {
    const bench::Stopwatch watch;
    for (int i = 0; i < calls; ++i) call();
    turns.push_back(1e6 * watch.seconds() / calls);
  }
  return bench::median(turns);
}

/// Pictures with few channels lie in planes, whatever is asked for.
bool channels_last(bool asked, std::int64_t channels) { return asked && channels >= 4; }

Array drawn(bool last, std::int64_t n, std::int64_t channels, std::int64_t side) {
  return randn(last ? Shape{n, side, side, channels} : Shape{n, channels, side, side}).array();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc > 1) set_num_threads(std::atoi(argv[1]));
  Conv2dArgs a{};
  a.dtype = DType::float32;
  a.dilation_h = a.dilation_w = 1;
  while (std::cin >> a.n >> a.c_in >> a.c_out >> a.h >> a.kh >> a.stride_h >> a.pad_h) {
    a.w = a.h, a.kw = a.kh, a.stride_w = a.stride_h, a.pad_w = a.pad_h;
    a.out_h = a.out_w = (a.h + 2 * a.pad_h - a.kh) / a.stride_h + 1;
    double best[3] = {1e18, 1e18, 1e18};
    for (const bool last : {false, true}) {
      a.x_last = channels_last(last, a.c_in), a.y_last = channels_last(last, a.c_out);
      const Array x = drawn(a.x_last, a.n, a.c_in, a.h), g = drawn(a.y_last, a.n, a.c_out, a.out_h);
      const Array weight = randn({a.c_out, a.c_in, a.kh, a.kw}).array();
      best[0] = std::min(best[0], microseconds([&] { kernels::conv2d(a, x, weight, {}); }));
      best[1] = std::min(best[1], microseconds([&] { kernels::conv2d_grad_data(a, g, weight, {}); }));
      best[2] = std::min(best[2], microseconds([&] { kernels::conv2d_grad_weight(a, g, x); }));
    }
    std::printf("%.1f %.1f %.1f\n", best[0], best[1], best[2]);
    std::fflush(stdout);
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "elbo_conv_times: " << error.what() << "\n";
  return 1;
}
