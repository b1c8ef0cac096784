// The layers of nn/blocks.h: numbers worked out by hand, gradients, names, what they refuse.
#include <elbo/core/gradcheck.h>
#include <elbo/core/ops.h>
#include <elbo/nn/blocks.h>
#include <elbo/nn/meta.h>
#include <elbo/nn/sequential.h>
#include <elbo/nn/summary.h>

#include <cmath>

#include "catch.h"

using namespace elbo;

namespace {

using Names = std::vector<std::string>;

Names state_of(const nn::Module& module) {
  Names out;
  for (const auto& [name, array] : module.state_dict()) out.push_back(name + array.shape().to_string());
  return out;
}

template <class E, class Fn>
std::string refusal(const Fn& fn) {
  try {
    fn();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double silu_of(double x) { return x * sigmoid_of(x); }

void check_close(const Tensor& found, const std::vector<double>& expected) {
  const std::vector<double> numbers = found.to(DType::float64).to_vector<double>();
  REQUIRE(numbers.size() == expected.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) CHECK(numbers[i] == Approx(expected[i]).epsilon(1e-6));
}

/// The gradients of x, float64, and of all parameters.
std::string wrong_gradient(nn::Layer& layer, const Shape& shape) {
  Generator generator(5);
  layer.to(DType::float64);
  std::vector<Tensor> inputs = layer.parameters();
  inputs.insert(inputs.begin(), randn(shape, {.dtype = DType::float64}, &generator).requires_grad_());
  return gradcheck([&](std::span<const Tensor> in) { return layer(in[0]); }, inputs).message;
}

}  // namespace

TEST_CASE("GatedLinear: the one product times the sigmoid of the other", "[nn]") {
  nn::GatedLinear layer(2, 2);
  CHECK(state_of(layer) == Names{"h.weight[2, 2]", "h.bias[2]", "g.weight[2, 2]", "g.bias[2]"});
  NoGradGuard no_grad;
  layer.h.weight.copy_(tensor({{1, 2}, {3, 4}})), layer.h.bias.copy_(tensor({0.5, -1}));
  layer.g.weight.copy_(tensor({{1, 0}, {-1, 2}})), layer.g.bias.copy_(tensor({0, 1}));
  check_close(layer(tensor({{1, -1}, {2, 0}})),
              {-0.5 * sigmoid_of(1), -2 * sigmoid_of(-2), 2.5 * sigmoid_of(2), 5 * sigmoid_of(-1)});
  CHECK(nn::GatedLinear(3, 2, {.bias = false}).parameters().size() == 2);
  CHECK(nn::GatedLinear(3, 2)(zeros({4, 5, 3})).shape() == Shape{4, 5, 2});
}

TEST_CASE("GatedLinear and GatedConv2d: the bits and gradients of the ops that they are made of", "[nn]") {
  nn::GatedLinear dense(3, 2);
  nn::GatedConv2d conv(2, 3, 3, {.stride = 2, .padding = 1, .dilation = 1});
  CHECK(state_of(conv) == Names{"h.weight[3, 2, 3, 3]", "h.bias[3]", "g.weight[3, 2, 3, 3]", "g.bias[3]"});
  CHECK(wrong_gradient(dense, {2, 3}).empty());
  CHECK(wrong_gradient(conv, {1, 2, 3, 3}).empty());
  const auto both = [](auto& layer, const Tensor& x) {
    const Tensor found = layer(x), expected = layer.h(x) * sigmoid(layer.g(x));
    CHECK(found.to_vector<double>() == expected.to_vector<double>());
    std::vector<std::vector<double>> gradients[2];
    for (int i = 0; i < 2; ++i) {
      layer.zero_grad();
      sum(square(i == 0 ? found : expected)).backward();
      for (const Tensor& parameter : layer.parameters())
        gradients[i].push_back(parameter.grad().template to_vector<double>());
    }
    CHECK(gradients[0] == gradients[1]);
  };
  both(dense, randn({4, 3}, {.dtype = DType::float64}));
  both(conv, randn({2, 2, 5, 4}, {.dtype = DType::float64}));

  // Frozen, one of the two needs no gradient.
  dense.g.requires_grad_(false);
  CHECK(wrong_gradient(dense, {2, 3}).empty());
  dense.h.requires_grad_(false), dense.g.requires_grad_();
  dense.zero_grad();
  sum(dense(ones({1, 3}, {.dtype = DType::float64}))).backward();
  CHECK(dense.g.bias.grad().defined());
  CHECK_FALSE(dense.h.bias.grad().defined());
}

TEST_CASE("GatedLinear: a step in training takes three arrays for the forward pass", "[nn]") {
  const std::int64_t n = 64, bytes = n * n * 4;
  nn::GatedLinear layer(n, n);
  const Tensor x = randn({n, n});
  const std::int64_t before = memory_stats(cpu).active;
  const Tensor y = layer(x);
  CHECK(memory_stats(cpu).active - before >= 3 * bytes);  // h, g and y
  CHECK(memory_stats(cpu).active - before < 7 * bytes / 2);
  NoGradGuard no_grad;
  const Tensor alone = layer(x);
  CHECK(memory_stats(cpu).active - before < 9 * bytes / 2);
}

TEST_CASE("ResidualBlock2d: adds what two convolutions make of the input", "[nn]") {
  // One pixel, so that the middle of each kernel counts alone.
  nn::ResidualBlock2d plain(2, {.norm = nn::BlockNorm::none});
  CHECK(state_of(plain) ==
        Names{"conv1.weight[2, 2, 3, 3]", "conv1.bias[2]", "conv2.weight[2, 2, 3, 3]", "conv2.bias[2]"});
  NoGradGuard no_grad;
  for (Tensor& parameter : plain.parameters()) parameter.fill_(0);
  const auto middle = [](nn::Conv2d& conv, std::int64_t out, std::int64_t in, double value) {
    conv.weight.index_put_({out, in, 1, 1}, value);
  };
  middle(plain.conv1, 0, 0, 2), middle(plain.conv1, 1, 0, 1), middle(plain.conv1, 1, 1, -1);
  middle(plain.conv2, 0, 1, 3), middle(plain.conv2, 1, 0, -2);
  plain.conv1.bias.copy_(tensor({0.5, 0})), plain.conv2.bias.copy_(tensor({0, 1}));
  const double a = silu_of(0.7), b = silu_of(-1.2), first = 2 * a + 0.5, second = a - b;
  check_close(plain(tensor({0.7, -1.2}).reshape({1, 2, 1, 1})),
              {0.7 + 3 * silu_of(second), -1.2 - 2 * silu_of(first) + 1});
  CHECK(plain(zeros({2, 2, 5, 4})).shape() == Shape{2, 2, 5, 4});
}

TEST_CASE("ResidualBlock2d: the norms come first, and take part in training", "[nn]") {
  nn::ResidualBlock2d batch(2), group(4, {.norm = nn::BlockNorm::group, .groups = 2});
  CHECK(state_of(batch)[0] == "norm1.weight[2]");
  CHECK(state_of(batch).size() == 2 * 5 + 4);
  CHECK(state_of(group) == Names{"norm1.weight[4]", "norm1.bias[4]", "conv1.weight[4, 4, 3, 3]", "conv1.bias[4]",
                                 "norm2.weight[4]", "norm2.bias[4]", "conv2.weight[4, 4, 3, 3]", "conv2.bias[4]"});
  const Tensor x = randn({3, 4, 4, 4});
  const Tensor inner = group.conv1(silu((*group.norm1)(x)));
  CHECK(group(x).to_vector<float>() == (x + group.conv2(silu((*group.norm2)(inner)))).to_vector<float>());

  const Tensor y = randn({3, 2, 4, 4}) + 3;
  batch(y);
  CHECK(dynamic_cast<nn::BatchNorm2d&>(*batch.norm1).num_batches_tracked.item() == 1);
  CHECK(dynamic_cast<nn::BatchNorm2d&>(*batch.norm1).running_mean.mean().item() > 0.1);
  batch.eval();
  batch(y);
  CHECK(dynamic_cast<nn::BatchNorm2d&>(*batch.norm2).num_batches_tracked.item() == 1);
  CHECK(wrong_gradient(batch, {1, 2, 2, 2}).empty());
  nn::ResidualBlock2d small(2, {.norm = nn::BlockNorm::group, .groups = 1}), plain(1, {.norm = nn::BlockNorm::none});
  CHECK(wrong_gradient(small, {1, 2, 2, 2}).empty());
  CHECK(wrong_gradient(plain, {1, 1, 3, 2}).empty());
  CHECK(refusal<ValueError>([] { nn::ResidualBlock2d(6, {.norm = nn::BlockNorm::group, .groups = 4}); }) ==
        "[GroupNorm] num_groups: expected a number that divides the 6 channels, found 4");
}

TEST_CASE("MaskedLinear: what the mask leaves out counts for nothing", "[nn]") {
  nn::MaskedLinear layer(3, 2, [](std::int64_t o, std::int64_t i) { return i <= o; });
  CHECK(state_of(layer) == Names{"weight[2, 3]", "bias[2]", "mask[2, 3]"});
  CHECK(layer.mask.to_vector<float>() == std::vector<float>{1, 0, 0, 1, 1, 0});
  CHECK(layer.weight.abs().max().item() <= std::sqrt(1.0 / 3));
  {
    NoGradGuard no_grad;
    layer.weight.copy_(tensor({{1, 2, 3}, {4, 5, 6}})), layer.bias.copy_(tensor({0.5, -1}));
  }
  const Tensor y = layer(tensor({{1, 10, 100}}));
  check_close(y, {1.5, 4 + 50 - 1});
  sum(y).backward();
  check_close(layer.weight.grad(), {1, 0, 0, 1, 10, 0});
  CHECK_FALSE(layer.mask.requires_grad());
  CHECK(wrong_gradient(layer, {2, 3}).empty());

  const auto all = [](std::int64_t, std::int64_t) { return true; };
  CHECK(nn::MaskedLinear(3, 2, all, {.bias = false}).parameters().size() == 1);
  CHECK(refusal<ValueError>([&] { nn::MaskedLinear(0, 2, all); }) ==
        "[MaskedLinear] in_features: expected at least 1, found 0");
  CHECK(refusal<ValueError>([&] { nn::MaskedLinear(1, -2, all); }) ==
        "[MaskedLinear] out_features: expected at least 1, found -2");
  CHECK(refusal<ValueError>([] { nn::MaskedLinear(1, 2, {}); }) ==
        "[MaskedLinear] keep: expected a function, found an empty one");
}

TEST_CASE("MaskedLinear: masks by degrees make output d depend on inputs before d alone", "[nn]") {
  // Germain et al. 2015: hidden units of degree m see inputs d <= m, outputs d see hidden units of degree m < d.
  const std::vector<std::int64_t> degrees{1, 2, 2, 1, 1};
  const auto degree = [&](std::int64_t unit) { return degrees[static_cast<std::size_t>(unit)]; };
  nn::Sequential made{nn::MaskedLinear(3, 5, [&](std::int64_t o, std::int64_t i) { return degree(o) >= i + 1; }),
                      nn::Tanh(),
                      nn::MaskedLinear(5, 3, [&](std::int64_t o, std::int64_t i) { return o + 1 > degree(i); })};
  for (std::int64_t d = 0; d < 3; ++d) {
    Tensor x = randn({1, 3}).requires_grad_();
    made(x)[0][d].backward();
    const std::vector<float> slope = x.grad().to_vector<float>();
    for (std::int64_t i = 0; i < 3; ++i) CHECK((slope[static_cast<std::size_t>(i)] != 0) == (i < d));
  }
}

TEST_CASE("blocks: are summed up, and described without memory", "[nn][meta]") {
  nn::Sequential net{nn::GatedConv2d(1, 4, 3, {.padding = 1}),
                     nn::ResidualBlock2d(4, {.norm = nn::BlockNorm::group, .groups = 2}), nn::Flatten(),
                     nn::GatedLinear(16, 3), nn::MaskedLinear(3, 2, [](std::int64_t, std::int64_t) { return true; })};
  CHECK(nn::summary(net, {5, 1, 2, 2}) ==
        "name     class            output        parameters\n"
        "         Sequential       [5, 2]\n"
        "0        GatedConv2d      [5, 4, 2, 2]\n"
        "0.h      Conv2d           [5, 4, 2, 2]          40\n"
        "0.g      Conv2d           [5, 4, 2, 2]          40\n"
        "1        ResidualBlock2d  [5, 4, 2, 2]\n"
        "1.norm1  GroupNorm        [5, 4, 2, 2]           8\n"
        "1.conv1  Conv2d           [5, 4, 2, 2]         148\n"
        "1.norm2  GroupNorm        [5, 4, 2, 2]           8\n"
        "1.conv2  Conv2d           [5, 4, 2, 2]         148\n"
        "2        Flatten          [5, 16]\n"
        "3        GatedLinear      [5, 3]\n"
        "3.h      Linear           [5, 3]                51\n"
        "3.g      Linear           [5, 3]                51\n"
        "4        MaskedLinear     [5, 2]                 8\n"
        "total                                          502\n");
  const nn::MetaGuard guard;
  const std::int64_t n = 1'000'000;
  const nn::MaskedLinear masked(n, n, [](std::int64_t, std::int64_t) { return true; });
  CHECK(masked.state_dict()[2].second.device() == meta);
  CHECK(nn::GatedLinear(n, n).num_parameters() == 2 * (n * n + n));
  CHECK(nn::GatedConv2d(n, n, 1).num_parameters() == 2 * (n * n + n));
  CHECK(nn::ResidualBlock2d(n).num_parameters() == 4 * n + 2 * (9 * n * n + n));
}
