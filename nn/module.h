#pragma once
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/api.h"
#include "../core/safetensors.h"
#include "../core/tensor.h"

/// Neural-network modules: parameters with names, and the layers made of them. Names are PyTorch's.
namespace ELBO_API elbo {
namespace nn {

/// Tensors by name, in order.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

class Module;
class Layer;

/// Modules by dotted name, in order.
using NamedModules = std::vector<std::pair<std::string, Module*>>;

namespace detail {

/// A submodule, its name, empty where it is inlined, and how many bytes it has at least from where on.
struct Child {
  std::string name;
  Module* module;
  const void* begin;
  std::size_t size;
};

/// Adds to `out` what `member` is or holds: a module; a unique_ptr, shared_ptr or optional of one, if it is not empty;
/// a vector or array of any of these, whose elements are called `name.0`, `name.1`, ..., or without a name `0`, `1`,
/// ...
template <class M>
void add_children(std::vector<Child>& out, const std::string& name, M& member) {
  if constexpr (std::derived_from<M, Module>) {
    out.push_back({name, &member, &member, sizeof(M)});
  } else if constexpr (requires { member.begin() != member.end(); }) {
    std::size_t i = 0;
    for (auto& item : member) add_children(out, (name.empty() ? "" : name + ".") + std::to_string(i++), item);
  } else {
    static_assert(
        !std::is_pointer_v<M> && requires { *member; },
        "register_module takes a module, an owning pointer to one, or a vector of them");
    if (member) add_children(out, name, *member);
  }
}

/// Whether M is a module or an owning pointer to one.
template <class M>
constexpr bool one_module() {
  if constexpr (std::derived_from<M, Module>)
    return true;
  else if constexpr (!std::is_pointer_v<M> && requires(M & member) { *member; })
    return std::derived_from<std::remove_reference_t<decltype(*std::declval<M&>())>, Module>;
  else
    return false;
}

}  // namespace detail

/// Something with parameters. Parameters, buffers and submodules are plain members of the derived class, registered by
/// name in its constructor:
///
///     struct Net : nn::Module {
///       nn::Linear fc1{784, 400}, fc2{400, 10};
///       Net() { register_module("fc1", &Net::fc1), register_module("fc2", &Net::fc2); }
///       Tensor forward(const Tensor& x) { return fc2(relu(fc1(x))); }
///     };
///
/// A module can be moved: returned from a function, held in a vector, assigned. It cannot be copied. What it was moved
/// from has no parameters, until they are set anew. An optimiser keeps the tensors and does not mind the move.
///
/// A layer that is a member and was not registered would silently not be trained: the first call that visits
/// parameters or submodules, such as `parameters()`, throws ValueError for it. Three kinds are not found. A layer
/// behind a pointer or in a vector that was not registered: that is how to hold a layer that is no part of this module.
/// The layers of a model that registers nothing at all: it has no parameters, which every optimiser refuses. And those
/// that a class derived from such a module adds, where it registers nothing itself: `struct Wider : Net { nn::Linear
/// fc3{10, 10}; };` trains the layers of Net alone.
class Module {
 public:
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Handles of all parameters, this module's before its submodules', in the order of registration. One that is shared
  /// comes once. Throws AutogradError for one that was assigned a tensor that cannot be trained: a constant, or a
  /// computed one.
  std::vector<Tensor> parameters() const;
  /// The same with their dotted names, such as `encoder.0.weight`; a shared one under its first name.
  NamedTensors named_parameters() const;
  /// State that is not trained, such as `running_mean`, with dotted names.
  NamedTensors named_buffers() const;
  /// How many numbers are trained. Throws ValueError for 2^63 or more, which a module on meta may have.
  std::int64_t num_parameters() const;

  /// This module, whose name is empty, and all below it, each before its submodules; a shared one under its first name.
  /// An inlined one has no name and is not listed; what it has is.
  NamedModules named_modules() const;
  /// Those that this module has itself; of an inlined one those that it has.
  NamedModules named_children() const;
  /// Calls fn on every submodule, inlined or not, and on this module, submodules first; on a shared one once.
  void apply(const std::function<void(Module&)>& fn);
  /// The class of this object as C++ writes it: `elbo::nn::Linear`.
  std::string class_name() const;

  /// All parameters and buffers under PyTorch's names and in its order: a module's parameters, its buffers, then its
  /// submodules. The arrays are the module's own, not copies: save them at once or `copy()` them.
  NamedArrays state_dict() const;
  /// Writes `state` into this module, in place. `rename` maps names of `state`, or their beginnings up to a dot, to
  /// names here: {"fc1", "encoder.0"} loads `fc1.weight` into `encoder.0.weight`; the longest match counts. float32 and
  /// float64 convert to each other. Throws ValueError listing every missing, unexpected, doubled and mis-shaped name,
  /// or for a name in `rename` that `state` lacks, and then leaves the module as it was.
  void load_state_dict(const NamedArrays& state, const std::map<std::string, std::string>& rename = {});

  /// Switches this module and its submodules to training, or to evaluation: what Dropout and BatchNorm2d do depends on
  /// it. A module starts in training.
  void train(bool on = true);
  void eval() { train(false); }
  /// False, too, for every module on a thread on which an EvalGuard lives.
  bool is_training() const;

  /// Asks for the gradients of all parameters, or no longer: frozen parameters stay as they are in training.
  void requires_grad_(bool wanted = true);
  /// Drops the gradients of all parameters.
  void zero_grad();
  /// Moves parameters and buffers to `device`, or floating ones to another floating type; what moves loses its
  /// gradient. Move a module before making its optimiser. `to(DType)` throws DTypeError unless the type is floating.
  void to(Device device);
  void to(DType dtype);

 protected:
  Module();
  Module(Module&& other) noexcept;
  Module& operator=(Module&& other) noexcept;

  /// Register members of the derived class, such as `&Net::fc1`. An undefined tensor, such as the bias of a layer
  /// without one, is no parameter as long as it is undefined. All throw ValueError for a name that is empty, taken, or
  /// has a dot, and for a member of another class. The parameter must be floating (DTypeError); it now requires a
  /// gradient.
  template <class Self>
  void register_parameter(const std::string& name, Tensor Self::*parameter) {
    add_parameter(
        name, [parameter](Module& self) -> Tensor& { return static_cast<Self&>(self).*parameter; }, extent_as<Self>());
  }
  template <class Self>
  void register_buffer(const std::string& name, Tensor Self::*buffer) {
    add_buffer(
        name, [buffer](Module& self) -> Tensor& { return static_cast<Self&>(self).*buffer; }, extent_as<Self>());
  }
  /// `module` may be a module, a std::unique_ptr, shared_ptr or optional of one, or a std::vector or array of any of
  /// these. Elements of a vector `blocks` are called `blocks.0`, `blocks.1`, ... They are looked up at each visit: a
  /// vector may grow, and an empty pointer is no submodule until it is filled.
  template <class Self, class M>
  void register_module(const std::string& name, M Self::*module) {
    add_module(name, adder(module), extent_as<Self>());
  }
  /// `module` is a module, or a std::unique_ptr, shared_ptr or optional of one, without a name of its own: what it has
  /// is called as if this module had it. With a Linear `fc_mu` in a member `posterior`, `posterior.fc_mu.weight` is
  /// `fc_mu.weight`. The calls that visit parameters or submodules throw ValueError where two have one name.
  template <class Self, class M>
  void register_inlined(M Self::*module) {
    static_assert(detail::one_module<M>(), "register_inlined takes a module or an owning pointer to one");
    register_unnamed(module);
  }
  /// For containers: the elements of `modules` are called `0`, `1`, ...
  template <class Self, class M>
  void register_elements(M Self::*modules) {
    register_unnamed(modules);
  }
  /// For containers: says of a submodule that it is an M, in which unregistered layers are then looked for too.
  template <class M>
  static void declare_type(M& module) {
    Module& base = module;
    base.cover(base.extent_as<M>());
  }

 private:
  using TensorAccess = std::function<Tensor&(Module&)>;
  using ModuleAccess = std::function<void(Module&, const std::string&, std::vector<detail::Child>&)>;
  template <class Access>
  struct Member {
    std::string name;
    Access access;
  };
  /// Where the object of a derived class lies: in bytes from its Module.
  struct Extent {
    std::ptrdiff_t begin = 0, end = 0;
  };
  /// All that the derived classes registered. It names members, not addresses, and so survives a move.
  struct Members {
    std::vector<Member<TensorAccess>> parameters, buffers;
    std::vector<Member<ModuleAccess>> modules;
    Extent extent;
  };

  template <class Self, class M>
  static ModuleAccess adder(M Self::*member) {
    return [member](Module& self, const std::string& name, std::vector<detail::Child>& out) {
      detail::add_children(out, name, static_cast<Self&>(self).*member);
    };
  }
  template <class Self, class M>
  void register_unnamed(M Self::*member) {
    members_.modules.push_back({"", adder(member)});
    cover(extent_as<Self>());
  }
  template <class Self>
  Extent extent_as() {
    Self* self = dynamic_cast<Self*>(this);
    ELBO_CHECK(self, ValueError, "[register] expected a member of this module's class, found one of another");
    return extent_of(self, sizeof(Self));
  }
  Extent extent_of(const void* object, std::size_t size) const;

  void add_parameter(const std::string& name, TensorAccess access, Extent extent);
  void add_buffer(const std::string& name, TensorAccess access, Extent extent);
  void add_module(const std::string& name, ModuleAccess access, Extent extent);
  void check_name(const std::string& name) const;
  /// Remembers that this object is at least that large.
  void cover(Extent extent);

  /// This module's own, as they are now.
  std::vector<detail::Child> children() const;
  /// Throws ValueError for a layer in the memory of this module or of a submodule that is not registered; `extent` is
  /// what the caller knows of this module's. Adds this module and all below to `reached`.
  void check_registered(Extent extent, std::set<const Module*>& reached) const;
  /// check_registered, where that has not been done.
  void check_once(Extent extent) const;
  /// Adds the names of this module's own members to `names`, and of those that are inlined in it. Throws ValueError for
  /// one that is there already; `whole` is the module into which all are inlined.
  void add_names(const Module& whole, std::set<std::string>& names) const;
  /// children(), after check_once of this module and of each of them, and a look at the names.
  std::vector<detail::Child> checked_children() const;
  /// Adds this module under `name`, if it is `listed`, and all below it, in the order in which they are registered.
  void add_modules(const std::string& name, bool listed, std::set<const Module*>& seen, NamedModules& out) const;
  /// Adds all below this module, then itself.
  void add_all(std::set<const Module*>& seen, std::vector<Module*>& out);
  /// Calls visit(dotted name, tensor, is a parameter) for every defined tensor in the order of state_dict.
  template <class Visit>
  void for_each(const std::string& prefix, const Visit& visit) const;

  Members members_;
  bool training_ = true;
  mutable std::atomic<bool> checked_ = false;  ///< check_registered has found nothing
};

/// While one lives, every module is in evaluation on this thread. Nothing is written to a module, so that several
/// threads can compute with one.
class EvalGuard {
 public:
  EvalGuard();
  ~EvalGuard();
  EvalGuard(const EvalGuard&) = delete;
  EvalGuard& operator=(const EvalGuard&) = delete;

 private:
  bool before_;
};

/// A module that takes one tensor to another: what a Sequential is made of.
class Layer : public Module {
 public:
  virtual Tensor forward(const Tensor& x) = 0;
  /// forward(x), seen by the thread's ForwardHooks.
  Tensor operator()(const Tensor& x);

 protected:
  Layer() = default;
  Layer(Layer&&) = default;  // not public: a layer of one kind is not to be assigned to one of another
  Layer& operator=(Layer&&) = default;
};

/// While one lives, `hook` is called on this thread for every layer that ran by operator(), with what it gave, after
/// the layers inside it. A Sequential then runs its layers one by one.
class ForwardHook {
 public:
  explicit ForwardHook(std::function<void(Layer&, const Tensor&)> hook);
  ~ForwardHook();
  ForwardHook(const ForwardHook&) = delete;
  ForwardHook& operator=(const ForwardHook&) = delete;

  /// Whether there is one on this thread.
  static bool any();

 private:
  friend class Layer;
  std::function<void(Layer&, const Tensor&)> hook_;
  ForwardHook* outer_;
};

}  // namespace nn
}  // namespace elbo
