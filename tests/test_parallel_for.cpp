#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../core/errors.h"
#include "../core/parallel_for.h"
#include "catch.h"
#include "self.h"

namespace {

using namespace elbo;
using std::int64_t;

struct Threads {
  explicit Threads(int n, Threading threading = Threading::own)
      : before(num_threads()), whose_before(elbo::threading()) {
    set_num_threads(n), set_threading(threading);
  }
  ~Threads() { set_num_threads(before), set_threading(whose_before); }
  int before;
  Threading whose_before;
};

/// Each of a build's in turn: the test case runs once for each.
Threading each_threading() {
  return GENERATE(filter([](Threading t) { return t == Threading::own || has_openmp(); },
                         values({Threading::own, Threading::openmp})));
}

TEST_CASE("parallel_for: every index once, in ranges of whole grains", "[parallel_for]") {
  const Threading threading = each_threading();
  for (int threads : {1, 2, 3, 4, 70, 130}) {
    const Threads with(threads, threading);
    for (int64_t n : {0, 1, 2, 7, 64, 1000, 100001})
      for (int64_t grain : {-1, 0, 1, 3, 64, 5000, 200000}) {
        std::vector<std::atomic<int>> seen(n);
        std::atomic<bool> whole_grains{true};
        const int64_t unit = grain < 1 ? 1 : grain;
        parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          if (begin % unit != 0 || (end % unit != 0 && end != n) || begin >= end) whole_grains = false;
          for (int64_t i = begin; i < end; ++i) ++seen[i];
        });
        INFO("threads " << threads << " n " << n << " grain " << grain);
        REQUIRE(whole_grains);
        for (int64_t i = 0; i < n; ++i) REQUIRE(seen[i] == 1);
      }
  }
}

TEST_CASE("parallel_for: a range too long for 32-bit pieces", "[parallel_for]") {
  const Threads with(3, each_threading());
  const int64_t n = (int64_t{1} << 34) + 5;
  std::atomic<int64_t> total{0}, wrong{0};
  parallel_for(n, 2, [&](int64_t begin, int64_t end) {
    total += end - begin;
    if (begin % 2 != 0 || (end % 2 != 0 && end != n)) ++wrong;
  });
  REQUIRE(total == n);
  REQUIRE(wrong == 0);
}

TEST_CASE("parallel_for: a short range runs on the calling thread, in one piece", "[parallel_for]") {
  const Threads with(4, each_threading());
  int calls = 0;
  std::thread::id thread;
  parallel_for(100, 100, [&](int64_t begin, int64_t end) {
    ++calls;
    thread = std::this_thread::get_id();
    REQUIRE(begin == 0);
    REQUIRE(end == 100);
  });
  REQUIRE(calls == 1);
  REQUIRE(thread == std::this_thread::get_id());
}

TEST_CASE("parallel_for: several threads take part", "[parallel_for]") {
  const Threads with(2, each_threading());
  // The first range waits for a second one, which another thread has to run. Repeated, as a thread may come too late.
  bool met = false;
  for (int attempt = 0; attempt < 200 && !met; ++attempt) {
    std::atomic<int> arrived{0};
    std::atomic<bool> together{false};
    parallel_for(2, 1, [&](int64_t, int64_t) {
      ++arrived;
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
      while (arrived < 2 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
      if (arrived == 2 && std::chrono::steady_clock::now() < until) together = true;
    });
    met = together;
  }
  REQUIRE(met);
}

TEST_CASE("parallel_for: a call inside another runs on its own thread alone", "[parallel_for]") {
  const Threads with(4, each_threading());
  std::atomic<int> strangers{0}, sum{0};
  parallel_for(8, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const std::thread::id here = std::this_thread::get_id();
      parallel_for(1000, 1, [&](int64_t from, int64_t to) {
        if (std::this_thread::get_id() != here) ++strangers;
        sum += static_cast<int>(to - from);
      });
    }
  });
  REQUIRE(strangers == 0);
  REQUIRE(sum == 8000);
}

TEST_CASE("parallel_for: callers on several threads do not disturb each other", "[parallel_for]") {
  const Threads with(3, each_threading());
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 300; ++round) {
        std::atomic<int64_t> sum{0};
        parallel_for(100, 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) sum += i;
        });
        if (sum != 4950) ++wrong;
      }
    });
  for (std::thread& caller : callers) caller.join();
  REQUIRE(wrong == 0);
}

TEST_CASE("parallel_for: whose threads it runs on may change between calls, and while others compute",
          "[parallel_for]") {
  if (!has_openmp()) return;
  const Threads with(3);
  std::atomic<bool> done{false};
  std::thread changes([&] {
    for (int i = 0; !done; ++i) set_threading(i % 2 == 0 ? Threading::openmp : Threading::own);
  });
  int wrong = 0;
  for (int round = 0; round < 300; ++round) {
    std::atomic<int64_t> sum{0};
    parallel_for(100, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) sum += i;
    });
    if (sum != 4950) ++wrong;
  }
  done = true;
  changes.join();
  REQUIRE(wrong == 0);
}

TEST_CASE("set_threading: OpenMP where it is, one line where it is not", "[parallel_for]") {
  const Threads restored(num_threads(), threading());
  set_threading(Threading::own);
  REQUIRE(threading() == Threading::own);
  if (has_openmp()) {
    set_threading(Threading::openmp);
    REQUIRE(threading() == Threading::openmp);
  } else {
    REQUIRE_THROWS_WITH(set_threading(Threading::openmp),
                        "[set_threading] expected own, found openmp: this elbo was built without OpenMP");
    REQUIRE(threading() == Threading::own);
  }
}

TEST_CASE("print threading", "[.print-threading]") {
  try {
    print_result(threading() == Threading::own ? "own" : "openmp");
  } catch (const ValueError& error) {
    print_result(std::string("ValueError ") + error.what());
  }
}

// A loop of several threads is what reads the variable in a program that never asks.
TEST_CASE("compute as ELBO_THREADING says", "[.compute-threading]") {
  set_num_threads(2);
  try {
    parallel_for(100, 1, [](int64_t, int64_t) {});
    print_result("computed");
  } catch (const ValueError& error) {
    print_result(error.what());
  }
}

TEST_CASE("threading: by default from the environment, else the library's own", "[parallel_for]") {
  const auto found = [](const std::string& value) { return run_self("ELBO_THREADING=" + value, "[.print-threading]"); };
  REQUIRE(found("") == "own");
  REQUIRE(found("own") == "own");
  REQUIRE(found("openmp") ==
          (has_openmp() ? "openmp"
                        : "ValueError ELBO_THREADING: expected own, found openmp: this elbo was built without OpenMP"));
  for (const char* nonsense : {"OPENMP", "1", "own,openmp"})
    REQUIRE(found(nonsense) ==
            std::string("ValueError ELBO_THREADING: expected own or openmp, found \"") + nonsense + "\"");
  REQUIRE(run_self("ELBO_THREADING=own", "[.compute-threading]") == "computed");
  REQUIRE(run_self("ELBO_THREADING=tbb", "[.compute-threading]") ==
          "ELBO_THREADING: expected own or openmp, found \"tbb\"");
}

TEST_CASE("set_num_threads rejects what makes no sense", "[parallel_for]") {
  const int before = num_threads();
  for (int n : {0, -1, 1025, 1 << 30}) REQUIRE_THROWS_AS(set_num_threads(n), ValueError);
  REQUIRE(num_threads() == before);
  set_num_threads(7);
  REQUIRE(num_threads() == 7);
  set_num_threads(before);
}

// Run by the test below in a process of its own, where the environment is what that test makes it.
TEST_CASE("print num_threads", "[.print-num-threads]") {
  try {
    print_result(num_threads());
  } catch (const ValueError& error) {
    print_result(std::string("ValueError ") + error.what());
  }
}

TEST_CASE("num_threads: by default from the environment", "[parallel_for]") {
  const auto threads = [](const std::string& environment) {
    return run_self("ELBO_NUM_THREADS= OMP_NUM_THREADS= " + environment, "[.print-num-threads]");
  };
  REQUIRE(threads("ELBO_NUM_THREADS=3") == "3");
  REQUIRE(threads("OMP_NUM_THREADS=5") == "5");
  REQUIRE(threads("OMP_NUM_THREADS=5,2") == "5");
  REQUIRE(threads("ELBO_NUM_THREADS=3 OMP_NUM_THREADS=5") == "3");
  REQUIRE(std::stoi(threads("")) >= 1);
  for (const char* nonsense : {"0", "-2", "abc", "3x", "1.5", "1025", "99999999999999999999", "2,2"})
    REQUIRE(threads(std::string("ELBO_NUM_THREADS=") + nonsense) ==
            std::string("ValueError ELBO_NUM_THREADS: expected a number of threads from 1 to 1024, found \"") +
                nonsense + "\"");
  // Which is for other programs too: nonsense there is as if it were not set, and the program says so.
  for (const char* nonsense : {"abc", "0", "many,2"})
    REQUIRE(threads(std::string("OMP_NUM_THREADS=") + nonsense) == threads(""));
}

}  // namespace
