// Losses that compute their gradient with their value, since they know where backward() will begin.
#include <elbo/core/autograd.h>
#include <elbo/core/kernels.h>
#include <elbo/core/ops.h>

#include <array>

#include "catch.h"

using namespace elbo;

namespace {

using Seeded = Tensor (*)(const Tensor&, const Tensor&, const Array&);
struct Loss {
  Seeded seeded;
  Tensor (*plain)(const Tensor&, const Tensor&, Reduction);
};
const std::vector<Loss> losses = {{mse_loss_sum, mse_loss},
                                  {binary_cross_entropy_with_logits_sum, binary_cross_entropy_with_logits}};

Tensor drawn(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return rand(shape, {}, &generator);
}

/// The loss and the gradient of x for `seed`.
std::vector<float> run(const Tensor& loss, Tensor x, const Array& seed) {
  x.zero_grad();
  elbo::backward(std::array{loss}, std::array{seed});
  std::vector<float> out = x.grad().to_vector<float>();
  out.push_back(static_cast<float>(loss.item()));
  return out;
}

}  // namespace

TEST_CASE("seeded losses have the bits of those that are not", "[ops][losses]") {
  const Array seed = Array::full({}, 0.125, {});
  for (const Loss& loss : losses)
    for (const Shape& shape : {Shape{3, 5}, Shape{128, 300}, Shape{0, 4}}) {
      const Tensor x = drawn(shape, 1).requires_grad_(), t = drawn(shape, 2);
      const std::vector<float> expected = run(loss.plain(x, t, Reduction::sum), x, seed);
      CHECK(run(loss.seeded(x, t, seed), x, seed) == expected);
      CHECK(run(loss.seeded(x, t, {}), x, seed) == expected);
    }
}

TEST_CASE("seeded losses: another gradient than the known one, or one that was written since", "[ops][losses]") {
  for (const Loss& loss : losses) {
    const Tensor x = drawn({4, 6}, 1).requires_grad_(), t = drawn({4, 6}, 2);
    const Array other = Array::full({}, 3, {});
    Array seed = Array::full({}, 0.125, {});
    CHECK(run(loss.seeded(x, t, seed), x, other) == run(loss.plain(x, t, Reduction::sum), x, other));
    const Tensor y = loss.seeded(x, t, seed);
    seed.fill(0.5);
    CHECK(run(y, x, seed) == run(loss.plain(x, t, Reduction::sum), x, seed));
    // A number that is as large is not that array.
    CHECK(run(loss.seeded(x, t, seed) * 2, x, seed) == run(loss.plain(x, t, Reduction::sum) * 2, x, seed));
    // Twice, and from a graph that is kept.
    const Tensor kept = loss.seeded(x, t, seed), twice = loss.plain(x, t, Reduction::sum);
    Tensor leaf = x;
    const auto both = [&](const Tensor& z) {
      leaf.zero_grad();
      elbo::backward(std::array{z}, std::array{seed}, true);
      elbo::backward(std::array{z}, std::array{seed});
      return leaf.grad().to_vector<float>();
    };
    CHECK(both(kept) == both(twice));
  }
}

TEST_CASE("seeded losses: a target with a gradient, one that broadcasts, and a seed that does not fit",
          "[ops][losses]") {
  const Array seed = Array::full({}, 0.125, {}), wide = Array::full({}, 0.125, {DType::float64}),
              many = Array::full({2}, 0.125, {});
  for (const Loss& loss : losses) {
    const Tensor x = drawn({4, 6}, 1).requires_grad_(), row = drawn({6}, 2);
    CHECK(run(loss.seeded(x, row, seed), x, seed) == run(loss.plain(x, row, Reduction::sum), x, seed));
    CHECK(run(loss.seeded(x, row, wide), x, seed) == run(loss.plain(x, row, Reduction::sum), x, seed));
    CHECK(run(loss.seeded(x, row, many), x, seed) == run(loss.plain(x, row, Reduction::sum), x, seed));
    const Tensor t = drawn({4, 6}, 3).requires_grad_();
    CHECK(run(loss.seeded(x, t, seed), t, seed) == run(loss.plain(x, t, Reduction::sum), t, seed));
    const NoGradGuard no_grad;
    CHECK(loss.seeded(x, row, seed).item() == loss.plain(x, row, Reduction::sum).item());
  }
}

TEST_CASE("linear_heads has the bits of linear, whichever heads are used", "[ops]") {
  const Tensor x = drawn({9, 33}, 1).requires_grad_();
  std::vector<Tensor> w, b;
  for (const std::int64_t n : {20, 20, 7}) {
    w.push_back(drawn({n, 33}, 2).requires_grad_());
    b.push_back(n == 7 ? Tensor() : drawn({n}, 3).requires_grad_());
  }
  std::vector<Tensor> leaves{x};
  for (const auto& list : {w, b})
    for (const Tensor& one : list)
      if (one.defined()) leaves.push_back(one);
  const auto grads = [&](const std::vector<Tensor>& y, const std::vector<int>& used) {
    std::vector<std::vector<float>> out;
    Tensor loss = zeros({});
    for (const int i : used) loss = loss + sum(square(y[static_cast<std::size_t>(i)]));
    for (Tensor& leaf : leaves) leaf.zero_grad();
    loss.backward();
    for (const Tensor& leaf : leaves)
      out.push_back(leaf.grad().defined() ? leaf.grad().to_vector<float>()
                                          : std::vector<float>(static_cast<std::size_t>(leaf.numel())));
    return out;
  };
  const std::vector<Tensor> expected = {linear(x, w[0], b[0]), linear(x, w[1], b[1]), linear(x, w[2])};
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(linear_heads(x, w, b)[i].to_vector<float>() == expected[i].to_vector<float>());
  for (const std::vector<int>& used : {std::vector{0, 1}, std::vector{1}, std::vector{2, 0}}) {
    const std::vector<Tensor> apart = {linear(x, w[0], b[0]), linear(x, w[1], b[1]), linear(x, w[2])};
    CHECK(grads(linear_heads(x, w, b), used) == grads(apart, used));
  }
  // What no gradient reads may be written meanwhile: the input, where all weights are frozen.
  Tensor input = drawn({4, 33}, 5).requires_grad_(), middle = input * 1;
  const std::vector<Tensor> frozen = linear_heads(middle, std::array{w[0].detach()}, std::array{Tensor()});
  middle.mutable_array().fill(0);
  sum(frozen[0]).backward();
  CHECK(input.grad().defined());
  CHECK_THROWS_WITH(linear_heads(x, {}, {}), Catch::Contains("[linear_heads] expected weights"));
  CHECK_THROWS_WITH(linear_heads(x, std::array{drawn({2, 3}, 1)}, std::array{Tensor()}),
                    Catch::Contains("[linear_heads] expected x [..., 3]"));
}
