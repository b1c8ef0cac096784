#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <vector>

#include "fibers.h"
#include "state.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

using SharedLine = std::uint64_t __attribute__((vector_size(64)));
extern "C" __attribute__((visibility("hidden"))) SharedLine elbo_shared_begin[], elbo_shared_end[];  // shared.ld

namespace emulator {
namespace {

constexpr unsigned all_lanes = 0xffffffffu;

enum class At { start, running, barrier, ballot, done };

struct Thread {
  At at = At::start;
  Fiber* fiber = nullptr;
  unsigned mask = 0;    // of the vote it waits in
  bool votes = false;   // what it brings
  unsigned result = 0;  // what it gets
};

/// A small generator for shuffled orders: the same at every run.
class Dice {
 public:
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }
  result_type operator()() {
    seed_ += 0x9e3779b97f4a7c15u;
    result_type z = seed_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  result_type seed_ = 1;
};

/// Puts ascending numbers into the order that the tests ask for.
template <class Numbers>
void reorder(Numbers& numbers, Order order) {
  static Dice dice;
  if (order == Order::reverse) std::reverse(numbers.begin(), numbers.end());
  if (order == Order::shuffle) std::shuffle(numbers.begin(), numbers.end(), dice);
}

/// The shared memory of all kernels, of which a block finds 0xff bytes alone: whoever reads before he writes will see.
/// The first block of a grid is taken to write where all others do: only that is filled again before each of them.
class SharedMemory {
 public:
  void before_block() { fill(first_, last_); }
  __attribute__((no_sanitize("address"))) void after_first_block() {
    first_ = elbo_shared_begin, last_ = elbo_shared_end;
    while (first_ != last_ && clean(*first_)) ++first_;
    while (first_ != last_ && clean(last_[-1])) --last_;
  }
  void after_grid() { first_ = elbo_shared_begin, last_ = elbo_shared_end; }

 private:
  __attribute__((no_sanitize("address"))) static bool clean(const SharedLine& line) {
    for (int i = 0; i < 8; ++i)
      if (~line[i] != 0) return false;
    return true;
  }
  // Where AddressSanitizer has put something between variables, that is filled too.
  __attribute__((no_sanitize("address"))) static void fill(volatile SharedLine* from, const SharedLine* to) {
    const SharedLine poison = ~SharedLine{};
    for (; from != to; ++from) *from = poison;
  }

  SharedLine *first_ = elbo_shared_begin, *last_ = elbo_shared_end;
};

void fiber_main() noexcept;

/// Runs one grid after the other. A fiber runs thread after thread; only where a thread waits does another fiber go on.
class Machine {
 public:
  void run(const dim3& grid, const dim3& block, const Work& body);

  // ---- for the code of threads
  void wait_for_block();
  unsigned ballot(unsigned mask, bool votes);
  [[noreturn]] void stop(const char* why);

  /// What each fiber does, for ever.
  void run_threads();

 private:
  void run_block(std::size_t block);
  void enter(unsigned thread);
  void leave(unsigned thread);
  void wait();
  Fiber* next_fiber();
  void release();
  void check_barrier();
  void check_warp(unsigned thread);
  void finish_ballot(unsigned warp, unsigned lanes);
  unsigned active_lanes_of(unsigned warp) const;
  void clean_up();

  Fiber host_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  Fiber* current_fiber_ = nullptr;

  const Work* body_ = nullptr;
  SharedMemory shared_;
  Order order_ = Order::forward;

  std::vector<Thread> threads_;
  std::vector<unsigned> starts_;  // in the order in which threads begin
  std::size_t started_ = 0;
  std::deque<unsigned> ready_;  // threads that have waited long enough
  std::vector<unsigned> released_;
  unsigned living_ = 0, at_barrier_ = 0;
  unsigned current_ = 0;
  const char* failure_ = nullptr;  // a literal: what is on the stack of a thread that stops is not freed
};

Machine& machine() {
  static Machine& instance = *std::make_unique<Machine>().release();  // lives as long as the process, like State
  return instance;
}

void fiber_main() noexcept { machine().run_threads(); }

void Machine::run(const dim3& grid, const dim3& block, const Work& body) {
  gridDim = grid;
  blockDim = block;
  body_ = &body;
  order_ = state().order;
  threads_.resize(static_cast<std::size_t>(block.x) * block.y * block.z);
  const std::size_t blocks = static_cast<std::size_t>(grid.x) * grid.y * grid.z;
  std::vector<unsigned> shuffled(order_ == Order::shuffle ? blocks : 0);
  for (std::size_t i = 0; i < shuffled.size(); ++i) shuffled[i] = static_cast<unsigned>(i);
  reorder(shuffled, order_);
  for (std::size_t i = 0; i < blocks && !failure_; ++i) {
    run_block(order_ == Order::forward ? i : order_ == Order::reverse ? blocks - 1 - i : shuffled[i]);
    if (i == 0) shared_.after_first_block();
  }
  shared_.after_grid();
  if (!failure_) return;
  std::fprintf(stderr, "CUDA emulator: %s; last in thread (%u, %u, %u) of block (%u, %u, %u)\n", failure_, threadIdx.x,
               threadIdx.y, threadIdx.z, blockIdx.x, blockIdx.y, blockIdx.z);
  failure_ = nullptr;
  fail_device(cudaErrorLaunchFailure);
}

void Machine::run_block(std::size_t block) {
  blockIdx = {static_cast<unsigned>(block % gridDim.x), static_cast<unsigned>(block / gridDim.x % gridDim.y),
              static_cast<unsigned>(block / gridDim.x / gridDim.y)};
  shared_.before_block();
  std::fill(threads_.begin(), threads_.end(), Thread());
  starts_.resize(threads_.size());
  for (std::size_t i = 0; i < starts_.size(); ++i) starts_[i] = static_cast<unsigned>(i);
  reorder(starts_, order_);
  started_ = 0;
  living_ = static_cast<unsigned>(threads_.size());
  at_barrier_ = 0;
  current_fiber_ = next_fiber();
  Fiber::run(host_, *current_fiber_);
  if (failure_) clean_up();
}

void Machine::run_threads() {
  for (;;) {
    // Those that have waited come first: so there are never more fibers than threads that wait.
    if (ready_.empty() && started_ < starts_.size()) {
      const unsigned thread = starts_[started_++];
      threads_[thread].fiber = current_fiber_;
      enter(thread);
      (*body_)();
      leave(current_);
      continue;
    }
    if (living_ > 0 && ready_.empty()) stop("no thread of the block can go on: a barrier that not all of them reach");
    Fiber& self = *current_fiber_;
    idle_.push_back(&self);
    current_fiber_ = living_ > 0 ? next_fiber() : nullptr;
    Fiber::run(self, current_fiber_ ? *current_fiber_ : host_);
  }
}

void Machine::enter(unsigned thread) {
  current_ = thread;
  threads_[thread].at = At::running;
  threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / blockDim.x / blockDim.y};
}

void Machine::leave(unsigned thread) {
  threads_[thread].at = At::done;
  --living_;
  check_barrier();
  for (unsigned other = thread / 32 * 32; other < std::min<std::size_t>(threads_.size(), (thread / 32 + 1) * 32);
       ++other) {
    if (threads_[other].at == At::ballot) check_warp(other);
  }
}

/// The fiber to go on with: of the first thread that is ready, or one for a thread that has not begun.
Fiber* Machine::next_fiber() {
  if (!ready_.empty()) return threads_[ready_.front()].fiber;
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&fiber_main));
    return fibers_.back().get();
  }
  Fiber* next = idle_.back();
  idle_.pop_back();
  return next;
}

/// The current thread waits until it is ready, and it is its turn.
void Machine::wait() {
  const unsigned thread = current_;
  Fiber& self = *current_fiber_;
  if (ready_.empty() && started_ == starts_.size()) {
    stop("no thread of the block can go on: a barrier or vote that not all of its threads reach");
  }
  Fiber* next = next_fiber();
  if (next != &self) {
    current_fiber_ = next;
    Fiber::run(self, *next);
  }
  ready_.pop_front();
  enter(thread);
}

/// The threads in released_ need wait no longer.
void Machine::release() {
  reorder(released_, order_);
  for (const unsigned thread : released_) {
    threads_[thread].at = At::running;
    ready_.push_back(thread);
  }
  released_.clear();
}

void Machine::wait_for_block() {
  threads_[current_].at = At::barrier;
  ++at_barrier_;
  check_barrier();
  wait();
}

void Machine::check_barrier() {
  if (at_barrier_ == 0 || at_barrier_ < living_) return;
  at_barrier_ = 0;
  for (unsigned i = 0; i < threads_.size(); ++i) {
    if (threads_[i].at == At::barrier) released_.push_back(i);
  }
  release();
}

unsigned Machine::ballot(unsigned mask, bool votes) {
  Thread& me = threads_[current_];
  if (!(mask >> (current_ % 32) & 1)) stop("a thread is not in the mask of its own vote");
  me.at = At::ballot;
  me.mask = mask;
  me.votes = votes;
  check_warp(current_);
  wait();
  return me.result;
}

unsigned Machine::active_lanes_of(unsigned warp) const {
  unsigned lanes = 0;
  for (unsigned i = warp * 32; i < std::min<std::size_t>(threads_.size(), warp * 32 + 32); ++i) {
    if (threads_[i].at != At::done) lanes |= 1u << (i % 32);
  }
  return lanes;
}

/// Ends the vote that `thread` waits in, if all lanes of its mask have come.
void Machine::check_warp(unsigned thread) {
  const unsigned warp = thread / 32, mask = threads_[thread].mask, active = active_lanes_of(warp);
  // As on the hardware, the full mask means all lanes that have not returned; any other mask means what it says.
  const unsigned lanes = mask == all_lanes ? active : mask;
  if ((lanes & active) != lanes) stop("a vote names lanes that have returned, or that the block does not have");
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    const Thread& other = threads_[warp * 32 + lane];
    if (other.at != At::ballot || other.mask != mask) return;
  }
  finish_ballot(warp, lanes);
}

void Machine::finish_ballot(unsigned warp, unsigned lanes) {
  unsigned result = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    released_.push_back(warp * 32 + lane);
    if (threads_[warp * 32 + lane].votes) result |= 1u << lane;
  }
  for (const unsigned i : released_) threads_[i].result = result;
  release();
}

void Machine::stop(const char* why) {
  failure_ = why;
  Fiber::run(*current_fiber_, host_);
  std::abort();  // a fiber that was stopped begins anew
}

/// After a fault: the fibers stand anywhere in the threads' code.
void Machine::clean_up() {
  idle_.clear();
  ready_.clear();
  for (const auto& fiber : fibers_) {
    fiber->restart();
    idle_.push_back(fiber.get());
  }
}

}  // namespace

void run_grid(const dim3& grid, const dim3& block, const Work& thread_body) { machine().run(grid, block, thread_body); }

namespace {
Waits* beginning = nullptr;  // the thread that has not waited yet
}  // namespace

Waits::Waits() { beginning = this; }
Waits::~Waits() {
  if (!done_) machine().stop("a thread of a kernel that does not wait for the kernels ahead of it");
}
void Waits::now() {
  if (!beginning) machine().stop("a kernel that waits for those ahead of it twice, or after a barrier");
  beginning->done_ = true;
  beginning = nullptr;
}

void wait_for_block() { machine().wait_for_block(); }
unsigned ballot(unsigned mask, bool predicate) { return machine().ballot(mask, predicate); }
void trap() { machine().stop("__trap()"); }

}  // namespace emulator
