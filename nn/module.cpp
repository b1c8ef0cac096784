#include "module.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <typeinfo>

#include "../core/autograd.h"
#include "../core/kernels.h"
#include "../core/profile_detail.h"
#include "strict_load.h"

namespace elbo::nn {
namespace {

/// Gives a leaf another array, of another device or dtype.
void replace(Tensor& tensor, Array array) {
  tensor.zero_grad();
  tensor.mutable_array() = std::move(array);
  if (tensor.node()) tensor.node()->dtype = tensor.dtype();
}

/// Throws for a parameter that was assigned a tensor that cannot be trained. One that is frozen asked for its gradient
/// once.
void check_trainable(const std::string& name, const Tensor& parameter) {
  ELBO_CHECK(parameter.node() && parameter.is_leaf(), AutogradError, "[parameters] '", name,
             "': expected a leaf that requires a gradient, found ",
             parameter.node() ? elbo::detail::concat("the output of [", parameter.node()->name, "]")
                              : std::string("a constant"),
             ": call requires_grad_() on its detach(), or write into the parameter under a NoGradGuard");
}

thread_local ForwardHook* innermost_hook = nullptr;
thread_local bool evaluating = false;  // within an EvalGuard

/// Where every module lies that is alive: how a layer is found in the memory of the module whose member it is. Never
/// destroyed, since a module may be global.
struct LiveModules {
  std::mutex mutex;
  std::set<const void*> places;  // std::less orders any two pointers
};

LiveModules& live_modules() {
  static LiveModules& instance = *std::make_unique<LiveModules>().release();
  return instance;
}

void enlist(const Module* module) {
  LiveModules& live = live_modules();
  const std::lock_guard lock(live.mutex);
  live.places.insert(module);
}

/// The dotted name of what is called `name` in the module called `parent`. An empty one adds nothing.
std::string joined(const std::string& parent, const std::string& name) {
  return parent.empty() || name.empty() ? parent + name : parent + "." + name;
}

/// The modules that lie in [begin, end).
std::vector<const Module*> modules_between(const void* begin, const void* end) {
  LiveModules& live = live_modules();
  const std::lock_guard lock(live.mutex);
  std::vector<const Module*> out;
  for (auto i = live.places.lower_bound(begin), stop = live.places.lower_bound(end); i != stop; ++i)
    out.push_back(static_cast<const Module*>(*i));
  return out;
}

}  // namespace

EvalGuard::EvalGuard() : before_(std::exchange(evaluating, true)) {}
EvalGuard::~EvalGuard() { evaluating = before_; }

Module::Module() { enlist(this); }

Module::~Module() {
  LiveModules& live = live_modules();
  const std::lock_guard lock(live.mutex);
  live.places.erase(this);
}

Module::Module(Module&& other) noexcept : training_(other.training_) {
  members_ = other.members_;  // the other one keeps what it registered, for when its members are set anew
  enlist(this);
}

Module& Module::operator=(Module&& other) noexcept {
  members_ = other.members_;
  training_ = other.training_;
  checked_ = false;
  return *this;
}

template <class Visit>
void Module::for_each(const std::string& prefix, const Visit& visit) const {
  const std::vector<detail::Child> below = checked_children();
  // A const module gives handles of its tensors; what writes to them is not const itself.
  Module& self = const_cast<Module&>(*this);
  for (const auto& [name, access] : members_.parameters)
    if (Tensor& tensor = access(self); tensor.defined()) visit(joined(prefix, name), tensor, true);
  for (const auto& [name, access] : members_.buffers)
    if (Tensor& tensor = access(self); tensor.defined()) visit(joined(prefix, name), tensor, false);
  for (const detail::Child& child : below) child.module->for_each(joined(prefix, child.name), visit);
}

void Module::check_once(Extent extent) const {
  if (checked_.load(std::memory_order_relaxed)) return;
  std::set<const Module*> reached;
  check_registered(extent, reached);
}

std::vector<detail::Child> Module::checked_children() const {
  check_once({});
  std::vector<detail::Child> out = children();
  bool inlines = false;
  for (const detail::Child& child : out) {
    child.module->check_once(child.module->extent_of(child.begin, child.size));
    inlines = inlines || child.name.empty();
  }
  std::set<std::string> names;
  if (inlines) add_names(*this, names);  // at each visit: a pointer may be filled after the first
  return out;
}

void Module::add_names(const Module& whole, std::set<std::string>& names) const {
  const auto add = [&](const std::string& name) {
    ELBO_CHECK(names.insert(name).second, ValueError, "[", whole.class_name(),
               "] expected one member of each name, "
               "found two called '",
               name, "' with what is inlined");
  };
  for (const auto& [name, access] : members_.parameters) add(name);
  for (const auto& [name, access] : members_.buffers) add(name);
  for (const auto& [name, access] : members_.modules) {
    if (!name.empty()) {
      add(name);
      continue;
    }
    std::vector<detail::Child> unnamed;
    access(const_cast<Module&>(*this), name, unnamed);
    for (const detail::Child& child : unnamed) {
      if (child.name.empty())
        child.module->add_names(whole, names);
      else
        add(child.name);
    }
  }
}

Module::Extent Module::extent_of(const void* object, std::size_t size) const {
  const std::ptrdiff_t begin =
      static_cast<const char*>(object) - static_cast<const char*>(static_cast<const void*>(this));
  return {begin, begin + static_cast<std::ptrdiff_t>(size)};
}

std::vector<detail::Child> Module::children() const {
  std::vector<detail::Child> out;
  for (const auto& [name, access] : members_.modules) access(const_cast<Module&>(*this), name, out);
  return out;
}

void Module::check_registered(Extent extent, std::set<const Module*>& reached) const {
  for (const detail::Child& child : children())
    child.module->check_registered(child.module->extent_of(child.begin, child.size), reached);
  reached.insert(this);
  const char* place = static_cast<const char*>(static_cast<const void*>(this));
  const char* begin = place + std::min(extent.begin, members_.extent.begin);
  const char* end = place + std::max(extent.end, members_.extent.end);
  for (const Module* module : modules_between(begin, end))
    ELBO_CHECK(reached.contains(module), ValueError, "[", class_name(),
               "] expected every layer that is a member to be registered, found one that is not, of class ",
               module->class_name(), ": it would not be trained");
  checked_.store(true, std::memory_order_relaxed);
}

NamedTensors Module::named_parameters() const {
  NamedTensors out;
  std::set<const void*> seen;  // a shared parameter is one leaf of the graph
  for_each("", [&](const std::string& name, Tensor& tensor, bool parameter) {
    if (!parameter) return;
    check_trainable(name, tensor);
    if (seen.insert(tensor.node().get()).second) out.emplace_back(name, tensor);
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
  for (const Tensor& tensor : parameters())
    ELBO_CHECK(!__builtin_add_overflow(count, tensor.numel(), &count), ValueError,
               "[num_parameters] expected fewer than 2^63 in all, found more");
  return count;
}

NamedModules Module::named_modules() const {
  NamedModules out;
  std::set<const Module*> seen;
  add_modules("", true, seen, out);
  return out;
}

NamedModules Module::named_children() const {
  NamedModules out;
  for (const detail::Child& child : checked_children()) {
    if (!child.name.empty()) {
      out.emplace_back(child.name, child.module);
      continue;
    }
    for (auto& below : child.module->named_children()) out.push_back(std::move(below));
  }
  return out;
}

void Module::add_modules(const std::string& name, bool listed, std::set<const Module*>& seen, NamedModules& out) const {
  if (!seen.insert(this).second) return;
  if (listed) out.emplace_back(name, const_cast<Module*>(this));
  for (const detail::Child& child : checked_children())
    child.module->add_modules(joined(name, child.name), !child.name.empty(), seen, out);
}

void Module::apply(const std::function<void(Module&)>& fn) {
  std::vector<Module*> all;
  std::set<const Module*> seen;
  add_all(seen, all);
  for (Module* module : all) fn(*module);
}

void Module::add_all(std::set<const Module*>& seen, std::vector<Module*>& out) {
  if (!seen.insert(this).second) return;
  for (const detail::Child& child : checked_children()) child.module->add_all(seen, out);
  out.push_back(this);
}

std::string Module::class_name() const {
  const char* name = typeid(*this).name();
  const std::unique_ptr<char, decltype(&std::free)> readable(abi::__cxa_demangle(name, nullptr, nullptr, nullptr),
                                                             &std::free);
  return readable ? readable.get() : name;
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
  for (const detail::Child& child : checked_children()) child.module->train(on);
}

bool Module::is_training() const { return training_ && !evaluating; }

void Module::requires_grad_(bool wanted) {
  for_each("", [&](const std::string&, Tensor& tensor, bool parameter) {
    if (parameter) tensor.requires_grad_(wanted);
  });
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
    return std::any_of(members.begin(), members.end(), [&](const auto& member) { return member.name == name; });
  };
  ELBO_CHECK(!taken(members_.parameters) && !taken(members_.buffers) && !taken(members_.modules), ValueError,
             "[register] the name '", name, "' is taken");
}

void Module::cover(Extent extent) {
  members_.extent.begin = std::min(members_.extent.begin, extent.begin);
  members_.extent.end = std::max(members_.extent.end, extent.end);
  checked_ = false;
}

void Module::add_parameter(const std::string& name, TensorAccess access, Extent extent) {
  check_name(name);
  if (Tensor& parameter = access(*this); parameter.defined()) parameter.requires_grad_();
  members_.parameters.push_back({name, std::move(access)});
  cover(extent);
}

void Module::add_buffer(const std::string& name, TensorAccess access, Extent extent) {
  check_name(name);
  members_.buffers.push_back({name, std::move(access)});
  cover(extent);
}

void Module::add_module(const std::string& name, ModuleAccess access, Extent extent) {
  check_name(name);
  members_.modules.push_back({name, std::move(access)});
  cover(extent);
}

Tensor Layer::operator()(const Tensor& x) {
  const elbo::detail::ProfiledLayer running(this);
  Tensor y = forward(x);
  for (const ForwardHook* hook = innermost_hook; hook; hook = hook->outer_) hook->hook_(*this, y);
  return y;
}

ForwardHook::ForwardHook(std::function<void(Layer&, const Tensor&)> hook)
    : hook_(std::move(hook)), outer_(std::exchange(innermost_hook, this)) {}
ForwardHook::~ForwardHook() { innermost_hook = outer_; }
bool ForwardHook::any() { return innermost_hook != nullptr; }

}  // namespace elbo::nn
