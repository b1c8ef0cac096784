// Layers: their shapes, their numbers beside the ops that they call, and what they refuse.
#include <elbo/core/ops.h>
#include <elbo/nn/layers.h>
#include <elbo/nn/pooling.h>

#include <string>

#include "catch.h"

using namespace elbo;

namespace {

std::vector<float> numbers(const Tensor& x) { return x.to_vector<float>(); }

template <class E, class Fn>
std::string refusal(const Fn& fn) {
  try {
    fn();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

/// Names and shapes of a state dict.
std::vector<std::string> state_of(const nn::Module& module) {
  std::vector<std::string> out;
  for (const auto& [name, array] : module.state_dict()) out.push_back(name + array.shape().to_string());
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("Conv1d, and convolutions in groups", "[nn]") {
  nn::Conv1d conv(4, 6, 3, {.stride = 2, .padding = 1, .groups = 2});
  CHECK(state_of(conv) == Names{"weight[6, 2, 3]", "bias[6]"});
  const Tensor x = randn({2, 4, 9});
  CHECK(numbers(conv(x)) == numbers(conv1d(x, conv.weight, conv.bias, {.stride = 2, .padding = 1, .groups = 2})));
  CHECK(conv(x).shape() == Shape{2, 6, 5});
  // PyTorch's default: uniform within 1 / sqrt(fan_in), fan_in = 2 * 3.
  CHECK(conv.weight.abs().max().item() <= std::sqrt(1.0 / 6));
  CHECK(conv.weight.abs().max().item() > 0.5 * std::sqrt(1.0 / 6));

  nn::Conv2d depthwise(4, 4, 3, {.padding = 1, .groups = 4, .bias = false});
  CHECK(state_of(depthwise) == Names{"weight[4, 1, 3, 3]"});
  CHECK(depthwise(randn({1, 4, 5, 5})).shape() == Shape{1, 4, 5, 5});
  nn::ConvTranspose2d up(4, 2, 2, {.stride = 2, .groups = 2});
  CHECK(state_of(up) == Names{"weight[4, 1, 2, 2]", "bias[2]"});
  CHECK(up(randn({1, 4, 3, 3})).shape() == Shape{1, 2, 6, 6});
  CHECK(refusal<ValueError>([] { nn::Conv2d(4, 6, 3, {.groups = 4}); }) ==
        "[Conv2d] groups: expected a number that divides the channels 4 and 6, found 4");
  CHECK(refusal<ValueError>([] { nn::Conv1d(1, 1, 0); }) == "[Conv1d] kernel_size: expected at least 1, found 0");
}

TEST_CASE("BatchNorm1d normalises features, and channels of sequences", "[nn]") {
  nn::BatchNorm1d norm(3);
  CHECK(state_of(norm) == Names{"weight[3]", "bias[3]", "running_mean[3]", "running_var[3]", "num_batches_tracked[]"});
  const Tensor x = randn({50, 3}) * 4 + 2;
  const Tensor y = norm(x);
  CHECK(y.mean(0).abs().max().item() < 1e-6);
  CHECK((y.var(0, 0) - 1).abs().max().item() < 1e-4);
  CHECK((norm.running_mean - 0.1 * x.mean(0)).abs().max().item() < 1e-6);
  CHECK(norm.num_batches_tracked.item() == 1);
  CHECK(norm(randn({4, 3, 7})).shape() == Shape{4, 3, 7});
  norm.eval();
  norm(x);
  CHECK(norm.num_batches_tracked.item() == 2);
  CHECK(refusal<ShapeError>([&] {
          norm(zeros({2, 4}));
        }) == "[BatchNorm1d] expected x [N, 3] or [N, 3, L], found [2, 4]");
  CHECK(refusal<ValueError>([] { nn::BatchNorm1d(3, {.momentum = 2}); }) ==
        "[BatchNorm1d] momentum: expected 0 <= momentum <= 1, found 2");
}

TEST_CASE("GroupNorm normalises groups of channels, each picture by itself", "[nn]") {
  nn::GroupNorm norm(2, 4);
  CHECK(state_of(norm) == Names{"weight[4]", "bias[4]"});
  const Tensor x = randn({3, 4, 2, 5}) * 3 - 1;
  const Tensor groups = reshape(norm(x), {3, 2, 20});
  CHECK(groups.mean(2).abs().max().item() < 1e-6);
  CHECK((groups.var(2, 0) - 1).abs().max().item() < 1e-4);
  norm.weight.detach().copy_(tensor({1, 2, 3, 4}));
  norm.bias.detach().copy_(tensor({0, 0, 0, 5}));
  const Tensor scaled = norm(x), plain = nn::GroupNorm(2, 4, {.affine = false})(x);
  CHECK(numbers(scaled.index({Slice(), 3})) == numbers(plain.index({Slice(), 3}) * 4 + 5));
  CHECK(norm(zeros({0, 4, 2})).shape() == Shape{0, 4, 2});
  CHECK(refusal<ValueError>([] { nn::GroupNorm(3, 4); }) ==
        "[GroupNorm] num_groups: expected a number that divides the 4 channels, found 3");
  CHECK(refusal<ShapeError>([&] { norm(zeros({2, 3})); }) == "[GroupNorm] expected x [N, 4, ...], found [2, 3]");
}

TEST_CASE("Embedding picks rows, and gradients add up where one comes twice", "[nn]") {
  nn::Embedding table(5, 3);
  const Tensor x = tensor({{4, 1}, {4, 0}}, {.dtype = DType::int64});
  const Tensor y = table(x);
  CHECK(y.shape() == Shape{2, 2, 3});
  CHECK(numbers(y[1][0]) == numbers(table.weight[4]));
  y.sum().backward();
  CHECK(numbers(table.weight.grad().sum(1)) == std::vector<float>{3, 3, 0, 0, 6});
  CHECK_THROWS_AS(table(tensor({5}, {.dtype = DType::int64})), IndexError);
  CHECK_THROWS_AS(table(tensor({1.0})), DTypeError);
}

TEST_CASE("pooling, upsampling and PixelShuffle are layers", "[nn]") {
  const Tensor x = reshape(arange(16, {DType::float32}), {1, 1, 4, 4});
  CHECK(numbers(nn::MaxPool2d(2)(x)) == std::vector<float>{5, 7, 13, 15});
  CHECK(numbers(nn::AvgPool2d(2)(x)) == std::vector<float>{2.5, 4.5, 10.5, 12.5});
  CHECK(nn::MaxPool2d(3, {.stride = 1, .padding = 1})(x).shape() == Shape{1, 1, 4, 4});
  CHECK(nn::Upsample({.scale = 3})(x).shape() == Shape{1, 1, 12, 12});
  // Channel i * r + j of a pixel is at (i, j) of its square.
  const Tensor channels = reshape(arange(8, {DType::float32}), {1, 4, 1, 2});
  CHECK(numbers(nn::PixelShuffle(2)(channels)) == std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7});
  CHECK(refusal<ShapeError>([&] { nn::PixelShuffle(3)(x); }) ==
        "[PixelShuffle] expected x [N, C * 9, H, W], found [1, 1, 4, 4]");
}
