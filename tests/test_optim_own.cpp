// Optimisers that users write, groups of parameters, and running means of them.
#include <elbo/core/ops.h>
#include <elbo/nn/ema.h>
#include <elbo/nn/layers.h>
#include <elbo/nn/optim.h>

#include <cmath>

#include "catch.h"
#include "temp_dir.h"

using namespace elbo;
using Catch::Matchers::Contains;

namespace {

struct LionOptions {
  double lr = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
};

/// Lion (Chen et al. 2023), as users would write it.
class Lion : public nn::Optimizer {
 public:
  explicit Lion(const std::vector<nn::ParameterGroup<LionOptions>>& groups) : Optimizer("Lion", groups) {
    for (const auto& group : groups) options_.push_back(group.options);
    add_state("exp_avg");
  }
  explicit Lion(nn::NamedTensors parameters, const LionOptions& options = {}) : Lion({{parameters, options}}) {}

 private:
  void update(Parameter& p) override {
    const LionOptions& o = options_[p.group];
    Tensor m = p.state("exp_avg");
    p.value *= 1 - p.lr * o.weight_decay;
    p.value -= p.lr * sign(m * o.beta1 + p.grad * (1 - o.beta1));
    m *= o.beta2;
    m += p.grad * (1 - o.beta2);
  }
  std::vector<LionOptions> options_;
};

Tensor numbers(const NestedList& values) { return tensor(values, {.dtype = DType::float64}).requires_grad_(); }
std::vector<double> numbers(const Tensor& tensor) { return tensor.array().to_vector<double>(); }

void set_grad(Tensor& tensor, double value) {
  tensor.zero_grad();
  tensor.backward(full_like(tensor.detach(), value));
}

std::vector<std::string> names(const NamedArrays& state) {
  std::vector<std::string> out;
  for (const auto& [name, array] : state) out.push_back(name);
  return out;
}

/// y = x w^T + b with numbers of its own.
struct Line {
  Generator init{5, Stream::init}, noise{5};
  nn::Linear linear = [this] {
    const GeneratorScope scope(init);
    return nn::Linear(3, 1);
  }();
  Tensor x = randn({64, 3}, {}, &noise);
  Tensor y = elbo::linear(x, tensor({{1, -2, 3}}), tensor({0.5}));

  double step(nn::Optimizer& optimizer) {
    optimizer.zero_grad();
    const Tensor loss = mse_loss(linear(x), y);
    Tensor(loss).backward();
    optimizer.step();
    return loss.item();
  }
  std::vector<float> weights() const { return linear.weight.array().to_vector<float>(); }
};

}  // namespace

TEST_CASE("an optimiser of one's own: a step by hand", "[optim]") {
  Tensor w = numbers({1, -2});
  Lion lion({{"w", w}}, {.lr = 0.5, .weight_decay = 0.25});
  set_grad(w, 3);
  lion.step();
  CHECK(numbers(w) == std::vector<double>{0.375, -2.25});  // w (1 - 1/8) - 1/2
  CHECK(names(lion.state()) == std::vector<std::string>{"lr", "exp_avg.w"});
  CHECK(lion.state()[1].second.to_vector<double>()[0] == Approx(0.03));
  set_grad(w, -0.2);  // its sign does not win: 0.9 * 0.03 > 0.1 * 0.2
  lion.step();
  CHECK(numbers(w)[0] == 0.375 * 0.875 - 0.5);
}

TEST_CASE("an optimiser of one's own: trains, goes on from its state, and takes no memory when warm", "[optim]") {
  Line whole, cut;
  Lion lion(whole.linear.named_parameters(), {.lr = 0.01, .beta2 = 0.9});
  TempDir dir;
  {
    Lion first(cut.linear.named_parameters(), {.lr = 0.01, .beta2 = 0.9});
    for (int i = 0; i < 5; ++i) whole.step(lion), cut.step(first);
    save_safetensors(dir / "state", first.state());
  }
  Lion second(cut.linear.named_parameters(), {.beta2 = 0.9});
  second.load_state(load_safetensors(dir / "state").arrays);
  CHECK(second.lr() == 0.01);
  for (int i = 0; i < 5; ++i) whole.step(lion), cut.step(second);
  CHECK(cut.weights() == whole.weights());

  const std::int64_t before = memory_stats(cpu).backing_allocations;
  for (int i = 0; i < 400; ++i) whole.step(lion);
  CHECK(memory_stats(cpu).backing_allocations == before);
  lion.set_lr(1e-4);
  for (int i = 0; i < 200; ++i) whole.step(lion);
  CHECK(whole.step(lion) < 1e-3);
}

TEST_CASE("an optimiser of one's own: a state of another shape, and mistakes", "[optim]") {
  struct Counting : nn::Optimizer {
    explicit Counting(const nn::NamedTensors& parameters) : Optimizer("Counting", parameters, 0.1) {
      add_state("step", Shape{});
    }
    void update(Parameter& p) override {
      p.state("step") += 1;
      if (wrong) p.state("stop") += 1;
    }
    bool wrong = false;
  };
  Tensor w = numbers({1, 2, 3});
  Counting counting({{"w", w}});
  set_grad(w, 1);
  counting.step();
  CHECK(counting.state()[1].second.item() == 1);
  counting.wrong = true;
  CHECK_THROWS_WITH(counting.step(), Contains("a name that the constructor gave to add_state, found 'stop'"));

  struct Idle : nn::Optimizer {
    explicit Idle(const nn::NamedTensors& parameters) : Optimizer("Idle", parameters, 0.1) {}
  };
  Idle idle({{"w", w}});
  CHECK_THROWS_WITH(idle.step(), "[Idle] expected an optimiser that overrides update or update_group");
}

TEST_CASE("groups: one group in braces", "[optim]") {
  const Tensor a = numbers({1}), b = numbers({2});
  const std::vector<Tensor> both{a, b};
  CHECK(names(nn::Adam({{both}}).state()) == names(nn::Adam(both).state()));
  CHECK(nn::SGD({{both, {.lr = 0.5}}}).lr() == 0.5);
  CHECK(nn::AdamW({{both}}).groups() == 1);
  CHECK(nn::RMSprop({{{a}}, {{b}}}).groups() == 2);
}

TEST_CASE("an optimiser of one's own: two states of one name", "[optim]") {
  struct Twice : nn::Optimizer {
    explicit Twice(const nn::NamedTensors& parameters) : Optimizer("Twice", parameters, 0.1) {
      add_state("exp_avg");
      add_state("exp_avg");
    }
  };
  CHECK_THROWS_WITH(Twice({{"w", numbers({1})}}), "[Twice] expected each state's name once, found 'exp_avg' twice");
}

TEST_CASE("groups: PyTorch's values, with a rate and a decay for each", "[optim]") {
  Tensor a = numbers({0.5, -1.25, 2.0, 0.1}), b = numbers({3.0, -0.2, 0.7});
  nn::Adam adam({{{{"x", a}}, {.lr = 0.03}}, {{{"x", b}}, {.lr = 0.01, .weight_decay = 0.2}}});
  const auto gradient = [](Tensor& x, int t, double scale) {  // as in tests/oracle/optimizers.py
    x.zero_grad();
    x.backward((arange(x.numel(), {.dtype = DType::float64}) * 0.1 + (0.1 - 0.25 * t)) * scale);
  };
  for (int t = 0; t < 5; ++t) {
    gradient(a, t, 1);
    gradient(b, t, -2);
    adam.step();
  }
  std::vector<double> found = numbers(a);
  for (const double value : numbers(b)) found.push_back(value);
  const std::vector<double> expected = {0.5462083557455296,   -1.2427638044016245, 1.9716698434857638,
                                        0.040919783758096524, 2.951920624132664,   -0.20000619241518355,
                                        0.701214300959213};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= 1e-13);
  CHECK(names(adam.state()) == std::vector<std::string>{"step.0", "step.1", "lr.0", "lr.1", "exp_avg.0.x",
                                                        "exp_avg.1.x", "exp_avg_sq.0.x", "exp_avg_sq.1.x"});
}

TEST_CASE("groups: rates of one and of all, a state that is loaded, and steps without gradients", "[optim]") {
  Tensor a = numbers({1}), b = numbers({1}), c = numbers({1});
  nn::SGD sgd({{{a, b}, {.lr = 0.5}}, {{c}, {.lr = 0.25}}});
  CHECK(sgd.groups() == 2);
  for (Tensor* one : {&a, &b, &c}) set_grad(*one, 1);
  sgd.step();
  CHECK(std::vector{a.item(), b.item(), c.item()} == std::vector{0.5, 0.5, 0.75});
  sgd.set_lr(0.125, 1);
  CHECK(std::vector{sgd.lr(0), sgd.lr(1)} == std::vector{0.5, 0.125});
  a.zero_grad();
  b.zero_grad();
  sgd.step();
  CHECK(std::vector{a.item(), c.item()} == std::vector{0.5, 0.625});
  nn::SGD other({{{a, b}}, {{c}}});
  other.load_state(sgd.state());
  CHECK(other.lr(1) == 0.125);
  sgd.set_lr(1);
  CHECK(std::vector{sgd.lr(0), sgd.lr(1)} == std::vector{1.0, 1.0});
  CHECK_THROWS_WITH(sgd.set_lr(1, 2), "[SGD] expected a group below 2, found 2");
  CHECK_THROWS_AS(sgd.lr(2), IndexError);
  CHECK_THROWS_WITH(other.load_state({{"lr.0", Array::full({}, -1, {DType::float64, cpu})}}),
                    "[SGD::load_state] lr.0: expected a number of at least 0, found -1");
  CHECK_THROWS_WITH(nn::SGD({{{a}}, {{b, a}}}), Contains("found '1.1' again"));
  CHECK_THROWS_WITH(nn::SGD({{{a}}, {{b}, {.lr = -1}}}), Contains("[SGD] lr: expected"));
}

TEST_CASE("EMA: means by hand, in the model and out of it, saved and loaded", "[optim]") {
  Line line;
  nn::EMA ema(line.linear, 0.75);
  const float first = line.weights()[0];
  {
    NoGradGuard no_grad;
    line.linear.weight += 8;
  }
  ema.update();
  CHECK(line.weights()[0] == first + 8);
  {
    const auto averaged = ema.apply();
    CHECK(line.weights()[0] == Approx(first + 2));
    CHECK_THROWS_WITH(ema.update(), Contains("[EMA::update] the means are in the model now"));
    CHECK_THROWS_AS(ema.apply(), ValueError);
    CHECK_THROWS_AS(ema.state(), ValueError);
    CHECK_THROWS_WITH(ema.load_state({}), Contains("[EMA::load_state] the means are in the model now"));
  }
  CHECK(line.weights()[0] == first + 8);
  CHECK(names(ema.state()) == std::vector<std::string>{"weight", "bias"});
  nn::EMA other(line.linear);
  other.load_state(ema.state());
  CHECK(other.state()[0].second.to_vector<float>()[0] == Approx(first + 2));
  CHECK_THROWS_AS(other.load_state({}), ValueError);
  CHECK_THROWS_WITH(nn::EMA(line.linear, 1.5), "[EMA] decay: expected 0 <= decay <= 1, found 1.5");
}
