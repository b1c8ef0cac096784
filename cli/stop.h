#pragma once

namespace elbo::cli {

/// While it lives, a first SIGINT or SIGTERM is only taken down, for the work to end in its own time; a second one ends
/// the program at once, as ever. A signal that is ignored, as under nohup, stays so. One at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came; 0 for none.
  int caught() const;
};

}  // namespace elbo::cli
