#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "../../core/api.h"

namespace ELBO_API elbo {
namespace models {

/// The right to train a run: one process at a time has it, as long as this lives; the system takes it back from one
/// that dies. It is a lock (flock) on the file `lock` in the run folder, which says who holds it. Readers need none.
class RunLock {
 public:
  /// Takes it. Throws IoError naming the process and host that has it, or where the file cannot be made. Where the file
  /// system knows no locks, `note` says so and nothing is protected.
  explicit RunLock(const std::filesystem::path& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// Empty, or why it protects nothing.
  const std::string& note() const { return note_; }
  /// Whether the file is still there. Without it another process may have taken the right too.
  bool holds() const;
  /// Who trains the run now, such as "process 4711 on host nova"; nothing where nobody does, or it cannot be known.
  static std::optional<std::string> holder(const std::filesystem::path& folder);

 private:
  std::filesystem::path path_;
  int file_ = -1;
  std::string note_;
};

}  // namespace models
}  // namespace elbo
