#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <span>

#include "../../core/kernels.h"
#include "../../core/text.h"
#include "../../datasets/split.h"
#include "../../nn/strict_load.h"
#include "../analysis/evaluate.h"
#include "../objective.h"
#include "checkpoint_detail.h"

namespace elbo::models {
namespace {

TrainOptions checked(const TrainOptions& options, const datasets::Dataset& dataset, const Model& model) {
  options.validate();
  ELBO_CHECK(dataset.size() > 0, ValueError, "[train] the dataset has no pictures");
  dataset.check_pictures("train");
  Shape picture{dataset.channels(), dataset.height(), dataset.width()};
  ELBO_CHECK(picture == model.config().picture, ValueError, "[train] the model takes pictures ", model.config().picture,
             ", the dataset has ", picture);
  ELBO_CHECK(!model.is_conditional() || !dataset.labels.empty(), ValueError, "[train] the model ", model.config().model,
             " takes labels, found none in ", dataset.name);
  ELBO_CHECK(!model.is_conditional() || std::ssize(dataset.labels) == dataset.size(), ValueError,
             "[train] expected a label for each of the ", dataset.size(), " pictures of ", dataset.name, ", found ",
             dataset.labels.size());
  ELBO_CHECK(!model.is_conditional() || dataset.classes() <= model.config().classes, ValueError,
             "[train] the model has ", model.config().classes, " classes, found ", dataset.classes(), " in ",
             dataset.name);
  return options;
}

std::string class_text(const datasets::Dataset& dataset, std::int64_t label) {
  const auto i = static_cast<std::size_t>(label);
  return i < dataset.class_names.size() ? in_quotes(dataset.class_names[i]) : std::to_string(label);
}

/// The first of them, and how many more there are.
std::string class_texts(const datasets::Dataset& dataset, const std::vector<std::int64_t>& labels) {
  constexpr std::size_t shown = 10;
  std::string out;
  for (std::size_t i = 0; i < std::min(shown, labels.size()); ++i)
    out += (i == 0 ? "" : ", ") + class_text(dataset, labels[i]);
  return labels.size() <= shown ? out : out + detail::concat(" and ", labels.size() - shown, " more");
}

std::string untrained_classes(const datasets::Dataset& dataset, std::int64_t classes,
                              const datasets::Subsets& subsets) {
  if (classes == 0) return "";
  const auto labels_of = [&](const std::vector<std::int64_t>& indices) {
    std::set<std::int64_t> out;
    for (const std::int64_t i : indices) out.insert(dataset.labels[static_cast<std::size_t>(i)]);
    return out;
  };
  const std::set<std::int64_t> trained = labels_of(subsets.train), validated = labels_of(subsets.val);
  std::vector<std::int64_t> missing;
  bool held_out = false;
  for (std::int64_t label = 0; label < classes; ++label) {
    if (trained.contains(label)) continue;
    missing.push_back(label);
    held_out = held_out || (dataset.val_count == 0 && validated.contains(label));
  }
  if (missing.empty()) return "";
  const char* first = held_out ? ", as some are held out to validate on: try a smaller val-size, " : ": try ";
  return detail::concat("expected pictures to train on of each class, found none of ", class_texts(dataset, missing),
                        " among ", subsets.train.size(), first, "more pictures of ",
                        missing.size() == 1 ? "it" : "them",
                        dataset.class_names.empty() ? ", labels without gaps" : ", data without such classes",
                        ", or a model without labels");
}

Array scalar(double value, DType dtype, Device device = cpu) { return Array::full({}, value, {dtype, device}); }

bool all_finite(const NamedArrays& arrays, Device device) {
  // 0 for a number, NaN for what is none, and unlike the numbers themselves their sum cannot overflow.
  Array sum = scalar(0, DType::float64, device);
  for (const auto& [name, array] : arrays) {
    if (array.dtype() != DType::float32) continue;
    const Array flat = kernels::scale(array, 0).reshape({array.numel()});
    kernels::accumulate_(sum, kernels::reduce(ReduceOp::sum, flat, std::array{0}).reshape({}));
  }
  return sum.item() == 0;
}

/// Where a training stands within an epoch.
constexpr std::array position_fields{"position.batch",          "position.samples", "position.seconds",
                                     "position.reconstruction", "position.kl",      "position.weighted_kl"};

/// So many epochs in steps, at most 2^62.
std::int64_t steps_in(double epochs, std::int64_t batches) {
  return std::llround(std::min(epochs * static_cast<double>(batches), 0x1p62));
}

/// The learning rate at each step; what `plateau` does comes on top.
nn::Schedule schedule_of(const TrainOptions& options, std::int64_t batches) {
  const std::int64_t total = std::max<std::int64_t>(steps_in(static_cast<double>(options.epochs), batches), 1);
  if (options.schedule == LrSchedule::one_cycle) return nn::one_cycle(options.lr, total);
  const std::int64_t warm = steps_in(options.lr_warmup, batches);
  nn::Schedule out = nn::constant(options.lr);
  if (options.schedule == LrSchedule::cosine) out = nn::cosine(options.lr, std::max<std::int64_t>(total - warm, 1));
  if (options.schedule == LrSchedule::step)
    out = nn::step_lr(options.lr, std::max<std::int64_t>(steps_in(static_cast<double>(options.lr_every), batches), 1),
                      options.lr_factor);
  return nn::warmup(warm, std::move(out));
}

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
      lr_(options.lr),
      noise_(options.seed, Stream::noise, options.device),
      beta_(scalar(options.beta, DType::float32, options.device)),
      gradient_seeds_{scalar(0, DType::float32, options.device), scalar(0, DType::float32, options.device)},
      seeds_are_for_(0, 0),
      reconstruction_sum_(scalar(0, DType::float64, options.device)),
      kl_sum_(scalar(0, DType::float64, options.device)),
      weighted_kl_sum_(scalar(0, DType::float64, options.device)),
      draws_(options.seed, Stream::binarize, options.device),
      replays_(options.graph && options.device.type == DeviceType::cuda) {
  std::int64_t val_size = datasets::resolve_val_size(options.val_size, dataset.size());
  datasets::Subsets subsets = datasets::split(dataset, val_size, options.seed);
  class_note_ = untrained_classes(dataset, model.config().classes, subsets);
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
  schedule_ = schedule_of(options, batches_->batches());
  ELBO_CHECK(options.schedule != LrSchedule::plateau || !val_.empty(), ValueError,
             "schedule plateau: expected pictures to validate on, found none");
}

EpochRecord Trainer::run_epoch(const OnStep& on_step) { return *run_epoch_while({}, on_step); }

void Trainer::begin_epoch() {
  if (batch_ == 0) {
    samples_ = 0;
    seconds_ = 0;
    reconstruction_sum_.fill(0);
    kl_sum_.fill(0);
    weighted_kl_sum_.fill(0);
  }
  batches_->begin_epoch(epoch_, batch_);
  draws_.set_offset(batches_->draw_offset(batch_));
}

std::optional<EpochRecord> Trainer::run_epoch_while(const KeepGoing& keep_going, const OnStep& on_step) {
  const auto start = std::chrono::steady_clock::now();
  PrecisionGuard precision(options_.precision);
  model_.train();
  begin_epoch();
  const double before = seconds_;
  auto take_time = [&] {
    seconds_ = before + std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  while (batch_ < batches_->batches()) {
    if (keep_going && !keep_going()) return std::nullopt;
    samples_ += next_step(batch_);
    ++batch_;
    take_time();
    if (on_step) on_step(samples_);
  }
  EpochRecord record;
  record.epoch = epoch_ + 1;
  record.train = running_losses();
  take_time();
  record.seconds = seconds_;
  if (!validate(keep_going)) return std::nullopt;
  if (!val_.empty()) record.val = evaluation_.losses;
  if (options_.moves_lr()) record.lr = lr_;
  if (options_.schedule == LrSchedule::plateau) val_losses_.push_back(evaluation_.losses.loss);
  ++epoch_;
  batch_ = 0;
  return record;
}

bool Trainer::validate(const KeepGoing& keep_going) {
  struct Stopped {};
  PrecisionGuard exact(Precision::float32);
  EvaluateOptions how{.beta = options_.beta, .seed = options_.seed};
  how.before_batch = [&] {
    if (keep_going && !keep_going()) throw Stopped{};
  };
  try {
    evaluation_ = val_.empty() ? look() : evaluate(model_, pictures_, labels_, val_, how);
  } catch (const Stopped&) {
    return false;
  }
  return true;
}

Evaluation Trainer::look() const {
  PrecisionGuard exact(Precision::float32);
  EvaluateOptions how{.beta = options_.beta, .seed = options_.seed};
  const std::size_t count = std::min(train_.size(), static_cast<std::size_t>(how.batch_size));
  return evaluate(model_, pictures_, labels_, std::span(train_).first(count), how);
}

bool Trainer::is_finite() const {
  NamedArrays all = model_.state_dict();
  for (auto& one : optimizer_.state()) all.push_back(std::move(one));
  return all_finite(all, options_.device);
}

bool Trainer::has_finite_moments() const { return all_finite(optimizer_.state(), options_.device); }

void Trainer::prepare_step(std::int64_t number, std::int64_t batch) {
  if (const double lr = lr_at(number); lr != lr_) optimizer_.set_lr(lr_ = lr);
  const double beta = beta_at(number);
  if (seeds_are_for_ == std::pair(batch, beta)) return;
  seeds_are_for_ = {batch, beta};
  const auto share = static_cast<float>(1.0 / static_cast<double>(batch)), weight = static_cast<float>(beta);
  beta_.mutable_array().fill(beta);
  gradient_seeds_[0].fill(share);
  gradient_seeds_[1].fill(share * weight);
}

std::int64_t Trainer::next_step(std::int64_t number) {
  if (options_.device == cpu) {
    datasets::Batch batch = *batches_->next();
    prepare_step(number, batch.size());
    step(Tensor(batch.pictures), batch.labels.defined() ? Tensor(batch.labels) : Tensor());
    return batch.size();
  }
  Array indices = *batches_->next_indices();
  prepare_step(number, indices.numel());
  auto [found, first] = recorded_.try_emplace(indices.numel());
  RecordedStep& recorded = found->second;
  // The first of its size runs as it stands: what is set up once, such as the choice of a matrix product, is no part of
  // a graph, and the memory that the step takes is in the pool by then.
  if (replays_ && !first && !recorded.graph) record(recorded, indices.shape());
  if (!recorded.graph || !replay(recorded, indices)) gather_and_step(indices);
  return indices.numel();
}

void Trainer::record(RecordedStep& step, const Shape& indices) {
  without_graphs_after([&] {
    step.indices = Array::empty(indices, {DType::int64, options_.device});
    step.graph = Graph::capture(options_.device, [&] { gather_and_step(step.indices); });
  });
}

bool Trainer::replay(RecordedStep& step, const Array& indices) {
  step.indices.assign(indices);
  return without_graphs_after([&] { step.graph.replay(); });
}

std::int64_t Trainer::graph_nodes() const {
  const auto found = recorded_.find(std::min(options_.batch_size, train_count()));
  return found == recorded_.end() ? 0 : found->second.graph.nodes();
}

bool Trainer::without_graphs_after(const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const CaptureError& error) {
    graph_note_ = error.what();
  } catch (const OutOfMemory& error) {  // what a graph takes is kept from everything else
    graph_note_ = error.what();
  }
  replays_ = false;
  for (auto& [size, step] : recorded_) step.graph = {};
  return false;
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
  backward(std::array{sums.reconstruction, sums.kl}, gradient_seeds_);
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

double Trainer::lr_at(std::int64_t batch_number) const {
  const double rate = schedule_(steps_in(static_cast<double>(epoch_), batches_->batches()) + batch_number);
  if (options_.schedule != LrSchedule::plateau) return rate;
  return rate * nn::plateau(1, val_losses_, {.factor = options_.lr_factor, .patience = options_.lr_patience});
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
  if (options_.schedule == LrSchedule::plateau)
    out.emplace_back("val_losses", Array::from(val_losses_, {std::ssize(val_losses_)}));
  if (batch_ == 0) return out;
  out.emplace_back("position.batch", scalar(static_cast<double>(batch_), DType::int64));
  out.emplace_back("position.samples", scalar(static_cast<double>(samples_), DType::int64));
  out.emplace_back("position.seconds", scalar(seconds_, DType::float64));
  out.emplace_back("position.reconstruction", reconstruction_sum_);
  out.emplace_back("position.kl", kl_sum_);
  out.emplace_back("position.weighted_kl", weighted_kl_sum_);
  return out;
}

void Trainer::load_state(const NamedArrays& state) {
  NamedArrays model, optimizer;
  Array val_losses;
  std::map<std::string, Array> own{{"beta", {}}, {"noise.offset", {}}, {"epoch", {}}};
  for (const auto& [name, array] : state)
    if (name == "position.batch")
      for (const char* field : position_fields) own[field] = {};
  for (const auto& [name, array] : state) {
    if (name.starts_with("model.")) {
      model.emplace_back(name.substr(6), array);
    } else if (name.starts_with("optimizer.")) {
      optimizer.emplace_back(name.substr(10), array);
    } else if (name == "val_losses") {
      val_losses = array;
    } else if (own.contains(name)) {
      own[name] = array;
    }
  }
  for (const auto& [name, array] : own) {
    ELBO_CHECK(array.defined() && array.numel() == 1, FormatError, "checkpoint: expected one number '", name,
               "', found ", array.defined() ? array.shape().to_string() : "none");
  }
  try {
    nn::detail::check_finite(model);
    model_.load_state_dict(model);
    optimizer_.load_state(optimizer);
  } catch (const Error& error) {
    fail<FormatError>("checkpoint: ", error.what());
  }
  lr_ = optimizer_.lr();
  beta_.mutable_array().fill(own["beta"].item());
  seeds_are_for_ = {0, 0};
  noise_.set_offset(count_in(own["noise.offset"], "noise.offset"));
  epoch_ = count_in(own["epoch"], "epoch");
  load_val_losses(val_losses);
  load_position(own);
}

void Trainer::load_val_losses(const Array& losses) {
  val_losses_.clear();
  if (options_.schedule != LrSchedule::plateau) return;
  const std::string found = losses.defined() ? detail::concat(losses.dtype(), " ", losses.shape()) : "none";
  ELBO_CHECK(losses.defined() && losses.dtype() == DType::float64 && losses.shape() == Shape{epoch_}, FormatError,
             "checkpoint: expected 'val_losses' float64 ", Shape{epoch_}, ", found ", found);
  val_losses_ = losses.to_vector<double>();
}

void Trainer::load_position(std::map<std::string, Array>& own) {
  batch_ = 0;
  if (!own.contains("position.batch")) return;
  const auto batch = count_in(own["position.batch"], "position.batch");
  ELBO_CHECK(batch >= 1 && batch <= batches_->batches(), FormatError,
             "checkpoint: expected a 'position.batch' from 1 to ", batches_->batches(), ", found ", batch);
  batch_ = batch;
  samples_ = count_in(own["position.samples"], "position.samples");
  seconds_ = own["position.seconds"].item();
  reconstruction_sum_.fill(own["position.reconstruction"].item());
  kl_sum_.fill(own["position.kl"].item());
  weighted_kl_sum_.fill(own["position.weighted_kl"].item());
}

}  // namespace elbo::models
