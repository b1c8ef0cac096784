#include "stop.h"

#include <signal.h>

#include <array>
#include <atomic>

namespace elbo::cli {
namespace {

constexpr std::array numbers{SIGINT, SIGTERM};
std::atomic<int> stop{0};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void take_down(int number) {
  if (stop.exchange(number) == 0) return;
  signal(number, SIG_DFL);
  raise(number);  // which comes through when this handler returns
}

}  // namespace

StopSignals::StopSignals() {
  stop = 0;
  for (int number : numbers) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0 || now.sa_handler == SIG_IGN) continue;
    struct sigaction ours {};
    ours.sa_handler = take_down;
    ours.sa_flags = SA_RESTART;
    sigaction(number, &ours, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (int number : numbers) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) == 0 && now.sa_handler == take_down) signal(number, SIG_DFL);
  }
}

int StopSignals::caught() const { return stop; }

}  // namespace elbo::cli
