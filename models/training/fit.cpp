#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "../registry.h"
#include "checkpoint_detail.h"
#include "trainer.h"

namespace elbo::models {
namespace {

/// The best epoch so far, by validation loss; without validation each epoch is. Losses of other pictures do not
/// compare.
struct Best {
  std::int64_t epoch = 0;
  double loss = std::numeric_limits<double>::infinity();

  bool update(const EpochRecord& record) {
    if (record.val && !(record.val->loss < loss)) return false;
    epoch = record.epoch;
    if (record.val) loss = record.val->loss;
    return true;
  }
};

/// The epochs up to the checkpoint: a line that was written before the run was killed, but after the last checkpoint,
/// will come again.
std::vector<EpochRecord> history_up_to(const Run& run, std::int64_t epochs) {
  std::vector<EpochRecord> records = run.history();
  ELBO_CHECK(std::ssize(records) >= epochs, FormatError, (run / "history.jsonl").string(), ": expected ", epochs,
             " epochs, as the checkpoint has, found ", records.size());
  records.resize(static_cast<std::size_t>(epochs));
  return records;
}

Best best_of(const std::vector<EpochRecord>& records, std::int64_t since) {
  const EpochRecord* best = best_epoch(records, since);
  Best out;
  if (!best) return out;
  if (best->epoch >= since) out.update(*best);
  out.epoch = best->epoch;
  return out;
}

/// A run has a checkpoint from its beginning on, and a model from the end of the first epoch on.
void check_checkpoint(const Run& run) {
  const bool begun = run.has("model.safetensors") || !run.history().empty();
  ELBO_CHECK(run.has(checkpoint_file) || !begun, IoError, (run / checkpoint_file).string(),
             ": expected the checkpoint to go on from, found no such file");
}

/// Whether the checkpoint's place within an epoch is one in these pictures. Where it does not name its own, they are
/// others only if others were accepted for that very epoch.
bool of_same_pictures(const CheckpointHead& head, const DataOptions& data) {
  if (head.data) return *head.data == data.identity;
  return data.since == 1 || data.since <= head.epochs;
}

void check_model(const Run& run, std::int64_t best_epoch) {
  ELBO_CHECK(best_epoch == 0 || run.has("model.safetensors"), IoError, (run / "model.safetensors").string(),
             ": expected the model of epoch ", best_epoch, ", found no such file");
}

/// One call of fit().
class Fit {
 public:
  Fit(const Run& run, const RunLock& lock, Trainer& trainer, const FitCallbacks& callbacks)
      : run_(run),
        lock_(lock),
        options_(run.config().train),
        since_(run.config().data.since),
        trainer_(trainer),
        callbacks_(callbacks) {
    take_up(run, trainer, run.config().data);
    records_ = history_up_to(run, trainer.epoch());
    best_ = best_of(records_, since_);
    check_model(run, best_.epoch);
    // A run that was begun goes on: its data may have changed, or been trained on before this was looked at.
    ELBO_CHECK(run.has(checkpoint_file) || trainer.class_note().empty(), ValueError, "model ", run.config().model.model,
               ": ", trainer.class_note());
    for (const EpochRecord& record : records_) result_.seconds += record.seconds;
  }

  FitResult run() {
    if (!is_over()) {
      run_.write_history(records_);  // what came after the checkpoint comes again
      // So that a run that has begun and one whose checkpoint was lost are not the same, and a disk without room for it
      // is found out at once.
      if (!run_.has(checkpoint_file)) run_.write_checkpoint(trainer_.state());
      if (callbacks_.on_begin) callbacks_.on_begin(trainer_);
    }
    while (!is_over() && !result_.stopped) {
      std::optional<EpochRecord> record =
          trainer_.run_epoch_while([this] { return keep_going(); }, [this](std::int64_t samples) { stepped(samples); });
      if (record) keep(*record);
    }
    if (result_.stopped && trainer_.batch() > 0) write_checkpoint();
    result_.best_epoch = best_.epoch;
    result_.stopped_early = !result_.stopped && trainer_.epoch() < options_.epochs;
    return result_;
  }

 private:
  bool is_over() const { return Standing{trainer_.epoch(), trainer_.batch(), best_.epoch, since_}.is_over(options_); }

  /// Between steps: stops, or writes a checkpoint when it is time for one.
  bool keep_going() {
    if (callbacks_.should_stop && callbacks_.should_stop()) {
      result_.stopped = true;
      return false;
    }
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - written_;
    if (options_.checkpoint_every > 0 && since.count() >= options_.checkpoint_every && trainer_.batch() > 0)
      write_checkpoint();
    return true;
  }

  void stepped(std::int64_t samples) {
    if (trainer_.epoch() == 0 && trainer_.batch() == 1) check_first_step();
    if (callbacks_.on_step) callbacks_.on_step(trainer_, samples);
  }

  /// What is no number after one step is not the learning rate's fault: Adam's moments know nothing of it.
  void check_first_step() const {
    const bool finite = std::isfinite(trainer_.running_losses().loss);
    if (finite && trainer_.has_finite_moments()) return;
    const ModelConfig& m = run_.config().model;
    const bool has_beta = m.posterior != "point" && why_unused(m, "beta").empty();
    std::string settings = has_beta ? detail::concat("beta (", m.beta, ")") : "";
    if (m.likelihood == "gaussian")
      settings += detail::concat(settings.empty() ? "" : ", ", "variance (", m.variance, ") or pixels (", m.pixels[0],
                                 " to ", m.pixels[1], ")");
    throw DivergedError(
        detail::concat("training diverged in its first step: ", finite ? "the gradients are" : "the loss is",
                       " NaN or infinite, at any lr; no model was kept; start a new run with another ",
                       settings.empty() ? "model" : settings),
        false);
  }

  /// Somebody may have removed what this training wrote: what can be is written anew, the rest is a fault.
  void check_files() const {
    ELBO_CHECK(lock_.holds(), SystemFault, (run_ / "lock").string(),
               ": expected the lock of this training, found it removed or replaced: another training may write here "
               "too, so this one ends");
    if (!run_.has("config.json")) run_.write_config();
    ELBO_CHECK(best_.epoch == 0 || run_.has("model.safetensors"), SystemFault, (run_ / "model.safetensors").string(),
               ": expected the model of epoch ", best_.epoch, ", found it removed while the training went on");
  }

  void keep(const EpochRecord& record) {
    check(record.epoch, "the training loss is ", record.train.loss);
    if (record.val) check(record.epoch, "the validation loss is ", record.val->loss);
    check(record.epoch, "the loss of the model after its last step is ", trainer_.evaluation().losses.loss);
    if (!trainer_.is_finite()) diverged(record.epoch, not_finite);
    check_files();
    const bool better = best_.update(record);
    result_.seconds += record.seconds;
    records_.push_back(record);
    // In this order: a run that is killed in between takes its last checkpoint up again and writes the same once more.
    if (better) run_.write_model(trainer_.weights_to_keep());
    if (run_.has("history.jsonl"))
      run_.append_history(record);
    else
      run_.write_history(records_);
    run_.write_checkpoint(trainer_.state());
    written_ = std::chrono::steady_clock::now();
    if (callbacks_.on_epoch) callbacks_.on_epoch(record, better);
  }

  /// In the midst of an epoch.
  void write_checkpoint() {
    const std::int64_t epoch = trainer_.epoch() + 1;
    check(epoch, "the training loss is ", trainer_.running_losses().loss);
    check(epoch, "the loss of the model after its last step is ", trainer_.look().losses.loss);
    if (!trainer_.is_finite()) diverged(epoch, not_finite);
    check_files();
    run_.write_checkpoint(trainer_.state());
    written_ = std::chrono::steady_clock::now();
  }

  void check(std::int64_t epoch, const char* what, double loss) const {
    if (!std::isfinite(loss)) diverged(epoch, what + std::string(std::isnan(loss) ? "NaN" : "infinite"));
  }

  [[noreturn]] void diverged(std::int64_t epoch, const std::string& what) const {
    const std::string kept = best_.epoch > 0 ? detail::concat("the model of epoch ", best_.epoch, " is kept")
                                             : "no model was kept, since no epoch before it was over";
    throw DivergedError(detail::concat("training diverged in epoch ", epoch, ": ", what, "; ", kept,
                                       "; try a smaller lr than ", options_.lr),
                        true);
  }

  static constexpr const char* not_finite = "weights or the optimiser's moments are NaN or infinite";

  const Run& run_;
  const RunLock& lock_;
  const TrainOptions options_;
  const std::int64_t since_;  ///< the first epoch on these pictures
  Trainer& trainer_;
  const FitCallbacks& callbacks_;
  std::vector<EpochRecord> records_;
  Best best_;
  FitResult result_;
  std::chrono::steady_clock::time_point written_ = std::chrono::steady_clock::now();
};

}  // namespace

bool Standing::is_over(const TrainOptions& options) const {
  if (epochs >= options.epochs) return true;
  return batch == 0 && options.patience > 0 && epochs - std::max(best_epoch, since - 1) >= options.patience;
}

const EpochRecord* best_epoch(const std::vector<EpochRecord>& history, std::int64_t since) {
  const EpochRecord* best = nullptr;
  double lowest = std::numeric_limits<double>::infinity();
  for (const EpochRecord& record : history) {
    if (record.epoch == since) lowest = std::numeric_limits<double>::infinity();
    if (record.val && !(record.val->loss < lowest)) continue;
    best = &record;
    if (record.val) lowest = record.val->loss;
  }
  return best;
}

void take_up(const Run& run, Trainer& trainer, const DataOptions& data) {
  check_checkpoint(run);
  std::optional<Checkpoint> checkpoint = run.read_checkpoint();
  if (!checkpoint) return;
  if (!of_same_pictures(*run.checkpoint_head(), data))
    std::erase_if(checkpoint->state, [](const auto& one) { return one.first.starts_with("position."); });
  try {
    trainer.load_state(checkpoint->state);
  } catch (const FormatError& error) {
    fail<FormatError>((run / checkpoint_file).string(), ": ", error.what());
  }
}

Standing standing(const Run& run) { return standing(run, run.config().data); }

Standing standing(const Run& run, const DataOptions& data) {
  Standing out;
  check_checkpoint(run);
  if (const std::optional<CheckpointHead> head = run.checkpoint_head()) {
    out.epochs = head->epochs;
    out.batch = of_same_pictures(*head, data) ? head->batch : 0;
  }
  out.since = data.since;
  out.best_epoch = best_of(history_up_to(run, out.epochs), out.since).epoch;
  check_model(run, out.best_epoch);
  return out;
}

FitResult fit(const Run& run, Trainer& trainer, const FitCallbacks& callbacks) {
  const std::shared_ptr<const RunLock> lock = run.lock();
  return Fit(run, *lock, trainer, callbacks).run();
}

}  // namespace elbo::models
