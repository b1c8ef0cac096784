#pragma once
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "../../core/api.h"
#include "../../core/graph.h"
#include "../../core/profile.h"
#include "../../datasets/dataset.h"
#include "../../datasets/loader.h"
#include "../../nn/ema.h"
#include "../../nn/optim.h"
#include "../../nn/schedule.h"
#include "../analysis/evaluate.h"
#include "../model.h"
#include "run.h"

namespace ELBO_API elbo {
namespace models {

/// Trains a model on its own terms, an epoch at a time: each of its players with an optimiser of its own, one after the
/// other on the same batch. The same options and seed give the same bits for any number of threads, and `state` after
/// any step continues to the same end.
///
/// On a GPU a step of each size runs as it stands once, is then recorded as a CUDA graph, and replayed from there on:
/// the same kernels on the same memory, so the same bits, at a fraction of the cost. What changes from step to step
/// lies on the device: the epoch's order and how far it has come, the learning rate, the weights of terms, the random
/// offsets. Steps between which the host writes nothing are recorded eight at a time.
class Trainer {
 public:
  /// Splits `dataset` into training and validation pictures, as it says itself or by the seed, and moves the model to
  /// the options' device. The model must outlive the trainer, and stay on that device; the dataset need not. Throws
  /// ValueError for options that make no sense, or a dataset that does not fit model or options.
  Trainer(Model& model, const datasets::Dataset& dataset, const TrainOptions& options);

  std::int64_t train_count() const { return static_cast<std::int64_t>(train_.size()); }
  std::int64_t val_count() const { return static_cast<std::int64_t>(val_.size()); }
  /// Training pictures that an epoch passes: without the last, smaller batch where that is dropped.
  std::int64_t samples_per_epoch() const { return batches_->samples(); }
  /// Epochs trained so far.
  std::int64_t epoch() const { return epoch_; }

  /// From here on each step is a span of the profile, which must outlive the trainer; null for none. On a GPU steps are
  /// then not recorded as graphs: each op runs by itself, and is waited for.
  void set_profile(Profile* profile);
  /// Steps that waited for their batch, all in all.
  datasets::Waits waits() const { return batches_->waits(); }

  /// Steps of the epoch after those, where training stopped in its midst, and the samples that they took.
  std::int64_t batch() const { return batch_; }
  std::int64_t samples() const { return batch_ > 0 ? samples_ : 0; }

  /// Called after a step with the samples that the epoch has seen.
  using OnStep = std::function<void(std::int64_t samples)>;
  /// Called before each step and each batch of validation; false stops there.
  using KeepGoing = std::function<bool()>;
  /// Trains one epoch, or what is left of it, and validates.
  EpochRecord run_epoch(const OnStep& on_step = {});
  /// The same; nothing where `keep_going` ended it. Called again, it goes on from there.
  std::optional<EpochRecord> run_epoch_while(const KeepGoing& keep_going, const OnStep& on_step = {});
  /// What the last epoch's validation found; without validation pictures, `look`.
  const Evaluation& evaluation() const { return evaluation_; }
  /// A look at some of the training pictures, with the model as it is now.
  Evaluation look() const;
  /// Whether all parameters and moments, and running means, are finite. Reads the device once.
  bool is_finite() const;
  /// Whether the moments are.
  bool has_finite_moments() const;
  /// The epoch's losses up to now. Reads the device: not for every step.
  Losses running_losses() const;
  /// Whether steps are replayed, or recorded when they come again. Where that was tried and failed, the reason is
  /// `graph_note`.
  bool replays() const { return replays_; }
  const std::string& graph_note() const { return graph_note_; }
  /// Nodes of the graph that a step on a full batch is recorded as: kernels and copies. 0 where none is.
  std::int64_t graph_nodes() const;
  /// Which of the model's classes have no picture among those that it trains on, the pictures to validate on left out,
  /// and what to do: such a model would draw from a label that it never saw. Empty where each has one.
  const std::string& class_note() const { return class_note_; }

  /// What a run keeps: the model's state dict, with `ema` of the running means. The arrays are the trainer's own.
  NamedArrays weights_to_keep() const;

  /// All that continues the training: parameters, moments, step count, learning rate, random offsets, epoch, for the
  /// schedule `plateau` the validation losses; in the midst of an epoch its batch, sums and seconds too. The
  /// arrays are the trainer's own: save them at once.
  NamedArrays state() const;
  /// Goes on from there, the next step at the learning rate of the options. Throws FormatError listing what does not
  /// fit.
  void load_state(const NamedArrays& state);

 private:
  struct Stepped {
    std::int64_t samples, steps;
  };

  /// Who trains: its parameters' optimiser, and what it has for each term that its loss has.
  struct Trained {
    Player player;
    std::unique_ptr<nn::Optimizer> optimizer;
    std::vector<Tensor> parameters;  // for clipping
  };
  /// A term as it is trained on. What changes lies on the device.
  struct Running {
    std::string name;
    Weight weight;
    bool counts = true;
    Array seed = {};  ///< weight / batch: where backward() begins, so that no step computes the loss itself
    std::pair<float, float> seed_for = {0, 0};  ///< 1 / batch and the weight
    Array sum = {};                             ///< of nats over the epoch, float64, read when somebody asks
    Array factor = {}, weighted = {};           ///< for a weight that moves: it, and the sum of nats times it

    /// total += nats, times `times` where that is there.
    Errand add(Array& total, const Array& nats, const Array& times) const;
  };

  void begin_epoch();
  /// Whether the validation came to its end.
  bool validate(const KeepGoing& keep_going);
  void load_position(const NamedArrays& state);
  /// Asks the model for its terms before there is a step. Nothing of it moves.
  void meet_terms();
  void load_val_losses(const Array& losses);
  /// The epoch's next step; on a GPU several, where a graph has them.
  Stepped next_steps(std::int64_t number);
  /// How many steps from this one on can be one graph: several, where nothing that the host writes changes meanwhile.
  std::int64_t steps_at_once(std::int64_t number) const;
  /// Writes what a step needs and the last one did not have: learning rate, weights of terms.
  void prepare_step(std::int64_t number, std::int64_t batch);
  void step(const Tensor& x, const Tensor& labels);
  void step_of(std::size_t player, const Tensor& x, const Tensor& labels);
  /// What the trainer has for these terms; made when they are seen for the first time.
  std::vector<Running>& running_for(std::size_t player, const Terms& terms);
  Running running(const Term& term) const;
  void write_seed(Running& running);
  /// On a GPU: a step on the `size` pictures from `position_` on.
  void gather_and_step(std::int64_t size);
  /// False where a graph could not be made or replayed: there are none from then on, and `graph_note` says why.
  bool without_graphs_after(const std::function<void()>& work);
  Progress progress_at(std::int64_t batch_number) const;
  double lr_at(std::int64_t batch_number) const;

  Model& model_;
  TrainOptions options_;
  std::vector<std::int64_t> train_, val_;
  Array pictures_, labels_;
  std::unique_ptr<datasets::Batches> batches_;
  std::vector<Trained> players_;
  std::unique_ptr<nn::EMA> ema_;
  nn::Schedule schedule_;           // by the step of the whole training
  double lr_;                       // what the optimisers have, before the players' factors
  std::vector<double> val_losses_;  // of all epochs, for the schedule `plateau` alone
  Generator noise_;
  std::vector<std::vector<Running>> running_;  // of each player
  std::vector<Tensor> outputs_;                // these two are kept, so that a step allocates nothing
  std::vector<Array> seeds_;
  std::vector<Errand> errands_;
  Array unit_seed_;              // the seed of all terms whose weight is 1 and stays so
  float unit_share_ = 0;         // which it has
  Progress progress_;            // of the step
  std::int64_t batch_size_ = 1;  // of the step
  std::int64_t samples_ = 0;
  double seconds_ = 0;
  std::int64_t epoch_ = 0, batch_ = 0;
  Evaluation evaluation_;

  Profile* profile_ = nullptr;
  Generator draws_;  // of black-or-white pictures
  bool replays_;
  std::string graph_note_, class_note_;
  Array order_, position_;  // on a GPU: the epoch's samples, and how many of them are behind
  bool model_moves_ = false;
  /// By the number of pictures of a step, and of steps; not there yet where it comes for the first time.
  std::map<std::pair<std::int64_t, std::int64_t>, Graph> recorded_;
};

/// Told about a training as it goes on, and asked; any may be empty.
struct FitCallbacks {
  std::function<void(const Trainer& trainer, std::int64_t samples)> on_step = {};
  std::function<void(const EpochRecord& record, bool best)> on_epoch = {};
  /// Before the first step, the checkpoint loaded; not called where nothing is left to train.
  std::function<void(const Trainer& trainer)> on_begin = {};
  /// Asked before each step and each batch of validation: with true, a checkpoint is written and `fit` returns.
  std::function<bool()> should_stop = {};
};

/// Losses or weights that are NaN or infinite.
class DivergedError : public Error {
 public:
  DivergedError(const std::string& what, bool lr_matters) : Error(what), smaller_lr_may_help(lr_matters) {}
  /// Not where the first step found them, before the learning rate had an effect.
  bool smaller_lr_may_help;
};

/// How far a run's training has come.
struct Standing {
  std::int64_t epochs = 0;      ///< that are over
  std::int64_t batch = 0;       ///< steps of the one after those
  std::int64_t best_epoch = 0;  ///< whose model is kept; 0 for none
  std::int64_t since = 1;       ///< the first epoch on the pictures that the run has now

  /// Whether these options have nothing more to train.
  bool is_over(const TrainOptions& options) const;
};
/// By the run's checkpoint and history. Throws FormatError for those that do not fit together, IoError naming the
/// checkpoint or the model where it is not there and was before.
Standing standing(const Run& run);
/// The same where it goes on with this data. On other data than the checkpoint's, its epoch begins anew.
Standing standing(const Run& run, const DataOptions& data);

/// The epoch whose model the run keeps: the one of lowest validation loss, the last one without validation. Epochs
/// before `since`, on other pictures, count only where there is none after. Null for no epochs.
const EpochRecord* best_epoch(const std::vector<EpochRecord>& history, std::int64_t since = 1);
/// Loads the run's checkpoint, where it has one, as fit() does: to see that it fits before anything is written. On
/// other data than the checkpoint's, its epoch begins anew. Throws FormatError naming the file, IoError where it is
/// lost.
void take_up(const Run& run, Trainer& trainer, const DataOptions& data);

struct FitResult {
  std::int64_t best_epoch = 0;  ///< whose model is kept; 0 for none
  bool stopped_early = false;   ///< by patience
  bool stopped = false;         ///< by `should_stop`
  double seconds = 0;           ///< of training, validation left out
};

/// Trains up to the run's number of epochs or until its patience ends, from the last checkpoint if there is one, and
/// keeps the run folder: best model (by validation loss; the last without validation), history, and a checkpoint before
/// the first step, after each epoch and every `checkpoint_every` seconds. Killed at any instant and called again, it
/// ends in the same bits. Throws ValueError, before anything is written, for a run without a checkpoint whose model
/// takes labels and would not be trained on one of them: see `Trainer::class_note`. Holds the run's lock: throws
/// IoError where another process does, SystemFault where the lock or the best model is removed meanwhile; `config.json`
/// and the history are then written anew. Throws DivergedError where losses or weights are no numbers, before anything
/// of it is written: best model and checkpoint are then the last good ones.
FitResult fit(const Run& run, Trainer& trainer, const FitCallbacks& callbacks = {});

}  // namespace models
}  // namespace elbo
