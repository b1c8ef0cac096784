#include "optim.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "../core/autograd.h"
#include "../core/backend.h"
#include "../core/kernels.h"
#include "../core/ops.h"
#include "strict_load.h"

namespace elbo::nn {
namespace {

using elbo::detail::check;

/// Steps up to here are counted in doubles too, without a word of rounding.
constexpr double most_steps = 0x1p53;

double at_least_0(double value, const char* optimizer, const char* what) {
  ELBO_CHECK(std::isfinite(value) && value >= 0, ValueError, "[", optimizer, "] ", what,
             ": expected a number of at least 0, found ", value);
  return value;
}

double decay(double value, const char* optimizer, const char* what) {
  ELBO_CHECK(value >= 0 && value < 1, ValueError, "[", optimizer, "] ", what, ": expected 0 <= ", what, " < 1, found ",
             value);
  return value;
}

Array scalar(double value, DType dtype, Device device) { return Array::full({}, value, {dtype, device}); }

}  // namespace

Tensor Optimizer::Parameter::state(std::string_view name) const {
  for (std::size_t i = 0; i < state_names.size(); ++i)
    if (state_names[i] == name) return states[i];
  fail<ValueError>("[Optimizer] state: expected a name that the constructor gave to add_state, found '", name, "'");
}

void Optimizer::add_group(const NamedTensors& parameters, double lr, bool several) {
  at_least_0(lr, name_, "lr");
  ELBO_CHECK(!parameters.empty(), ValueError, "[", name_, "] expected one parameter or more, found none");
  const std::size_t group = groups();
  for (const auto& [parameter, tensor] : parameters) {
    parameters_.emplace_back(several ? elbo::detail::concat(group, ".", parameter) : parameter, tensor);
    ELBO_CHECK(tensor.defined(), ValueError, "[", name_, "] parameter '", parameters_.back().first, "' is undefined");
    made_.push_back({group, tensor.shape(), tensor.dtype(), {}});
  }
  lrs_.push_back(scalar(lr, DType::float64, parameters_[0].second.device()));
  with_gradient_.reserve(parameters_.size());
  slots_.reserve(parameters_.size());
}

void Optimizer::check_parameters() const {
  ELBO_CHECK(!parameters_.empty(), ValueError, "[", name_, "] expected one parameter or more, found none");
  std::set<const void*> storages;
  std::set<std::string> names;
  for (const auto& [name, tensor] : parameters_) {
    ELBO_CHECK(names.insert(name).second, ValueError, "[", name_, "] expected each name once, found '", name,
               "' twice");
    ELBO_CHECK(tensor.is_leaf(), ValueError, "[", name_, "] parameter '", name,
               "' was computed from others: only leaves can be trained");
    ELBO_CHECK(is_floating(tensor.dtype()), DTypeError, "[", name_, "] parameter '", name,
               "': expected float32 or float64, found ", tensor.dtype());
    ELBO_CHECK(storages.insert(tensor.array().storage().get()).second, ValueError, "[", name_,
               "] expected each parameter once, found '", name, "' again, which shares its memory with one before");
    ELBO_CHECK(tensor.device() == device(), DeviceError, "[", name_, "] expected all parameters on ", device(),
               ", found '", name, "' on ", tensor.device());
  }
}

void Optimizer::add_state(const std::string& name, const std::optional<Shape>& shape) {
  ELBO_CHECK(std::find(state_names_.begin(), state_names_.end(), name) == state_names_.end(), ValueError, "[", name_,
             "] expected each state's name once, found '", name, "' twice");
  state_names_.push_back(name);
  for (std::size_t i = 0; i < made_.size(); ++i)
    made_[i].states.emplace_back(Array::zeros(shape.value_or(made_[i].shape), {made_[i].dtype, device()}));
}

double Optimizer::lr(std::size_t group) const {
  ELBO_CHECK(group < groups(), IndexError, "[", name_, "] expected a group below ", groups(), ", found ", group);
  return lrs_[group].item();
}

void Optimizer::set_lr(double lr) {
  for (std::size_t group = 0; group < groups(); ++group) set_lr(lr, group);
}

void Optimizer::set_lr(double lr, std::size_t group) {
  ELBO_CHECK(group < groups(), IndexError, "[", name_, "] expected a group below ", groups(), ", found ", group);
  lrs_[group].fill(at_least_0(lr, name_, "lr"));
}

void Optimizer::check_unchanged(std::size_t i, const Array& grad) const {
  const auto& [name, tensor] = parameters_[i];
  const Array& array = tensor.array();
  ELBO_CHECK(array.device() == device() && grad.device() == device(), DeviceError, "[", name_, "] expected parameter '",
             name, "' and its gradient on ", device(), ", found ", array.device(), " and ", grad.device(),
             ": move a module before making its optimiser");
  ELBO_CHECK(made_[i].dtype == array.dtype() && grad.dtype() == array.dtype(), DTypeError, "[", name_,
             "] expected parameter '", name, "' and its gradient as ", made_[i].dtype, ", found ", array.dtype(),
             " and ", grad.dtype(), ": convert a module before making its optimiser");
  ELBO_CHECK(made_[i].shape == array.shape() && grad.shape() == array.shape(), ShapeError, "[", name_,
             "] expected parameter '", name, "' and its gradient of shape ", made_[i].shape, ", found ", array.shape(),
             " and ", grad.shape());
}

void Optimizer::step(std::span<const Errand> errands) {
  const NoGradGuard no_grad;
  errands_ = errands;
  with_gradient_.clear();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Array& grad = elbo::detail::gradient_of(parameters_[i].second);
    // One that was frozen keeps a gradient from before.
    if (!grad.defined() || !parameters_[i].second.requires_grad()) continue;
    check_unchanged(i, grad);
    with_gradient_.push_back(i);
  }
  std::span<const std::size_t> rest = with_gradient_;
  while (!rest.empty()) {  // the groups' parameters lie one after the other
    const std::size_t group = made_[rest[0]].group;
    std::size_t count = 1;
    while (count < rest.size() && made_[rest[count]].group == group) ++count;
    update_group(group, rest.first(count));
    rest = rest.subspan(count);
  }
  kernels::run_errands(take_errands(), device());
}

void Optimizer::update_group(std::size_t group, std::span<const std::size_t> which) {
  const Tensor exact(lrs_[group]);
  Tensor lr = exact;
  for (const std::size_t i : which) {
    const Tensor& value = parameters_[i].second;
    if (lr.dtype() != value.dtype()) lr = exact.to(value.dtype());
    Parameter parameter{value, value.grad(), lr, group, state_names_, made_[i].states};
    update(parameter);
  }
}

void Optimizer::update(Parameter&) {
  fail<ValueError>("[", name_, "] expected an optimiser that overrides update or update_group");
}

std::span<const OptimizerSlot> Optimizer::slots(std::span<const std::size_t> which) {
  slots_.clear();
  const auto written = [](Tensor& tensor) {
    Array& array = tensor.mutable_array();
    array.mark_written();
    return array.raw();
  };
  for (const std::size_t i : which) {
    Tensor& value = parameters_[i].second;
    std::vector<Tensor>& states = made_[i].states;
    slots_.push_back({written(value), elbo::detail::gradient_of(value).raw(),
                      states.empty() ? nullptr : written(states[0]), states.size() < 2 ? nullptr : written(states[1]),
                      made_[i].shape.numel(), made_[i].dtype});
  }
  return slots_;
}

void Optimizer::zero_grad() {
  for (auto& [name, tensor] : parameters_) tensor.zero_grad();
}

std::string Optimizer::group_name(const char* what, std::size_t group) const {
  return groups() == 1 ? what : elbo::detail::concat(what, ".", group);
}

NamedArrays Optimizer::settings() const {
  NamedArrays out;
  append_counts(out);
  for (std::size_t group = 0; group < groups(); ++group) out.emplace_back(group_name("lr", group), lrs_[group]);
  return out;
}

NamedArrays Optimizer::state() const {
  NamedArrays out = settings();
  for (std::size_t s = 0; s < state_names_.size(); ++s)
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      out.emplace_back(state_names_[s] + "." + parameters_[i].first, made_[i].states[s].array());
  return out;
}

void Optimizer::load_state(const NamedArrays& state) {
  const std::string what = elbo::detail::concat("[", name_, "::load_state]");
  for (const auto& [own, setting] : settings()) {
    const bool counts = setting.dtype() == DType::int64;
    for (const auto& [name, array] : state) {
      if (name != own || !array.defined() || array.numel() != 1) continue;
      const double value = array.item();
      ELBO_CHECK(std::isfinite(value) && value >= 0 && (!counts || value < most_steps), ValueError, what, " ", name,
                 ": expected a number of at least 0", counts ? " and below 2^53" : "", ", found ", value);
    }
  }
  try {
    detail::check_finite(state);
  } catch (const ValueError& error) {
    fail<ValueError>(what, " ", error.what());
  }
  detail::load_strictly(what, this->state(), state);
}

NamedTensors numbered(const std::vector<Tensor>& parameters) {
  NamedTensors out;
  for (const Tensor& tensor : parameters) out.emplace_back(std::to_string(out.size()), tensor);
  return out;
}

SGD::SGD(const std::vector<ParameterGroup<SGDOptions>>& groups) : Optimizer("SGD", groups) {
  bool has_momentum = false;
  for (const auto& [parameters, options] : groups) {
    at_least_0(options.momentum, name(), "momentum");
    at_least_0(options.weight_decay, name(), "weight_decay");
    ELBO_CHECK(!options.nesterov || options.momentum > 0, ValueError, "[SGD] nesterov: expected a momentum above 0, ",
               "found 0");
    has_momentum = has_momentum || options.momentum > 0;
    options_.push_back(options);
  }
  if (has_momentum) add_state("momentum_buffer");
}

void SGD::update_group(std::size_t group, std::span<const std::size_t> which) {
  const SGDOptions& options = options_[group];
  if (options.nesterov) return Optimizer::update_group(group, which);  // has no kernel
  const SgdArgs args{options.momentum, options.weight_decay};
  check(backend(device()).sgd(slots(which), args, lr_data(group)), "sgd", device());
}

void SGD::update(Parameter& p) {
  const SGDOptions& options = options_[p.group];
  const Tensor g = options.weight_decay > 0 ? p.grad + p.value * options.weight_decay : p.grad;
  Tensor v = p.state("momentum_buffer");
  v *= options.momentum;
  v += g;
  p.value -= (g + v * options.momentum) * p.lr;
}

Adam::Adam(const char* title, const std::vector<ParameterGroup<AdamOptions>>& groups, bool decoupled)
    : Optimizer(title, groups) {
  for (const auto& [parameters, options] : groups) {
    args_.push_back({decay(options.beta1, title, "beta1"), decay(options.beta2, title, "beta2"),
                     at_least_0(options.eps, title, "eps"), at_least_0(options.weight_decay, title, "weight_decay"),
                     decoupled});
    steps_.push_back(scalar(0, DType::int64, device()));
    scales_.push_back(Array::zeros({static_cast<std::int64_t>(sizeof(AdamScales))}, {DType::uint8, device()}));
    prepared_.push_back(false);
  }
  add_state("exp_avg");
  add_state("exp_avg_sq");
}

Errand Adam::prepare_group(std::size_t group) {
  steps_[group].mark_written();
  scales_[group].mark_written();
  return {.kind = Errand::Kind::adam_step,
          .to = scales_[group].raw(),
          .from = lr_data(group),
          .step = static_cast<std::int64_t*>(steps_[group].raw()),
          .adam = args_[group]};
}

void Adam::prepare(std::vector<Errand>& errands) {
  for (std::size_t group = 0; group < groups(); ++group) {
    errands.push_back(prepare_group(group));
    prepared_[group] = true;
  }
}

void Adam::update_group(std::size_t group, std::span<const std::size_t> which) {
  if (!std::exchange(prepared_[group], false)) {
    const Errand errand = prepare_group(group);
    kernels::run_errands({&errand, 1}, device());
  }
  const auto* scales = static_cast<const AdamScales*>(scales_[group].raw());
  check(backend(device()).adam(slots(which), scales, take_errands()), "adam", device());
}

void Adam::append_counts(NamedArrays& state) const {
  for (std::size_t group = 0; group < groups(); ++group) state.emplace_back(group_name("step", group), steps_[group]);
}

namespace {

std::vector<ParameterGroup<AdamOptions>> as_adam(const std::vector<ParameterGroup<AdamWOptions>>& groups) {
  std::vector<ParameterGroup<AdamOptions>> out;
  out.reserve(groups.size());
  for (const auto& [parameters, options] : groups)
    out.push_back({parameters,
                   {.lr = options.lr,
                    .beta1 = options.beta1,
                    .beta2 = options.beta2,
                    .eps = options.eps,
                    .weight_decay = options.weight_decay}});
  return out;
}

}  // namespace

AdamW::AdamW(const std::vector<ParameterGroup<AdamWOptions>>& groups) : Adam("AdamW", as_adam(groups), true) {}

RMSprop::RMSprop(const std::vector<ParameterGroup<RMSpropOptions>>& groups) : Optimizer("RMSprop", groups) {
  bool has_momentum = false, is_centered = false;
  for (const auto& [parameters, options] : groups) {
    at_least_0(options.eps, name(), "eps");
    at_least_0(options.weight_decay, name(), "weight_decay");
    at_least_0(options.momentum, name(), "momentum");
    ELBO_CHECK(options.alpha >= 0 && options.alpha <= 1, ValueError,
               "[RMSprop] alpha: expected 0 <= alpha <= 1, found ", options.alpha);
    has_momentum = has_momentum || options.momentum > 0;
    is_centered = is_centered || options.centered;
    options_.push_back(options);
  }
  add_state("square_avg");
  if (has_momentum) add_state("momentum_buffer");
  if (is_centered) add_state("grad_avg");
}

void RMSprop::update(Parameter& p) {
  const RMSpropOptions& options = options_[p.group];
  const Tensor g = options.weight_decay > 0 ? p.grad + p.value * options.weight_decay : p.grad;
  Tensor v = p.state("square_avg");
  v *= options.alpha;
  v += square(g) * (1 - options.alpha);
  Tensor variance = v;
  if (options.centered) {
    Tensor mean = p.state("grad_avg");
    mean += (g - mean) * (1 - options.alpha);
    variance = v - square(mean);
  }
  Tensor move = g / (sqrt(variance) + options.eps);
  if (options.momentum > 0) {
    Tensor b = p.state("momentum_buffer");
    b *= options.momentum;
    b += move;
    move = b;
  }
  p.value -= move * p.lr;
}

Array clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm) {
  ELBO_CHECK(max_norm >= 0, ValueError, "[clip_grad_norm_] max_norm: expected a number of at least 0, found ",
             max_norm);
  std::vector<Array> grads;
  for (const Tensor& parameter : parameters)
    if (const Array& grad = elbo::detail::gradient_of(parameter); grad.defined()) grads.push_back(grad);
  if (grads.empty()) return scalar(0, DType::float32, cpu);
  DType wide = DType::float32;
  for (const Array& grad : grads) {
    ELBO_CHECK(grad.device() == grads[0].device(), DeviceError, "[clip_grad_norm_] expected all gradients on ",
               grads[0].device(), ", found one on ", grad.device());
    if (grad.dtype() == DType::float64) wide = DType::float64;
  }
  auto as = [](const Array& x, DType dtype) { return x.dtype() == dtype ? x : kernels::cast(x, dtype); };
  Array total = scalar(0, wide, grads[0].device());
  for (const Array& grad : grads)
    total = kernels::add(total, as(kernels::sum_all(kernels::unary(UnaryOp::square, grad)), wide));
  Array norm = kernels::unary(UnaryOp::sqrt, total);
  const Array ratio =
      kernels::div(scalar(max_norm, wide, norm.device()), kernels::unary(UnaryOp::add_scalar, norm, 1e-6));
  const Array factor = kernels::unary(UnaryOp::clamp, ratio, 0, 1);  // NaN stays NaN
  for (Array& grad : grads) {
    // A leaf's gradient has storage of its own, so writing it in place changes nothing else.
    const View view = grad.mutable_view();
    check(backend(grad.device()).binary(BinaryOp::mul, view, view, as(factor, grad.dtype()).view()), "clip_grad_norm_",
          grad.device());
  }
  return norm;
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double value) {
  ELBO_CHECK(value >= 0, ValueError, "[clip_grad_value_] value: expected a number of at least 0, found ", value);
  for (const Tensor& parameter : parameters) {
    Array grad = elbo::detail::gradient_of(parameter);
    if (!grad.defined()) continue;
    const View view = grad.mutable_view();
    check(backend(grad.device()).unary(UnaryOp::clamp, view, view, -value, value), "clip_grad_value_", grad.device());
  }
}

}  // namespace elbo::nn
