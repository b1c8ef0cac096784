#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "errors.h"
#include "parallel_for_detail.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace elbo {
namespace {

using std::int64_t;

constexpr int max_threads = 1024;
std::atomic<int> chosen_threads{0};     // 0: not chosen yet
std::atomic<int> chosen_threading{-1};  // the same
thread_local bool inside = false;       // this thread is running a range of some parallel_for

// The thread count in an environment variable, 0 if it isn't set. OpenMP's may be a list, one number per nesting level;
// it is meant for other programs too, so that nonsense there is said, once, and left out.
int threads_from(const char* variable, bool openmp) {
  const char* value = std::getenv(variable);
  if (!value || !*value) return 0;
  std::string_view text = value;
  if (openmp) text = text.substr(0, text.find(','));
  int n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error == std::errc() && end == text.data() + text.size() && n >= 1 && n <= max_threads) return n;
  const std::string problem = detail::concat("expected a number of threads from 1 to ", max_threads, ", found \"",
                                             std::string_view(value).substr(0, 80), "\"");
  ELBO_CHECK(openmp, ValueError, variable, ": ", problem);
  static std::once_flag said;
  std::call_once(said, [&] { std::fprintf(stderr, "elbo: note: %s is left out: %s\n", variable, problem.c_str()); });
  return 0;
}

int processors() {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

int default_threads() {
  int n = threads_from("ELBO_NUM_THREADS", false);
  if (n == 0) n = threads_from("OMP_NUM_THREADS", true);
  if (n == 0) n = processors();
  return n < 1 ? 1 : n > max_threads ? max_threads : n;
}

void check_built(const char* what) {
  ELBO_CHECK(has_openmp(), ValueError, what, " expected own, found openmp: this elbo was built without OpenMP");
}

Threading default_threading() {
  const char* value = std::getenv("ELBO_THREADING");
  const std::string_view text = value ? value : "";
  if (text.empty() || text == "own") return Threading::own;
  ELBO_CHECK(text == "openmp", ValueError, "ELBO_THREADING: expected own or openmp, found \"", text.substr(0, 80),
             "\"");
  check_built("ELBO_THREADING:");
  return Threading::openmp;
}

}  // namespace

int num_threads() {
  int n = chosen_threads.load(std::memory_order_relaxed);
  if (n == 0) {
    n = default_threads();
    int unset = 0;  // set_num_threads on another thread wins
    if (!chosen_threads.compare_exchange_strong(unset, n)) n = unset;
  }
  return n;
}

void set_num_threads(int n) {
  ELBO_CHECK(n >= 1 && n <= max_threads, ValueError, "[set_num_threads] expected a number of threads from 1 to ",
             max_threads, ", found ", n);
  chosen_threads.store(n);
}

Threading threading() {
  int chosen = chosen_threading.load(std::memory_order_relaxed);
  if (chosen < 0) {
    const int found = static_cast<int>(default_threading());
    // set_threading on another thread wins
    if (chosen_threading.compare_exchange_strong(chosen, found)) chosen = found;
  }
  return static_cast<Threading>(chosen);
}

void set_threading(Threading threading) {
  if (threading == Threading::openmp) check_built("[set_threading]");
  chosen_threading.store(static_cast<int>(threading));
}

namespace detail {
namespace {

constexpr int64_t most_pieces = int64_t{1} << 31;

std::uint64_t pack(int64_t begin, int64_t end) {
  return static_cast<std::uint64_t>(begin) << 32 | static_cast<std::uint64_t>(end);
}

}  // namespace

Work::Work(int64_t n, int64_t grain, RangeFn fn, void* context, int threads) : n_(n), fn_(fn), context_(context) {
  pieces_ = (n - 1) / grain + 1;
  const int64_t together = (pieces_ - 1) / most_pieces + 1;
  step_ = grain * together;
  pieces_ = (pieces_ - 1) / together + 1;
  threads_ = static_cast<int>(pieces_ < threads ? pieces_ : threads);
  share_count_ = threads_ < most_shares ? threads_ : most_shares;
  for (int64_t i = 0; i < share_count_; ++i)
    shares_[i].left.store(pack(pieces_ * i / share_count_, pieces_ * (i + 1) / share_count_),
                          std::memory_order_relaxed);
}

void Work::run(int thread) noexcept {
  inside = true;
  for (int i = 0; i < share_count_; ++i) {
    const int owner = (thread + i) % share_count_;
    while (take(shares_[owner], i == 0)) {
    }
  }
  inside = false;
}

// Runs some pieces of a share: its owner from the front, a quarter of what is left, others from the back.
bool Work::take(Share& share, bool own) noexcept {
  std::uint64_t seen = share.left.load(std::memory_order_relaxed);
  for (;;) {
    const int64_t begin = static_cast<int64_t>(seen >> 32), end = static_cast<int64_t>(seen & 0xffffffffu);
    if (begin >= end) return false;
    const int64_t some = (end - begin + 3) / 4;
    const std::uint64_t rest = own ? pack(begin + some, end) : pack(begin, end - some);
    if (share.left.compare_exchange_weak(seen, rest, std::memory_order_relaxed)) {
      const int64_t from = own ? begin : end - some, to = from + some;
      fn_(context_, from * step_, to == pieces_ ? n_ : to * step_);
      return true;
    }
  }
}

namespace {

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Workers that wait for a job. The caller works too, and at the end waits only for workers that have begun: one that
// sleeps, or that has no processor because other programs run, costs nothing. One job runs at a time: a second caller
// finds the pool busy and works alone.
class Workers {
 public:
  ~Workers() {
    if (getpid() != process_) {  // a fork, which has no copy of the threads
      for (std::thread& thread : threads_) thread.detach();
      return;
    }
    stop_ = true;
    ++job_;
    job_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void run(Work& work) {
    std::unique_lock busy(busy_, std::try_to_lock);
    if (!busy) return work.run(0);
    grow(work.threads() - 1);
    work_ = &work;
    ++job_;
    job_.notify_all();
    work.run(0);
    // From here on no worker begins: it counts itself first and then looks for work.
    work_ = nullptr;
    for (int i = 0; active_ != 0; ++i) i < spins ? pause() : std::this_thread::yield();
  }

 private:
  // A worker watches for the next job for some 0.1 ms before it sleeps, since waking up takes about as long.
  static constexpr int spins = 4000;

  void grow(int count) {
    try {
      while (static_cast<int>(threads_.size()) < count)
        threads_.emplace_back([this, index = static_cast<int>(threads_.size()) + 1] { serve(index); });
    } catch (const std::system_error&) {
      // The system gives no more threads: those that are there do the work.
    }
  }

  void serve(int index) {
    for (std::uint32_t seen = 0;;) {
      for (int i = 0; i < spins && job_ == seen; ++i) pause();
      job_.wait(seen);
      seen = job_;
      if (stop_) return;
      ++active_;
      if (Work* work = work_; work && index < work->threads()) work->run(index);
      --active_;
    }
  }

  const pid_t process_ = getpid();
  std::mutex busy_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<std::uint32_t> job_{0};
  std::atomic<Work*> work_{nullptr};
  alignas(64) std::atomic<int> active_{0};
};

void run_on_own_threads(Work& work) {
  static Workers workers;
  workers.run(work);
}

}  // namespace

void parallel_for(int64_t n, int64_t grain, RangeFn fn, void* context) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  int threads = 1;
  bool openmp = false;
  if (n > grain && !inside) {
    openmp = threading() == Threading::openmp;
    if (!openmp || !in_openmp()) threads = num_threads();
  }
  if (threads == 1) {
    // noexcept, as on several threads: what is an error must not depend on their number.
    [&]() noexcept { fn(context, 0, n); }();
    return;
  }
  Work work(n, grain, fn, context, threads);
  openmp ? run_on_openmp(work) : run_on_own_threads(work);
}

}  // namespace detail
}  // namespace elbo
