#include "fibers.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define EMULATOR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMULATOR_ASAN 1
#endif
#endif
#if defined(EMULATOR_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Saves what a function must keep, changes stacks, and restores: swapcontext does the same with two system calls, which
// would be most of the time of a barrier.
asm(R"(
.text
.type elbo_emulator_switch, @function
elbo_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size elbo_emulator_switch, .-elbo_emulator_switch
)");
extern "C" __attribute__((visibility("hidden"))) void elbo_emulator_switch(void** save_top, void* load_top);
#endif

namespace emulator {
namespace {

constexpr std::size_t stack_bytes = 256 * 1024;  // of address space: only the pages that are touched take memory
Fiber *running = nullptr, *before = nullptr;

}  // namespace

Fiber::Fiber(void (*main)()) : main_(main) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  mapped_ = stack_bytes + page;
  void* mapping = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<char*>(mapping);
  mprotect(mapping_, page, PROT_NONE);  // a stack that overflows ends the program there
  stack_ = mapping_ + page;
  size_ = stack_bytes;
  restart();
}

Fiber::~Fiber() {
  if (mapping_) munmap(mapping_, mapped_);
}

void Fiber::restart() {
#if defined(EMULATOR_ASAN)
  __asan_unpoison_memory_region(stack_, size_);
  shadow_ = nullptr;
#endif
#if defined(__x86_64__)
  void** top = reinterpret_cast<void**>(mapping_ + mapped_);
  *--top = nullptr;  // where begin() would return to; also aligns its frame
  *--top = reinterpret_cast<void*>(&begin);
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  top_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = mapping_ + (mapped_ - size_);
  context_.uc_stack.ss_size = size_;
  context_.uc_link = nullptr;
  makecontext(&context_, &begin, 0);
#endif
}

void Fiber::begin() {
#if defined(EMULATOR_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, &before->stack_, &before->size_);
#endif
  running->main_();
  std::abort();
}

void Fiber::run(Fiber& from, Fiber& to) {
  before = &from;
  running = &to;
#if defined(EMULATOR_ASAN)
  __sanitizer_start_switch_fiber(&from.shadow_, to.stack_, to.size_);
#endif
#if defined(__x86_64__)
  elbo_emulator_switch(&from.top_, to.top_);
#else
  swapcontext(&from.context_, &to.context_);
#endif
#if defined(EMULATOR_ASAN)
  // The thread that started this knows its own stack only from here.
  __sanitizer_finish_switch_fiber(from.shadow_, &before->stack_, &before->size_);
#endif
}

}  // namespace emulator
