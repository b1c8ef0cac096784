#include <elbo/core/ops.h>

#include <functional>
#include <sstream>
#include <string>
#include <type_traits>

#include "catch.h"

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

using Floats = std::vector<float>;

Floats values(const Tensor& x) { return x.array().to_vector<float>(); }

}  // namespace

TEST_CASE("tensor: nested braces", "[tensor]") {
  CHECK(tensor(2.5).shape() == Shape{});
  CHECK(tensor(2.5).item() == 2.5);
  CHECK(tensor({1, 2, 3}).shape() == Shape{3});
  CHECK(tensor({1}).shape() == Shape{1});
  CHECK(tensor({{1}}).shape() == Shape{1, 1});
  CHECK(tensor({{1, 2, 3}}).shape() == Shape{1, 3});
  CHECK(tensor({{1}, {2}}).shape() == Shape{2, 1});
  CHECK(tensor({{1, 2}, {3, 4}}).shape() == Shape{2, 2});
  CHECK(tensor({{1, 2, 3}, {4, 5, 6}}).shape() == Shape{2, 3});
  CHECK(tensor({{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}).shape() == Shape{2, 2, 2});
  CHECK(tensor({{{1}, {2}}}).shape() == Shape{1, 2, 1});
  CHECK(tensor({}).shape() == Shape{0});
  CHECK(tensor({{}, {}}).shape() == Shape{2, 0});
  CHECK(values(tensor({{1, 2.5}, {-3, 4}})) == Floats{1, 2.5, -3, 4});
  const int n = 3;
  const std::int64_t m = -4;
  CHECK(values(tensor({{n, m}, {m, n}})) == Floats{3, -4, -4, 3});
  CHECK(values(tensor({m, m})) == Floats{-4, -4});
  CHECK(tensor(n).shape() == Shape{});
  CHECK(values(tensor({true, false})) == Floats{1, 0});
  const std::int64_t odd = (std::int64_t{1} << 53) + 1;
  CHECK(tensor({odd - 1}, {DType::int64}).to_vector<std::int64_t>() == std::vector{odd - 1});
  CHECK(message<ValueError>([&] { tensor({odd}, {DType::int64}); }) ==
        "[tensor] expected a number that a double can hold, found 9007199254740993");
  CHECK(message<ValueError>([] { tensor(INT64_MAX); }).find("[tensor] expected a number") == 0);
  CHECK(values(tensor({{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}})) == Floats{1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("tensor: braces in each dtype", "[tensor]") {
  CHECK(tensor({{1, 2}}).dtype() == DType::float32);
  CHECK(tensor({0.1, 0.2}, {DType::float64}).array().to_vector<double>() == std::vector<double>{0.1, 0.2});
  CHECK(tensor({1, -2}, {DType::int64}).array().to_vector<std::int64_t>() == std::vector<std::int64_t>{1, -2});
  CHECK(tensor({{0, 255}}, {DType::uint8}).array().to_vector<std::uint8_t>() == std::vector<std::uint8_t>{0, 255});
}

TEST_CASE("tensor: ragged braces", "[tensor]") {
  CHECK(message<ShapeError>([] { tensor({{1, 2}, {3}}); }) == "[tensor] ragged braces: [2] beside [1]");
  CHECK(message<ShapeError>([] { tensor({{1, 2}, 3}); }) == "[tensor] ragged braces: [2] beside []");
  CHECK(message<ShapeError>([] { tensor({{{1}, {2}}, {{3}, {4, 5}}}); }) == "[tensor] ragged braces: [1] beside [2]");
  CHECK(message<ShapeError>([] { tensor({{}, {1}}); }) == "[tensor] ragged braces: [0] beside [1]");
}

TEST_CASE("tensor: from a span", "[tensor]") {
  std::vector<float> data{1, 2, 3, 4, 5, 6};
  Tensor x = tensor(std::span<const float>(data), {2, 3});
  data[0] = 99;  // it is a copy
  CHECK(values(x) == Floats{1, 2, 3, 4, 5, 6});
  CHECK(message<ShapeError>([&] {
          tensor(std::span<const float>(data), {2, 2});
        }) == "[from] shape [2, 2] holds 4 elements, found 6");
}

TEST_CASE("tensor: zeros, ones, full, arange", "[tensor]") {
  CHECK(values(zeros({2})) == Floats{0, 0});
  CHECK(values(ones({2})) == Floats{1, 1});
  CHECK(values(full({2}, 0.5)) == Floats{0.5, 0.5});
  CHECK(full({}, 3, {DType::int64}).item() == 3);
  CHECK(zeros({0, 3}).numel() == 0);
  CHECK(values(arange(3)) == Floats{0, 1, 2});
  CHECK(arange(3, {DType::int64}).array().to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 2});
  CHECK(arange(0).shape() == Shape{0});
  CHECK(message<ShapeError>([] { arange(-1); }) == "[arange] expected n >= 0, found -1");
}

TEST_CASE("tensor: a handle", "[tensor]") {
  Tensor x = zeros({2}), same = x;
  same.mutable_array().fill(5);
  CHECK(values(x) == Floats{5, 5});
  CHECK(same.array().storage() == x.array().storage());
}

// x[0] = y would let a handle without a name stand for y, and write nothing.
static_assert(!std::is_assignable_v<Tensor, Tensor> && !std::is_assignable_v<Tensor, const Tensor&>);
static_assert(std::is_assignable_v<Tensor&, Tensor> && std::is_assignable_v<Tensor&, const Tensor&>);
static_assert(std::is_nothrow_move_constructible_v<Tensor> && std::is_nothrow_move_assignable_v<Tensor>);

// Nor does a reference into a tensor without a name outlive it.
static_assert(!std::is_reference_v<decltype(Tensor().array())> && !std::is_reference_v<decltype(Tensor().shape())>);
template <class T>
concept ReadsValues = requires(T x) {
  static_cast<T&&>(x).template values<float>();
};
static_assert(ReadsValues<const Array&> && !ReadsValues<Array> && !ReadsValues<const Array>);

TEST_CASE("tensor: ops as methods", "[tensor]") {
  const Tensor x = tensor({{1, -2}, {3, 4}}), i = tensor({{1, 0}}, {DType::int64});
  const auto same = [](const Tensor& a, const Tensor& b) {
    return a.dtype() == b.dtype() && a.shape() == b.shape() && (a == b).all().item() == 1;
  };
  CHECK(same(x.cumsum(1), cumsum(x, 1)));
  CHECK(same(x.flip(0), flip(x, 0)));
  CHECK(same(x.gather(0, i), gather(x, 0, i)));
  CHECK(same(x.scatter_add(0, i, ones({1, 2})), scatter_add(x, 0, i, ones({1, 2}))));
  CHECK(same(x.masked_fill(x > 2, 9), masked_fill(x, x > 2, 9)));
  CHECK(same(x.repeat({1, 2}), repeat(x, {1, 2})));
  CHECK(same(x.split(1, 1)[1], split(x, 1, 1)[1]));
  CHECK(same(x.split({2, 0}, 1)[0], x));
  CHECK(same(x.chunk(2)[1], chunk(x, 2)[1]));
  CHECK(same(x.logsumexp(1, true), logsumexp(x, 1, true)));
  CHECK(same(log(x).isnan(), isnan(log(x))));
  CHECK(same((1 / x.relu()).isfinite(), isfinite(1 / relu(x))));
  CHECK(same(x.maximum(0), maximum(x, 0)));
  CHECK(same(x.minimum(0), minimum(x, 0)));
  CHECK(same(x.tril(-1), tril(x, -1)));
  CHECK(same(x.triu(1), triu(x, 1)));
}

TEST_CASE("tensor: views share their storage", "[tensor]") {
  Tensor x = tensor({{1, 2}, {3, 4}, {5, 6}});
  Tensor rows = slice(x, 0, 1, 3), flat = reshape(x, {6}), column = slice(x, 1, 0, 1);
  x.mutable_array().fill(0);
  CHECK(values(rows) == Floats{0, 0, 0, 0});
  CHECK(values(flat) == Floats{0, 0, 0, 0, 0, 0});
  CHECK(values(column) == Floats{1, 3, 5});  // a copy
}

TEST_CASE("slice: bounds as in Python", "[tensor]") {
  Tensor x = arange(6);
  CHECK(values(slice(x, 0, 1, 4)) == Floats{1, 2, 3});
  CHECK(values(slice(x, -1, -2, 100)) == Floats{4, 5});
  CHECK(values(slice(x, 0, -100, -4)) == Floats{0, 1});
  CHECK(values(slice(x, 0, 4, 2)).empty());
  CHECK(values(slice(x, 0, 9, 12)).empty());
  CHECK(values(slice(x, 0, 0, 6, 2)) == Floats{0, 2, 4});
  CHECK(values(slice(x, 0, 1, 6, 4)) == Floats{1, 5});
  CHECK(values(slice(x, 0, 1, 2, 4)) == Floats{1});
  CHECK(slice(zeros({0, 3}), 0, 0, 5).shape() == Shape{0, 3});
}

TEST_CASE("reshape: one size may be -1", "[tensor]") {
  Tensor x = zeros({2, 6});
  CHECK(reshape(x, {3, -1}).shape() == Shape{3, 4});
  CHECK(reshape(x, {-1}).shape() == Shape{12});
  CHECK(reshape(zeros({0, 6}), {-1, 3}).shape() == Shape{0, 3});
  CHECK(reshape(ones({1, 1}), {}).shape() == Shape{});
  CHECK(flatten(zeros({2, 3, 4})).shape() == Shape{2, 12});
  CHECK(flatten(zeros({2, 3, 4}), 0).shape() == Shape{24});
  CHECK(flatten(zeros({2, 3, 4}), -2).shape() == Shape{2, 12});
  CHECK(flatten(zeros({0, 3, 4})).shape() == Shape{0, 12});
  CHECK(flatten(tensor(1)).shape() == Shape{1});
}

TEST_CASE("item: the one element", "[tensor]") {
  CHECK(tensor({{7}}).item() == 7);
  CHECK(tensor(7, {DType::int64}).item() == 7);
  CHECK(tensor(200, {DType::uint8}).item() == 200);
  CHECK(tensor(0.1, {DType::float64}).item() == 0.1);
  CHECK(message<ShapeError>([] { tensor({1, 2}).item(); }) == "[item] expected one element, found shape [2]");
  CHECK(message<ShapeError>([] { zeros({0}).item(); }) == "[item] expected one element, found shape [0]");
}

TEST_CASE("array: typed access checks the type", "[tensor]") {
  Array x = Array::zeros({2});
  CHECK(x.values<float>().size() == 2);
  CHECK(message<DTypeError>([&] { x.values<double>(); }) == "[values] the array is float32, asked for float64");
  CHECK(message<DTypeError>([&] { x.to_vector<std::int64_t>(); }) ==
        "[to_vector] the array is float32, asked for int64");
}

TEST_CASE("array: assign and slice check what they get", "[tensor]") {
  Array x = Array::zeros({2, 3});
  x.assign(Array::full({2, 3}, 4));
  CHECK(x.to_vector<float>() == Floats(6, 4));
  CHECK(message<ShapeError>([&] { x.assign(Array::zeros({3, 2})); }) == "[assign] expected shape [2, 3], found [3, 2]");
  CHECK(message<DTypeError>([&] {
          x.assign(Array::zeros({2, 3}, {DType::float64}));
        }) == "[assign] expected float32, found float64");
  CHECK(message<IndexError>([&] { x.slice(1, 3); }) == "[slice] rows [1, 3) are out of range for shape [2, 3]");
  CHECK(message<ShapeError>([&] { x.reshape({4}); }) == "[reshape] [2, 3] to [4]: 6 elements to 4");
}

TEST_CASE("array: assign within one storage", "[tensor]") {
  // Under AddressSanitizer a copy in one piece would fail here.
  Array x = Array::from(std::vector<float>{0, 1, 2, 3}, {4}), front = x.slice(0, 3), back = x.slice(1, 4);
  back.assign(front);
  CHECK(x.to_vector<float>() == Floats{0, 0, 1, 2});
  front.assign(back);
  CHECK(x.to_vector<float>() == Floats{0, 1, 2, 2});
  x.assign(x);
  CHECK(x.to_vector<float>() == Floats{0, 1, 2, 2});
}

TEST_CASE("array: a copy is its own, a write is counted", "[tensor]") {
  Array x = Array::full({2}, 1), copy = x.copy(), view = x.reshape({2, 1});
  auto version = x.storage()->version();
  view.fill(3);
  CHECK(x.storage()->version() == version + 1);
  CHECK(copy.to_vector<float>() == Floats{1, 1});
  CHECK(x.to_vector<float>() == Floats{3, 3});
}

TEST_CASE("broadcasting", "[tensor]") {
  CHECK(values(tensor({{1}, {2}}) + tensor({10, 20, 30})) == Floats{11, 21, 31, 12, 22, 32});
  CHECK((zeros({4, 1, 3}) * zeros({2, 1})).shape() == Shape{4, 2, 3});
  CHECK((zeros({0, 3}) + zeros({1})).shape() == Shape{0, 3});
  CHECK((zeros({0, 1}) + zeros({1, 3})).shape() == Shape{0, 3});
  CHECK((zeros({}) + zeros({})).shape() == Shape{});
  CHECK(message<ShapeError>([] { zeros({2, 3}) + zeros({4}); }) == "[add] shapes do not broadcast: [2, 3] and [4]");
  CHECK(message<ShapeError>([] {
          zeros({2, 3}) * zeros({3, 2});
        }) == "[mul] shapes do not broadcast: [2, 3] and [3, 2]");
  CHECK(message<ShapeError>([] { zeros({0}) - zeros({2}); }) == "[sub] shapes do not broadcast: [0] and [2]");
  CHECK(message<ShapeError>([] { where(zeros({2}, {DType::uint8}), zeros({3}), zeros({1})); }) ==
        "[where] shapes do not broadcast: [2] and [3]");
}

TEST_CASE("shape: sizes count from the end too, and nothing outside is read", "[tensor]") {
  const Tensor x = zeros({2, 3, 4});
  CHECK(x.shape()[-1] == 4);
  CHECK(x.size(-3) == 2);
  CHECK(x.size(1) == 3);
  CHECK(x.dim() == 3);
  CHECK(message<IndexError>([&] { x.size(3); }) == "[Shape] expected a dimension in [-3, 3), found 3");
  CHECK(message<IndexError>([&] { (void)x.shape()[-4]; }) == "[Shape] expected a dimension in [-3, 3), found -4");
  CHECK(message<IndexError>([] { (void)Shape{}.back(); }) == "[Shape] expected a dimension in [0, 0), found -1");
}

TEST_CASE("a number may stand on either side of every op on two operands", "[tensor]") {
  const Tensor x = tensor({1, 2, 4});
  CHECK(values(add(1, x)) == Floats{2, 3, 5});
  CHECK(values(sub(1, x)) == Floats{0, -1, -3});
  CHECK(values(div(x, 2)) == Floats{0.5, 1, 2});
  CHECK(values(maximum(x, 2)) == Floats{2, 2, 4});
  CHECK(values(minimum(2.5, x)) == Floats{1, 2, 2.5});
  const auto bytes = [](const Tensor& y) { return y.to_vector<std::uint8_t>(); };
  using Bytes = std::vector<std::uint8_t>;
  CHECK(bytes(x > 1) == Bytes{0, 1, 1});
  CHECK(bytes(2 >= x) == Bytes{1, 1, 0});
  CHECK(bytes(x == 2) == Bytes{0, 1, 0});
  CHECK(bytes(x != x) == Bytes{0, 0, 0});
  CHECK(values(where(x < 3, x, 0)) == Floats{1, 2, 0});
  CHECK(values(where(x < 3, 1.5, -1)) == Floats{1.5, 1.5, -1});
  CHECK(values(clamp(x, 2, {})) == Floats{2, 2, 4});
  CHECK(values(x.clamp({}, 2)) == Floats{1, 2, 2});
  CHECK(message<ValueError>([] { add(1, 2); }) == "[add] expected a tensor among the operands, found two numbers");
  CHECK(message<AutogradError>([] { Tensor() + 1; }) == "[add] expected a tensor, found an undefined one");

  // In float64 the number is not rounded; beside integers it is compared as it is.
  CHECK(maximum(tensor({0.1}, {DType::float64}), 0.1 + 1e-12).item() == 0.1 + 1e-12);
  const Tensor whole = tensor({-1, 0, 1}, {DType::int64});
  CHECK(bytes(whole > 0.5) == Bytes{0, 0, 1});
  CHECK(bytes(whole == 1) == Bytes{0, 0, 1});
  CHECK(bytes(tensor({0, 255}, {DType::uint8}) < 300) == Bytes{1, 1});
  CHECK(bytes(tensor({0, 255}, {DType::uint8}) > -1) == Bytes{1, 1});
  const std::int64_t large = (std::int64_t{1} << 53) + 1;
  CHECK(bytes(Tensor(Array::from(std::vector{large, large - 1}, {2})) == large) == Bytes{1, 0});
  CHECK(bytes(whole == std::uint64_t{0xFFFFFFFFFFFFFFFF}) == Bytes{0, 0, 0});  // which is not -1
  CHECK(zeros({2, 3, 4}).flatten().shape() == flatten(zeros({2, 3, 4})).shape());
  CHECK(message<DTypeError>([&] { where(whole > 0, whole, 0.5); }) ==
        "[where] expected a whole number beside int64, found 0.5");
}

TEST_CASE("tensors move between dtypes, and their gradients back", "[tensor]") {
  Tensor x = tensor({1, 2}).requires_grad_();
  const Tensor y = x.to(DType::float64);
  CHECK(y.dtype() == DType::float64);
  CHECK(y.to_vector<double>() == std::vector<double>{1, 2});
  (y * y).sum().backward();
  CHECK(values(x.grad()) == Floats{2, 4});
  CHECK(x.to(cpu).array().raw() == x.array().raw());
}

TEST_CASE("operators with numbers", "[tensor]") {
  Tensor x = tensor({1, 2, 4});
  CHECK(values(x + 1) == Floats{2, 3, 5});
  CHECK(values(1 + x) == Floats{2, 3, 5});
  CHECK(values(x - 1) == Floats{0, 1, 3});
  CHECK(values(1 - x) == Floats{0, -1, -3});
  CHECK(values(x * 2) == Floats{2, 4, 8});
  CHECK(values(2 * x) == Floats{2, 4, 8});
  CHECK(values(x / 2) == Floats{0.5, 1, 2});
  CHECK(values(8 / x) == Floats{8, 4, 2});
  CHECK(values(-x) == Floats{-1, -2, -4});
}

TEST_CASE("reductions take one axis as a number", "[tensor]") {
  Tensor x = tensor({{1, 2}, {3, 6}});
  CHECK(values(var(x, 0)) == Floats{2, 8});
  CHECK(values(var(x, {1})) == Floats{0.5, 4.5});
  CHECK(values(var(x, 0, 0)) == Floats{1, 4});
  CHECK(var(x, {}, 0).item() == 3.5);
  CHECK(values(sum(x, -1)) == Floats{3, 9});
  CHECK(values(x.mean(0)) == Floats{2, 4});
  CHECK(x.max({0, 1}).item() == 6);
  CHECK(x.sum(1, true).shape() == Shape{2, 1});
}

TEST_CASE("tensors print their numbers", "[tensor]") {
  std::ostringstream out;
  out << tensor({{1, 2}, {3.5, 4}}) << " and " << Tensor();
  CHECK(out.str() == "[[1.  2. ]\n [3.5 4. ]] and undefined");
}
