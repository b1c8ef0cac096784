// Indexing, and what writes in place.
#include <elbo/core/autograd.h>
#include <elbo/core/gradcheck.h>
#include <elbo/core/ops.h>

#include <functional>
#include <string>

#include "catch.h"

using namespace elbo;

namespace {

using Numbers = std::vector<float>;

Numbers numbers(const Tensor& x) { return x.to_vector<float>(); }

/// 0, 1, 2, ... in a shape.
Tensor counted(const Shape& shape) { return reshape(arange(shape.numel(), {DType::float32}), shape); }

template <class E>
std::string refusal(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("index: numbers, slices, new axes and an ellipsis, as NumPy has them", "[index]") {
  const Tensor x = counted({3, 4});
  CHECK(numbers(x[1]) == Numbers{4, 5, 6, 7});
  CHECK(numbers(x[-1][0]) == Numbers{8});
  CHECK(x[2][3].item() == 11);
  CHECK(numbers(x.index({Slice(1, {}), 0})) == Numbers{4, 8});
  CHECK(numbers(x.index({Slice(), Slice({}, {}, 3)})) == Numbers{0, 3, 4, 7, 8, 11});
  CHECK(numbers(x.index({ellipsis, -1})) == Numbers{3, 7, 11});
  CHECK(x.index({0, newaxis}).shape() == Shape{1, 4});
  CHECK(x.index({newaxis, ellipsis, newaxis}).shape() == Shape{1, 3, 4, 1});
  CHECK(x.index({}).shape() == Shape{3, 4});
  CHECK(x.index({Slice(2, 1)}).shape() == Shape{0, 4});
  CHECK(x.index({Slice(-100, 100)}).shape() == Shape{3, 4});
  CHECK(numbers(x.index({Slice(-2, -1)})) == Numbers{4, 5, 6, 7});
  CHECK(numbers(counted({2, 2, 2}).index({1, ellipsis, 0})) == Numbers{4, 6});
  CHECK(tensor(3.0).index({ellipsis, newaxis}).shape() == Shape{1});

  const Tensor picks = tensor({{2, 0}, {1, 1}}, {DType::int64});
  CHECK(x.index({picks}).shape() == Shape{2, 2, 4});
  CHECK(numbers(x.index({Slice(0, 2), picks})) == Numbers{2, 0, 1, 1, 6, 4, 5, 5});
  CHECK(numbers(x.index({0, picks})) == Numbers{2, 0, 1, 1});
}

TEST_CASE("index: what cannot be is refused", "[index][errors]") {
  const Tensor x = counted({3, 4});
  CHECK(refusal<IndexError>([&] { x[3]; }) ==
        "[index] expected an index in [-3, 3) for axis 0 of shape [3, 4], found 3");
  CHECK(refusal<IndexError>([&] {
          x.index({0, -5});
        }) == "[index] expected an index in [-4, 4) for axis 1 of shape [3, 4], found -5");
  CHECK(refusal<IndexError>([&] {
          x.index({0, 0, 0});
        }) == "[index] expected at most 2 indices for shape [3, 4], found 3");
  CHECK(refusal<IndexError>([&] { tensor(1.0)[0]; }) == "[index] expected at most 0 indices for shape [], found 1");
  CHECK(refusal<ValueError>([&] { x.index({Slice(0, 2, 0)}); }) == "[index] expected a step of at least 1, found 0");
  CHECK(refusal<ValueError>([&] { x.index({ellipsis, ellipsis}); }) == "[index] expected one ellipsis, found two");
  const Tensor picks = tensor({0}, {DType::int64});
  CHECK(refusal<ValueError>([&] { x.index({picks, picks}); }) == "[index] expected one tensor of indices, found two");
  CHECK(refusal<DTypeError>([&] { x.index({tensor({0.0})}); }) == "[index] expected indices of int64, found float32");
  CHECK(refusal<AutogradError>([] { Tensor()[0]; }) == "[index] expected a tensor, found an undefined one");
}

TEST_CASE("index: numbers, one slice and whole ones are a view, others a copy", "[index]") {
  const Tensor x = counted({2, 3, 4});
  const auto shares = [&](const Tensor& y) { return y.array().storage() == x.array().storage(); };
  CHECK(shares(x[1]));
  CHECK(shares(x.index({1, 2})));
  CHECK(shares(x.index({1, Slice(0, 2)})));
  CHECK(shares(x.index({1, 2, Slice(1, 3)})));
  CHECK(numbers(x.index({1, 2, Slice(1, 3)})) == Numbers{21, 22});
  CHECK_FALSE(shares(x.index({Slice(), 0})));
  CHECK_FALSE(shares(x.index({0, Slice({}, {}, 2)})));
  // A view is written through.
  Tensor row = x.index({1, 0});
  row.fill_(-1);
  CHECK(numbers(x.index({1, 0})) == Numbers{-1, -1, -1, -1});
}

TEST_CASE("views and copies: sizes do not decide", "[index]") {
  for (const std::int64_t n : {1, 3}) {
    const Tensor x = counted({n, n});
    const auto shares = [&](const Tensor& y) { return y.array().storage() == x.array().storage(); };
    CHECK(shares(x.index({Slice(0, 1)})));
    CHECK(shares(x.index({Slice(0, 1), Slice(), newaxis})));
    CHECK(shares(x.slice(0, 0, 1)));
    CHECK(shares(split(x, 1)[0]));
    CHECK_FALSE(shares(x.index({Slice(), 0})));
    CHECK_FALSE(shares(x.index({Slice(), Slice(0, 1)})));
    CHECK_FALSE(shares(x.index({Slice({}, {}, 2)})));
    CHECK_FALSE(shares(x.index({tensor({0}, {DType::int64})})));
    CHECK_FALSE(shares(x.slice(0, 0, n, 2)));
    CHECK_FALSE(shares(x.slice(1, 0, n)));
    CHECK_FALSE(shares(chunk(x, 1, 1)[0]));
    CHECK_FALSE(shares(x.t()));
    CHECK_FALSE(shares(x.permute({0, 1})));
    CHECK_FALSE(shares(x.expand({n, n})));
    CHECK_FALSE(shares(x.repeat({1, 1})));
  }
}

TEST_CASE("in place: a write into a copy without a name is refused", "[inplace]") {
  Tensor x = counted({2, 2});
  const std::string lost =
      "expected a view, found a copy of a part of another tensor, in which the write would be lost: use index_put_, or "
      "name the copy";
  CHECK(refusal<ValueError>([&] { x.index({Slice(), 0}) += 1; }) == "[+=] " + lost);
  CHECK(refusal<ValueError>([&] { x.slice(1, 0, 1).fill_(5); }) == "[fill_] " + lost);
  CHECK(refusal<ValueError>([&] { x.permute({1, 0}).zero_(); }) == "[fill_] " + lost);
  CHECK(refusal<ValueError>([&] { x.expand({2, 2}).copy_(x); }) == "[copy_] " + lost);
  CHECK(refusal<ValueError>([&] { x.t().index_put_({0}, 1); }) == "[index_put_] " + lost);
  CHECK(refusal<ValueError>([&] { x.t()[0] -= 1; }) == "[-=] " + lost);
  CHECK(refusal<ValueError>([&] { x.t().index({0, 1}) *= 2; }) == "[*=] " + lost);
  CHECK(refusal<ValueError>([&] { x.index({tensor({0}, {DType::int64})}) /= 2; }) == "[/=] " + lost);
  CHECK(numbers(x) == Numbers{0, 1, 2, 3});
  // What is new, a view, or has a name may be written.
  CHECK(numbers(zeros({2}).fill_(7)) == Numbers{7, 7});
  CHECK(numbers((x + 1) *= 2) == Numbers{2, 4, 6, 8});
  x[0] += 10;
  x.index({1, Slice(1, 2)}).copy_(x[0].slice(0, 0, 1));
  CHECK(numbers(x) == Numbers{10, 11, 2, 10});
  Tensor copy = x.t();
  copy[0] += 1;
  copy += 1;
  CHECK(numbers(copy) == Numbers{12, 4, 12, 11});
  CHECK(numbers(x) == Numbers{10, 11, 2, 10});
}

TEST_CASE("index: gradients", "[index]") {
  const auto check = [](const std::function<Tensor(const Tensor&)>& fn) {
    const Tensor x = Tensor(counted({3, 4}).to(DType::float64).array(), true);
    return gradcheck([&](std::span<const Tensor> in) { return square(fn(in[0])).sum(); }, std::vector<Tensor>{x}).ok;
  };
  CHECK(check([](const Tensor& x) { return x[1]; }));
  CHECK(check([](const Tensor& x) { return x.index({Slice({}, {}, 2), Slice(1, 3)}); }));
  CHECK(check([](const Tensor& x) { return x.index({Slice(), newaxis, tensor({3, 3, 0}, {DType::int64})}); }));
  CHECK(check([](const Tensor& x) { return expand(x, {2, 3, 4}); }));
}

TEST_CASE("a step of gradient descent is w -= lr * w.grad()", "[inplace]") {
  Tensor w = tensor({1, 2}).requires_grad_();
  const void* memory = w.array().raw();
  square(w).sum().backward();
  {
    const NoGradGuard guard;
    w -= 0.25 * w.grad();
  }
  CHECK(numbers(w) == Numbers{0.5, 1});
  CHECK(w.array().raw() == memory);
  CHECK(w.requires_grad());
  CHECK(refusal<AutogradError>([&] { w -= 0.25 * w.grad(); }) ==
        "[-=] a leaf that requires a gradient can be written under a NoGradGuard alone");
  CHECK(numbers(w) == Numbers{0.5, 1});
  w.grad() *= 2;
  CHECK(numbers(w.grad()) == Numbers{4, 8});
}

TEST_CASE("in place: values, broadcasting, other dtypes, and operands that overlap", "[inplace]") {
  Tensor x = counted({2, 2});
  CHECK(&(x += 1) == &x);
  CHECK(numbers(x) == Numbers{1, 2, 3, 4});
  x *= tensor({10, 100});
  CHECK(numbers(x) == Numbers{10, 200, 30, 400});
  x /= tensor({{10}, {5}});
  CHECK(numbers(x) == Numbers{1, 20, 6, 80});
  x -= x[0];
  CHECK(numbers(x) == Numbers{0, 0, 5, 60});
  x += x;
  CHECK(numbers(x) == Numbers{0, 0, 10, 120});
  Tensor same = x;
  same.zero_();
  CHECK(numbers(x) == Numbers{0, 0, 0, 0});
  x.copy_(tensor({7, 8}, {DType::int64}));
  CHECK(numbers(x) == Numbers{7, 8, 7, 8});
  CHECK(refusal<ShapeError>([&] {
          x += zeros({3, 1, 1});
        }) == "[+=] expected an operand that broadcasts to [2, 2], found one that makes it [3, 2, 2]");
  CHECK(refusal<DTypeError>([&] { x += zeros({2}, {DType::float64}); }) ==
        "[+=] expected operands of one dtype, found float32 and float64");
  CHECK(refusal<ShapeError>([&] { x.copy_(zeros({3})); }).find("[copy_]") == 0);
  CHECK(refusal<AutogradError>([] { Tensor() += 1; }) == "[+=] expected a tensor, found an undefined one");
  CHECK(numbers(x) == Numbers{7, 8, 7, 8});

  Tensor y = zeros({2, 3});
  y.index_put_({Slice(), 1}, tensor({5, 6}));
  y.index_put_({0, Slice(0, 1)}, 9);
  CHECK(numbers(y) == Numbers{9, 5, 0, 0, 6, 0});
  CHECK(refusal<ShapeError>([&] { y.index_put_({0}, zeros({2})); }).find("[index_put_]") == 0);
}

TEST_CASE("in place: a value that a gradient needs was written, and backward() says so", "[inplace][autograd]") {
  Tensor w = tensor({1, 2}).requires_grad_(), factor = tensor({3, 4});
  const Tensor y = (w * factor).sum();
  factor += 1;
  CHECK_THROWS_AS(y.detach().requires_grad_().backward(Tensor()), AutogradError);
  CHECK(refusal<AutogradError>([&] { Tensor(y).backward(); }).find("written in place") != std::string::npos);
}

TEST_CASE("in place: a gradient is recorded through the write", "[inplace][autograd]") {
  Tensor w = tensor({1, 2}).requires_grad_();
  Tensor total = zeros({2});
  for (int i = 0; i < 3; ++i) total += w * (i + 1);
  CHECK(numbers(total) == Numbers{6, 12});
  Tensor other = total;
  other *= w;  // both names see it
  CHECK(numbers(total) == Numbers{6, 24});
  total.sum().backward();
  CHECK(numbers(w.grad()) == Numbers{12, 24});

  w.zero_grad();
  Tensor y = w * 2;
  y.fill_(1);
  CHECK_FALSE(y.requires_grad());
  y = w * 2;
  y.index_put_({0}, w[1]);
  y.sum().backward();
  CHECK(numbers(w.grad()) == Numbers{0, 3});
  w.zero_grad();
  y = w * 2;
  y.copy_(w[0]);
  y.sum().backward();
  CHECK(numbers(w.grad()) == Numbers{2, 0});
  y = w * 2;
  y.copy_(w);  // of the same shape: still memory of its own
  y *= 5;
  CHECK(numbers(y) == Numbers{5, 10});
  CHECK(numbers(w) == Numbers{1, 2});
}

TEST_CASE("in place: never through memory that a view or a rule shares", "[inplace][autograd]") {
  const Tensor w = tensor({1, 2}).requires_grad_();
  const std::string shared =
      "a view or a gradient rule holds the same memory: write with index_put_ on the whole tensor, a leaf under a "
      "NoGradGuard, or make a new tensor, as x = x + y does";
  Tensor y = w * 2;
  Tensor view = y[0];
  CHECK(refusal<AutogradError>([&] { w[0].fill_(1); }) == "[fill_] " + shared);
  CHECK(refusal<AutogradError>([&] { view += 1; }) == "[+=] " + shared);
  CHECK(refusal<AutogradError>([&] { y += 1; }) == "[+=] " + shared);
  Tensor saved = exp(w);  // its rule reads the output
  CHECK(refusal<AutogradError>([&] { saved.zero_(); }) == "[fill_] " + shared);
  Tensor constant = zeros({2}), part = constant[0];
  CHECK(refusal<AutogradError>([&] { part += w[0]; }) == "[+=] " + shared);
}

TEST_CASE("autograd::grad leaves grad() alone", "[autograd]") {
  Tensor a = tensor({1, 2}).requires_grad_(), b = tensor({3, 4}).requires_grad_();
  const Tensor c = a * b;
  const std::vector<Tensor> found = autograd::grad({(c * c).sum()}, {a, c});
  CHECK(numbers(found[0]) == Numbers{18, 64});
  CHECK(numbers(found[1]) == Numbers{6, 16});
  CHECK_FALSE(a.grad().defined());
  CHECK_FALSE(b.grad().defined());
  CHECK(numbers(autograd::grad({a * 3}, {a}, {tensor({1, 10})})[0]) == Numbers{3, 30});
  CHECK_FALSE(autograd::grad({a.sum()}, {b}, {}, false, true)[0].defined());
  CHECK(refusal<AutogradError>([&] { autograd::grad({a.sum()}, {b}); }) ==
        "[grad] the outputs do not depend on input 0 of shape [2]: pass allow_unused to get an undefined gradient");
  CHECK(refusal<AutogradError>([&] { autograd::grad({a * 1}, {a}); }).find("expected a single number") !=
        std::string::npos);
  CHECK(refusal<AutogradError>([&] { autograd::grad({a.sum()}, {zeros({1})}); }).find("[grad]") == 0);
  // An output may be an input, and one that comes twice gets the same answer.
  const Tensor sum = a.sum();
  const std::vector<Tensor> twice = autograd::grad({sum}, {sum, a, a});
  CHECK(twice[0].item() == 1);
  CHECK(numbers(twice[1]) == Numbers{1, 1});
  CHECK(numbers(twice[2]) == Numbers{1, 1});
  // Only what leads to the inputs is walked, and freed.
  const Tensor left = square(a), right = square(b);
  const Tensor both = (left * right).sum();
  autograd::grad({both}, {left}, {}, true);
  both.detach();
  Tensor(both).backward();
  CHECK(numbers(b.grad()) == Numbers{6, 32});
}

TEST_CASE("hooks see gradients, and may change them", "[autograd]") {
  Tensor w = tensor({1, 2}).requires_grad_();
  const Tensor y = w * 3;
  Numbers seen;
  y.register_hook([&](const Tensor& g) {
    seen = numbers(g);
    return Tensor();
  });
  const std::size_t doubling = w.register_hook([](const Tensor& g) { return g * 2; });
  // All of the gradient at once, once.
  (y + y * 2).sum().backward();
  CHECK(seen == Numbers{3, 3});
  CHECK(numbers(w.grad()) == Numbers{18, 18});

  w.remove_hook(doubling);
  CHECK_THROWS_AS(w.remove_hook(doubling), IndexError);
  w.zero_grad();
  // What a hook writes into the gradient stays with this tensor.
  Tensor a = w * 1, b = w * 1;
  a.register_hook([](const Tensor& g) {
    Tensor same = g;
    same *= 10;
    return Tensor();
  });
  (a + b).sum().backward();
  CHECK(numbers(w.grad()) == Numbers{11, 11});
  w.register_hook([](const Tensor&) { return zeros({3}); });
  CHECK(refusal<AutogradError>([&] { w.sum().backward(); }) ==
        "[backward] a hook of leaf returned [3] (float32) for a gradient of [2] (float32)");
  CHECK_THROWS_AS(zeros({2}).register_hook([](const Tensor& g) { return g; }), AutogradError);
}
