// What modules do whatever their layers: moving, layers in vectors and behind pointers, layers that nobody registered.
#include <elbo/nn/layers.h>
#include <elbo/nn/optim.h>
#include <elbo/nn/sequential.h>
#include <elbo/nn/summary.h>

#include <array>
#include <memory>
#include <optional>
#include <sstream>
#include <thread>

#include "catch.h"

using namespace elbo;
using Catch::Matchers::Contains;

namespace {

struct Net : nn::Module {
  nn::Linear fc1, fc2;
  Tensor count = zeros({});
  explicit Net(std::int64_t hidden = 4) : fc1(3, hidden), fc2(hidden, 1) {
    register_module("fc1", &Net::fc1);
    register_module("fc2", &Net::fc2);
    register_buffer("count", &Net::count);
  }
  Tensor forward(const Tensor& x) { return fc2(tanh(fc1(x))); }
};

Net made(std::int64_t hidden) {
  Net net(hidden);
  net.eval();
  return net;
}

/// Layers of one kind in a vector, as deep as is wanted.
struct Deep : nn::Module {
  std::vector<nn::Linear> blocks;
  std::vector<std::unique_ptr<nn::Layer>> rest;
  std::array<nn::Linear, 2> heads{nn::Linear(2, 1), nn::Linear(2, 1)};
  std::unique_ptr<Net> owned;
  std::shared_ptr<nn::Linear> shared;
  std::optional<nn::Linear> maybe;
  Deep() {
    register_module("blocks", &Deep::blocks);
    register_module("rest", &Deep::rest);
    register_module("heads", &Deep::heads);
    register_module("owned", &Deep::owned);
    register_module("shared", &Deep::shared);
    register_module("maybe", &Deep::maybe);
  }
};

std::vector<std::string> parameter_names(const nn::Module& module) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : module.named_parameters()) out.push_back(name);
  return out;
}

using Names = std::vector<std::string>;
const Names net_names{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"};

/// A step of gradient descent; whether it changed every parameter that the forward pass reads.
template <class Module>
bool trains(Module& net) {
  nn::SGD sgd(net.named_parameters(), {.lr = 0.1});
  std::vector<Array> before;
  for (const Tensor& parameter : net.parameters()) before.push_back(parameter.array().copy());
  sum(square(net.forward(tensor({{1, 2, 3}, {-1, 0, 1}})) - 5)).backward();
  sgd.step();
  bool changed = true;
  std::size_t i = 0;
  for (const Tensor& parameter : net.parameters())
    changed = changed && parameter.array().to_vector<float>() != before[i++].to_vector<float>();
  return changed && i == before.size() && i > 0;
}

}  // namespace

TEST_CASE("modules: move and do not copy", "[nn]") {
  static_assert(!std::is_copy_constructible_v<Net> && !std::is_copy_assignable_v<Net>);
  static_assert(!std::is_copy_constructible_v<nn::Linear> && !std::is_copy_constructible_v<nn::Sequential>);
  static_assert(std::is_nothrow_move_constructible_v<Net> && std::is_move_assignable_v<Net>);
  static_assert(std::is_move_assignable_v<nn::Linear> && std::is_move_assignable_v<nn::BatchNorm2d>);
  static_assert(!std::is_move_assignable_v<nn::Layer> && !std::is_move_assignable_v<nn::Module>);

  Net net = made(5);
  CHECK_FALSE(net.is_training());
  CHECK(parameter_names(net) == net_names);
  CHECK(trains(net));

  std::vector<Net> nets;
  std::vector<float> first;
  for (int i = 0; i < 9; ++i) {
    nets.emplace_back(2 + i);
    if (i == 0) first = nets[0].fc1.weight.array().to_vector<float>();
  }
  nets.erase(nets.begin() + 1);
  CHECK(nets[0].fc1.weight.array().to_vector<float>() == first);
  CHECK(nets[1].fc1.out_features == 4);
  for (Net& one : nets) {
    CHECK(parameter_names(one) == net_names);
    CHECK(one.parameters()[0].node() == one.fc1.weight.node());
    CHECK(trains(one));
  }
}

TEST_CASE("modules: a layer is assigned; what it was moved from is empty until it is set anew", "[nn]") {
  Net net(4);
  nn::Adam adam(net.parameters());
  Net other = std::move(net);
  sum(other.forward(ones({1, 3}))).backward();
  const std::vector<float> before = other.fc1.weight.array().to_vector<float>();
  adam.step();  // it holds the tensors, which the move left where they are
  CHECK(other.fc1.weight.array().to_vector<float>() != before);
  CHECK(net.parameters().empty());  // NOLINT(bugprone-use-after-move): this is what is tested
  net = Net(6);
  CHECK(parameter_names(net) == net_names);
  CHECK(net.num_parameters() == 3 * 6 + 6 + 6 + 1);
  net.fc2 = nn::Linear(6, 1, {.bias = false});
  CHECK(parameter_names(net) == Names{"fc1.weight", "fc1.bias", "fc2.weight"});

  nn::Sequential a, b;
  a.add(nn::Linear(3, 2));
  b.add(std::move(a));
  CHECK(parameter_names(b) == Names{"0.0.weight", "0.0.bias"});
  CHECK(a.parameters().empty());  // NOLINT(bugprone-use-after-move)
  struct Derived : nn::Sequential {
    Derived() { add(nn::Linear(2, 2)); }
  };
  a.add(Derived());
  a.add(nn::Linear(3, 1));
  CHECK(parameter_names(a) == Names{"0.0.weight", "0.0.bias", "1.weight", "1.bias"});
}

TEST_CASE("modules: vectors may grow after registration, and empty pointers are no submodules", "[nn]") {
  Deep deep;
  CHECK(parameter_names(deep) == Names{"heads.0.weight", "heads.0.bias", "heads.1.weight", "heads.1.bias"});
  for (int i = 0; i < 3; ++i) deep.blocks.emplace_back(2, 2, nn::LinearOptions{.bias = false});
  deep.rest.push_back(std::make_unique<nn::ReLU>());
  deep.rest.push_back(nullptr);
  deep.rest.push_back(std::make_unique<nn::Linear>(2, 2));
  deep.owned = std::make_unique<Net>();
  deep.shared = std::make_shared<nn::Linear>(2, 1, nn::LinearOptions{.bias = false});
  deep.maybe.emplace(2, 1, nn::LinearOptions{.bias = false});
  const Names expected{"blocks.0.weight", "blocks.1.weight",  "blocks.2.weight", "rest.2.weight", "rest.2.bias",
                       "heads.0.weight",  "heads.0.bias",     "heads.1.weight",  "heads.1.bias",  "owned.fc1.weight",
                       "owned.fc1.bias",  "owned.fc2.weight", "owned.fc2.bias",  "shared.weight", "maybe.weight"};
  CHECK(parameter_names(deep) == expected);
  Deep moved = std::move(deep);
  CHECK(parameter_names(moved) == expected);
  moved.eval();
  CHECK_FALSE(moved.blocks[2].is_training());
  CHECK_FALSE(moved.owned->fc1.is_training());
}

namespace {

struct Forgetful : nn::Module {
  nn::Linear in{2, 2}, out{2, 2};
  Forgetful() { register_module("in", &Forgetful::in); }
};
/// Registers nothing at all.
struct Block : nn::Layer {
  nn::Linear inner{2, 2};
  Tensor forward(const Tensor& x) override { return inner(x); }
};
template <class Part>
struct With : nn::Module {
  Part part;
  With() { register_module("part", &With::part); }
};
struct Mixin {
  virtual ~Mixin() = default;
  std::int64_t numbers[5] = {};
  nn::Linear first{2, 2};
};
/// Its Module is not where it begins.
struct Second : Mixin, nn::Module {
  nn::Linear own{2, 2};
  Second() { register_module("own", &Second::own); }
};
struct Held : nn::Module {
  nn::Linear in{2, 2};
  std::unique_ptr<nn::Linear> teacher = std::make_unique<nn::Linear>(2, 2);
  Held() { register_module("in", &Held::in); }
};

}  // namespace

TEST_CASE("modules: a member that nobody registered is named at the first visit", "[nn]") {
  Forgetful net;
  const std::string expected =
      "[(anonymous namespace)::Forgetful] expected every layer that is a member to be registered, found one that is "
      "not, of class elbo::nn::Linear: it would not be trained";
  CHECK_THROWS_WITH(net.parameters(), expected);
  CHECK_THROWS_AS(net.parameters(), ValueError);
  CHECK_THROWS_WITH(net.state_dict(), expected);
  CHECK_THROWS_WITH(net.to(DType::float64), expected);
  const Forgetful moved = std::move(net);
  CHECK_THROWS_WITH(moved.named_buffers(), expected);

  CHECK_THROWS_WITH(With<Forgetful>().parameters(), expected);
}

TEST_CASE("modules: a class that registers nothing is looked through where its type is known", "[nn]") {
  CHECK_THROWS_WITH(With<Block>().parameters(), Contains("[(anonymous namespace)::Block]"));
  With<std::vector<Block>> blocks;
  CHECK(blocks.parameters().empty());
  blocks.part.emplace_back();
  CHECK_THROWS_WITH(blocks.parameters(), Contains("[(anonymous namespace)::Block]"));
  With<std::unique_ptr<Block>> pointer;
  CHECK(pointer.parameters().empty());
  pointer.part = std::make_unique<Block>();
  CHECK_THROWS_WITH(pointer.parameters(), Contains("[(anonymous namespace)::Block]"));
  CHECK_THROWS_WITH(nn::Sequential{Block()}.parameters(), Contains("[(anonymous namespace)::Block]"));
  CHECK_THROWS_WITH(Second().parameters(), Contains("Second]"));
}

TEST_CASE("modules: what lies behind a pointer is no member, nor is a neighbour", "[nn]") {
  CHECK(Held().parameters().size() == 2);
  std::array<Net, 3> nets;
  for (const Net& net : nets) CHECK(net.parameters().size() == 4);
  const With<With<Net>> nested;
  CHECK(parameter_names(nested)[0] == "part.part.fc1.weight");
}

TEST_CASE("modules: made, moved and visited on several threads", "[nn][threads]") {
  const Net shared(3);
  std::vector<std::thread> threads;
  std::array<int, 4> right{};
  for (std::size_t t = 0; t < right.size(); ++t)
    threads.emplace_back([&, t] {
      Generator generator(t);
      const GeneratorScope scope(generator);
      for (int i = 0; i < 50; ++i) {
        std::vector<Net> nets;
        for (int k = 0; k < 4; ++k) nets.push_back(made(2));
        for (const Net& net : nets) right[t] += parameter_names(net) == net_names && shared.parameters().size() == 4;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right == std::array<int, 4>{200, 200, 200, 200});
}

TEST_CASE("modules: are named, listed and visited", "[nn]") {
  With<nn::Sequential> net;
  net.part.add(nn::Linear(2, 3)).add(nn::Residual(nn::Linear(3, 3)));
  Names names, visited;
  for (const auto& [name, module] : net.named_modules()) names.push_back(name);
  CHECK(names == Names{"", "part", "part.0", "part.1", "part.1.layer"});
  CHECK(net.named_modules()[0].second == &net);
  CHECK(net.named_children().size() == 1);
  CHECK(net.named_children()[0].second == &net.part);
  CHECK(net.part.class_name() == "elbo::nn::Sequential");
  net.apply([&](nn::Module& module) { visited.push_back(module.class_name().substr(10)); });
  CHECK(Names(visited.begin(), visited.end() - 1) == Names{"Linear", "Linear", "Residual", "Sequential"});

  With<std::vector<std::shared_ptr<nn::Linear>>> shared;
  shared.part = {std::make_shared<nn::Linear>(2, 2), nullptr};
  shared.part[1] = shared.part[0];
  CHECK(shared.named_modules().size() == 2);
  int calls = 0;
  shared.apply([&](nn::Module&) { ++calls; });
  CHECK(calls == 2);
}

namespace {

/// What a distribution has: two layers and a number of its own.
struct Posterior : nn::Module {
  nn::Linear fc_mu{4, 2}, fc_logvar{4, 2};
  Tensor scale = zeros({2}), calls = zeros({});
  Posterior() {
    register_parameter("scale", &Posterior::scale);
    register_buffer("calls", &Posterior::calls);
    register_module("fc_mu", &Posterior::fc_mu);
    register_module("fc_logvar", &Posterior::fc_logvar);
  }
};
template <class Part>
struct Inlining : nn::Module {
  nn::Linear fc1{3, 4}, fc_mu{2, 2};
  Part posterior;
  explicit Inlining(const std::string& second = "fc_z") {
    register_module("fc1", &Inlining::fc1);
    register_inlined(&Inlining::posterior);
    register_module(second, &Inlining::fc_mu);
  }
};

}  // namespace

TEST_CASE("modules: what an inlined module has is called as if it were the parent's", "[nn]") {
  const Names expected{"fc1.weight",       "fc1.bias",       "scale",       "fc_mu.weight", "fc_mu.bias",
                       "fc_logvar.weight", "fc_logvar.bias", "fc_z.weight", "fc_z.bias"};
  Inlining<Posterior> net;
  CHECK(parameter_names(net) == expected);
  CHECK(net.named_buffers()[0].first == "calls");
  CHECK(net.parameters()[2].node() == net.posterior.scale.node());
  Names modules, children, visited;
  for (const auto& [name, module] : net.named_modules()) modules.push_back(name);
  for (const auto& [name, module] : net.named_children()) children.push_back(name);
  net.apply([&](nn::Module& module) { visited.push_back(module.class_name()); });
  CHECK(modules == Names{"", "fc1", "fc_mu", "fc_logvar", "fc_z"});
  CHECK(children == Names{"fc1", "fc_mu", "fc_logvar", "fc_z"});
  CHECK(visited.size() == 6);
  CHECK_THAT(visited[3], Contains("Posterior"));

  net.eval();
  CHECK_FALSE(net.posterior.is_training());
  CHECK_FALSE(net.posterior.fc_mu.is_training());
  net.to(DType::float64);
  CHECK(net.posterior.scale.dtype() == DType::float64);
  Inlining<std::unique_ptr<Posterior>> other;
  CHECK(parameter_names(other) == Names{"fc1.weight", "fc1.bias", "fc_z.weight", "fc_z.bias"});
  other.posterior = std::make_unique<Posterior>();
  CHECK(parameter_names(other) == expected);
  other.load_state_dict(net.state_dict());
  CHECK(other.posterior->fc_mu.weight.to_vector<float>() ==
        net.posterior.fc_mu.weight.to(DType::float32).to_vector<float>());
  const Inlining<std::unique_ptr<Posterior>> moved = std::move(other);
  CHECK(parameter_names(moved) == expected);

  CHECK_THAT(nn::summary(net), Contains("       2\nfc1") && Contains("\nfc_mu      Linear") && !Contains("posterior"));
  std::ostringstream tree;
  tree << With<Posterior>() << "\n" << Inlining<Posterior>();
  CHECK_THAT(tree.str(),
             Contains("(scale [2], calls []\n  (fc1): Linear(weight [4, 3], bias [4])\n  (fc_mu): Linear("));
}

TEST_CASE("modules: a module is inlined in one that is inlined or has a name", "[nn]") {
  struct Twice : nn::Module {
    With<Posterior> part;
    Inlining<Posterior> inner;
    Twice() {
      register_module("part", &Twice::part);
      register_inlined(&Twice::inner);
    }
  };
  const Names names = parameter_names(Twice());
  CHECK(names.size() == 5 + 9);
  CHECK(names[0] == "part.part.scale");
  CHECK(names[5] == "fc1.weight");
  CHECK(names[7] == "scale");
  CHECK(parameter_names(With<Inlining<Posterior>>())[3] == "part.fc_mu.weight");
}

TEST_CASE("modules: names that collide with an inlined module's are refused", "[nn][errors]") {
  const auto refusal = [](const std::string& name) {
    return Contains("] expected one member of each name, found two called '" + name + "' with what is inlined");
  };
  Inlining<Posterior> net("fc_mu");
  CHECK_THROWS_AS(net.parameters(), ValueError);
  CHECK_THROWS_WITH(net.parameters(), Contains("[(anonymous namespace)::Inlining<") && refusal("fc_mu"));
  CHECK_THROWS_WITH(net.state_dict(), refusal("fc_mu"));
  CHECK_THROWS_WITH(net.named_modules(), refusal("fc_mu"));
  CHECK_THROWS_WITH(Inlining<Posterior>("scale").named_children(), refusal("scale"));  // a layer and a parameter
  CHECK_THROWS_WITH(Inlining<Posterior>("calls").train(), refusal("calls"));
  CHECK_THROWS_WITH(Inlining<Posterior>("fc_mu").to(cpu), refusal("fc_mu"));
  // Also where the pointer is filled after a visit.
  Inlining<std::shared_ptr<Posterior>> late("fc_logvar");
  CHECK(late.parameters().size() == 4);
  late.posterior = std::make_shared<Posterior>();
  CHECK_THROWS_WITH(late.parameters(), refusal("fc_logvar"));
  // And a member of what is inlined that nobody registered is found.
  CHECK_THROWS_WITH(Inlining<Forgetful>().parameters(), Contains("Forgetful] expected every layer"));
}

TEST_CASE("modules: parameters are frozen and freed", "[nn]") {
  Net net;
  net.requires_grad_(false);
  for (const Tensor& parameter : net.parameters()) CHECK_FALSE(parameter.requires_grad());
  CHECK(net.parameters().size() == 4);
  net.fc2.requires_grad_();
  sum(net.forward(ones({1, 3}))).backward();
  CHECK(net.fc2.weight.grad().defined());
  CHECK_FALSE(net.fc1.weight.grad().defined());
  CHECK_FALSE(net.count.requires_grad());
}

TEST_CASE("modules: frozen for a while, a layer is trained by a graph recorded before", "[nn]") {
  nn::Linear layer(2, 1);
  Tensor loss = sum(layer.forward(ones({1, 2})));
  layer.requires_grad_(false);
  layer.requires_grad_();
  loss.backward();
  CHECK(layer.bias.grad().item() == 1);
  // Frozen, it stays as it is, whatever gradient it has from before.
  nn::SGD opt(layer.parameters(), {.lr = 1});
  layer.bias.requires_grad_(false);
  const double bias = layer.bias.item();
  const float weight = layer.weight.array().values<float>()[0];
  opt.step();
  CHECK(layer.bias.item() == bias);
  CHECK(layer.weight.array().values<float>()[0] == weight - 1);
  // Moved to another dtype, it is trained in that.
  layer.to(DType::float64);
  CHECK_FALSE(layer.bias.requires_grad());
  CHECK_FALSE(layer.weight.grad().defined());
  sum(layer.forward(ones({1, 2}, {DType::float64}))).backward();
  CHECK(layer.weight.grad().dtype() == DType::float64);
}

TEST_CASE("modules: a parameter that was assigned what cannot be trained is refused", "[nn][errors]") {
  nn::Sequential net{nn::Linear(2, 2), nn::Linear(2, 1)};
  auto& last = dynamic_cast<nn::Linear&>(net[1]);
  const auto refusal = [&] {
    try {
      net.parameters();
    } catch (const AutogradError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string begin = "[parameters] '1.weight': expected a leaf that requires a gradient, found ",
                    end = ": call requires_grad_() on its detach(), or write into the parameter under a NoGradGuard";
  last.weight = last.weight * 2;
  CHECK(refusal() == begin + "the output of [mul_scalar]" + end);
  last.weight = ones({1, 2});
  CHECK(refusal() == begin + "a constant" + end);
  CHECK(net.state_dict().size() == 4);
  last.weight.requires_grad_();
  CHECK(refusal().empty());
}

TEST_CASE("ModuleList owns layers that its module calls as it likes", "[nn]") {
  struct Towers : nn::Module {
    nn::ModuleList towers;
    Towers() {
      register_module("towers", &Towers::towers);
      for (int i = 0; i < 3; ++i) towers.add(nn::Linear(2, 1, {.bias = false}));
    }
    Tensor forward(const Tensor& x) {
      Tensor y = zeros({x.shape()[0], 1});
      for (nn::Layer& tower : towers) y = y + tower(x);
      return y;
    }
  } net;
  CHECK(parameter_names(net) == Names{"towers.0.weight", "towers.1.weight", "towers.2.weight"});
  for (Tensor& parameter : net.parameters()) parameter.mutable_array().fill(2);
  CHECK(net.forward(ones({1, 2})).item() == 12);
  CHECK(net.towers.size() == 3);
  CHECK(net.towers[2](ones({1, 2})).item() == 4);
  CHECK_THROWS_WITH(net.towers[3], "[ModuleList] expected an index below 3, found 3");
  CHECK_THROWS_WITH(net.towers.push_back(nullptr), "[ModuleList] expected a layer, found null");
  const Towers moved = std::move(net);
  CHECK(moved.parameters().size() == 3);
}

TEST_CASE("Identity and Residual", "[nn]") {
  const Tensor x = tensor({{1, -2}});
  CHECK(nn::Identity()(x).array().to_vector<float>() == std::vector<float>{1, -2});
  nn::Residual block(nn::Sequential{nn::Linear(2, 2), nn::ReLU()});
  CHECK(parameter_names(block) == Names{"layer.0.weight", "layer.0.bias"});
  for (Tensor& parameter : block.parameters()) parameter.mutable_array().fill(1);
  CHECK(block(x).array().to_vector<float>() == std::vector<float>{1, -2});
  CHECK(block(x * -1).array().to_vector<float>() == std::vector<float>{1, 4});
  nn::Residual moved = std::move(block);
  CHECK(moved(x * -1).array().to_vector<float>() == std::vector<float>{1, 4});
}

TEST_CASE("modules: printed as a tree, and as a table with shapes", "[nn]") {
  nn::Sequential net{nn::Linear(3, 2000), nn::ReLU(), nn::Residual(nn::Linear(2000, 2000, {.bias = false}))};
  std::ostringstream tree;
  tree << net;
  CHECK(tree.str() ==
        "Sequential(\n"
        "  (0): Linear(weight [2000, 3], bias [2000])\n"
        "  (1): ReLU()\n"
        "  (2): Residual(\n"
        "    (layer): Linear(weight [2000, 2000])\n"
        "  )\n"
        ")");
  Generator& generator = default_generator();
  CHECK(nn::summary(net, {5, 3}) ==
        "name     class       output     parameters\n"
        "         Sequential  [5, 2000]\n"
        "0        Linear      [5, 2000]       8,000\n"
        "1        ReLU        [5, 2000]\n"
        "2        Residual    [5, 2000]\n"
        "2.layer  Linear      [5, 2000]   4,000,000\n"
        "total                            4,008,000\n");
  Net plain;
  const double then = generator.offset().item();
  const std::string text = nn::summary(plain, {7, 3});
  CHECK_THAT(text, Contains("fc2    Linear  [7, 1]           5\n") && Contains("       Net\n"));
  CHECK_FALSE(nn::ForwardHook::any());
  CHECK_THAT(nn::summary(plain), !Contains("output") && Contains("total                    21\n"));
  CHECK_THAT(nn::summary(plain, [&] { plain.fc2(randn({2, 4})); }), Contains("[2, 1]") && !Contains("[2, 4]"));
  CHECK(generator.offset().item() == then);
  CHECK(plain.is_training());
  nn::Embedding table(5, 3);
  CHECK_THROWS_WITH(nn::summary(table, {2}), Contains("int64") && Contains("summary(net, [&] { net("));
}
