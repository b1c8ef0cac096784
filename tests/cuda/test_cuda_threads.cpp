// Several threads that compute on one GPU.
#include <elbo/core/ops.h>
#include <elbo/core/storage.h>

#include <thread>
#include <vector>

#include "../catch.h"

using namespace elbo;

namespace {

/// Some ops, and a walk back through them: blocks are taken from the pool and given back all the while.
std::vector<float> computed(Device device, int thread) {
  std::vector<float> found;
  for (int i = 0; i < 30; ++i) {
    Tensor x = full({3, 5 + i % 7}, 0.25 * (thread + 1), {.device = device}).requires_grad_();
    const Tensor y = (tanh(x) * x).sum(1);
    (y * y).sum().backward();
    for (const Tensor& result : {y, x.grad()})
      for (float value : result.to_vector<float>()) found.push_back(value);
  }
  return found;
}

/// fn(thread) on four threads at once.
template <class Fn>
void on_threads(const Fn& fn) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&fn, i] { fn(i); });
  for (std::thread& thread : threads) thread.join();
}

const Device gpu{DeviceType::cuda, 0};

}  // namespace

TEST_CASE("several threads compute on one GPU, and each gets the numbers of one alone", "[cuda][threads]") {
  std::vector<std::vector<float>> found(4);
  on_threads([&](int i) { found[static_cast<std::size_t>(i)] = computed(gpu, i); });
  for (int i = 0; i < 4; ++i) CHECK(found[static_cast<std::size_t>(i)] == computed(gpu, i));
}

TEST_CASE("several threads take memory of one GPU and give it back", "[cuda][threads]") {
  const std::int64_t before = memory_stats(gpu).active;
  on_threads([](int thread) {
    std::vector<Array> held(16);
    for (std::int64_t i = 0; i < 50000; ++i)
      held[static_cast<std::size_t>(i) % held.size()] = Array::empty({(i * (thread + 1)) % 3000 + 1}, {.device = gpu});
  });
  CHECK(memory_stats(gpu).active == before);
}
