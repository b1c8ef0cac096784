#include "optim.h"

#include <cmath>
#include <set>

#include "../core/autograd.h"
#include "../core/kernels.h"
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

void check_parameters(const char* optimizer, const NamedTensors& parameters) {
  ELBO_CHECK(!parameters.empty(), ValueError, "[", optimizer, "] expected one parameter or more, found none");
  std::set<const void*> storages;
  std::set<std::string> names;
  for (const auto& [name, tensor] : parameters) {
    ELBO_CHECK(names.insert(name).second, ValueError, "[", optimizer, "] expected each name once, found '", name,
               "' twice");
    ELBO_CHECK(tensor.defined(), ValueError, "[", optimizer, "] parameter '", name, "' is undefined");
    ELBO_CHECK(tensor.is_leaf(), ValueError, "[", optimizer, "] parameter '", name,
               "' was computed from others: only leaves can be trained");
    ELBO_CHECK(is_floating(tensor.dtype()), DTypeError, "[", optimizer, "] parameter '", name,
               "': expected float32 or float64, found ", tensor.dtype());
    ELBO_CHECK(storages.insert(tensor.array().storage().get()).second, ValueError, "[", optimizer,
               "] expected each parameter once, found '", name, "' again, which shares its memory with one before");
    ELBO_CHECK(tensor.device() == parameters[0].second.device(), DeviceError, "[", optimizer,
               "] expected all parameters on ", parameters[0].second.device(), ", found '", name, "' on ",
               tensor.device());
  }
}

Array scalar(double value, DType dtype, Device device) { return Array::full({}, value, {dtype, device}); }

}  // namespace

Optimizer::Optimizer(const char* name, NamedTensors parameters, double lr)
    : name_(name), parameters_(std::move(parameters)) {
  at_least_0(lr, name_, "lr");
  check_parameters(name_, parameters_);
  lr_ = scalar(lr, DType::float64, parameters_[0].second.device());
  for (const auto& [parameter, tensor] : parameters_) made_.push_back({tensor.shape(), tensor.dtype()});
  slots_.reserve(parameters_.size());
}

void Optimizer::make_moments(std::string first, std::string second) {
  first_name_ = std::move(first);
  second_name_ = std::move(second);
  for (const auto& [name, tensor] : parameters_) {
    first_.push_back(Array::zeros(tensor.shape(), tensor.array().options()));
    if (!second_name_.empty()) second_.push_back(Array::zeros(tensor.shape(), tensor.array().options()));
  }
}

void Optimizer::set_lr(double lr) { lr_.fill(at_least_0(lr, name_, "lr")); }

void Optimizer::step() {
  slots_.clear();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    auto& [name, tensor] = parameters_[i];
    const Array& grad = elbo::detail::gradient_of(tensor);
    if (!grad.defined()) continue;
    Array& array = tensor.mutable_array();
    ELBO_CHECK(array.device() == device(), DeviceError, "[", name_, "] expected parameter '", name, "' on ", device(),
               ", found it on ", array.device(), ": move a module before making its optimiser");
    ELBO_CHECK(made_[i].dtype == array.dtype() && grad.dtype() == array.dtype(), DTypeError, "[", name_,
               "] expected parameter '", name, "' and its gradient as ", made_[i].dtype, ", found ", array.dtype(),
               " and ", grad.dtype(), ": convert a module before making its optimiser");
    ELBO_CHECK(made_[i].shape == array.shape() && grad.shape() == array.shape(), ShapeError, "[", name_,
               "] expected parameter '", name, "' and its gradient of shape ", made_[i].shape, ", found ",
               array.shape(), " and ", grad.shape());
    OptimizerSlot slot{array.raw(), grad.raw(), nullptr, nullptr, array.numel(), array.dtype()};
    array.mark_written();
    if (!first_.empty()) slot.first = first_[i].raw(), first_[i].mark_written();
    if (!second_.empty()) slot.second = second_[i].raw(), second_[i].mark_written();
    slots_.push_back(slot);
  }
  if (!slots_.empty()) update(slots_);
}

void Optimizer::zero_grad() {
  for (auto& [name, tensor] : parameters_) tensor.zero_grad();
}

NamedArrays Optimizer::state() const {
  NamedArrays out;
  append_counts(out);
  out.emplace_back("lr", lr_);
  for (std::size_t i = 0; i < first_.size(); ++i) out.emplace_back(first_name_ + "." + parameters_[i].first, first_[i]);
  for (std::size_t i = 0; i < second_.size(); ++i)
    out.emplace_back(second_name_ + "." + parameters_[i].first, second_[i]);
  return out;
}

void Optimizer::load_state(const NamedArrays& state) {
  const std::string what = elbo::detail::concat("[", name_, "::load_state]");
  for (const auto& [name, array] : state) {
    if ((name != "lr" && name != "step") || !array.defined() || array.numel() != 1) continue;
    const double value = array.item();
    ELBO_CHECK(std::isfinite(value) && value >= 0 && (name != "step" || value < most_steps), ValueError, what, " ",
               name, ": expected a number of at least 0", name == "step" ? " and below 2^53" : "", ", found ", value);
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

SGD::SGD(NamedTensors parameters, const SGDOptions& options)
    : Optimizer("SGD", std::move(parameters), options.lr),
      args_{at_least_0(options.momentum, name(), "momentum"),
            at_least_0(options.weight_decay, name(), "weight_decay")} {
  if (args_.momentum > 0) make_moments("momentum_buffer");
}

void SGD::update(std::span<const OptimizerSlot> slots) {
  check(backend(device()).sgd(slots, args_, lr_data()), "sgd", device());
}

Adam::Adam(const char* title, NamedTensors parameters, const AdamOptions& options, bool decoupled)
    : Optimizer(title, std::move(parameters), options.lr),
      args_{decay(options.beta1, title, "beta1"), decay(options.beta2, title, "beta2"),
            at_least_0(options.eps, title, "eps"), at_least_0(options.weight_decay, title, "weight_decay"), decoupled},
      step_(scalar(0, DType::int64, device())) {
  make_moments("exp_avg", "exp_avg_sq");
}

void Adam::update(std::span<const OptimizerSlot> slots) {
  step_.mark_written();
  check(backend(device()).adam(slots, args_, lr_data(), static_cast<std::int64_t*>(step_.raw())), "adam", device());
}

AdamW::AdamW(NamedTensors parameters, const AdamWOptions& options)
    : Adam("AdamW", std::move(parameters),
           {.lr = options.lr,
            .beta1 = options.beta1,
            .beta2 = options.beta2,
            .eps = options.eps,
            .weight_decay = options.weight_decay},
           true) {}

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

}  // namespace elbo::nn
