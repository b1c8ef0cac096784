#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../../core/api.h"
#include "../../core/safetensors.h"
#include "../config.h"
#include "../losses.h"
#include "../outline.h"
#include "run_lock.h"

namespace ELBO_API elbo {
namespace models {

/// One line of `history.jsonl`.
struct EpochRecord {
  std::int64_t epoch = 0;          ///< counted from 1
  Losses train = {};               ///< averaged over the epoch's samples as they were trained on
  std::optional<Losses> val = {};  ///< absent without a validation set
  double seconds = 0;              ///< of the training part alone
  std::optional<double> lr = {};   ///< the learning rate of its last step, where that moves
};

/// All that resuming needs.
struct Checkpoint {
  NamedArrays state = {};
  std::string kernels = {};  ///< what computed it, CPU kernels such as `v3`, or a GPU: with others the bits may differ
};

/// What it says of itself, its state left out.
struct CheckpointHead {
  std::int64_t epochs = 0;   ///< that are over
  std::int64_t batch = 0;    ///< steps of the one after those
  std::string kernels = {};  ///< as in Checkpoint
  /// `DataOptions::identity` then: `batch` is a place in those pictures alone. Absent where the run knew none, and in
  /// checkpoints of before there was this.
  std::optional<std::string> data = {};
};

/// A run folder: `config.json`, `history.jsonl` (a line per epoch), `model.safetensors` (the best so far),
/// `checkpoint/state.safetensors` (all that resuming needs), pictures. Every file appears whole or not at all. While it
/// is trained there is a `lock`, see RunLock.
class Run {
 public:
  /// Makes the folder, and those above it, and writes `config.json`. The run is this process's to train as long as this
  /// object or a copy lives. Throws IoError where the folder exists with something in it, is a file, or cannot be
  /// written. What an earlier call left that was killed counts as nothing.
  static Run create(const std::filesystem::path& folder, const RunConfig& config);
  /// To read it. Throws IoError or FormatError, naming the file, for a folder that is no run.
  static Run open(const std::filesystem::path& folder);
  /// To train it: as `open`, and nobody else can while this object or a copy lives. Throws IoError, naming the process,
  /// where somebody does already.
  static Run open_to_train(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const RunConfig& config() const { return config_; }
  /// What model that describes. Throws FormatError, naming the file, for one that cannot be.
  Outline outline() const;
  /// Replaces it, and `config.json`: for a run that is to train for more epochs.
  void set_config(const RunConfig& config);
  /// Writes `config.json` once more.
  void write_config() const;
  /// The lock it holds, or where it was opened to read, a new one.
  std::shared_ptr<const RunLock> lock() const;
  std::filesystem::path operator/(const char* name) const { return folder_ / name; }

  /// The epochs so far, 1, 2, 3, ... A number that was none, which JSON calls null, is a NaN. A last line without its
  /// end was being written when the machine stopped, and is left out. Throws FormatError naming the line, or the file
  /// where it has fewer epochs than the checkpoint; IoError where it is not there, though a model or a checkpoint is.
  std::vector<EpochRecord> history() const;
  /// Replaces `history.jsonl`.
  void write_history(const std::vector<EpochRecord>& records) const;
  /// Adds a line to it: in a long training, replacing it each epoch would take longer from epoch to epoch.
  void append_history(const EpochRecord& record) const;
  void write_model(const NamedArrays& state_dict) const;
  void write_checkpoint(const NamedArrays& state) const;
  /// The last checkpoint; nothing where there is none yet.
  std::optional<Checkpoint> read_checkpoint() const;
  /// The same without reading its state, whose size is checked.
  std::optional<CheckpointHead> checkpoint_head() const;
  /// Whether the run has a file of that name.
  bool has(const char* name) const;

 private:
  Run(std::filesystem::path folder, RunConfig config) : folder_(std::move(folder)), config_(std::move(config)) {}

  std::filesystem::path folder_;
  RunConfig config_;
  std::shared_ptr<const RunLock> lock_;  ///< of a run to train
};

/// The checkpoint's name in a run folder.
constexpr const char* checkpoint_file = "checkpoint/state.safetensors";

/// A run folder's own name, of `runs/one/` and `.` too.
std::string folder_name(const std::filesystem::path& folder);

}  // namespace models
}  // namespace elbo
