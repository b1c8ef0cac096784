// What a training is continued from.
#include "../../nn/strict_load.h"
#include "checkpoint_detail.h"
#include "trainer.h"

namespace elbo::models {
namespace {

/// Before a player's state in a checkpoint.
std::string prefix_of(const Player& player) {
  return player.name.empty() ? "optimizer." : "optimizer." + player.name + ".";
}

Array number(double value, DType dtype) { return Array::full({}, value, {dtype}); }

}  // namespace

NamedArrays Trainer::state() const {
  NamedArrays out;
  for (auto& [name, array] : model_.state_dict()) out.emplace_back("model." + name, array);
  for (const Trained& one : players_)
    for (auto& [name, array] : one.optimizer->state()) out.emplace_back(prefix_of(one.player) + name, array);
  if (ema_)
    for (auto& [name, array] : ema_->state()) out.emplace_back("ema." + name, array);
  out.emplace_back("noise.offset", noise_.offset());
  out.emplace_back("epoch", number(static_cast<double>(epoch_), DType::int64));
  if (options_.schedule == LrSchedule::plateau)
    out.emplace_back("val_losses", Array::from(val_losses_, {std::ssize(val_losses_)}));
  if (batch_ == 0) return out;
  out.emplace_back("position.batch", number(static_cast<double>(batch_), DType::int64));
  out.emplace_back("position.samples", number(static_cast<double>(samples_), DType::int64));
  out.emplace_back("position.seconds", number(seconds_, DType::float64));
  for (const std::vector<Running>& terms : running_)
    for (const Running& one : terms) {
      out.emplace_back("position." + one.name, one.sum);
      if (one.weighted.defined()) out.emplace_back("position.weighted_" + one.name, one.weighted);
    }
  return out;
}

namespace {

/// The arrays whose names begin with `prefix`, without it, taken out of `state`.
NamedArrays taken(NamedArrays& state, const std::string& prefix) {
  NamedArrays out, rest;
  for (auto& [name, array] : state) {
    if (name.starts_with(prefix))
      out.emplace_back(name.substr(prefix.size()), array);
    else
      rest.emplace_back(name, array);
  }
  state = std::move(rest);
  return out;
}

const Array* find(const NamedArrays& state, const std::string& name) {
  for (const auto& [one, array] : state)
    if (one == name) return &array;
  return nullptr;
}

/// The one number of that name. Throws FormatError for anything else.
const Array& number_in(const NamedArrays& state, const std::string& name) {
  const Array* array = find(state, name);
  ELBO_CHECK(array && array->numel() == 1, FormatError, "checkpoint: expected one number '", name, "', found ",
             array ? array->shape().to_string() : "none");
  return *array;
}

}  // namespace

void Trainer::load_state(const NamedArrays& state) {
  NamedArrays rest = state;
  const NamedArrays model = taken(rest, "model."), means = taken(rest, "ema.");
  const Array &offset = number_in(rest, "noise.offset"), &epoch = number_in(rest, "epoch");
  const bool within = find(rest, "position.batch") != nullptr;
  if (within)
    for (const char* name : {"position.batch", "position.samples", "position.seconds"}) number_in(rest, name);
  const std::int64_t drawn = count_in(offset, "noise.offset"), epochs = count_in(epoch, "epoch");
  try {
    nn::detail::check_finite(model);
    model_.load_state_dict(model);
    // Those with a name of their own first: they lie below the first one's.
    for (auto one = players_.rbegin(); one != players_.rend(); ++one)
      one->optimizer->load_state(taken(rest, prefix_of(one->player)));
    if (ema_) ema_->load_state(means);
  } catch (const Error& error) {
    fail<FormatError>("checkpoint: ", error.what());
  }
  lr_ = players_.front().optimizer->lr() / players_.front().player.lr;
  noise_.set_offset(drawn);
  epoch_ = epochs;
  const Array* val_losses = find(rest, "val_losses");
  load_val_losses(val_losses ? *val_losses : Array());
  batch_ = 0;
  if (within) load_position(rest);
}

void Trainer::load_val_losses(const Array& losses) {
  val_losses_.clear();
  if (options_.schedule != LrSchedule::plateau) return;
  const std::string found = losses.defined() ? detail::concat(losses.dtype(), " ", losses.shape()) : "none";
  ELBO_CHECK(losses.defined() && losses.dtype() == DType::float64 && losses.shape() == Shape{epoch_}, FormatError,
             "checkpoint: expected 'val_losses' float64 ", Shape{epoch_}, ", found ", found);
  val_losses_ = losses.to_vector<double>();
}

void Trainer::load_position(const NamedArrays& state) {
  const auto batch = count_in(number_in(state, "position.batch"), "position.batch");
  ELBO_CHECK(batch >= 1 && batch <= batches_->batches(), FormatError,
             "checkpoint: expected a 'position.batch' from 1 to ", batches_->batches(), ", found ", batch);
  batch_ = batch;
  samples_ = count_in(number_in(state, "position.samples"), "position.samples");
  seconds_ = number_in(state, "position.seconds").item();
  for (std::vector<Running>& terms : running_) terms.clear();
  recorded_.clear();
  meet_terms();
  for (std::vector<Running>& terms : running_)
    for (Running& one : terms) {
      one.sum.fill(number_in(state, "position." + one.name).item());
      if (one.weighted.defined()) one.weighted.fill(number_in(state, "position.weighted_" + one.name).item());
    }
}

}  // namespace elbo::models
