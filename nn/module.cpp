#include "module.h"

#include <set>

#include "../core/kernels.h"
#include "strict_load.h"

namespace elbo::nn {
namespace {

/// Gives a leaf another array, of another device or dtype.
void replace(Tensor& tensor, Array array) {
  const bool trained = tensor.requires_grad();
  tensor.requires_grad_(false);
  tensor.mutable_array() = std::move(array);
  tensor.requires_grad_(trained);
}

}  // namespace

template <class Visit>
void Module::for_each(const std::string& prefix, const Visit& visit) const {
  for (const auto& [name, tensor] : parameters_)
    if (tensor->defined()) visit(prefix + name, *tensor, true);
  for (const auto& [name, tensor] : buffers_)
    if (tensor->defined()) visit(prefix + name, *tensor, false);
  for (const auto& [name, module] : modules_) module->for_each(prefix + name + ".", visit);
}

NamedTensors Module::named_parameters() const {
  NamedTensors out;
  std::set<const void*> seen;  // a shared parameter is one leaf of the graph, or at least one storage
  for_each("", [&](const std::string& name, Tensor& tensor, bool parameter) {
    const void* identity =
        tensor.node() ? static_cast<const void*>(tensor.node().get()) : tensor.array().storage().get();
    if (parameter && seen.insert(identity).second) out.emplace_back(name, tensor);
  });
  return out;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> out;
  for (auto& [name, tensor] : named_parameters()) out.push_back(tensor);
  return out;
}

NamedTensors Module::named_buffers() const {
  NamedTensors out;
  for_each("", [&](const std::string& name, Tensor& tensor, bool parameter) {
    if (!parameter) out.emplace_back(name, tensor);
  });
  return out;
}

std::int64_t Module::num_parameters() const {
  std::int64_t count = 0;
  for (const Tensor& tensor : parameters()) count += tensor.numel();
  return count;
}

NamedArrays Module::state_dict() const {
  NamedArrays out;
  for_each("", [&](const std::string& name, Tensor& tensor, bool) { out.emplace_back(name, tensor.array()); });
  return out;
}

void Module::load_state_dict(const NamedArrays& state, const std::map<std::string, std::string>& rename) {
  detail::load_strictly("[load_state_dict]", state_dict(), state, rename);
}

void Module::train(bool on) {
  training_ = on;
  for (const auto& [name, module] : modules_) module->train(on);
}

void Module::zero_grad() {
  for_each("", [](const std::string&, Tensor& tensor, bool) { tensor.zero_grad(); });
}

void Module::to(Device device) {
  for_each("", [&](const std::string&, Tensor& tensor, bool) {
    if (tensor.device() != device) replace(tensor, tensor.array().to(device));
  });
}

void Module::to(DType dtype) {
  ELBO_CHECK(is_floating(dtype), DTypeError, "[Module::to] expected float32 or float64, found ", dtype);
  for_each("", [&](const std::string&, Tensor& tensor, bool) {
    if (is_floating(tensor.dtype()) && tensor.dtype() != dtype) replace(tensor, kernels::cast(tensor.array(), dtype));
  });
}

void Module::check_name(const std::string& name) const {
  ELBO_CHECK(!name.empty() && name.find('.') == std::string::npos, ValueError,
             "[register] expected a name without dots, found '", name, "'");
  auto taken = [&](const auto& members) {
    for (const auto& member : members)
      if (member.first == name) return true;
    return false;
  };
  ELBO_CHECK(!taken(parameters_) && !taken(buffers_) && !taken(modules_), ValueError, "[register] the name '", name,
             "' is taken");
}

void Module::register_parameter(std::string name, Tensor& parameter) {
  check_name(name);
  if (parameter.defined()) parameter.requires_grad_();
  parameters_.emplace_back(std::move(name), &parameter);
}

void Module::register_buffer(std::string name, Tensor& buffer) {
  check_name(name);
  buffers_.emplace_back(std::move(name), &buffer);
}

void Module::register_module(std::string name, Module& module) {
  check_name(name);
  ELBO_CHECK(&module != this, ValueError, "[register] a module cannot be its own part: '", name, "'");
  modules_.emplace_back(std::move(name), &module);
}

}  // namespace elbo::nn
