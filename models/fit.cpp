#include <chrono>
#include <cmath>
#include <limits>

#include "checkpoint_detail.h"
#include "trainer.h"

namespace elbo::models {
namespace {

/// The best epoch so far, by validation loss; without validation each epoch is.
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
  ELBO_CHECK(static_cast<std::int64_t>(records.size()) >= epochs, FormatError, (run / "history.jsonl").string(),
             ": expected ", epochs, " epochs, as the checkpoint has, found ", records.size());
  records.resize(static_cast<std::size_t>(epochs));
  return records;
}

/// One call of fit().
class Fit {
 public:
  Fit(const Run& run, Trainer& trainer, Model& model, const FitCallbacks& callbacks)
      : run_(run), options_(run.config().train), trainer_(trainer), model_(model), callbacks_(callbacks) {
    if (std::optional<Checkpoint> checkpoint = run.read_checkpoint()) trainer.load_state(checkpoint->state);
    records_ = history_up_to(run, trainer.epoch());
    for (const EpochRecord& record : records_) {
      best_.update(record);
      result_.seconds += record.seconds;
    }
  }

  FitResult run() {
    if (!is_over()) {
      run_.write_history(records_);  // what came after the checkpoint comes again
      if (callbacks_.on_begin) callbacks_.on_begin(trainer_);
    }
    while (!is_over() && !result_.stopped) {
      std::optional<EpochRecord> record = trainer_.run_epoch_while([this] { return keep_going(); },
                                                                   [this](std::int64_t samples) {
                                                                     if (callbacks_.on_step)
                                                                       callbacks_.on_step(trainer_, samples);
                                                                   });
      if (record) keep(*record);
    }
    if (result_.stopped && trainer_.batch() > 0) write_checkpoint();
    result_.best_epoch = best_.epoch;
    result_.stopped_early = !result_.stopped && trainer_.epoch() < options_.epochs;
    return result_;
  }

 private:
  bool is_over() const { return Standing{trainer_.epoch(), trainer_.batch(), best_.epoch}.is_over(options_); }

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

  void keep(const EpochRecord& record) {
    check(record.epoch, "the training loss is ", record.train.loss);
    if (record.val) check(record.epoch, "the validation loss is ", record.val->loss);
    check(record.epoch, "the loss of the model after its last step is ", trainer_.evaluation().losses.loss);
    if (!trainer_.is_finite()) diverged(record.epoch, not_finite);
    const bool better = best_.update(record);
    result_.seconds += record.seconds;
    // In this order: a run that is killed in between takes its last checkpoint up again and writes the same once more.
    if (better) run_.write_model(model_.state_dict());
    run_.append_history(record);
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
    run_.write_checkpoint(trainer_.state());
    written_ = std::chrono::steady_clock::now();
  }

  void check(std::int64_t epoch, const char* what, double loss) const {
    if (!std::isfinite(loss)) diverged(epoch, what + std::string(std::isnan(loss) ? "NaN" : "infinite"));
  }

  [[noreturn]] void diverged(std::int64_t epoch, const std::string& what) const {
    const std::string kept = best_.epoch > 0 ? detail::concat("the model of epoch ", best_.epoch, " is kept")
                                             : "no model was kept, since no epoch before it was over";
    fail<DivergedError>("training diverged in epoch ", epoch, ": ", what, "; ", kept, "; try a smaller lr than ",
                        options_.lr);
  }

  static constexpr const char* not_finite = "weights or Adam's moments are NaN or infinite";

  const Run& run_;
  const TrainOptions options_;
  Trainer& trainer_;
  Model& model_;
  const FitCallbacks& callbacks_;
  std::vector<EpochRecord> records_;  ///< before this call
  Best best_;
  FitResult result_;
  std::chrono::steady_clock::time_point written_ = std::chrono::steady_clock::now();
};

}  // namespace

bool Standing::is_over(const TrainOptions& options) const {
  if (epochs >= options.epochs) return true;
  return batch == 0 && options.patience > 0 && epochs - best_epoch >= options.patience;
}

Standing standing(const Run& run) {
  Standing out;
  if (std::optional<Checkpoint> checkpoint = run.read_checkpoint()) {
    for (const auto& [name, array] : checkpoint->state) {
      if (name == "epoch" && array.numel() == 1) out.epochs = count_in(array, "epoch");
      if (name == "position.batch" && array.numel() == 1) out.batch = count_in(array, "position.batch");
    }
  }
  Best best;
  for (const EpochRecord& record : history_up_to(run, out.epochs)) best.update(record);
  out.best_epoch = best.epoch;
  return out;
}

FitResult fit(const Run& run, Trainer& trainer, Model& model, const FitCallbacks& callbacks) {
  const std::shared_ptr<const RunLock> lock = run.lock();
  return Fit(run, trainer, model, callbacks).run();
}

}  // namespace elbo::models
