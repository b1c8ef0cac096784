#include <cstdint>
#include <new>
#include <set>
#include <thread>
#include <vector>

#include "../core/cpu/pool.h"
#include "catch.h"

using elbo::cpu_kernels::Backing;
using elbo::cpu_kernels::Pool;

namespace {

/// A backing with a limit, which counts its blocks.
int live_blocks = 0;
std::size_t bytes_left = 0;
Backing limited(std::size_t bytes) {
  live_blocks = 0;
  bytes_left = bytes;
  return {[](std::size_t n) -> void* {
            if (n > bytes_left) return nullptr;
            bytes_left -= n;
            ++live_blocks;
            return elbo::cpu_kernels::system_backing().take(n);
          },
          [](void* block, std::size_t n) {
            bytes_left += n;
            --live_blocks;
            elbo::cpu_kernels::system_backing().give(block, n);
          }};
}

}  // namespace

TEST_CASE("pool: blocks are aligned, apart, and large enough to write") {
  Pool pool;
  std::vector<std::pair<char*, std::size_t>> blocks;
  for (std::size_t bytes : {0, 1, 63, 64, 65, 80, 81, 100, 128, 129, 1000, 4096, 4097, 100000, 1 << 20, 3000001}) {
    char* block = static_cast<char*>(pool.take(bytes));
    REQUIRE(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
    std::fill_n(block, bytes, static_cast<char>(blocks.size()));
    blocks.emplace_back(block, bytes);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    auto [block, bytes] = blocks[i];
    REQUIRE(std::count(block, block + bytes, static_cast<char>(i)) == static_cast<std::ptrdiff_t>(bytes));
    pool.give(block, bytes);
  }
  REQUIRE(pool.stats().active == 0);
}

TEST_CASE("pool: large blocks begin at a large page, so that they can lie in such pages") {
  Pool pool;
  for (std::size_t mib : {4, 5, 33}) {
    char* block = static_cast<char*>(pool.take(mib << 20));
    REQUIRE(reinterpret_cast<std::uintptr_t>(block) % (2 << 20) == 0);
    block[0] = block[(mib << 20) - 1] = 1;
    pool.give(block, mib << 20);
  }
}

TEST_CASE("pool: a block given back is handed out again, and nothing new is taken") {
  Pool pool;
  void* first = pool.take(1000);
  pool.give(first, 1000);
  REQUIRE(pool.stats().backing_allocations == 1);
  REQUIRE(pool.stats().cached >= 1000);
  REQUIRE(pool.take(1010) == first);  // of the same size class
  REQUIRE(pool.stats().backing_allocations == 1);
  REQUIRE(pool.stats().cached == 0);
  void* second = pool.take(1000);
  REQUIRE(second != first);
  REQUIRE(pool.stats().backing_allocations == 2);
  const auto peak = pool.stats().peak;
  REQUIRE(peak == pool.stats().active);
  pool.give(first, 1010);
  pool.give(second, 1000);
  REQUIRE(pool.stats().peak == peak);
  REQUIRE(pool.stats().active == 0);
}

TEST_CASE("pool: rounding up wastes at most a quarter") {
  Pool pool;
  for (std::size_t bytes : {65, 129, 161, 1025, 5000, 1 << 20, (1 << 20) + 1}) {
    void* block = pool.take(bytes);
    REQUIRE(pool.stats().active >= static_cast<std::int64_t>(bytes));
    REQUIRE(pool.stats().active <= static_cast<std::int64_t>(bytes + bytes / 4 + 64));
    pool.give(block, bytes);
  }
}

TEST_CASE("pool: trim and the destructor return what is cached") {
  {
    Pool pool(limited(1 << 20));
    for (std::size_t bytes : {10, 100, 1000, 100000}) pool.give(pool.take(bytes), bytes);
    REQUIRE(live_blocks == 4);
    pool.trim();
    REQUIRE(live_blocks == 0);
    REQUIRE(pool.stats().cached == 0);
    REQUIRE(bytes_left == 1 << 20);
    pool.give(pool.take(10), 10);
    REQUIRE(live_blocks == 1);
  }
  REQUIRE(live_blocks == 0);
}

TEST_CASE("pool: where memory has run out, the cache is given up for a second try") {
  Pool pool(limited(10000));
  pool.give(pool.take(8000), 8000);
  void* block = pool.take(4000);  // 8192 are cached: only without them are there 4096
  REQUIRE(live_blocks == 1);
  REQUIRE(pool.stats().cached == 0);
  REQUIRE_THROWS_AS(pool.take(8000), std::bad_alloc);
  pool.give(block, 4000);
  pool.give(pool.take(8000), 8000);
}

TEST_CASE("pool: an impossible size is bad_alloc") {
  Pool pool;
  REQUIRE_THROWS_AS(pool.take(~std::size_t{0}), std::bad_alloc);
  REQUIRE_THROWS_AS(pool.take(std::size_t{1} << 60), std::bad_alloc);
  REQUIRE(pool.stats().active == 0);
  pool.give(nullptr, 5);
}

TEST_CASE("pool: many threads take and give at once") {
  Pool pool;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&pool, t] {
      std::vector<std::pair<int*, std::size_t>> held;
      for (int i = 0; i < 2000; ++i) {
        const std::size_t count = 16u << (i % 5);
        int* block = static_cast<int*>(pool.take(count * sizeof(int)));
        std::fill_n(block, count, t * 10000 + i);
        held.emplace_back(block, count);
        if (held.size() < 4) continue;
        auto [oldest, size] = held.front();
        if (std::count(oldest, oldest + size, *oldest) != static_cast<std::ptrdiff_t>(size)) std::terminate();
        pool.give(oldest, size * sizeof(int));
        held.erase(held.begin());
      }
      for (auto [block, size] : held) pool.give(block, size * sizeof(int));
    });
  for (std::thread& thread : threads) thread.join();
  REQUIRE(pool.stats().active == 0);
  REQUIRE(pool.stats().backing_allocations <= 4 * 5 * 4);
}
