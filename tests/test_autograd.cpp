#include <elbo/core/autograd.h>
#include <elbo/core/gradcheck.h>
#include <elbo/core/kernels.h>
#include <elbo/core/ops.h>
#include <pthread.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>

#include "catch.h"

using namespace elbo;

namespace {

using Values = std::vector<double>;
constexpr TensorOptions f64{DType::float64};

Tensor leaf(const NestedList& values) { return tensor(values, f64).requires_grad_(); }

Values values(const Array& array) { return array.to_vector<double>(); }
Values values(const Tensor& x) { return x.to_vector<double>(); }

/// The message of the E that fn throws; empty if it throws none.
template <class E>
std::string message(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// y = factor * x, with a rule that claims `claimed` for the derivative.
Tensor with_rule(const Tensor& x, double factor, double claimed) {
  return record("claim", {x}, kernels::scale(x.array(), factor),
                [claimed](const Array& g, const Needs&) { return Grads{kernels::scale(g, claimed)}; });
}

/// Runs fn on a thread whose stack is this large.
void on_small_stack(std::size_t bytes, std::function<void()> fn) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread;
  auto body = [](void* context) -> void* {
    (*static_cast<std::function<void()>*>(context))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, body, &fn) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace

TEST_CASE("backward: a product", "[autograd]") {
  Tensor a = leaf({2, 3}), b = leaf({5, 7});
  sum(a * b).backward();
  CHECK(values(a.grad()) == Values{5, 7});
  CHECK(values(b.grad()) == Values{2, 3});
}

TEST_CASE("backward: a value used several times gets the sum of its gradients", "[autograd]") {
  Tensor x = leaf({3});
  Tensor y = square(x);
  Tensor z = y * y + y;  // x^4 + x^2
  sum(z).backward();
  CHECK(values(x.grad()) == Values{4 * 27 + 2 * 3});
}

TEST_CASE("backward: a diamond is walked once", "[autograd]") {
  Tensor x = leaf({2});
  int calls = 0;
  Tensor top = record("counted", {x}, x.array().copy(), [&calls](const Array& g, const Needs&) {
    ++calls;
    return Grads{g};
  });
  Tensor left = top * 3, right = top * top;
  sum(left * right).backward();  // 3 x^3
  CHECK(values(x.grad()) == Values{9 * 4});
  CHECK(calls == 1);
}

TEST_CASE("backward: twenty diamonds one above the other take no 2^20 steps", "[autograd]") {
  Tensor x = leaf({1}), y = x;
  for (int i = 0; i < 20; ++i) y = y + y;
  sum(y).backward();
  CHECK(values(x.grad()) == Values{1048576});
}

TEST_CASE("backward: rules that return g itself, for one input or two, do not disturb each other", "[autograd]") {
  Tensor x = leaf({1, 2}), z = leaf({10, 20});
  Tensor u = x + x, t = u * 5, v = u + z;
  // v's rule gives u and z the same array; t's gradient is then added to u's.
  sum(v + t).backward();
  CHECK(values(x.grad()) == Values{12, 12});
  CHECK(values(z.grad()) == Values{1, 1});
}

TEST_CASE("backward: from several tensors at once, the gradients add up", "[autograd]") {
  Tensor x = tensor({1, 2}).requires_grad_();
  Tensor shared = square(x), a = sum(shared), b = shared * 10, constant = tensor({5, 5});
  const Array ga = Array::full({}, 3), gb = Array::from<float>(std::vector<float>{1, -1}, {2});
  backward(std::array{a, b, constant, a}, std::array{ga, gb, gb, ga});
  // d(2 * 3 a + b . gb) / dx = 2 x (6 + 10 gb)
  CHECK(x.grad().to_vector<float>() == std::vector<float>{32, -16});
  CHECK(ga.item() == 3);
  CHECK_THROWS_AS(a.backward(), AutogradError);  // the graph is freed
  CHECK_THROWS_AS(backward(std::array{constant}, std::array{gb}), AutogradError);
  Tensor again = sum(x);
  CHECK_THROWS_AS(backward(std::array{again}, std::array{gb}), ShapeError);
  CHECK_THROWS_AS(backward(std::array{again, again}, std::array{ga}), AutogradError);
}

TEST_CASE("backward: gradients add up over two calls", "[autograd]") {
  Tensor x = leaf({1, 2});
  sum(square(x)).backward();
  sum(x * 10).backward();
  CHECK(values(x.grad()) == Values{12, 14});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  sum(x).backward();
  CHECK(values(x.grad()) == Values{1, 1});
}

TEST_CASE("backward: a leaf's gradient owns its storage", "[autograd]") {
  Tensor x = leaf({1, 2}), y = leaf({3, 4});
  Array seed = Array::from(Values{1, 1}, {2});
  (x + y).backward(seed);
  REQUIRE(x.grad().array().storage() != y.grad().array().storage());
  REQUIRE(x.grad().array().storage() != seed.storage());
  REQUIRE(y.grad().array().storage() != seed.storage());
  sum(x * 2).backward();
  CHECK(values(x.grad()) == Values{3, 3});
  CHECK(values(y.grad()) == Values{1, 1});
  CHECK(values(seed) == Values{1, 1});
}

TEST_CASE("backward: a leaf itself", "[autograd]") {
  Tensor x = leaf(3);
  x.backward();
  x.backward();
  CHECK(x.grad().item() == 2);
}

TEST_CASE("backward: only what needs a gradient gets one", "[autograd]") {
  Tensor x = leaf({1, 2}), c = tensor({3, 4}, f64);
  bool asked_for_c = true;
  Tensor y = record("asks", {x, c}, x.array().copy(), [&](const Array& g, const Needs& need) {
    asked_for_c = need[1];
    return Grads{g, {}};
  });
  sum(y * c).backward();
  CHECK_FALSE(asked_for_c);
  CHECK(values(x.grad()) == Values{3, 4});
  CHECK_FALSE(c.grad().defined());
  CHECK_FALSE((c * 2).requires_grad());
  CHECK(message<AutogradError>([&] { sum(c).backward(); }) ==
        "[backward] nothing that this tensor was computed from requires a gradient");
}

TEST_CASE("backward: of something that is no single number", "[autograd]") {
  Tensor x = leaf({{1, 2}, {3, 4}});
  Tensor y = x * 2;
  CHECK(message<AutogradError>([&] { y.backward(); }) ==
        "[backward] expected a single number, found shape [2, 2]: pass its gradient");
  CHECK(message<ShapeError>([&] { y.backward(Array::full({2}, 1, f64)); }) ==
        "[backward] expected a gradient of shape [2, 2] (float64), found [2] (float64)");
  CHECK(message<ShapeError>([&] {
          y.backward(Array::full({2, 2}, 1));
        }) == "[backward] expected a gradient of shape [2, 2] (float64), found [2, 2] (float32)");
  y.backward(Array::from(Values{1, 10, 100, 1000}, {2, 2}));
  CHECK(values(x.grad()) == Values{2, 20, 200, 2000});
}

TEST_CASE("backward: one element in any number of dimensions is a single number", "[autograd]") {
  Tensor x = leaf({{{5}}});
  square(x).backward();
  CHECK(x.grad().shape() == Shape{1, 1, 1});
  CHECK(values(x.grad()) == Values{10});
}

TEST_CASE("backward: a second time through the same graph", "[autograd]") {
  Tensor x = leaf({3});
  SECTION("throws, naming the op") {
    Tensor loss = sum(square(x));
    loss.backward();
    CHECK(
        message<AutogradError>([&] { loss.backward(); }) ==
        "[backward] the graph through [sum] was freed by an earlier backward(): pass retain_graph = true to that one");
    CHECK(values(x.grad()) == Values{6});
  }
  SECTION("throws through a part that is shared, and leaves the gradients alone") {
    Tensor shared = square(x), first = sum(shared * 2), second = sum(shared * 3);
    first.backward();
    CHECK(contains(message<AutogradError>([&] { second.backward(); }), "the graph through [square] was freed"));
    CHECK(values(x.grad()) == Values{12});
  }
  SECTION("is allowed after retain_graph") {
    Tensor loss = sum(square(x));
    loss.backward(true);
    loss.backward();
    CHECK(values(x.grad()) == Values{12});
    CHECK_THROWS_AS(loss.backward(), AutogradError);
  }
  SECTION("throws too if a rule threw in between") {
    Tensor bad =
        record("bad", {x}, x.array().copy(), [](const Array&, const Needs&) -> Grads { fail<ValueError>("no"); });
    Tensor loss = sum(exp(bad));
    CHECK_THROWS_AS(loss.backward(), ValueError);
    CHECK_THROWS_AS(loss.backward(), AutogradError);
  }
}

TEST_CASE("backward: a graph is freed as it is walked", "[autograd]") {
  Tensor x = leaf({3});
  std::weak_ptr<Storage> saved;
  std::weak_ptr<detail::Node> node;
  bool freed_on_the_way = false;
  Tensor loss;
  {
    Tensor probe = record("probe", {x}, x.array().copy(), [&](const Array& g, const Needs&) {
      freed_on_the_way = saved.expired();
      return Grads{g};
    });
    Tensor middle = exp(probe);
    saved = middle.array().storage();
    node = middle.node();
    loss = sum(square(middle));
  }
  CHECK_FALSE(saved.expired());
  loss.backward();
  CHECK(freed_on_the_way);
  CHECK(node.expired());
}

TEST_CASE("backward: is not recorded itself", "[autograd]") {
  Tensor x = leaf({3});
  bool recording = true;
  Tensor y = record("looks", {x}, x.array().copy(), [&](const Array& g, const Needs&) {
    recording = grad_enabled();
    return Grads{g};
  });
  sum(y).backward();
  CHECK_FALSE(recording);
  CHECK(grad_enabled());
}

TEST_CASE("a write in place over what a gradient needs is found out", "[autograd]") {
  Tensor x = leaf({1, 2});
  SECTION("of an input") {
    Tensor loss = sum(square(x));
    x.mutable_array().fill(7);
    CHECK(message<AutogradError>([&] { loss.backward(); }) ==
          "[square] a value of shape [2] that the gradient needs was written in place since (version 1, now 2)");
    CHECK_FALSE(x.grad().defined());
  }
  SECTION("of an output") {
    Tensor y = exp(x), loss = sum(y);
    y.mutable_array().mutable_values<double>()[0] = 0;
    CHECK(contains(message<AutogradError>([&] { loss.backward(); }), "[exp] a value of shape [2]"));
  }
  SECTION("through a view") {
    Tensor y = x * x;
    Array row = x.array().slice(0, 1);
    row.fill(0);
    CHECK(contains(message<AutogradError>([&] { sum(y).backward(); }), "[mul] a value of shape [2]"));
  }
  SECTION("but not of what no gradient needs") {
    Tensor c = tensor({3, 4}, f64);
    Tensor y = x * c + x;
    x.mutable_array().fill(7);  // the gradient of x * c with respect to x reads c alone
    sum(y).backward();
    CHECK(values(x.grad()) == Values{4, 5});
  }
  SECTION("nor before it is used") {
    x.mutable_array().fill(7);
    sum(square(x)).backward();
    CHECK(values(x.grad()) == Values{14, 14});
  }
}

TEST_CASE("a chain of 100,000 ops fits a small stack, forward, backward and at its end", "[autograd]") {
  constexpr int n = 100'000;
  double grad_walked = 0, value_dropped = 0;
  on_small_stack(256 * 1024, [&] {
    Tensor x = leaf(1);
    {
      Tensor y = x;
      for (int i = 0; i < n; ++i) y = y + 1;
      y.backward();
      grad_walked = x.grad().item();
      for (int i = 0; i < n; ++i) y = y * 1;
      value_dropped = y.item();  // this one is taken down without a backward()
    }
    Tensor retained = x;
    for (int i = 0; i < n; ++i) retained = neg(retained);
    retained.backward(true);
  });
  CHECK(grad_walked == 1);
  CHECK(value_dropped == n + 1);
}

TEST_CASE("a tensor of a long chain can outlive its end", "[autograd]") {
  Tensor x = leaf(1), y = x, middle;
  for (int i = 0; i < 100; ++i) {
    y = y * 1.01;
    if (i == 50) middle = y;
  }
  y = Tensor();
  middle.backward();
  CHECK(x.grad().item() == Approx(std::pow(1.01, 51)));
}

TEST_CASE("nothing is recorded inside a NoGradGuard", "[autograd]") {
  Tensor x = leaf({3});
  Tensor inside;
  {
    NoGradGuard outer;
    CHECK_FALSE(grad_enabled());
    {
      NoGradGuard inner;
      inside = square(x);
    }
    CHECK_FALSE(grad_enabled());
    CHECK(argmax(x, 0).item() == 0);  // an op without gradient takes any operand here
  }
  CHECK(grad_enabled());
  CHECK_FALSE(inside.requires_grad());
  CHECK(square(x).requires_grad());
}

TEST_CASE("detach: the same array as a constant", "[autograd]") {
  Tensor x = leaf({3});
  Tensor y = square(x), constant = y.detach();
  CHECK_FALSE(constant.requires_grad());
  CHECK(constant.array().storage() == y.array().storage());
  sum(y * constant).backward();
  CHECK(values(x.grad()) == Values{9 * 6});
}

TEST_CASE("retain_grad keeps the gradient of a computed tensor", "[autograd]") {
  Tensor x = leaf({1, 2});
  Tensor y = square(x);
  CHECK_FALSE(y.grad().defined());
  y.retain_grad();
  Tensor loss = sum(y * y + y);
  loss.backward(true);
  CHECK(values(y.grad()) == Values{3, 9});
  CHECK(values(x.grad()) == Values{6, 36});
  loss.backward();
  CHECK(values(y.grad()) == Values{6, 18});
  CHECK(message<AutogradError>([] { zeros({2}).retain_grad(); }) ==
        "[retain_grad] nothing that this tensor was computed from requires a gradient");
}

TEST_CASE("requires_grad_", "[autograd]") {
  Tensor x = tensor({1, 2}, f64);
  CHECK(x.is_leaf());
  CHECK_FALSE(x.requires_grad());
  CHECK(x.requires_grad_().requires_grad());
  CHECK(x.is_leaf());
  Tensor y = x * 2;
  CHECK_FALSE(y.is_leaf());
  CHECK(message<AutogradError>([&] { y.requires_grad_(false); }) ==
        "[requires_grad] only a leaf can change; detach() makes one");
  sum(y).backward();
  x.requires_grad_();  // again: the gradient stays
  CHECK(x.grad().defined());
  CHECK_FALSE(x.requires_grad_(false).requires_grad());
  CHECK_FALSE((x * 2).requires_grad());
  CHECK(message<DTypeError>([] { arange(3, {DType::int64}).requires_grad_(); }) ==
        "[requires_grad] expected float32 or float64, found int64");
}

TEST_CASE("an op without a rule never drops a gradient silently", "[autograd]") {
  Tensor x = leaf({1, 2});
  CHECK(message<AutogradError>([&] { bernoulli(x * 0.1); }) ==
        "[bernoulli] has no gradient, but an input of shape [2] requires one: detach() it");
  // Integers have none in any case.
  CHECK_FALSE((x > 1).requires_grad());
  CHECK_FALSE(argmax(x, 0).requires_grad());
  CHECK_FALSE(cast(x, DType::int64).requires_grad());
  CHECK(argmax(x.detach(), 0).item() == 1);
  CHECK(message<AutogradError>([&] { record("empty", {x}, x.array(), nullptr); }) ==
        "[empty] was recorded without a gradient rule: see record_constant");
}

TEST_CASE("record: inputs that have no name, and one that is not there", "[autograd]") {
  Tensor x = tensor({1, 2}).requires_grad_();
  Tensor y = record("sum of", {x * 3, Tensor(), x.detach()}, (x * 4).array(), [](const Array& g, const Needs& need) {
    CHECK((need[0] && !need[1] && !need[2]));
    return Grads{g, Array(), Array()};
  });
  y.sum().backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{3, 3});
}

TEST_CASE("a rule that returns the wrong number or shape of gradients is named", "[autograd]") {
  Tensor x = leaf({1, 2});
  auto run = [&](const std::function<Grads()>& grads) {
    Tensor y = record("wrong", {x}, x.array().copy(), [grads](const Array&, const Needs&) { return grads(); });
    return message<AutogradError>([&] { sum(y).backward(); });
  };
  CHECK(run([] { return Grads{}; }) == "[wrong] the gradient rule returned 0 gradients for 1 inputs");
  const std::string wrong = "[wrong] the gradient rule returned a wrong gradient for input 0: expected float64 [2], ";
  CHECK(run([] { return Grads{Array::full({3}, 1, f64)}; }) == wrong + "found float64 [3]");
  CHECK(run([] { return Grads{Array()}; }) == wrong + "found none");
  CHECK(run([] { return Grads{Array::full({2}, 1)}; }) == wrong + "found float32 [2]");
}

TEST_CASE("an undefined tensor says so", "[autograd]") {
  Tensor none;
  CHECK_FALSE(none.defined());
  CHECK_THROWS_AS(none.shape(), AutogradError);
  CHECK(message<AutogradError>([&] { none + leaf(1); }) == "[add] expected a tensor, found an undefined one");
}

TEST_CASE("gradients of views and of what was cut from them", "[autograd]") {
  Tensor x = leaf({{1, 2, 3}, {4, 5, 6}});
  Tensor row = slice(x, 0, 1, 2), flat = reshape(x, {-1});
  CHECK(row.array().storage() == x.array().storage());
  CHECK(flat.array().storage() == x.array().storage());
  (sum(row * row) + sum(flat) + sum(slice(x, 1, 0, 3, 2))).backward();
  CHECK(values(x.grad()) == Values{2, 1, 2, 10, 11, 14});
}

TEST_CASE("gradcheck finds a wrong rule and passes a right one", "[autograd][gradcheck]") {
  Tensor x = leaf({{1, -2, 3}, {0.5, 4, -1}});
  auto check = [&](double factor, double claimed) {
    return gradcheck([&](std::span<const Tensor> in) { return with_rule(in[0], factor, claimed); }, {x});
  };
  CHECK(check(3, 3).ok);
  CHECK(check(3, 3).message.empty());
  CHECK_FALSE(check(3, 3.001).ok);
  CHECK_FALSE(check(3, -3).ok);
  CHECK_FALSE(check(3, 0).ok);
  CHECK_FALSE(check(3, NAN).ok);
  CHECK(contains(check(3, 2).message, "input 0 of shape [2, 3], element 0: the gradient rule gives "));
}

TEST_CASE("gradcheck is not fooled by symmetry", "[autograd][gradcheck]") {
  // Under a gradient of ones this rule, which forgets to turn g back, would pass.
  auto turned = [](std::span<const Tensor> in) {
    Array y = kernels::permute(in[0].array(), std::vector<int>{1, 0});
    return record("turned", {in[0]}, y, [](const Array& g, const Needs&) { return Grads{g}; });
  };
  CHECK_FALSE(gradcheck(turned, {leaf({{1, 2}, {3, 4}})}).ok);
}

TEST_CASE("gradcheck leaves its inputs as they were", "[autograd][gradcheck]") {
  Tensor x = leaf({1, 2}), fresh = leaf({3, 4}), c = tensor({0.1, 0.3}, f64);
  sum(x).backward();
  double draws = default_generator().offset().item();
  CHECK(gradcheck([](std::span<const Tensor> in) { return in[0] * in[1] * in[2]; }, {x, fresh, c}).ok);
  CHECK(values(x.grad()) == Values{1, 1});
  CHECK_FALSE(fresh.grad().defined());
  CHECK_FALSE(c.requires_grad());
  CHECK(values(x.array()) == Values{1, 2});
  CHECK(values(c.array()) == Values{0.1, 0.3});
  CHECK(default_generator().offset().item() == draws);
}

TEST_CASE("gradcheck: what it takes", "[autograd][gradcheck]") {
  auto same = [](std::span<const Tensor> in) { return in[0] * 1; };
  CHECK(message<DTypeError>([&] {
          gradcheck(same, {leaf({1}), ones({2}).requires_grad_()});
        }) == "[gradcheck] expected inputs of float64, found float32 for input 1");
  CHECK_THROWS_AS(gradcheck(same, {leaf({1, 2}) * 2}), AutogradError);
  CHECK_THROWS_AS(gradcheck([](std::span<const Tensor> in) { return cast(in[0], DType::float32); }, {leaf({1})}),
                  DTypeError);
  CHECK_FALSE(gradcheck(same, {tensor({1, 2}, f64)}).ok);  // nothing to check is no success
  // Inputs without a gradient may be anything.
  auto pick = [](std::span<const Tensor> in) { return index_select(in[0], 0, in[1]); };
  CHECK(gradcheck(pick, {leaf({1, 2}), tensor({1, 1, 0}, {DType::int64})}).ok);
  CHECK(gradcheck(same, {zeros({0, 3}, f64).requires_grad_()}).ok);
  CHECK(gradcheck([](std::span<const Tensor> in) { return square(in[0]); }, {leaf(3)}).ok);
  // An input that does not matter has gradient 0.
  CHECK(gradcheck([](std::span<const Tensor> in) { return square(in[0]); }, {leaf({3}), leaf({4})}).ok);
  // A view of its input would move with it.
  CHECK(gradcheck([](std::span<const Tensor> in) { return reshape(in[0], {2}); }, {leaf({{1, 2}})}).ok);
}
