#include <elbo/core/ops.h>
#include <elbo/nn/layers.h>
#include <elbo/nn/optim.h>
#include <elbo/nn/schedule.h>

#include <cmath>
#include <functional>
#include <limits>

#include "catch.h"
#include "temp_dir.h"

using namespace elbo;
using Catch::Matchers::Contains;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

Tensor leaf(const std::vector<double>& values, DType dtype = DType::float64) {
  Tensor out = cast(Tensor(Array::from(values, {static_cast<std::int64_t>(values.size())})), dtype).detach();
  return out.requires_grad_();
}

void set_grad(Tensor& tensor, const std::vector<double>& values) {
  tensor.zero_grad();
  tensor.backward(leaf(values, tensor.dtype()).array().reshape(tensor.shape()));
}

std::vector<double> values(const Tensor& tensor) {
  return cast(tensor.detach(), DType::float64).array().to_vector<double>();
}

struct Pair {
  explicit Pair(DType dtype = DType::float64)
      : a(leaf({0.5, -1.25, 2.0, 0.1}, dtype)), b(leaf({3.0, -0.2, 0.7}, dtype)) {}
  Tensor a, b;

  /// Gradients of step t, as in tests/oracle/optimizers.py.
  void set_gradients(int t) {
    auto gradient = [t](std::int64_t n, double scale) {
      std::vector<double> out;
      for (std::int64_t i = 0; i < n; ++i) out.push_back(scale * (0.1 * static_cast<double>(i + 1) - 0.25 * t));
      return out;
    };
    set_grad(a, gradient(4, 1));
    set_grad(b, gradient(3, -2));
  }
  std::vector<double> both() const {
    std::vector<double> out = values(a), more = values(b);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
};

void run(nn::Optimizer& optimizer, Pair& pair, int from, int to) {
  for (int t = from; t < to; ++t) {
    pair.set_gradients(t);
    optimizer.step();
  }
}

using Make = std::function<std::unique_ptr<nn::Optimizer>(const nn::NamedTensors&)>;

template <class O, class Options>
Make maker(Options options) {
  return [options](const nn::NamedTensors& parameters) { return std::make_unique<O>(parameters, options); };
}

struct Case {
  const char* name;
  Make make;
  std::vector<double> expected;
};

/// Values: tests/oracle/optimizers.py, five steps.
std::vector<Case> cases() {
  return {
      {"SGD",
       maker<nn::SGD>(nn::SGDOptions{.lr = 0.1}),
       {0.7000000000000001, -1.1, 2.0999999999999996, 0.15, 2.6, -0.5, 0.5}},
      {"SGD, momentum",
       maker<nn::SGD>(nn::SGDOptions{.lr = 0.1, .momentum = 0.9}),
       {0.832534, -1.048907, 2.069652, 0.038210999999999974, 2.334932, -0.602186, 0.5606960000000002}},
      {"SGD, momentum and weight decay",
       maker<nn::SGD>(nn::SGDOptions{.lr = 0.05, .momentum = 0.8, .weight_decay = 0.1}),
       {0.6286287236203125, -1.0785569827210935, 1.9288286865468751, 0.08020583893718748, 2.514399653246875,
        -0.388754577386875, 0.5740397199790624}},
      {"Adam",
       maker<nn::Adam>(nn::AdamOptions{.lr = 0.01}),
       {0.5154027852485098, -1.2475879348005412, 1.9905566144952547, 0.08030659458603218, 2.9845972148446482,
        -0.20241206504211454, 0.7094433857496139}},
      {"Adam, other settings",
       maker<nn::Adam>(nn::AdamOptions{.lr = 0.03, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.2}),
       {0.5183564239434897, -1.1097700034337203, 1.8925323594990775, 0.04857573108865322, 2.8524440572635177,
        -0.21035214567588792, 0.6931735344254}},
      {"AdamW",
       maker<nn::AdamW>(nn::AdamWOptions{.lr = 0.02}),
       {0.5303103672061698, -1.2439098311323997, 1.979139168407621, 0.060543960695319296, 2.9661910326996366,
        -0.2046407484374179, 0.7181619118656494}},
      {"AdamW, other settings",
       maker<nn::AdamW>(nn::AdamWOptions{.lr = 0.02, .beta1 = 0.7, .beta2 = 0.9, .eps = 1e-4, .weight_decay = 0.3}),
       {0.52665423916831, -1.1947579602468177, 1.936901156363821, 0.07323945838936867, 2.869598284277132,
        -0.2122600240545806, 0.6830674933843193}},
      {"SGD, Nesterov",
       maker<nn::SGD>(nn::SGDOptions{.lr = 0.05, .momentum = 0.8, .weight_decay = 0.1, .nesterov = true}),
       {0.6898174667732265, -1.0077966465646366, 1.945349995683255, 0.10821305967781908, 2.3409736709221507,
        -0.49581751488703424, 0.48101511888409976}},
      {"RMSprop",
       maker<nn::RMSprop>(nn::RMSpropOptions{.lr = 0.01}),
       {0.7332646177512292, -1.0819702068278791, 2.0942874018323674, 0.12410985886575303, 2.766735390206469,
        -0.3680297955982179, 0.60571259885608}},
      {"RMSprop, other settings",
       maker<nn::RMSprop>(nn::RMSpropOptions{
           .lr = 0.02, .alpha = 0.9, .eps = 1e-3, .weight_decay = 0.2, .momentum = 0.7, .centered = true}),
       {0.641561327595544, -0.6189489843405609, 1.7289498682405777, 0.011840063910911735, 2.3730608863026816,
        -0.3114685575800322, 0.6007355774640363}},
  };
}

nn::NamedTensors named(const Pair& pair) { return {{"a", pair.a}, {"b", pair.b}}; }

std::vector<std::string> names(const NamedArrays& state) {
  std::vector<std::string> out;
  for (const auto& [name, array] : state) out.push_back(name);
  return out;
}

}  // namespace

TEST_CASE("optimisers: PyTorch's values after five steps", "[optim]") {
  for (const Case& c : cases()) {
    for (const DType dtype : {DType::float64, DType::float32}) {
      INFO(c.name << " " << name(dtype));
      Pair pair(dtype);
      const auto optimizer = c.make(named(pair));
      run(*optimizer, pair, 0, 5);
      const std::vector<double> found = pair.both();
      for (std::size_t i = 0; i < found.size(); ++i) {
        INFO(i);
        CHECK(std::abs(found[i] - c.expected[i]) <= (dtype == DType::float64 ? 1e-13 : 1e-6));
      }
    }
  }
}

TEST_CASE("optimisers: a saved state continues to the same bits", "[optim]") {
  for (const Case& c : cases()) {
    INFO(c.name);
    Pair whole, cut;
    const auto optimizer = c.make(named(whole));
    run(*optimizer, whole, 0, 3);
    optimizer->set_lr(0.5);
    run(*optimizer, whole, 3, 6);

    TempDir dir;
    {
      const auto first = c.make(named(cut));
      run(*first, cut, 0, 3);
      first->set_lr(0.5);
      save_safetensors(dir / "state", first->state());
    }
    const auto second = c.make(named(cut));
    second->load_state(load_safetensors(dir / "state").arrays);
    CHECK(second->lr() == 0.5);
    run(*second, cut, 3, 6);
    CHECK(cut.both() == whole.both());
  }
}

TEST_CASE("optimisers: the state's names, and strict loading", "[optim]") {
  Pair pair;
  nn::Adam adam(named(pair));
  CHECK(names(adam.state()) ==
        std::vector<std::string>{"step", "lr", "exp_avg.a", "exp_avg.b", "exp_avg_sq.a", "exp_avg_sq.b"});
  CHECK(adam.state()[0].second.dtype() == DType::int64);
  CHECK(adam.state()[1].second.dtype() == DType::float64);
  run(adam, pair, 0, 2);
  CHECK(adam.state()[0].second.item() == 2);
  CHECK(names(nn::SGD({pair.a, pair.b}).state()) == std::vector<std::string>{"lr"});
  CHECK(names(nn::SGD({pair.a, pair.b}, {.momentum = 0.9}).state()) ==
        std::vector<std::string>{"lr", "momentum_buffer.0", "momentum_buffer.1"});
  const std::vector<double> before = adam.state()[2].second.to_vector<double>();
  CHECK_THROWS_WITH(adam.load_state({{"lr", Array::zeros({}, {.dtype = DType::float64})},
                                     {"exp_avg.a", Array::zeros({4}, {.dtype = DType::float64})},
                                     {"exp_avg.b", Array::zeros({4}, {.dtype = DType::float64})},
                                     {"exp_avg.c", Array::zeros({1})}}),
                    "[Adam::load_state] missing: step int64 [], exp_avg_sq.a float64 [4], exp_avg_sq.b float64 [3]; "
                    "unexpected: exp_avg.c float32 [1]; mismatched: exp_avg.b float64 [3], found float64 [4]");
  CHECK(adam.state()[2].second.to_vector<double>() == before);
  CHECK(adam.lr() == 1e-3);
}

TEST_CASE("optimisers: a parameter without gradient stays as it is", "[optim]") {
  Pair pair;
  nn::Adam adam({pair.a, pair.b}, {.lr = 0.1, .weight_decay = 0.1});
  adam.step();
  CHECK(adam.state()[0].second.item() == 0);
  set_grad(pair.a, {1, 1, 1, 1});
  adam.step();
  CHECK(adam.state()[0].second.item() == 1);
  CHECK(values(pair.b) == std::vector<double>{3.0, -0.2, 0.7});
  CHECK(values(pair.a)[0] == Approx(0.4));
  adam.zero_grad();
  CHECK_FALSE(pair.a.grad().defined());
}

TEST_CASE("optimisers: a step between forward and backward is noticed", "[optim]") {
  Tensor w = leaf({1, 2});
  nn::SGD sgd({w}, {.lr = 0.1});
  set_grad(w, {1, 1});
  Tensor y = sum(square(w));
  sgd.step();
  CHECK_THROWS_AS(y.backward(), AutogradError);
}

TEST_CASE("optimisers: learning rate 0 changes nothing, and the rate can be set", "[optim]") {
  Pair pair;
  nn::SGD sgd({pair.a, pair.b}, {.lr = 0});
  run(sgd, pair, 0, 1);
  CHECK(values(pair.b) == std::vector<double>{3.0, -0.2, 0.7});
  sgd.set_lr(1);
  CHECK(sgd.lr() == 1);
  run(sgd, pair, 0, 1);
  CHECK(values(pair.b)[0] == 3.0 + 2 * 0.1);
}

TEST_CASE("optimisers: settings and parameters that make no sense are refused", "[optim]") {
  const Tensor a = leaf({1}), b = leaf({1});
  const std::vector<Tensor> one = {a};
  CHECK_THROWS_WITH(nn::Adam(one, {.lr = not_a_number}), "[Adam] lr: expected a number of at least 0, found nan");
  CHECK_THROWS_WITH(nn::AdamW(one, {.lr = -1}), "[AdamW] lr: expected a number of at least 0, found -1");
  CHECK_THROWS_WITH(nn::SGD(one, {.lr = infinite}), "[SGD] lr: expected a number of at least 0, found inf");
  CHECK_THROWS_AS(nn::SGD(one, {.lr = infinite}), ValueError);
  CHECK_THROWS_WITH(nn::SGD(one, {.momentum = -0.1}), "[SGD] momentum: expected a number of at least 0, found -0.1");
  CHECK_THROWS_AS(nn::SGD(one, {.weight_decay = not_a_number}), ValueError);
  CHECK_THROWS_WITH(nn::Adam(one, {.beta1 = 1}), "[Adam] beta1: expected 0 <= beta1 < 1, found 1");
  CHECK_THROWS_AS(nn::Adam(one, {.beta2 = not_a_number}), ValueError);
  CHECK_THROWS_AS(nn::Adam(one, {.eps = -1}), ValueError);
  CHECK_THROWS_AS(nn::AdamW(one, {.weight_decay = -1}), ValueError);
  CHECK_THROWS_WITH(nn::SGD(one, {.nesterov = true}), "[SGD] nesterov: expected a momentum above 0, found 0");
  CHECK_THROWS_WITH(nn::RMSprop(one, {.alpha = 1.5}), "[RMSprop] alpha: expected 0 <= alpha <= 1, found 1.5");
  CHECK_THROWS_AS(nn::RMSprop(one, {.momentum = not_a_number}), ValueError);
  nn::Adam adam(one);
  CHECK_THROWS_AS(adam.set_lr(not_a_number), ValueError);
  CHECK(adam.lr() == 1e-3);

  CHECK_THROWS_WITH(nn::Adam(std::vector<Tensor>{}), "[Adam] expected one parameter or more, found none");
  CHECK_THROWS_WITH(nn::Adam({a, b, a}), Contains("found '2' again"));
  CHECK_THROWS_WITH(nn::Adam({{"x", a}, {"x", b}}), Contains("expected each name once, found 'x' twice"));
  CHECK_THROWS_WITH(nn::Adam({a, Tensor()}), Contains("'1' is undefined"));
  CHECK_THROWS_WITH(nn::Adam({a, square(a)}), Contains("'1' was computed from others"));
  CHECK_THROWS_AS(nn::Adam({a, arange(3, {.dtype = DType::int64})}), DTypeError);
}

TEST_CASE("optimisers: a module converted since is noticed", "[optim]") {
  nn::Linear linear(2, 2);
  nn::Adam adam(linear.named_parameters());
  linear.to(DType::float64);
  sum(linear(ones({1, 2}, {.dtype = DType::float64}))).backward();
  CHECK_THROWS_WITH(adam.step(), Contains("expected parameter 'weight' and its gradient as float32, found float64"));
}

TEST_CASE("optimisers: a parameter of another shape or type than when it was made is refused", "[optim]") {
  const auto refuses = [](auto make, const Array& other) {
    Tensor a = zeros({3}).requires_grad_();
    auto optimizer = make(a);
    sum(a * 2).backward();
    a.mutable_array() = other;
    CHECK_THROWS_WITH(optimizer->step(), Contains("expected parameter '0' and its gradient "));
  };
  const auto sgd = [](const Tensor& a) { return std::make_unique<nn::SGD>(std::vector<Tensor>{a}); };
  const auto adam = [](const Tensor& a) { return std::make_unique<nn::Adam>(std::vector<Tensor>{a}); };
  for (const Array& other : {Array::zeros({20000}), Array::zeros({1}), Array::zeros({3}, {DType::float64, cpu})}) {
    refuses(sgd, other);
    refuses(adam, other);
  }
}

TEST_CASE("optimisers: a state that makes no sense is refused, and changes nothing", "[optim]") {
  Tensor a = zeros({2}).requires_grad_();
  nn::Adam adam(std::vector<Tensor>{a});
  const auto with = [&](const std::string& name, double value) {
    NamedArrays state;
    for (const auto& [own, array] : adam.state())
      state.emplace_back(own, own == name ? Array::full(array.shape(), value, array.options()) : array.copy());
    return state;
  };
  const double far = 9.3e18;
  for (const auto& [name, value] : {std::pair{"lr", not_a_number},
                                    {"lr", -5.0},
                                    {"lr", infinite},
                                    {"step", -1.0},
                                    {"exp_avg.0", not_a_number},
                                    {"exp_avg_sq.0", infinite}}) {
    CAPTURE(name, value);
    CHECK_THROWS_WITH(adam.load_state(with(name, value)),
                      Contains(std::string("[Adam::load_state] ") + name + ": expected "));
  }
  CHECK_THROWS_AS(adam.load_state(with("lr", -far)), ValueError);
  CHECK(adam.lr() == 1e-3);
  adam.load_state(with("step", 7));
  CHECK(adam.state()[0].second.item() == 7);
}

TEST_CASE("optimisers: a warm step takes no memory from the system", "[optim]") {
  nn::Linear linear(64, 64);
  nn::Adam adam(linear.parameters());
  const Tensor x = ones({8, 64});
  auto step = [&] {
    adam.zero_grad();
    sum(square(linear(x))).backward();
    nn::clip_grad_norm_(linear.parameters(), 1);
    adam.step();
  };
  for (int i = 0; i < 3; ++i) step();
  const std::int64_t before = memory_stats(cpu).backing_allocations;
  for (int i = 0; i < 10; ++i) step();
  CHECK(memory_stats(cpu).backing_allocations == before);
}

TEST_CASE("optimisers: Adam fits a line", "[optim]") {
  Generator init(5, Stream::init), noise(5);
  const GeneratorScope scope(init);
  nn::Linear linear(3, 1);
  nn::Adam adam(linear.named_parameters(), {.lr = 0.05});
  const Tensor x = randn({64, 3}, {}, &noise);
  const Tensor y = elbo::linear(x, tensor({{1, -2, 3}}), tensor({0.5}));
  for (int i = 0; i < 800; ++i) {
    adam.zero_grad();
    mse_loss(linear(x), y).backward();
    adam.step();
  }
  CHECK(mse_loss(linear(x), y).item() < 1e-6);
  CHECK(linear.bias.item() == Approx(0.5).margin(1e-3));
}

TEST_CASE("clip_grad_norm_: PyTorch's values", "[optim]") {
  for (const DType dtype : {DType::float64, DType::float32}) {
    const double tolerance = dtype == DType::float64 ? 1e-13 : 1e-5;
    Tensor a = leaf({0, 0, 0}, dtype), b = leaf({0, 0}, dtype), without = leaf({1}, dtype);
    set_grad(a, {3, -4, 12});
    set_grad(b, {21, -2});
    auto gradients = [&] {
      std::vector<double> out = values(a.grad()), more = values(b.grad());
      out.insert(out.end(), more.begin(), more.end());
      return out;
    };
    CHECK(std::abs(nn::clip_grad_norm_({a, without, b}, 100).item() - 24.779023386727737) <= tolerance);
    CHECK(gradients() == std::vector<double>{3, -4, 12, 21, -2});
    CHECK(std::abs(nn::clip_grad_norm_({a, without, b}, 1).item() - 24.779023386727737) <= tolerance);
    const std::vector<double> expected = {0.12107014195469595, -0.1614268559395946, 0.4842805678187838,
                                          0.8474909936828716, -0.0807134279697973};
    const std::vector<double> found = gradients();
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= tolerance);
  }
}

TEST_CASE("clip_grad_norm_: mixed types, no gradients, and limits that make no sense", "[optim]") {
  Tensor a = leaf({0}, DType::float32), b = leaf({0}, DType::float64);
  CHECK(nn::clip_grad_norm_({a, b}, 1).item() == 0);
  CHECK(nn::clip_grad_norm_({}, 1).item() == 0);
  set_grad(a, {3});
  set_grad(b, {4});
  CHECK(nn::clip_grad_norm_({a, b}, infinite).item() == 5);
  CHECK(values(a.grad()) == std::vector<double>{3});
  CHECK(nn::clip_grad_norm_({a, b}, 0).item() == 5);
  CHECK(values(a.grad()) == std::vector<double>{0});
  CHECK(values(b.grad()) == std::vector<double>{0});
  set_grad(b, {not_a_number});
  CHECK(std::isnan(nn::clip_grad_norm_({a, b}, 1).item()));
  CHECK(std::isnan(values(a.grad())[0]));
  set_grad(a, {3});
  set_grad(b, {infinite});
  CHECK(nn::clip_grad_norm_({a, b}, 1).item() == infinite);
  CHECK(values(a.grad())[0] == 0);
  CHECK(std::isnan(values(b.grad())[0]));
  CHECK_THROWS_WITH(nn::clip_grad_norm_({a}, not_a_number),
                    "[clip_grad_norm_] max_norm: expected a number of at least 0, found nan");
  CHECK_THROWS_AS(nn::clip_grad_norm_({a}, -1), ValueError);
}

TEST_CASE("clip_grad_value_: PyTorch's values", "[optim]") {
  Tensor a = leaf({0, 0, 0, 0}), without = leaf({1});
  set_grad(a, {3, -4, 0.5, not_a_number});
  nn::clip_grad_value_({a, without}, 2.5);
  const std::vector<double> found = values(a.grad());
  CHECK(std::vector<double>(found.begin(), found.end() - 1) == std::vector<double>{2.5, -2.5, 0.5});
  CHECK(std::isnan(found[3]));
  CHECK_FALSE(without.grad().defined());
  CHECK_THROWS_AS(nn::clip_grad_value_({a}, -1), ValueError);
}

TEST_CASE("schedules: values by hand", "[optim]") {
  const nn::Schedule steps = nn::step_lr(0.8, 3, 0.5);
  for (const auto& [at, rate] :
       std::vector<std::pair<int, double>>{{0, 0.8}, {2, 0.8}, {3, 0.4}, {5, 0.4}, {6, 0.2}, {30, 0.8 / 1024}})
    CHECK(steps(at) == Approx(rate).epsilon(1e-15));
  const nn::Schedule wave = nn::cosine(1, 8, 0.2);
  CHECK(wave(0) == 1);
  CHECK(wave(2) == Approx(0.2 + 0.8 * (1 + std::sqrt(0.5)) / 2).epsilon(1e-15));
  CHECK(wave(4) == Approx(0.6).epsilon(1e-15));
  CHECK(wave(8) == 0.2);
  CHECK(wave(100) == 0.2);
  const nn::Schedule warm = nn::warmup(4, wave);
  for (int i = 0; i < 4; ++i) CHECK(warm(i) == Approx((i + 1) / 5.0).epsilon(1e-15));
  CHECK(warm(4) == 1);
  CHECK(warm(8) == wave(4));
  CHECK(nn::warmup(0, steps)(0) == 0.8);
}

TEST_CASE("schedules: PyTorch's values", "[optim]") {
  const auto check = [](const std::vector<double>& expected, const auto& rate) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(i);
      CHECK(std::abs(rate(static_cast<std::int64_t>(i)) - expected[i]) <= 1e-15);
    }
  };
  const nn::Schedule cycle = nn::one_cycle(0.5, 11);
  check(
      {0.020000000000000018, 0.2111705568673679, 0.4801307123613087, 0.48987328391065077, 0.4422378623843152,
       0.36304352464876416, 0.2652913540437999, 0.16502901449364746, 0.07871625639975394, 0.020522771603145428, 2e-06},
      cycle);
  CHECK(cycle(100) == 2e-6);
  check({0.04999999999999999, 0.10264000029822995, 0.23592916002494063, 0.38749999999999996, 0.4864308396768294,
         0.48988337016022077, 0.413801468302835, 0.285793130858753, 0.1465001005027789, 0.04014693017541247, 0.0005},
        nn::one_cycle(0.5, 11, {.pct_start = 0.5, .div_factor = 10, .final_div_factor = 100}));
  const std::vector<double> losses = {10, 9, 9, 8.95, 8, 8, 8, 8, 8, 7, 7, 7, 7, 7, 7, 7};
  check({0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, [&](std::int64_t n) {
    return nn::plateau(0.5, std::span(losses).first(static_cast<std::size_t>(n)),
                       {.factor = 0.5, .patience = 1, .threshold = 0.01, .min = 0.1});
  });
}

TEST_CASE("schedules: settings that make no sense are refused", "[optim]") {
  CHECK_THROWS_WITH(nn::step_lr(not_a_number, 1), "[step_lr] base: expected a number of at least 0, found nan");
  CHECK_THROWS_WITH(nn::step_lr(1, 0), "[step_lr] step_size: expected at least 1, found 0");
  CHECK_THROWS_AS(nn::step_lr(1, 1, -1), ValueError);
  CHECK_THROWS_AS(nn::cosine(-1, 1), ValueError);
  CHECK_THROWS_AS(nn::cosine(1, 0), ValueError);
  CHECK_THROWS_AS(nn::cosine(1, 1, infinite), ValueError);
  CHECK_THROWS_AS(nn::warmup(-1, nn::cosine(1, 1)), ValueError);
  CHECK_THROWS_AS(nn::warmup(1, nullptr), ValueError);
  CHECK_THROWS_AS(nn::constant(-1), ValueError);
  CHECK_THROWS_AS(nn::one_cycle(1, 0), ValueError);
  CHECK_THROWS_AS(nn::one_cycle(1, 5, {.pct_start = 1}), ValueError);
  CHECK_THROWS_AS(nn::one_cycle(1, 5, {.div_factor = 0}), ValueError);
  CHECK_THROWS_AS(nn::plateau(1, {}, {.patience = -1}), ValueError);
  CHECK_THROWS_AS(nn::plateau(not_a_number, {}), ValueError);
  for (const nn::Schedule& schedule :
       {nn::constant(1), nn::step_lr(1, 1, 0), nn::cosine(1, 1), nn::one_cycle(1, 1), nn::warmup(3, nn::cosine(1, 1))})
    CHECK_THROWS_WITH(schedule(-1), Contains("] step: expected at least 0, found -1"));
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const nn::Schedule longest = nn::warmup(most, nn::cosine(1, 1));
  CHECK(longest(0) == 1 / 0x1p63);
  CHECK(longest(most - 1) == 1);
  CHECK(nn::step_lr(1, 1)(most) == 0);
}
