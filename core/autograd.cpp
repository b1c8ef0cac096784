#include "autograd.h"

#include <algorithm>
#include <atomic>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "called_op_detail.h"
#include "kernels.h"

namespace elbo {
namespace {

thread_local bool recording = true;
std::atomic<std::uint64_t> next_sequence{0};

using detail::Node;

/// Adds g to `sum`, in place where nobody else can see the storage.
void accumulate(Array& sum, Array g) {
  if (!sum.defined()) {
    sum = std::move(g);
  } else if (sum.storage().use_count() == 1) {
    kernels::add_(sum, g);
  } else {
    sum = kernels::add(sum, g);
  }
}

/// A gradient that is kept has storage of its own, so that later additions in place touch nothing else.
void accumulate_kept(Array& grad, const Array& g) {
  if (grad.defined()) {
    kernels::add_(grad, g);
  } else {
    grad = g.storage().use_count() > 1 ? g.copy() : g;
  }
}

/// Nodes to begin at, with their gradients.
using Pending = std::unordered_map<Node*, Array>;

/// The nodes that `roots` were computed from, outputs before inputs. Not recursive: a chain of 100,000 ops is legal.
std::vector<Node*> reachable(const Pending& roots) {
  std::unordered_set<Node*> seen;
  std::vector<Node*> order;
  for (const auto& [root, gradient] : roots) {
    seen.insert(root);
    order.push_back(root);
  }
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const auto& input : order[next]->inputs)
      if (input && seen.insert(input.get()).second) order.push_back(input.get());
  }
  std::sort(order.begin(), order.end(), [](const Node* a, const Node* b) { return a->sequence > b->sequence; });
  return order;
}

/// `gs`: of its one output, or of each of several.
Grads apply_rule(const Node& node, std::span<const Array> gs) {
  const detail::CalledOp called(node.name, node.layer);
  Grads grads;
  try {
    grads = node.outputs > 0 ? node.rule_of_many(gs, Needs(node)) : node.rule(gs[0], Needs(node));
  } catch (const AutogradError& error) {
    fail<AutogradError>("[", node.name, "] ", error.what());
  }
  ELBO_CHECK(grads.size() == node.inputs.size(), AutogradError, "[", node.name, "] the gradient rule returned ",
             grads.size(), " gradients for ", node.inputs.size(), " inputs");
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (!node.inputs[i]) continue;
    const Node& input = *node.inputs[i];
    const Array& found = grads[i];
    ELBO_CHECK(found.defined() && found.shape() == input.shape && found.dtype() == input.dtype, AutogradError, "[",
               node.name, "] the gradient rule returned a wrong gradient for input ", i, ": expected ", input.dtype,
               " ", input.shape, ", found ",
               found.defined() ? detail::concat(found.dtype(), " ", found.shape()) : "none");
  }
  return grads;
}

/// The gradient after the node's hooks.
Array after_hooks(const Node& node, Array g) {
  for (const auto& hook : node.hooks) {
    if (!hook) continue;
    // A hook may write into the gradient, which others must not see.
    if (g.storage().use_count() > 1) g = g.copy();
    const Tensor changed = hook(Tensor(g));
    if (!changed.defined()) continue;
    ELBO_CHECK(changed.shape() == node.shape && changed.dtype() == node.dtype && changed.device() == g.device(),
               AutogradError, "[backward] a hook of ", node.name, " returned ", changed.shape(), " (", changed.dtype(),
               ") for a gradient of ", node.shape, " (", node.dtype, ")");
    g = changed.array();
  }
  return g;
}

/// What a backward() with `wanted` walks: the wanted nodes, and those that run because they lead to one.
struct Leading {
  std::unordered_set<const Node*> walked, run;
};

/// `order` holds outputs before inputs.
Leading leading_to(const Pending& wanted, const std::vector<Node*>& order) {
  Leading out;
  for (auto node = order.rbegin(); node != order.rend(); ++node) {
    const auto leads = [&](const std::shared_ptr<Node>& input) { return input && out.walked.contains(input.get()); };
    if (std::any_of((*node)->inputs.begin(), (*node)->inputs.end(), leads)) out.run.insert(*node);
    if (wanted.contains(*node) || out.run.contains(*node)) out.walked.insert(*node);
  }
  return out;
}

/// Throws for a freed node that would have to run. It has let go of its inputs: what is wanted and older than it may
/// have been below it.
void check_not_freed(const std::vector<Node*>& order, const Pending* wanted) {
  std::uint64_t oldest = wanted ? UINT64_MAX : 0;
  if (wanted)
    for (const auto& [node, gradient] : *wanted) oldest = std::min(oldest, node->sequence);
  for (const Node* node : order)
    ELBO_CHECK(!node->freed || node->sequence <= oldest, AutogradError, "[", detail::CalledOp::name_or("backward"),
               "] the graph through [", node->name,
               "] was freed by an earlier backward(): pass retain_graph = true to that one");
}

/// Gradients of the outputs of nodes that have several.
using Arrived = std::unordered_map<Node*, std::vector<Array>>;

/// What has come to a node, one gradient or one for each of its outputs, for good; nothing where nothing has.
std::vector<Array> taken(Node& node, Pending& pending, Arrived& arrived) {
  std::vector<Array> out;
  if (const auto found = pending.find(&node); found != pending.end()) {
    out.push_back(std::move(found->second));
    pending.erase(found);
  } else if (const auto several = arrived.find(&node); several != arrived.end()) {
    out = std::move(several->second);
    arrived.erase(several);
  }
  return out;
}

/// Without `wanted`, adds to the gradients of leaves, and of nodes that retain theirs. With it, sets its gradients,
/// where there are any, and nothing else.
void run_backward(Pending pending, bool retain_graph, Pending* wanted = nullptr) {
  NoGradGuard no_grad;
  const detail::ProfiledOp engine("backward");
  std::vector<Node*> order = reachable(pending);
  check_not_freed(order, wanted);
  Leading leading;
  if (wanted) {
    leading = leading_to(*wanted, order);
    std::erase_if(order, [&](const Node* node) { return !leading.walked.contains(node); });
  }
  Arrived arrived;
  for (Node* node : order) {
    std::vector<Array> gs = taken(*node, pending, arrived);
    if (gs.empty()) continue;
    if (node->outputs == 0) {
      gs[0] = after_hooks(*node, std::move(gs[0]));
      if (wanted) {
        if (auto place = wanted->find(node); place != wanted->end()) accumulate_kept(place->second, gs[0]);
      } else if (node->leaf ? !node->frozen : node->retains_grad) {
        accumulate_kept(node->grad, gs[0]);
      }
    }
    if (node->leaf || (wanted && !leading.run.contains(node))) continue;
    if (node->output >= 0) {
      std::vector<Array>& of_all = arrived[node->inputs[0].get()];
      of_all.resize(node->inputs[0]->outputs);
      of_all[static_cast<std::size_t>(node->output)] = std::move(gs[0]);
    } else {
      Grads grads = apply_rule(*node, gs);
      gs.clear();
      for (std::size_t i = 0; i < grads.size(); ++i)
        if (node->inputs[i]) accumulate(pending[node->inputs[i].get()], std::move(grads[i]));
    }
    if (retain_graph) continue;
    // The saved arrays go back to the pool at once; the inputs stay linked until all nodes have run.
    node->freed = true;
    node->rule = nullptr;
    node->rule_of_many = nullptr;
  }
  if (retain_graph) return;
  // Inputs before outputs: when a node lets go of its inputs, they have none of their own any more.
  for (auto node = order.rbegin(); node != order.rend(); ++node)
    if ((*node)->freed) (*node)->inputs.clear();
}

/// Where the walk begins: tensors that require no gradient are passed over.
Pending roots_of(std::span<const Tensor> tensors, std::span<const Array> gradients) {
  ELBO_CHECK(tensors.size() == gradients.size(), AutogradError, "[", detail::CalledOp::name_or("backward"),
             "] expected a gradient for each of ", tensors.size(), " tensors, found ", gradients.size());
  Pending roots;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    const Array& gradient = gradients[i];
    ELBO_CHECK(tensor.defined() && gradient.defined(), AutogradError, "[", detail::CalledOp::name_or("backward"),
               "] expected a ", tensor.defined() ? "gradient" : "tensor", ", found an undefined one");
    if (!tensor.requires_grad()) continue;
    ELBO_CHECK(gradient.shape() == tensor.shape() && gradient.dtype() == tensor.dtype() &&
                   gradient.device() == tensor.device(),
               ShapeError, "[", detail::CalledOp::name_or("backward"), "] expected a gradient of shape ",
               tensor.shape(), " (", tensor.dtype(), "), found ", gradient.shape(), " (", gradient.dtype(), ")");
    accumulate(roots[tensor.node().get()], gradient);
  }
  ELBO_CHECK(!roots.empty(), AutogradError, "[", detail::CalledOp::name_or("backward"),
             "] nothing that this tensor was computed from requires a gradient");
  return roots;
}

/// The derivative of a single number with respect to itself.
Array one_for(const Tensor& tensor) {
  ELBO_CHECK(tensor.numel() == 1, AutogradError, "[", detail::CalledOp::name_or("backward"),
             "] expected a single number, found shape ", tensor.shape(), ": pass its gradient");
  return Array::full(tensor.shape(), 1, tensor.array().options());
}

}  // namespace

namespace detail {

Node::Node(const char* name_, Shape shape_, DType dtype_)
    : name(name_), layer(listening.layer), shape(shape_), dtype(dtype_), sequence(next_sequence++) {}

// A long chain must not be torn down by recursion: nodes that die with this one are taken apart in a loop.
Node::~Node() {
  std::vector<std::shared_ptr<Node>> dying = std::move(inputs);
  while (!dying.empty()) {
    std::shared_ptr<Node> node = std::move(dying.back());
    dying.pop_back();
    if (!node || node.use_count() > 1) continue;
    std::move(node->inputs.begin(), node->inputs.end(), std::back_inserter(dying));
    node->inputs.clear();
  }
}

}  // namespace detail

bool Needs::operator[](std::size_t input) const {
  ELBO_CHECK(input < node_->inputs.size(), IndexError, "[", node_->name, "] expected an input below ",
             node_->inputs.size(), ", found ", input);
  return node_->inputs[input] != nullptr;
}

const Array& SavedArray::operator()() const {
  ELBO_CHECK(!array_.defined() || array_.storage()->version() == version_, AutogradError, "a value of shape ",
             array_.shape(), " that the gradient needs was written in place since (version ", version_, ", now ",
             array_.storage()->version(), ")");
  return array_;
}

bool grad_enabled() { return recording; }

NoGradGuard::NoGradGuard() : before_(recording) { recording = false; }
NoGradGuard::~NoGradGuard() { recording = before_; }

Tensor make_computed(Array array, std::shared_ptr<Node> node) {
  Tensor out(std::move(array));
  out.impl().node = std::move(node);
  return out;
}

namespace {

/// Of a list of tensors or of RecordInput.
template <class Inputs>
bool any_needs_gradient(const Inputs& inputs) {
  if (!recording) return false;
  for (const Tensor& input : inputs)
    if (input.defined() && input.requires_grad()) return true;
  return false;
}

void check_floating_output(const char* name, const Array& output) {
  ELBO_CHECK(is_floating(output.dtype()), AutogradError, "[", name,
             "] expected an output of float32 or float64, found ", output.dtype(), ": see record_constant");
}

template <class Inputs>
std::shared_ptr<Node> node_for(const char* name, const Inputs& inputs, const Array& output) {
  auto node = std::make_shared<Node>(name, output.shape(), output.dtype());
  node->inputs.reserve(inputs.size());
  for (const Tensor& input : inputs)
    node->inputs.push_back(input.defined() && input.requires_grad() ? input.node() : nullptr);
  return node;
}

template <class Inputs>
Tensor record_any(const char* name, const Inputs& inputs, Array&& output, Rule&& rule) {
  ELBO_CHECK(rule, AutogradError, "[", name, "] was recorded without a gradient rule: see record_constant");
  if (!any_needs_gradient(inputs)) return Tensor(std::move(output));
  check_floating_output(name, output);
  const std::shared_ptr<Node> node = node_for(name, inputs, output);
  node->rule = std::move(rule);
  return make_computed(std::move(output), node);
}

}  // namespace

bool detail::needs_gradient(std::initializer_list<RecordInput> inputs) { return any_needs_gradient(inputs); }

Tensor record(const char* name, std::span<const Tensor> inputs, Array output, Rule rule) {
  return record_any(name, inputs, std::move(output), std::move(rule));
}

Tensor record(const char* name, std::initializer_list<RecordInput> inputs, Array output, Rule rule) {
  return record_any(name, inputs, std::move(output), std::move(rule));
}

std::vector<Tensor> record_many(const char* name, std::span<const Tensor> inputs, std::vector<Array> outputs,
                                RuleOfMany rule) {
  ELBO_CHECK(rule && !outputs.empty(), AutogradError, "[", name, "] was recorded without a gradient rule or an output");
  if (!any_needs_gradient(inputs)) return {outputs.begin(), outputs.end()};
  for (const Array& output : outputs) check_floating_output(name, output);
  const std::shared_ptr<Node> op = node_for(name, inputs, outputs[0]);
  op->rule_of_many = std::move(rule);
  op->outputs = outputs.size();
  std::vector<Tensor> out;
  for (Array& output : outputs) {
    auto one = std::make_shared<Node>(name, output.shape(), output.dtype());
    one->inputs.push_back(op);
    one->output = static_cast<int>(out.size());
    out.push_back(make_computed(std::move(output), std::move(one)));
  }
  return out;
}

Tensor record_constant(const char* name, std::initializer_list<RecordInput> inputs, Array output) {
  for (const Tensor& input : inputs) {
    ELBO_CHECK(!recording || !is_floating(output.dtype()) || !input.requires_grad(), AutogradError, "[", name,
               "] has no gradient, but an input of shape ", input.shape(), " requires one: detach() it");
  }
  return Tensor(std::move(output));
}

void Tensor::backward(bool retain_graph) {
  const detail::CalledOp called("backward");
  const Array one = one_for(*this);
  elbo::backward({this, 1}, {&one, 1}, retain_graph);
}

void Tensor::backward(const Tensor& gradient, bool retain_graph) {
  const Array none, &given = gradient.defined() ? gradient.array() : none;
  elbo::backward({this, 1}, {&given, 1}, retain_graph);
}

void backward(std::span<const Tensor> tensors, std::span<const Array> gradients, bool retain_graph) {
  run_backward(roots_of(tensors, gradients), retain_graph);
}

std::size_t Tensor::register_hook(std::function<Tensor(const Tensor&)> hook) const {
  ELBO_CHECK(requires_grad(), AutogradError,
             "[register_hook] nothing that this tensor was computed from requires a gradient");
  ELBO_CHECK(hook, AutogradError, "[register_hook] expected a function, found none");
  node()->hooks.push_back(std::move(hook));
  return node()->hooks.size() - 1;
}

void Tensor::remove_hook(std::size_t number) const {
  ELBO_CHECK(node() && number < node()->hooks.size() && node()->hooks[number], IndexError,
             "[remove_hook] there is no hook ", number);
  node()->hooks[number] = nullptr;
}

namespace autograd {

std::vector<Tensor> grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs,
                         std::span<const Tensor> gradients, bool retain_graph, bool allow_unused) {
  const detail::CalledOp called("grad");
  std::vector<Array> seeds;
  for (const Tensor& gradient : gradients) seeds.push_back(gradient.defined() ? gradient.array() : Array());
  if (gradients.empty())
    for (const Tensor& output : outputs) seeds.push_back(one_for(output));
  Pending wanted;
  for (const Tensor& input : inputs) {
    ELBO_CHECK(input.requires_grad(), AutogradError,
               "[grad] expected inputs that require a gradient, found one of shape ", input.shape(), " that does not");
    wanted[input.node().get()];
  }
  run_backward(roots_of(outputs, seeds), retain_graph, &wanted);
  std::vector<Tensor> grads;
  for (const Tensor& input : inputs) {
    const Array& g = wanted[input.node().get()];
    ELBO_CHECK(allow_unused || g.defined(), AutogradError, "[grad] the outputs do not depend on input ", grads.size(),
               " of shape ", input.shape(), ": pass allow_unused to get an undefined gradient");
    grads.emplace_back(g);
  }
  return grads;
}

std::vector<Tensor> grad(std::initializer_list<Tensor> outputs, std::initializer_list<Tensor> inputs,
                         std::initializer_list<Tensor> gradients, bool retain_graph, bool allow_unused) {
  const auto span_of = [](const std::initializer_list<Tensor>& list) { return std::span(list.begin(), list.size()); };
  return grad(span_of(outputs), span_of(inputs), span_of(gradients), retain_graph, allow_unused);
}

}  // namespace autograd
}  // namespace elbo
