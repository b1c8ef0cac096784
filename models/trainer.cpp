#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "../core/kernels.h"
#include "../datasets/split.h"
#include "evaluate.h"
#include "objective.h"

namespace elbo::models {
namespace {

TrainOptions checked(const TrainOptions& options, const datasets::Dataset& dataset, const Model& model) {
  options.validate();
  ELBO_CHECK(dataset.size() > 0, ValueError, "[train] the dataset has no pictures");
  Shape picture{dataset.channels(), dataset.height(), dataset.width()};
  ELBO_CHECK(picture == model.config().picture, ValueError, "[train] the model takes pictures ", model.config().picture,
             ", the dataset has ", picture);
  ELBO_CHECK(!model.is_conditional() || !dataset.labels.empty(), ValueError, "[train] the model ", model.config().model,
             " takes labels, found none in ", dataset.name);
  ELBO_CHECK(!model.is_conditional() || dataset.classes() <= model.config().classes, ValueError,
             "[train] the model has ", model.config().classes, " classes, found ", dataset.classes(), " in ",
             dataset.name);
  return options;
}

Array scalar(double value, DType dtype, Device device = cpu) { return Array::full({}, value, {dtype, device}); }

/// The model, on the device that trains.
Model& moved(Model& model, Device device) {
  model.to(device);
  return model;
}

}  // namespace

Trainer::Trainer(Model& model, const datasets::Dataset& dataset, const TrainOptions& options)
    : model_(model),
      options_(checked(options, dataset, model)),
      optimizer_(moved(model, options.device).named_parameters(), {.lr = options.lr}),
      noise_(options.seed, Stream::noise, options.device),
      beta_(scalar(options.beta, DType::float32, options.device)),
      weights_{scalar(0, DType::float32, options.device), scalar(0, DType::float32, options.device)},
      weighed_(0, 0),
      reconstruction_sum_(scalar(0, DType::float64, options.device)),
      kl_sum_(scalar(0, DType::float64, options.device)),
      weighted_kl_sum_(scalar(0, DType::float64, options.device)),
      draws_(options.seed, Stream::binarize, options.device),
      replays_(options.graph && options.device.type == DeviceType::cuda) {
  std::int64_t val_size = datasets::resolve_val_size(options.val_size, dataset.size());
  datasets::Subsets subsets = datasets::split(dataset.size(), val_size, options.seed);
  train_ = std::move(subsets.train);
  val_ = std::move(subsets.val);
  pictures_ = dataset.pictures_array(options.device);
  if (model.is_conditional()) labels_ = dataset.labels_array(options.device);
  auto [low, high] = model.config().pixels;
  batches_ = std::make_unique<datasets::Batches>(pictures_, labels_, train_,
                                                 datasets::BatchOptions{.batch_size = options.batch_size,
                                                                        .seed = options.seed,
                                                                        .drop_last = options.drop_last,
                                                                        .binarize = options.binarize,
                                                                        .scale = (high - low) / 255,
                                                                        .shift = low});
}

EpochRecord Trainer::run_epoch(const OnStep& on_step) {
  auto start = std::chrono::steady_clock::now();
  PrecisionGuard precision(options_.precision);
  model_.train();
  samples_ = 0;
  reconstruction_sum_.fill(0);
  kl_sum_.fill(0);
  weighted_kl_sum_.fill(0);
  batches_->begin_epoch(epoch_);
  draws_.set_offset(batches_->draw_offset(0));
  for (std::int64_t number = 0; number < batches_->batches(); ++number) {
    samples_ += next_step(number);
    if (on_step) on_step(samples_);
  }
  EpochRecord record;
  record.epoch = ++epoch_;
  record.train = running_losses();
  record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!val_.empty()) {
    PrecisionGuard exact(Precision::float32);
    record.val = evaluate(model_, pictures_, labels_, val_, {.beta = options_.beta, .seed = options_.seed}).losses;
  }
  return record;
}

void Trainer::weigh(std::int64_t number, std::int64_t batch) {
  const double beta = beta_at(number);
  if (weighed_ == std::pair(batch, beta)) return;
  weighed_ = {batch, beta};
  const auto share = static_cast<float>(1.0 / static_cast<double>(batch)), weight = static_cast<float>(beta);
  beta_.mutable_array().fill(beta);
  weights_[0].fill(share);
  weights_[1].fill(share * weight);
}

std::int64_t Trainer::next_step(std::int64_t number) {
  if (options_.device == cpu) {
    datasets::Batch batch = *batches_->next();
    weigh(number, batch.size());
    step(Tensor(batch.pictures), batch.labels.defined() ? Tensor(batch.labels) : Tensor());
    return batch.size();
  }
  Array indices = *batches_->next_indices();
  weigh(number, indices.numel());
  auto [found, first] = recorded_.try_emplace(indices.numel());
  RecordedStep& recorded = found->second;
  // The first of its size runs as it stands: what is set up once, such as the choice of a matrix product, is no part of
  // a graph, and the memory that the step takes is in the pool by then.
  if (replays_ && !first && !recorded.graph) record(recorded, indices.shape());
  if (recorded.graph) {
    recorded.indices.assign(indices);
    recorded.graph.replay();
  } else {
    gather_and_step(indices);
  }
  return indices.numel();
}

void Trainer::record(RecordedStep& step, const Shape& indices) {
  try {
    step.indices = Array::empty(indices, {DType::int64, options_.device});
    step.graph = Graph::capture(options_.device, [&] { gather_and_step(step.indices); });
  } catch (const CaptureError& error) {
    replays_ = false;
    graph_note_ = error.what();
  } catch (const OutOfMemory& error) {  // what a graph takes is kept from everything else
    replays_ = false;
    graph_note_ = error.what();
  }
}

void Trainer::gather_and_step(const Array& indices) {
  const datasets::BatchOptions& batch = batches_->options();
  Generator* draws = options_.binarize ? &draws_ : nullptr;
  Tensor x(kernels::gather_pictures(pictures_, indices, batch.scale, batch.shift, draws));
  step(x, labels_.defined() ? Tensor(kernels::gather(labels_, indices, 0)) : Tensor());
}

void Trainer::step(const Tensor& x, const Tensor& labels) {
  optimizer_.zero_grad();
  LossSums sums = loss_sums(model_, model_.forward(x, labels, &noise_), x);
  backward(std::array{sums.reconstruction, sums.kl}, weights_);
  optimizer_.step();
  kernels::accumulate_(reconstruction_sum_, sums.reconstruction.array());
  kernels::accumulate_(kl_sum_, sums.kl.array());
  if (options_.warmup > 0) {
    NoGradGuard no_grad;
    kernels::accumulate_(weighted_kl_sum_, (beta_ * sums.kl).array());
  }
}

double Trainer::beta_at(std::int64_t batch_number) const {
  double epochs =
      static_cast<double>(epoch_) + static_cast<double>(batch_number) / static_cast<double>(batches_->batches());
  return options_.warmup > 0 ? options_.beta * std::min(1.0, epochs / options_.warmup) : options_.beta;
}

Losses Trainer::running_losses() const {
  double count = static_cast<double>(std::max<std::int64_t>(samples_, 1));
  Losses out{0, reconstruction_sum_.item() / count, kl_sum_.item() / count};
  double weighted = options_.warmup > 0 ? weighted_kl_sum_.item() / count : options_.beta * out.kl;
  out.loss = out.reconstruction + weighted;
  return out;
}

NamedArrays Trainer::state() const {
  NamedArrays out;
  for (auto& [name, array] : model_.state_dict()) out.emplace_back("model." + name, array);
  for (auto& [name, array] : optimizer_.state()) out.emplace_back("optimizer." + name, array);
  out.emplace_back("beta", beta_.array());
  out.emplace_back("noise.offset", noise_.offset());
  out.emplace_back("epoch", scalar(static_cast<double>(epoch_), DType::int64));
  return out;
}

void Trainer::load_state(const NamedArrays& state) {
  NamedArrays model, optimizer;
  std::map<std::string, Array> own{{"beta", {}}, {"noise.offset", {}}, {"epoch", {}}};
  for (const auto& [name, array] : state) {
    if (name.starts_with("model.")) {
      model.emplace_back(name.substr(6), array);
    } else if (name.starts_with("optimizer.")) {
      optimizer.emplace_back(name.substr(10), array);
    } else if (own.contains(name)) {
      own[name] = array;
    }
  }
  for (const auto& [name, array] : own) {
    ELBO_CHECK(array.defined() && array.numel() == 1, FormatError, "checkpoint: expected one number '", name,
               "', found ", array.defined() ? array.shape().to_string() : "none");
  }
  try {
    model_.load_state_dict(model);
    optimizer_.load_state(optimizer);
  } catch (const Error& error) {
    fail<FormatError>("checkpoint: ", error.what());
  }
  beta_.mutable_array().fill(own["beta"].item());
  weighed_ = {0, 0};
  noise_.set_offset(static_cast<std::int64_t>(own["noise.offset"].item()));
  epoch_ = static_cast<std::int64_t>(own["epoch"].item());
}

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

/// Loads the checkpoint, if there is one, and gives the history up to it: a line that was written before the run was
/// killed, but after the last checkpoint, will come again.
std::vector<EpochRecord> resume(const Run& run, Trainer& trainer) {
  std::optional<Checkpoint> checkpoint = run.read_checkpoint();
  if (checkpoint) trainer.load_state(checkpoint->state);
  std::vector<EpochRecord> records = run.history();
  ELBO_CHECK(static_cast<std::int64_t>(records.size()) >= trainer.epoch(), FormatError,
             (run / "history.jsonl").string(), ": expected ", trainer.epoch(), " epochs, as the checkpoint has, found ",
             records.size());
  records.resize(static_cast<std::size_t>(trainer.epoch()));
  return records;
}

}  // namespace

FitResult fit(const Run& run, Trainer& trainer, Model& model, const FitCallbacks& callbacks) {
  const TrainOptions& options = run.config().train;
  std::vector<EpochRecord> records = resume(run, trainer);
  Best best;
  FitResult result;
  for (const EpochRecord& record : records) {
    best.update(record);
    result.seconds += record.seconds;
  }
  auto out_of_patience = [&] { return options.patience > 0 && trainer.epoch() - best.epoch >= options.patience; };
  auto is_over = [&] { return trainer.epoch() >= options.epochs || out_of_patience(); };
  if (!is_over()) run.write_history(records);  // what came after the checkpoint comes again
  while (!is_over()) {
    Trainer::OnStep on_step;
    if (callbacks.on_step) on_step = [&](std::int64_t samples) { callbacks.on_step(trainer, samples); };
    EpochRecord record = trainer.run_epoch(on_step);
    ELBO_CHECK(std::isfinite(record.train.loss), Error, "the training loss of epoch ", record.epoch, " is ",
               record.train.loss, ": try a smaller lr; the best model so far is kept");
    bool better = best.update(record);
    result.seconds += record.seconds;
    // In this order: a run that is killed in between takes its last checkpoint up again and writes the same once more.
    if (better) run.write_model(model.state_dict());
    run.append_history(record);
    run.write_checkpoint(trainer.state());
    if (callbacks.on_epoch) callbacks.on_epoch(record, better);
  }
  result.best_epoch = best.epoch;
  result.stopped_early = trainer.epoch() < options.epochs;
  return result;
}

}  // namespace elbo::models
