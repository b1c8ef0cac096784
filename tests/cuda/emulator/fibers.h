#pragma once
#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {

/// A stack and a place in the code on it. One made without a function stands for the thread that switches to the
/// others.
class Fiber {
 public:
  Fiber() = default;
  /// Will begin `main` at the first switch to it; `main` never returns.
  explicit Fiber(void (*main)());
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Will begin anew; what stands on its stack is forgotten, without destructors.
  void restart();

  /// Goes on in `to`, until something switches back to `from`, which is the one that runs.
  static void run(Fiber& from, Fiber& to);

 private:
  static void begin();

  void (*main_)() = nullptr;
  char* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  const void* stack_ = nullptr;  // its lowest byte, above the guard page
  std::size_t size_ = 0;
  [[maybe_unused]] void* shadow_ = nullptr;  // AddressSanitizer's, while others run
#if defined(__x86_64__)
  void* top_ = nullptr;  // the stack pointer, while others run
#else
  ucontext_t context_;
#endif
};

}  // namespace emulator
