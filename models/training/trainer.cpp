#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <span>

#include "../../core/kernels.h"
#include "../../core/storage.h"
#include "../../core/text.h"
#include "../../datasets/split.h"
#include "../../nn/profile.h"
#include "../analysis/batches_detail.h"
#include "../analysis/evaluate.h"

namespace elbo::models {
namespace {

/// On the CPU, gives back the memory that is kept for reuse, at its beginning and at its end: steps and validation take
/// blocks of other sizes, and neither should have the other's lie beside its own.
struct BlocksOfItsOwn {
  explicit BlocksOfItsOwn(Device device_) : device(device_) { trim(); }
  ~BlocksOfItsOwn() { trim(); }
  BlocksOfItsOwn(const BlocksOfItsOwn&) = delete;
  BlocksOfItsOwn& operator=(const BlocksOfItsOwn&) = delete;
  void trim() const {
    if (device.type == DeviceType::cpu) backend(device).trim();
  }
  Device device;
};

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

std::unique_ptr<nn::Optimizer> optimizer_for(const TrainOptions& o, const nn::NamedTensors& parameters, double lr) {
  if (o.optimizer == "sgd")
    return std::make_unique<nn::SGD>(parameters,
                                     nn::SGDOptions{.lr = lr, .momentum = o.momentum, .weight_decay = o.weight_decay});
  if (o.optimizer == "rmsprop")
    return std::make_unique<nn::RMSprop>(
        parameters, nn::RMSpropOptions{.lr = lr, .weight_decay = o.weight_decay, .momentum = o.momentum});
  if (o.optimizer == "adamw")
    return std::make_unique<nn::AdamW>(parameters, nn::AdamWOptions{.lr = lr, .weight_decay = o.weight_decay});
  return std::make_unique<nn::Adam>(parameters, nn::AdamOptions{.lr = lr, .weight_decay = o.weight_decay});
}

/// Where the gradient of a term of weight 1 begins.
float share_of(std::int64_t batch) { return static_cast<float>(1.0 / static_cast<double>(batch)); }

}  // namespace

Trainer::Trainer(Model& model, const datasets::Dataset& dataset, const TrainOptions& options)
    : model_(model),
      options_(checked(options, dataset, model)),
      lr_(options.lr),
      noise_(options.seed, Stream::noise, options.device),
      unit_seed_(scalar(0, DType::float32, options.device)),
      draws_(options.seed, Stream::binarize, options.device),
      replays_(options.graph && options.device.type == DeviceType::cuda) {
  for (Player& player : moved(model, options.device).players()) {
    Trained one{std::move(player), nullptr, {}};
    one.optimizer = optimizer_for(options, one.player.parameters, options.lr * one.player.lr);
    for (const auto& [name, tensor] : one.player.parameters) one.parameters.push_back(tensor);
    players_.push_back(std::move(one));
  }
  running_.resize(players_.size());
  if (options.ema > 0) ema_ = std::make_unique<nn::EMA>(model, options.ema);
  std::int64_t val_size = datasets::resolve_val_size(options.val_size, dataset.size());
  datasets::Subsets subsets = datasets::split(dataset, val_size, options.seed);
  class_note_ = untrained_classes(dataset, model.config().classes, subsets);
  train_ = std::move(subsets.train);
  val_ = std::move(subsets.val);
  pictures_ = dataset.pictures_array(options.device);
  if (options.device != cpu) {
    order_ = Array::zeros({train_count()}, {DType::int64, options.device});
    position_ = scalar(0, DType::int64, options.device);
  }
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

void Trainer::set_profile(Profile* profile) {
  profile_ = profile;
  if (!profile) return;
  nn::name_layers(*profile, model_);
  replays_ = false;
  recorded_.clear();
}

EpochRecord Trainer::run_epoch(const OnStep& on_step) { return *run_epoch_while({}, on_step); }

void Trainer::begin_epoch() {
  if (batch_ == 0) {
    samples_ = 0;
    seconds_ = 0;
    for (std::vector<Running>& terms : running_)
      for (Running& one : terms) {
        one.sum.fill(0);
        if (one.weighted.defined()) one.weighted.fill(0);
      }
  }
  batches_->begin_epoch(epoch_, batch_);
  if (options_.device != cpu) {
    order_.assign(batches_->order());
    position_.fill(static_cast<double>(batch_ * options_.batch_size));
  }
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
    const Stepped done = next_steps(batch_);
    samples_ += done.samples;
    batch_ += done.steps;
    take_time();
    if (on_step) on_step(samples_);
  }
  if (options_.device != cpu) batches_->shuffle_ahead();  // the queue is full, and nobody has waited for it yet
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
  const BlocksOfItsOwn blocks(options_.device);
  EvaluateOptions how{.seed = options_.seed};
  how.before_batch = [&] {
    if (keep_going && !keep_going()) throw Stopped{};
  };
  try {
    const auto look_at_it = [&] {
      evaluation_ = val_.empty() ? look() : evaluate(model_, pictures_, labels_, val_, how);
    };
    if (ema_) {
      const auto averaged = ema_->apply();
      look_at_it();
    } else {
      look_at_it();
    }
  } catch (const Stopped&) {
    return false;
  }
  return true;
}

Evaluation Trainer::look() const {
  PrecisionGuard exact(Precision::float32);
  const EvaluateOptions how{.seed = options_.seed};
  const std::size_t count = std::min(train_.size(), static_cast<std::size_t>(how.batch_size));
  return evaluate(model_, pictures_, labels_, std::span(train_).first(count), how);
}

NamedArrays Trainer::weights_to_keep() const {
  if (!ema_) return model_.state_dict();
  const auto averaged = ema_->apply();
  return model_.state_dict();
}

bool Trainer::is_finite() const {
  NamedArrays all = model_.state_dict();
  if (ema_)
    for (auto& one : ema_->state()) all.push_back(std::move(one));
  return all_finite(all, options_.device) && has_finite_moments();
}

bool Trainer::has_finite_moments() const {
  return std::all_of(players_.begin(), players_.end(),
                     [&](const Trained& one) { return all_finite(one.optimizer->state(), options_.device); });
}

Progress Trainer::progress_at(std::int64_t batch_number) const {
  const std::int64_t batches = batches_->batches();
  return {static_cast<double>(epoch_) + static_cast<double>(batch_number) / static_cast<double>(batches),
          steps_in(static_cast<double>(epoch_), batches) + batch_number};
}

void Trainer::prepare_step(std::int64_t number, std::int64_t batch) {
  if (const double lr = lr_at(number); lr != lr_) {
    lr_ = lr;
    for (Trained& one : players_) one.optimizer->set_lr(lr * one.player.lr);
  }
  progress_ = progress_at(number);
  batch_size_ = batch;
  model_moves_ = model_.advance(progress_);
  if (const float share = share_of(batch); share != unit_share_) {
    unit_share_ = share;
    unit_seed_.fill(share);
  }
  for (std::vector<Running>& terms : running_)
    for (Running& one : terms) write_seed(one);
}

void Trainer::write_seed(Running& running) {
  if (!running.counts) return;
  const float share = share_of(batch_size_);
  const auto weight = static_cast<float>(running.weight.at(progress_));
  if (running.seed_for == std::pair(share, weight)) return;
  running.seed_for = {share, weight};
  if (running.seed.raw() != unit_seed_.raw()) running.seed.fill(share * weight);
  if (running.factor.defined()) running.factor.fill(weight);
}

Trainer::Running Trainer::running(const Term& term) const {
  Running out{.name = term.name, .weight = term.weight, .counts = term.counts};
  const bool is_one = !term.weight.moves() && term.weight.last() == 1;
  out.seed = is_one ? unit_seed_ : scalar(0, DType::float32, options_.device);
  out.sum = scalar(0, DType::float64, options_.device);
  if (!term.weight.moves()) return out;
  out.factor = scalar(0, DType::float32, options_.device);
  out.weighted = scalar(0, DType::float64, options_.device);
  return out;
}

std::vector<Trainer::Running>& Trainer::running_for(std::size_t player, const Terms& terms) {
  const auto has = [&](const std::string& name) {
    const auto is = [&](const Running& one) { return one.name == name; };
    return std::any_of(running_.begin(), running_.end(),
                       [&](const auto& of) { return std::any_of(of.begin(), of.end(), is); });
  };
  std::vector<Running>& out = running_[player];
  const bool first = out.empty();
  ELBO_CHECK(first || out.size() == terms.list.size(), ValueError, "[train] the model ", model_.config().model,
             ": expected as many terms in each step as in its first, ", out.size(), ", found ", terms.list.size());
  for (std::size_t i = 0; i < terms.list.size(); ++i) {
    const Term& term = terms.list[i];
    if (first) {
      // The history, and a checkpoint in the midst of an epoch, tell them by it.
      ELBO_CHECK(!has(term.name), ValueError, "[train] the model ", model_.config().model,
                 ": expected one term of each name, found two called ", term.name);
      out.push_back(running(term));
      write_seed(out.back());
    }
    ELBO_CHECK(out[i].name == term.name, ValueError, "[train] the model ", model_.config().model,
               ": expected the terms of its first step in each step, found ", term.name, " in place of ", out[i].name);
  }
  return out;
}

Trainer::Stepped Trainer::next_steps(std::int64_t number) {
  std::optional<ProfileGuard> watching;
  if (profile_) watching.emplace(*profile_);
  if (options_.device == cpu) {
    datasets::Batch batch = *batches_->next();
    prepare_step(number, batch.size());
    step(Tensor(batch.pictures), batch.labels.defined() ? Tensor(batch.labels) : Tensor());
    return {batch.size(), 1};
  }
  const std::int64_t size = std::min(options_.batch_size, train_count() - number * options_.batch_size);
  prepare_step(number, size);
  // The first of its size runs as it stands: what is set up once, such as the choice of a matrix product, is no part of
  // a graph, and the memory that the step takes is in the pool by then.
  auto [found, first] = recorded_.try_emplace({size, 1});
  const std::int64_t steps = first || !found->second ? 1 : steps_at_once(number);
  Graph& graph = recorded_[{size, steps}];
  const auto work = [&] {
    for (std::int64_t i = 0; i < steps; ++i) gather_and_step(size);
  };
  if (replays_ && !first && !graph) without_graphs_after([&] { graph = Graph::capture(options_.device, work); });
  if (!graph || !without_graphs_after([&] { graph.replay(); })) work();
  return {steps * size, steps};
}

std::int64_t Trainer::steps_at_once(std::int64_t number) const {
  // So many that what a replay costs by itself is little, and so few that a training stops when it is asked to.
  constexpr std::int64_t steps = 8;
  if ((number + steps) * options_.batch_size > train_count() || model_moves_) return 1;
  for (std::int64_t i = 1; i < steps; ++i) {
    if (lr_at(number + i) != lr_) return 1;
    for (const std::vector<Running>& terms : running_)
      for (const Running& one : terms)
        if (one.counts && one.weight.at(progress_at(number + i)) != one.weight.at(progress_)) return 1;
  }
  return steps;
}

std::int64_t Trainer::graph_nodes() const {
  const auto found = recorded_.find({std::min(options_.batch_size, train_count()), 1});
  return found == recorded_.end() ? 0 : found->second.nodes();
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
  for (auto& [size, graph] : recorded_) graph = {};
  return false;
}

void Trainer::gather_and_step(std::int64_t size) {
  const datasets::BatchOptions& batch = batches_->options();
  Generator* draws = options_.binarize ? &draws_ : nullptr;
  errands_.clear();
  for (Trained& one : players_) one.optimizer->prepare(errands_);
  const kernels::Picked picked{.indices = order_, .first = position_, .count = size, .errands = errands_};
  Tensor x(kernels::gather_pictures(pictures_, picked, batch.scale, batch.shift, draws));
  step(x, labels_.defined() ? Tensor(kernels::gather(labels_, picked)) : Tensor());
}

void Trainer::step(const Tensor& x, const Tensor& labels) {
  for (std::size_t player = 0; player < players_.size(); ++player) step_of(player, x, labels);
  if (ema_) ema_->update();
}

void Trainer::step_of(std::size_t player, const Tensor& x, const Tensor& labels) {
  Trained& one = players_[player];
  // Of all: another player's loss may have left gradients here.
  if (players_.size() > 1)
    model_.zero_grad();
  else
    one.optimizer->zero_grad();
  const Terms terms =
      model_.loss({.x = x, .labels = labels, .noise = &noise_, .train_size = train_count(), .seed = unit_seed_},
                  static_cast<int>(player));
  std::vector<Running>& running = running_for(player, terms);
  outputs_.clear();
  seeds_.clear();
  for (std::size_t i = 0; i < running.size(); ++i) {
    if (!running[i].counts || !terms.list[i].nats.node()) continue;
    outputs_.push_back(terms.list[i].nats);
    seeds_.push_back(running[i].seed);
  }
  backward(outputs_, seeds_);
  outputs_.clear();
  if (options_.clip_norm > 0) nn::clip_grad_norm_(one.parameters, options_.clip_norm);
  errands_.clear();
  for (std::size_t i = 0; i < running.size(); ++i) {
    const Array& nats = terms.list[i].nats.array();
    errands_.push_back(running[i].add(running[i].sum, nats, {}));
    if (running[i].weighted.defined()) errands_.push_back(running[i].add(running[i].weighted, nats, running[i].factor));
  }
  if (options_.device != cpu && player + 1 == players_.size()) {  // the batch has been gathered: on to the next
    position_.mark_written();
    errands_.push_back({.kind = Errand::Kind::count, .to = position_.raw(), .amount = x.shape()[0]});
  }
  one.optimizer->step(errands_);
}

Errand Trainer::Running::add(Array& total, const Array& nats, const Array& times) const {
  ELBO_CHECK(nats.numel() == 1 && is_floating(nats.dtype()), ShapeError, "[train] the term ", name,
             ": expected nats summed over the batch, [], found ", nats.shape());
  total.mark_written();
  return {
      .kind = Errand::Kind::add, .to = total.raw(), .from = nats.raw(), .factor = times.raw(), .dtype = nats.dtype()};
}

double Trainer::lr_at(std::int64_t batch_number) const {
  const double rate = schedule_(steps_in(static_cast<double>(epoch_), batches_->batches()) + batch_number);
  if (options_.schedule != LrSchedule::plateau) return rate;
  return rate * nn::plateau(1, val_losses_, {.factor = options_.lr_factor, .patience = options_.lr_patience});
}

Losses Trainer::running_losses() const {
  const double count = static_cast<double>(std::max<std::int64_t>(samples_, 1));
  Losses out;
  for (const std::vector<Running>& terms : running_)
    for (const Running& one : terms) {
      const double nats = one.sum.item() / count;
      out.terms.emplace_back(one.name, nats);
      // What the other players want is not what the model is chosen by.
      if (!one.counts || &terms != running_.data()) continue;
      out.loss += one.weighted.defined() ? one.weighted.item() / count : one.weight.last() * nats;
    }
  return out;
}

void Trainer::meet_terms() {
  Generator noise(0, Stream::noise, options_.device);
  const auto few = std::span(train_).first(std::min<std::size_t>(train_.size(), 2));
  internal::for_batches(model_, pictures_, labels_, few, 2, [&](const Tensor& x, const Tensor& labels) {
    for (std::size_t player = 0; player < players_.size(); ++player)
      running_for(player, model_.loss({.x = x, .labels = labels, .noise = &noise, .train_size = train_count()},
                                      static_cast<int>(player)));
  });
}

}  // namespace elbo::models
