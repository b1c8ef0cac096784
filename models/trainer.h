#pragma once
#include <functional>
#include <memory>

#include "../datasets/dataset.h"
#include "../datasets/loader.h"
#include "../nn/optim.h"
#include "model.h"
#include "run.h"

namespace elbo::models {

/// Trains a model of the zoo with Adam on the objective, an epoch at a time. The same options and seed give the same
/// bits for any number of threads, and `state` after any epoch continues to the same end.
class Trainer {
 public:
  /// Splits `dataset` into training and validation pictures by the seed. The model must outlive the trainer; the
  /// dataset need not. Throws ValueError for options that make no sense, or a dataset that does not fit model or
  /// options.
  Trainer(Model& model, const datasets::Dataset& dataset, const TrainOptions& options);

  std::int64_t train_count() const { return static_cast<std::int64_t>(train_.size()); }
  std::int64_t val_count() const { return static_cast<std::int64_t>(val_.size()); }
  /// Training pictures that an epoch passes: without the last, smaller batch where that is dropped.
  std::int64_t samples_per_epoch() const { return batches_->samples(); }
  /// Epochs trained so far.
  std::int64_t epoch() const { return epoch_; }

  /// Called after a step with the samples that the epoch has seen.
  using OnStep = std::function<void(std::int64_t samples)>;
  /// Trains one epoch and validates.
  EpochRecord run_epoch(const OnStep& on_step = {});
  /// The epoch's losses up to now. Reads the device: not for every step.
  Losses running_losses() const;

  /// All that continues the training: parameters, moments, step count, learning rate, KL weight, random offsets, epoch.
  NamedArrays state() const;
  /// Throws FormatError listing what does not fit.
  void load_state(const NamedArrays& state);

 private:
  void step(const datasets::Batch& batch);
  /// The weight of the KL divergence in that step of this epoch.
  double beta_at(std::int64_t batch_number) const;

  Model& model_;
  TrainOptions options_;
  std::vector<std::int64_t> train_, val_;
  Array pictures_, labels_;
  std::unique_ptr<datasets::Batches> batches_;
  nn::Adam optimizer_;
  Generator noise_;
  Tensor beta_;
  // float64 scalars, on the device until somebody asks; the last is beta * KL, whose weight a warm-up moves.
  Array reconstruction_sum_, kl_sum_, weighted_kl_sum_;
  std::int64_t samples_ = 0;
  std::int64_t epoch_ = 0;
};

/// Told about a training as it goes on; any may be empty.
struct FitCallbacks {
  std::function<void(const Trainer& trainer, std::int64_t samples)> on_step = {};
  std::function<void(const EpochRecord& record, bool best)> on_epoch = {};
};

struct FitResult {
  std::int64_t best_epoch = 0;
  bool stopped_early = false;
  double seconds = 0;  ///< of training, validation left out
};

/// Trains up to the run's number of epochs or until its patience ends, from the last checkpoint if there is one, and
/// keeps the run folder: best model (by validation loss; the last without validation), history, checkpoint. Killed at
/// any instant and called again, it ends in the same bits.
FitResult fit(const Run& run, Trainer& trainer, Model& model, const FitCallbacks& callbacks = {});

}  // namespace elbo::models
