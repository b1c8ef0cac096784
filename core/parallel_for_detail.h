#pragma once
#include <atomic>
#include <cstdint>

#include "parallel_for.h"

/// What parallel_for.cpp, which cuts the work and has the library's own threads, and parallel_for_openmp.cpp share.
namespace elbo::detail {

/// The work of one parallel_for. Each of `threads()` threads starts with an equal share, the same from call to call, so
/// that what one kernel left in a core's cache the next finds there. A thread that is done takes over from those that
/// are not: another process may hold one up, and not all cores are equally fast.
class Work {
 public:
  Work(std::int64_t n, std::int64_t grain, RangeFn fn, void* context, int threads);

  int threads() const { return threads_; }
  /// What thread 0, 1, ... of the work does. When all that have begun have returned, thread 0 among them, the work is
  /// done, however few they were.
  void run(int thread) noexcept;

 private:
  static constexpr int most_shares = 64;  // more threads than that have shares in common

  // The pieces [begin, end) that a thread has left, in one word, so that taking some is one compare-and-swap.
  struct alignas(64) Share {
    std::atomic<std::uint64_t> left;
  };

  bool take(Share& share, bool own) noexcept;

  std::int64_t n_, step_, pieces_;
  RangeFn fn_;
  void* context_;
  int threads_, share_count_;
  Share shares_[most_shares];
};

/// Does the work on OpenMP's threads; and whether the caller is one of those already, whoever started it. Not to be
/// called where has_openmp() is false.
void run_on_openmp(Work& work);
bool in_openmp();

}  // namespace elbo::detail
