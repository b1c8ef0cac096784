// Convolutions of pictures with their channels last.
#include <elbo/core/autograd.h>
#include <elbo/core/ops.h>
#include <elbo/nn/layers.h>
#include <elbo/nn/sequential.h>

#include <vector>

#include "catch.h"
#include "op_checks.h"

using namespace elbo;

namespace {

constexpr Layout first = Layout::channels_first, last = Layout::channels_last;

Tensor laid(const Tensor& planes, Layout layout) { return layout == last ? permute(planes, {0, 2, 3, 1}) : planes; }
Tensor planes_of(const Tensor& x, Layout layout) { return layout == last ? permute(x, {0, 3, 1, 2}) : x; }

/// The result, and the gradients of x, weight and bias, in planes.
template <class Fn>
std::vector<Array> outcome(const Fn& convolve, ConvLayouts layouts, const Tensor& x, const Tensor& weight,
                           const Tensor& bias) {
  std::vector<Tensor> leaves;
  for (const Tensor& each : {x, weight, bias}) {
    leaves.push_back(each.detach().clone());
    leaves.back().requires_grad_(true);
  }
  const Tensor y = convolve(laid(leaves[0], layouts.in), leaves[1], leaves[2], layouts);
  const Tensor planes = planes_of(y, layouts.out);
  sum(square(planes + 0.5)).backward();
  std::vector<Array> out{planes.array().copy()};
  for (const Tensor& leaf : leaves) out.push_back(leaf.grad().array().copy());
  return out;
}

template <class Fn>
void same_in_all_layouts(const Fn& convolve, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const std::vector<Array> expected = outcome(convolve, {}, x, weight, bias);
  for (const ConvLayouts layouts : {ConvLayouts{first, last}, ConvLayouts{last, first}, ConvLayouts{last, last}}) {
    const std::vector<Array> found = outcome(convolve, layouts, x, weight, bias);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      INFO("in " << (layouts.in == last) << " out " << (layouts.out == last) << " " << i);
      REQUIRE(op_cases::same_bits(found[i], expected[i]));
    }
  }
}

}  // namespace

TEST_CASE("conv2d in all layouts", "[ops]") {
  const Activation activation = GENERATE(Activation::none, Activation::relu, Activation::tanh);
  const auto check = [&](const Conv2dOptions& options, const Shape& x, const Shape& weight) {
    same_in_all_layouts([&](const Tensor& a, const Tensor& b, const Tensor& c,
                            ConvLayouts layouts) { return conv2d(a, b, c, options, activation, layouts); },
                        randn(x), randn(weight), randn({weight[0]}));
  };
  check({.stride = 2, .padding = 1}, {3, 5, 7, 6}, {16, 5, 3, 3});
  check({}, {2, 16, 6, 5}, {7, 16, 2, 3});
  check({.padding = 1}, {2, 2, 6, 5}, {3, 2, 3, 3});  // few channels
  check({}, {2, 4, 3, 3}, {5, 4, 3, 3});              // one place
  check({.groups = 2}, {2, 8, 4, 5}, {6, 4, 2, 2});
}

TEST_CASE("conv_transpose2d in all layouts", "[ops]") {
  const Activation activation = GENERATE(Activation::none, Activation::relu, Activation::tanh);
  const auto check = [&](const ConvTranspose2dOptions& options, const Shape& x, const Shape& weight) {
    same_in_all_layouts([&](const Tensor& a, const Tensor& b, const Tensor& c,
                            ConvLayouts layouts) { return conv_transpose2d(a, b, c, options, activation, layouts); },
                        randn(x), randn(weight), randn({weight[1] * options.groups}));
  };
  check({.stride = 2, .padding = 1}, {3, 5, 4, 3}, {5, 16, 4, 4});
  check({.stride = 2, .padding = 1}, {3, 16, 4, 3}, {16, 1, 4, 4});
  check({}, {2, 6, 1, 1}, {6, 5, 4, 4});
  check({.groups = 2}, {2, 8, 4, 5}, {8, 3, 2, 2});
}

TEST_CASE("with the channels last, shapes are those of such pictures", "[ops]") {
  const Tensor x = ones({2, 6, 5, 4}), weight = ones({8, 4, 3, 3});
  CHECK(conv2d(x, weight, {}, {}, Activation::none, {last, last}).shape() == Shape{2, 4, 3, 8});
  CHECK(conv2d(x, weight, {}, {}, Activation::none, {last, first}).shape() == Shape{2, 8, 4, 3});
  CHECK_THROWS_WITH(conv2d(x, ones({8, 6, 3, 3}), {}, {}, Activation::none, {last, last}),
                    "[conv2d] expected x with 6 channels for weight [8, 6, 3, 3], found [2, 6, 5, 4]");
}

TEST_CASE("between the convolutions of a Sequential pictures have their channels last", "[nn]") {
  struct Seen : nn::Layer {
    Tensor forward(const Tensor& x) override { return seen = x.shape(), x; }
    Shape seen;
  };
  nn::Sequential net{nn::Conv2d(1, 4, 3), nn::ELU(), nn::Conv2d(4, 6, 3), nn::ReLU(), nn::ConvTranspose2d(6, 2, 3)};
  const Tensor y = net(ones({2, 1, 8, 9}));
  CHECK(y.shape() == Shape{2, 2, 6, 7});
  const auto second = y.node()->inputs[0], elu = second->inputs[0];
  CHECK(second->shape == Shape{2, 4, 5, 6});
  CHECK(elu->shape == Shape{2, 6, 7, 4});
  // A layer that is not known gets planes.
  nn::Sequential other;
  other.add(nn::Conv2d(1, 4, 3)).add(Seen()).add(nn::Conv2d(4, 6, 3));
  other(ones({2, 1, 8, 9}));
  CHECK(dynamic_cast<Seen&>(other[1]).seen == Shape{2, 4, 6, 7});
}
