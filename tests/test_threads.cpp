// What several threads may do at once.
#include <elbo/core/ops.h>

#include <set>
#include <thread>
#include <vector>

#include "catch.h"

using namespace elbo;

namespace {

/// Runs fn(thread) on `count` threads at once.
template <class Fn>
void on_threads(int count, const Fn& fn) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&fn, i] { fn(i); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("threads that draw from one generator draw different numbers", "[threads]") {
  constexpr int threads = 4, draws = 500;
  Generator generator(7);
  std::vector<std::vector<double>> first(threads);
  on_threads(threads, [&](int thread) {
    for (int i = 0; i < draws; ++i)
      first[static_cast<std::size_t>(thread)].push_back(rand({2}, {.dtype = DType::float64}, &generator)[0].item());
  });
  CHECK(generator.offset().item() == threads * draws);
  std::set<double> found;
  for (const auto& one : first) found.insert(one.begin(), one.end());
  CHECK(found.size() == threads * draws);
  // And just those that one thread would have drawn.
  generator.set_offset(0);
  std::set<double> expected;
  for (int i = 0; i < threads * draws; ++i) expected.insert(rand({2}, {.dtype = DType::float64}, &generator)[0].item());
  CHECK(found == expected);
}

TEST_CASE("threads that draw from the default generator", "[threads]") {
  manual_seed(0);
  on_threads(4, [](int) {
    for (int i = 0; i < 500; ++i) reparameterize(zeros({3}), zeros({3}));
  });
  CHECK(default_generator().offset().item() == 2000);
}
