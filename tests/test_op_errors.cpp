#include <elbo/core/ops.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "catch.h"

// What ops say about operands that they cannot take: the message names the op, what was expected and what was found.
using namespace elbo;

namespace {

template <class E>
std::string message(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

Tensor ints(const Shape& shape) { return zeros(shape, {DType::int64}); }

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("errors: dtypes", "[errors]") {
  Tensor f = zeros({2}), d = zeros({2}, {DType::float64}), i = ints({2});
  CHECK(message<DTypeError>([&] { exp(i); }) == "[exp] expected float32 or float64, found int64");
  CHECK(message<DTypeError>([&] { i / i; }) == "[div] expected float32 or float64, found int64");
  CHECK(message<DTypeError>([&] { f* d; }) == "[mul] expected operands of one dtype, found float32 and float64");
  CHECK(message<DTypeError>([&] { lt(f, i); }) == "[lt] expected operands of one dtype, found float32 and int64");
  CHECK(message<DTypeError>([&] { mean(i); }) == "[mean] expected float32 or float64, found int64");
  CHECK(message<DTypeError>([&] { where(f, f, f); }) == "[where] expected a condition of uint8, found float32");
  CHECK(message<DTypeError>([&] { mse_loss(f, d); }) ==
        "[mse_loss] expected operands of one dtype, found float32 and float64");
  CHECK(message<DTypeError>([&] { index_select(f, 0, f); }) ==
        "[index_select] expected indices of int64, found float32");
  CHECK(message<DTypeError>([&] { one_hot(f, 3); }) == "[one_hot] expected labels of int64, found float32");
  CHECK(message<DTypeError>([&] { one_hot(i, 3, DType::int64); }) ==
        "[one_hot] expected float32 or float64, found int64");
  CHECK(message<DTypeError>([&] {
          cross_entropy(zeros({2, 3}), d);
        }) == "[cross_entropy] expected labels of int64 or probabilities of float32, found float64");
  CHECK(message<DTypeError>([&] { randn({2}, {DType::uint8}); }) == "[randn] expected float32 or float64, found uint8");
  CHECK(message<DTypeError>([&] {
          concatenate({f, d}, 0);
        }) == "[concatenate] expected operands of one dtype, found float32 and float64");
}

TEST_CASE("errors: ops that only move elements take any dtype", "[errors]") {
  Tensor x = arange(6, {DType::int64});
  auto numbers = [](const Tensor& y) { return y.array().to_vector<std::int64_t>(); };
  using Ints = std::vector<std::int64_t>;
  CHECK(numbers(transpose(reshape(x, {2, 3}), 0, 1)) == Ints{0, 3, 1, 4, 2, 5});
  CHECK(numbers(slice(x, 0, 1, 6, 2)) == Ints{1, 3, 5});
  CHECK(numbers(pad(x, {1}, {0}, -7)) == Ints{-7, 0, 1, 2, 3, 4, 5});
  CHECK(numbers(index_select(x, 0, tensor({5, 0}, {DType::int64}))) == Ints{5, 0});
  CHECK(numbers(concatenate({x, x}, 0)).size() == 12);
  CHECK(numbers(where(eq(x, x), x, ints({1}))) == Ints{0, 1, 2, 3, 4, 5});
  CHECK_FALSE(reshape(x, {2, 3}).requires_grad());
}

TEST_CASE("errors: axes", "[errors]") {
  Tensor x = zeros({2, 3});
  CHECK(message<IndexError>([&] { sum(x, {2}); }) == "[sum] axis 2 is out of range for shape [2, 3]");
  CHECK(message<IndexError>([&] { softmax(x, -3); }) == "[softmax] axis -3 is out of range for shape [2, 3]");
  CHECK(message<ShapeError>([&] { mean(x, {1, -1}); }) == "[mean] axis 1 of shape [2, 3] is named twice");
  CHECK(message<IndexError>([&] { argmax(tensor(1), 1); }) == "[argmax] axis 1 is out of range for shape []");
  CHECK(message<ShapeError>([&] { concatenate({tensor(1)}, 0); }) ==
        "[concatenate] expected at least 1 dimension, found a scalar");
  CHECK(message<ShapeError>([&] { permute(x, {0}); }) == "[permute] expected 2 axes for shape [2, 3], found 1");
  CHECK(message<ShapeError>([&] { permute(x, {0, -2}); }) == "[permute] axis -2 of shape [2, 3] is named twice");
  CHECK(message<IndexError>([&] { transpose(x, 0, 2); }) == "[transpose] axis 2 is out of range for shape [2, 3]");
  CHECK(message<IndexError>([&] { flatten(zeros({3})); }) == "[flatten] axis 1 is out of range for shape [3]");
}

TEST_CASE("errors: reductions over nothing", "[errors]") {
  Tensor x = zeros({2, 0});
  CHECK(message<ShapeError>([&] { max(x); }) == "[max] expected at least one element, found shape [2, 0]");
  CHECK(message<ShapeError>([&] { min(x, {1}); }) == "[min] expected at least one element, found shape [2, 0]");
  CHECK(max(x, {0}).shape() == Shape{0});
  CHECK(message<ShapeError>([&] { argmax(x, -1); }) ==
        "[argmax] expected at least one element along axis -1, found shape [2, 0]");
  CHECK(argmax(x, 0).shape() == Shape{0});
  CHECK(sum(x).item() == 0);
  CHECK(std::isnan(mean(x).item()));
  CHECK(std::isnan(var(zeros({1})).item()));
}

TEST_CASE("errors: products", "[errors]") {
  CHECK(message<ShapeError>([] {
          matmul(zeros({2, 3}), zeros({4, 5}));
        }) == "[matmul] inner dimensions differ: a [2, 3], b [4, 5]");
  CHECK(message<ShapeError>([] {
          matmul(zeros({4}), zeros({3, 5}));
        }) == "[matmul] inner dimensions differ: a [4], b [3, 5]");
  CHECK(message<ShapeError>([] { matmul(zeros({}), zeros({3})); }) ==
        "[matmul] expected at least 1 dimension each, found a [], b [3]");
  CHECK(message<ShapeError>([] {
          matmul(zeros({2, 2, 3}), zeros({3, 3, 5}));
        }) == "[matmul] shapes do not broadcast: [2] and [3]");
  CHECK(message<ShapeError>([] {
          linear(zeros({2, 3}), zeros({5, 4}));
        }) == "[linear] expected x [..., 4] for weight [5, 4], found [2, 3]");
  CHECK(message<ShapeError>([] {
          linear(zeros({2, 3}), zeros({3}));
        }) == "[linear] expected weight with 2 dimensions, found shape [3]");
  CHECK(message<ShapeError>([] {
          linear(zeros({2, 3}), zeros({5, 3}), zeros({3}));
        }) == "[linear] expected a bias of shape [5], found [3]");
}

TEST_CASE("errors: convolutions", "[errors]") {
  Tensor x = zeros({1, 3, 8, 8}), weight = zeros({4, 3, 3, 3});
  CHECK(message<ShapeError>([&] {
          conv2d(zeros({1, 2, 8, 8}), weight);
        }) == "[conv2d] expected x with 3 channels for weight [4, 3, 3, 3], found [1, 2, 8, 8]");
  CHECK(message<ShapeError>([&] {
          conv2d(zeros({3, 8, 8}), weight);
        }) == "[conv2d] expected x with 4 dimensions, found shape [3, 8, 8]");
  CHECK(message<ShapeError>([&] { conv2d(x, weight, zeros({3})); }) ==
        "[conv2d] expected a bias of shape [4], found [3]");
  CHECK(message<ShapeError>([&] {
          conv2d(zeros({1, 3, 2, 8}), weight);
        }) ==
        "[conv2d] the kernel is larger than the padded picture: x [1, 3, 2, 8], weight [4, 3, 3, 3], padding 0 x 0, "
        "dilation 1 x 1");
  CHECK(message<ValueError>([&] {
          conv2d(x, weight, {}, {.stride = {1, 0}});
        }) == "[conv2d] expected a stride of at least 1, found 1 x 0");
  CHECK(message<ValueError>([&] { conv2d(x, weight, {}, {.padding = -1}); }) ==
        "[conv2d] expected a padding of at least 0, found -1 x -1");
  CHECK(message<ShapeError>([&] {
          conv2d(x, zeros({4, 3, 0, 3}));
        }) == "[conv2d] expected a kernel of at least 1 x 1, found weight [4, 3, 0, 3]");
  CHECK(message<ShapeError>([&] { conv_transpose2d(x, weight); }) ==
        "[conv_transpose2d] expected x with 4 channels for weight [4, 3, 3, 3], found [1, 3, 8, 8]");
  CHECK(message<ShapeError>([&] { conv2d(x, weight, {}, {.groups = 2}); }) ==
        "[conv2d] expected channels that 2 groups divide, found x [1, 3, 8, 8], weight [4, 3, 3, 3]");
  CHECK(message<ValueError>([&] { conv2d(x, weight, {}, {.groups = 0}); }) ==
        "[conv2d] expected at least one group, found 0");
  CHECK(message<ShapeError>([&] {
          conv2d(x, zeros({3, 2, 3, 3}), {}, {.groups = 3});
        }) == "[conv2d] expected x with 2 channels a group for weight [3, 2, 3, 3], found [1, 3, 8, 8] in 3 groups");
  CHECK(message<ShapeError>([&] {
          conv1d(x, zeros({4, 3, 3}));
        }) == "[conv1d] expected x with 3 dimensions, found shape [1, 3, 8, 8]");
  CHECK(message<ValueError>([&] {
          conv1d(zeros({1, 3, 8}), zeros({4, 3, 3}), {}, {.stride = 0});
        }) == "[conv1d] expected a stride of at least 1, found 0");
  CHECK(message<ShapeError>([] {
          conv1d(zeros({1, 2, 4}), zeros({1, 1, 2}));
        }) == "[conv1d] expected x with 1 channels for weight [1, 1, 2] in 1 group, found [1, 2, 4]");
  CHECK(message<ShapeError>([] {
          conv1d(zeros({1, 2, 4}), zeros({1, 2, 5}));
        }) ==
        "[conv1d] the kernel is longer than the padded line: x [1, 2, 4], weight [1, 2, 5], padding 0, dilation 1");
  CHECK(message<ShapeError>([] {
          conv_transpose1d(zeros({1, 2, 4}), zeros({1, 1, 2}));
        }) == "[conv_transpose1d] expected x with 1 channels for weight [1, 1, 2] in 1 group, found [1, 2, 4]");
  Tensor wide = zeros({3, 4, 3, 3});
  CHECK(
      message<ValueError>([&] { conv_transpose2d(x, wide, {}, {.stride = 2, .output_padding = 2}); }) ==
      "[conv_transpose2d] expected output_padding below stride or dilation, found 2 x 2 for stride 2 x 2 and dilation "
      "1 x 1");
  CHECK(
      message<ShapeError>([&] {
        conv_transpose2d(zeros({1, 3, 1, 1}), wide, {}, {.padding = 2});
      }) ==
      "[conv_transpose2d] expected an output of at least 1 x 1, found -1 x -1 for x [1, 3, 1, 1], weight [3, 4, 3, 3]");
}

TEST_CASE("errors: pooling and upsampling", "[errors]") {
  const Tensor x = zeros({1, 3, 8, 8});
  CHECK(message<ShapeError>([&] {
          max_pool2d(zeros({3, 8, 8}), 2);
        }) == "[max_pool2d] expected x with 4 dimensions, found shape [3, 8, 8]");
  CHECK(message<ShapeError>([&] {
          avg_pool2d(zeros({1, 3, 0, 8}), 2);
        }) == "[avg_pool2d] expected pictures of at least 1 x 1, found [1, 3, 0, 8]");
  CHECK(message<ShapeError>([&] { max_pool2d(x, 9); }) ==
        "[max_pool2d] the kernel is larger than the padded picture: 9 and 8 with a padding of 0");
  CHECK(message<ValueError>([&] { max_pool2d(x, 3, {.padding = 2}); }) ==
        "[max_pool2d] expected a padding from 0 to half of the kernel, found 2 for a kernel of 3");
  CHECK(message<ValueError>([&] { avg_pool2d(x, 3, {.stride = 0}); }) ==
        "[avg_pool2d] expected kernel and stride of at least 1, found 3 and 0");
  CHECK(message<ValueError>([&] {
          upsample(x, {.scale = {2, 0}});
        }) == "[upsample] expected a scale of at least 1, found 2 x 0");
  CHECK(message<ValueError>([&] { upsample(x, {.size = Size2(0, 3)}); }) ==
        "[upsample] expected a size of at least 1 x 1, found 0 x 3");
}

TEST_CASE("errors: shapes", "[errors]") {
  Tensor x = zeros({2, 3});
  CHECK(message<ShapeError>([&] { reshape(x, {4}); }) == "[reshape] [2, 3] to [4]: 6 elements to 4");
  CHECK(message<ShapeError>([&] {
          reshape(x, {4, -1});
        }) == "[reshape] [2, 3] to [4, 1]: no size in place of -1 (dimension 1) gives 6 elements");
  CHECK(message<ShapeError>([&] {
          reshape(zeros({0}), {0, -1});
        }) == "[reshape] [0] to [0, 1]: no size in place of -1 (dimension 1) gives 0 elements");
  CHECK(message<ShapeError>([&] { reshape(x, {-1, -1}); }) == "[reshape] negative size -1 in dimension 1");
  CHECK(message<ShapeError>([&] { concatenate({}, 0); }) == "[concatenate] expected at least one tensor, found none");
  CHECK(message<ShapeError>([&] {
          concatenate({x, zeros({2, 4})}, 0);
        }) == "[concatenate] sizes differ outside axis 0: [2, 3] and [2, 4]");
  CHECK(message<ShapeError>([&] {
          concatenate({x, zeros({2})}, 0);
        }) == "[concatenate] sizes differ outside axis 0: [2, 3] and [2]");
  CHECK(message<ValueError>([&] { slice(x, 0, 0, 1, 0); }) == "[slice] expected a step of at least 1, found 0");
  CHECK(message<ShapeError>([&] {
          pad(x, {1}, {1, 1});
        }) == "[pad] expected 2 sizes before and after for shape [2, 3], found 1 and 2");
  CHECK(message<ValueError>([&] {
          pad(x, {0, -1}, {0, 2});
        }) == "[pad] expected sizes of at least 0, found -1 and 2 for axis 1");
  CHECK(message<ShapeError>([&] {
          pad(x, {0, 3}, {0, 0}, PadMode::reflect);
        }) == "[pad] expected at most 2 elements on each side of axis 1 of shape [2, 3], found 3 and 0");
  CHECK(message<ShapeError>([&] { pad(zeros({0}), {1}, {0}, PadMode::replicate); }) ==
        "[pad] expected at most 0 elements on each side of axis 0 of shape [0], found 1 and 0");
}

TEST_CASE("errors: indices and labels", "[errors]") {
  Tensor x = zeros({2, 3});
  CHECK_THROWS_AS(index_select(x, 1, tensor({0, 3}, {DType::int64})), IndexError);
  CHECK_THROWS_AS(index_select(x, 1, tensor({-1}, {DType::int64})), IndexError);
  CHECK(message<ShapeError>([&] {
          index_select(x, 1, ints({1, 1}));
        }) == "[index_select] expected indices with 1 dimensions, found shape [1, 1]");
  CHECK(message<IndexError>([&] {
          gather(x, 1, tensor({{0, 1, 2}, {2, 3, -1}}, {DType::int64}));
        }) == "[gather] index 3 at position 4 is outside [0, 3)");
  CHECK(message<ShapeError>([&] {
          gather(x, 1, ints({3, 1}));
        }) == "[gather] expected indices that fit into shape [2, 3] but along axis 1, found shape [3, 1]");
  CHECK(message<ShapeError>([&] {
          scatter_add(x, 1, ints({1, 1}), zeros({1, 1}));
        }) == "[scatter_add] expected indices of shape [2, 1], found [1, 1]");
  CHECK(message<ShapeError>([&] {
          scatter_add(x, 1, ints({2, 1}), zeros({2, 2}));
        }) == "[scatter_add] expected a source of shape [2, 1], found [2, 2]");
  CHECK_THROWS_AS(scatter_add(x, 0, full({1, 3}, -1, {DType::int64}), zeros({1, 3})), IndexError);
  CHECK_THROWS_AS(one_hot(tensor({3}, {DType::int64}), 3), IndexError);
  CHECK(message<ValueError>([&] { one_hot(ints({1}), 0); }) == "[one_hot] expected at least one class, found 0");
  CHECK_THROWS_AS(cross_entropy(x, tensor({0, 3}, {DType::int64})), IndexError);
  CHECK(message<ShapeError>([&] { cross_entropy(x, ints({3})); }) ==
        "[cross_entropy] expected labels of shape [2], found [3]");
  CHECK(message<ShapeError>([&] { cross_entropy(zeros({3}), ints({3})); }) ==
        "[cross_entropy] expected logits [N, C, ...], found shape [3]");
}

TEST_CASE("errors: random numbers", "[errors]") {
  CHECK(message<ValueError>([] { bernoulli(1.5, {2}); }) == "[bernoulli] expected a probability in [0, 1], found 1.5");
  CHECK_THROWS_AS(bernoulli(not_a_number, {2}), ValueError);
  CHECK(message<ValueError>([] { dropout(zeros({2}), 1); }) == "[dropout] expected a probability in [0, 1), found 1");
  CHECK_THROWS_AS(dropout(zeros({2}), -0.1, false), ValueError);
  CHECK(message<ShapeError>([] {
          reparameterize(zeros({2, 3}), zeros({3}));
        }) == "[reparameterize] expected logvar of shape [2, 3], found [3]");
}

TEST_CASE("errors: losses", "[errors]") {
  CHECK(message<ShapeError>([] {
          mse_loss(zeros({2, 3}), zeros({2}));
        }) == "[mse_loss] shapes do not broadcast: [2, 3] and [2]");
  CHECK(message<ShapeError>([] {
          l1_loss(zeros({2, 3}), zeros({2}));
        }) == "[l1_loss] shapes do not broadcast: [2, 3] and [2]");
  for (const double delta : {0.0, -1.0, not_a_number, std::numeric_limits<double>::infinity()})
    CHECK_THROWS_WITH(huber_loss(zeros({2}), zeros({2}), delta),
                      Catch::Contains("[huber_loss] expected a finite delta above 0, found "));
  const Tensor x = zeros({2, 3}), labels = ints({2});
  CHECK(message<ShapeError>([&] { cross_entropy(x, ones({2})); }) ==
        "[cross_entropy] expected probabilities of shape [2, 3], found [2]");
  CHECK(message<ShapeError>([&] { cross_entropy(x, labels, {.weight = ones({2})}); }) ==
        "[cross_entropy] expected a weight of shape [3], found [2]");
  for (const double part : {-0.1, 1.1, not_a_number})
    CHECK_THROWS_WITH(cross_entropy(x, labels, {.label_smoothing = part}),
                      Catch::Contains("[cross_entropy] expected label_smoothing in [0, 1], found "));
  CHECK(message<ShapeError>([&] { categorical_log_prob(ints({3}), x); }) ==
        "[categorical_log_prob] expected labels of shape [2], found [3]");
  CHECK_THROWS_AS(student_t_log_prob(x, x, x, 0), ValueError);
}

TEST_CASE("errors: normalisation", "[errors]") {
  Tensor x = zeros({2, 3, 4}), none, mean = zeros({3}), variance = ones({3});
  CHECK(message<ShapeError>([&] { batch_norm(zeros({3}), {}, {}, none, none, true); }) ==
        "[batch_norm] expected x [N, C, ...], found shape [3]");
  CHECK(message<ShapeError>([&] { batch_norm(x, zeros({2}), {}, none, none, true); }) ==
        "[batch_norm] expected a weight of shape [3], found [2]");
  CHECK(message<ShapeError>([&] {
          batch_norm(zeros({1, 3}), {}, {}, mean, variance, true);
        }) == "[batch_norm] expected more than one element a channel in training, found shape [1, 3]");
  CHECK(message<ValueError>([&] { batch_norm(x, {}, {}, none, none, false); }) ==
        "[batch_norm] expected a running mean and variance outside training, found none");
  Tensor learned = zeros({3}).requires_grad_();
  CHECK_THROWS_AS(batch_norm(x, {}, {}, learned, variance, false), AutogradError);
  CHECK(message<ShapeError>([&] { layer_norm(x, {3}); }) ==
        "[layer_norm] expected a shape ending in [3], found [2, 3, 4]");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double eps : {-1.0, nan, std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_WITH(batch_norm(x, {}, {}, mean, variance, true, 0.1, eps), Catch::Contains("[batch_norm] eps: "));
    CHECK_THROWS_WITH(layer_norm(x, {4}, {}, {}, eps), Catch::Contains("[layer_norm] eps: "));
  }
  for (const double momentum : {-0.1, 2.0, nan})
    CHECK_THROWS_WITH(batch_norm(x, {}, {}, mean, variance, true, momentum),
                      Catch::Contains("[batch_norm] momentum: "));
  CHECK_THROWS_AS(layer_norm(x, {}), ShapeError);
  CHECK_THROWS_AS(layer_norm(zeros({4}), {3, 4}), ShapeError);
}
