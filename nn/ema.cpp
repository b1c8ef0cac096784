#include "ema.h"

#include <set>

#include "../core/ops.h"
#include "strict_load.h"

namespace elbo::nn {

EMA::EMA(NamedTensors parameters, double decay) : parameters_(std::move(parameters)), decay_(decay) {
  ELBO_CHECK(decay >= 0 && decay <= 1, ValueError, "[EMA] decay: expected 0 <= decay <= 1, found ", decay);
  ELBO_CHECK(!parameters_.empty(), ValueError, "[EMA] expected one parameter or more, found none");
  std::set<std::string> names;
  for (const auto& [name, tensor] : parameters_) {
    ELBO_CHECK(names.insert(name).second, ValueError, "[EMA] expected each name once, found '", name, "' twice");
    means_.emplace_back(tensor.array().copy());
  }
}

void EMA::update() {
  check_not_applied("update");
  const NoGradGuard no_grad;
  for (std::size_t i = 0; i < means_.size(); ++i) means_[i] += (parameters_[i].second - means_[i]) * (1 - decay_);
}

EMA::Scope EMA::apply() {
  check_not_applied("apply");
  return Scope(*this);
}

NamedArrays EMA::state() const {
  check_not_applied("state");
  NamedArrays out;
  for (std::size_t i = 0; i < means_.size(); ++i) out.emplace_back(parameters_[i].first, means_[i].array());
  return out;
}

void EMA::load_state(const NamedArrays& state) {
  check_not_applied("load_state");
  detail::load_strictly("[EMA::load_state]", this->state(), state);
}

void EMA::swap() noexcept {
  for (std::size_t i = 0; i < means_.size(); ++i)
    std::swap(parameters_[i].second.mutable_array(), means_[i].mutable_array());
  applied_ = !applied_;
}

void EMA::check_not_applied(const char* function) const {
  ELBO_CHECK(!applied_, ValueError, "[EMA::", function, "] the means are in the model now: expected the scope that ",
             "apply() gave to have ended");
}

}  // namespace elbo::nn
