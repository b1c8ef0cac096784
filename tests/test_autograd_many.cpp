// Ops with several outputs: record_many.
#include <elbo/core/autograd.h>
#include <elbo/core/gradcheck.h>
#include <elbo/core/kernels.h>
#include <elbo/core/ops.h>

#include <array>
#include <memory>

#include "catch.h"

using namespace elbo;

namespace {

using Values = std::vector<double>;
constexpr TensorOptions f64{DType::float64};

Tensor leaf(const NestedList& values) { return tensor(values, f64).requires_grad_(); }
Values values(const Tensor& x) { return x.to_vector<double>(); }

/// {a b, a + b}, counting the calls of its rule.
std::vector<Tensor> product_and_sum(const Tensor& a, const Tensor& b, std::shared_ptr<int> calls = {}) {
  return record_many("product_and_sum", std::array{a, b},
                     {kernels::mul(a.array(), b.array()), kernels::add(a.array(), b.array())},
                     [A = save(a), B = save(b), calls](std::span<const Array> gs, const Needs& need) {
                       if (calls) ++*calls;
                       CHECK(gs.size() == 2);
                       const auto side = [&](const Array& other) {
                         const Array product = gs[0].defined() ? kernels::mul(gs[0], other) : Array();
                         if (!gs[1].defined()) return product;
                         return product.defined() ? kernels::add(product, gs[1]) : gs[1];
                       };
                       Grads grads(2);
                       if (need[0]) grads[0] = side(B());
                       if (need[1]) grads[1] = side(A());
                       return grads;
                     });
}

}  // namespace

TEST_CASE("several outputs: gradients go through those that were used", "[autograd]") {
  for (const bool product : {true, false})
    for (const bool sum_too : {true, false}) {
      if (!product && !sum_too) continue;
      CAPTURE(product, sum_too);
      Tensor a = leaf({2, 3}), b = leaf({5, 7});
      auto calls = std::make_shared<int>(0);
      const std::vector<Tensor> out = product_and_sum(a, b, calls);
      CHECK(values(out[0]) == Values{10, 21});
      CHECK(values(out[1]) == Values{7, 10});
      Tensor loss = zeros({}, f64);
      if (product) loss = loss + sum(square(out[0]));
      if (sum_too) loss = loss + sum(3 * out[1]) + sum(out[1]);
      loss.backward();
      const double p = product ? 1 : 0, s = sum_too ? 4 : 0;
      CHECK(values(a.grad()) == Values{p * 2 * 10 * 5 + s, p * 2 * 21 * 7 + s});
      CHECK(values(b.grad()) == Values{p * 2 * 10 * 2 + s, p * 2 * 21 * 3 + s});
      CHECK(*calls == 1);
    }
}

TEST_CASE("several outputs: gradcheck", "[autograd]") {
  const auto f = [](std::span<const Tensor> in) {
    const std::vector<Tensor> out = product_and_sum(in[0], in[1]);
    const std::vector<Tensor> more = product_and_sum(out[1], exp(out[0]));
    return more[0] * out[1] - more[1];
  };
  CHECK(gradcheck(f, {leaf({0.3, -1.2}), leaf({0.7, 0.4})}).ok);
}

TEST_CASE("several outputs: each is a tensor of its own", "[autograd]") {
  Tensor a = leaf({2}), b = leaf({5});
  std::vector<Tensor> out = product_and_sum(a, b);
  out[0].retain_grad();
  Values seen;
  out[1].register_hook([&](const Tensor& g) {
    seen = values(g);
    return g * 10;
  });
  sum(out[0] * 3 + out[1] * 2).backward(true);
  CHECK(values(out[0].grad()) == Values{3});
  CHECK(seen == Values{2});
  CHECK(values(a.grad()) == Values{3 * 5 + 20});
  // As what is asked for; what lies below it does not run.
  const std::vector<Tensor> wanted = autograd::grad({sum(out[0] * out[1])}, {out[0], out[1]}, {}, true);
  CHECK(values(wanted[0]) == Values{7});
  CHECK(values(wanted[1]) == Values{100});
  CHECK(values(a.grad()) == Values{35});
  // And as where it begins.
  a.zero_grad();
  out[1].backward(tensor({1}, f64));
  CHECK(values(a.grad()) == Values{10});
  CHECK_THROWS_WITH(out[0].backward(tensor({1}, f64)), Catch::Contains("was freed by an earlier backward()"));
}

TEST_CASE("several outputs: what needs no gradient is not recorded, and what is kept is let go", "[autograd]") {
  const Tensor constant = tensor({2}, f64);
  CHECK_FALSE(product_and_sum(constant, constant)[1].requires_grad());
  Tensor a = leaf({2});
  {
    const NoGradGuard no_grad;
    CHECK_FALSE(product_and_sum(a, constant)[0].requires_grad());
  }
  auto calls = std::make_shared<int>(0);
  std::vector<Tensor> out = product_and_sum(a, constant, calls);
  CHECK(calls.use_count() > 1);
  sum(out[0]).backward();
  CHECK(calls.use_count() == 1);
  out = product_and_sum(a, constant, calls);
  out.pop_back();
  CHECK(calls.use_count() > 1);
  out.clear();
  CHECK(calls.use_count() == 1);
}

TEST_CASE("several outputs: a rule that is wrong is told by name", "[autograd]") {
  Tensor a = leaf({2, 3});
  const auto with = [&](RuleOfMany rule) {
    return record_many("pair", std::array{a}, {a.array().copy(), a.array().copy()}, std::move(rule));
  };
  CHECK_THROWS_WITH(with(nullptr), Catch::Contains("[pair] was recorded without a gradient rule"));
  CHECK_THROWS_WITH(record_many("pair", std::array{a}, {}, [](auto, auto&) { return Grads{}; }),
                    Catch::Contains("[pair] was recorded without a gradient rule or an output"));
  CHECK_THROWS_WITH(sum(with([](auto, auto&) { return Grads(2); })[0]).backward(),
                    Catch::Contains("[pair] the gradient rule returned 2 gradients for 1 inputs"));
  CHECK_THROWS_WITH(sum(with([](auto, auto&) { return Grads(1); })[1]).backward(),
                    Catch::Contains("[pair] the gradient rule returned a wrong gradient for input 0"));
  CHECK_THROWS_WITH(record_many("pair", std::array{a}, {a.array().copy(), Array::zeros({2}, {DType::int64})},
                                [](auto, auto&) { return Grads(1); }),
                    Catch::Contains("[pair] expected an output of float32 or float64, found int64"));
}
