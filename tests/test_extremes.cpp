// Every integer that the library's ops take, at the ends of its range: either the call works, with gradients, or it is
// an error whose message begins with the op's name. Nothing wraps around, and nothing outside is touched: CI runs this
// under AddressSanitizer and UndefinedBehaviorSanitizer too.
#include <elbo/core/errors.h>
#include <elbo/core/ops.h>
#include <sys/resource.h>

#include <limits>
#include <sstream>

#include "catch.h"
#include "self.h"

using namespace elbo;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool address_sanitizer = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool address_sanitizer = true;
#else
constexpr bool address_sanitizer = false;
#endif
#else
constexpr bool address_sanitizer = false;
#endif

using Numbers = std::vector<std::int64_t>;
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(),
                       least = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t two_31 = std::int64_t{1} << 31, two_62 = std::int64_t{1} << 62;
const Numbers extremes{0, -1, 1, two_31, two_62, most, least};

/// A call of `count` integers, each of which is tried at every extreme, beside the others' usual values and together.
struct Case {
  std::string op;
  Numbers usual;
  std::function<Tensor(const Numbers&)> fn;
};

Tensor drawn(const Shape& shape) { return Tensor(rand(shape).array(), true); }
Tensor whole(std::int64_t value) { return Tensor(Array::from(Numbers{value}, {1})); }
int narrow(std::int64_t value) {
  return static_cast<int>(
      std::clamp<std::int64_t>(value, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()));
}

std::vector<Case> shape_cases() {
  return {
      {"zeros", {2, 3}, [](const Numbers& n) { return zeros(Shape(n)); }},
      {"zeros", {2, 3}, [](const Numbers& n) { return zeros(Shape(n), {DType::uint8}); }},
      {"ones", {2, 3}, [](const Numbers& n) { return ones(Shape(n), {DType::int64}); }},
      {"full", {2, 3}, [](const Numbers& n) { return full(Shape(n), 1, {DType::float64}); }},
      {"randn", {2, 3}, [](const Numbers& n) { return randn(Shape(n)); }},
      {"rand", {2, 3}, [](const Numbers& n) { return rand(Shape(n)); }},
      {"bernoulli", {2, 3}, [](const Numbers& n) { return bernoulli(0.5, Shape(n)); }},
      {"arange", {3}, [](const Numbers& n) { return arange(n[0]); }},
      {"arange", {3}, [](const Numbers& n) { return arange(n[0], {DType::uint8}); }},
      {"empty", {2, 3}, [](const Numbers& n) { return Tensor(Array::empty(Shape(n), {DType::uint8})); }},
      {"reshape",
       {2, 3},
       [](const Numbers& n) {
         return reshape(drawn({6}), {n[0], n[1]});
       }},
      {"reshape",
       {2, 3},
       [](const Numbers& n) {
         return reshape(drawn({0, 6}), {n[0], n[1]});
       }},
      {"pad", {1, 2}, [](const Numbers& n) { return pad(drawn({3}), {n[0]}, {n[1]}); }},
      {"pad",
       {1, 2},
       [](const Numbers& n) {
         return pad(drawn({2, 0}), {0, n[0]}, {1, n[1]}, 1);
       }},
      {"pad",
       {1, 2},
       [](const Numbers& n) {
         return pad(zeros({2, 2}, {DType::uint8}), {n[0], n[1]}, {n[1], 0});
       }},
      {"slice", {1, 3, 1}, [](const Numbers& n) { return slice(drawn({5}), 0, n[0], n[1], n[2]); }},
      {"slice",
       {1, 3, 2},
       [](const Numbers& n) {
         return slice(drawn({3, 5}), 1, n[0], n[1], n[2]);
       }},
      {"slice",
       {1, 3, 2},
       [](const Numbers& n) {
         return slice(drawn({0, 5}), 0, n[0], n[1], n[2]);
       }},
      {"slice", {1, 3}, [](const Numbers& n) { return Tensor(rand({5}).array().slice(n[0], n[1])); }},
      {"one_hot", {3}, [](const Numbers& n) { return one_hot(whole(0), n[0]); }},
      {"one_hot", {3}, [](const Numbers& n) { return one_hot(zeros({0}, {DType::int64}), n[0], DType::float64); }},
      {"one_hot", {1}, [](const Numbers& n) { return one_hot(whole(n[0]), 3); }},
      {"index_select",
       {1},
       [](const Numbers& n) {
         return index_select(drawn({2, 3}), 1, whole(n[0]));
       }},
      {"cross_entropy",
       {1},
       [](const Numbers& n) {
         return cross_entropy(drawn({1, 3}), whole(n[0]));
       }},
      {"layer_norm",
       {3},
       [](const Numbers& n) {
         return layer_norm(drawn({2, 3}), Shape(n));
       }},
  };
}

std::vector<Case> arranging_cases() {
  return {
      {"expand", {2, 3}, [](const Numbers& n) { return expand(drawn({1}), Shape(n)); }},
      {"split", {2}, [](const Numbers& n) { return split(drawn({5}), n[0])[0]; }},
      {"split", {2, 3}, [](const Numbers& n) { return split(drawn({5}), n)[0]; }},
      {"chunk", {2}, [](const Numbers& n) { return chunk(drawn({5}), n[0])[0]; }},
      {"chunk", {2}, [](const Numbers& n) { return chunk(drawn({0}), n[0])[0]; }},
      {"repeat",
       {2, 3},
       [](const Numbers& n) {
         return repeat(drawn({2, 3}), n);
       }},
      {"repeat",
       {2, 3},
       [](const Numbers& n) {
         return repeat(drawn({2, 0}), n);
       }},
      {"tril",
       {1},
       [](const Numbers& n) {
         return tril(drawn({2, 3}), n[0]);
       }},
      {"triu",
       {1},
       [](const Numbers& n) {
         return triu(drawn({2, 3}), n[0]);
       }},
      {"tril",
       {2},
       [](const Numbers& n) {
         return tril(zeros(Shape{n[0], 0}));
       }},
      {"pad", {1, 1}, [](const Numbers& n) { return pad(drawn({3}), {n[0]}, {n[1]}, PadMode::reflect); }},
      {"pad",
       {1, 1},
       [](const Numbers& n) {
         return pad(drawn({3, 0}), {n[0], 0}, {n[1], 0}, PadMode::replicate);
       }},
      {"eye", {3}, [](const Numbers& n) { return eye(n[0]); }},
      {"linspace", {3}, [](const Numbers& n) { return linspace(0, 1, n[0]); }},
      {"arange",
       {1, 9, 2},
       [](const Numbers& n) {
         return arange(static_cast<double>(n[0]), static_cast<double>(n[1]), static_cast<double>(n[2]), {DType::int64});
       }},
      {"randint", {0, 9, 5}, [](const Numbers& n) { return randint(n[0], n[1], {n[2]}); }},
      {"randperm", {5}, [](const Numbers& n) { return randperm(n[0]); }},
      {"topk",
       {2},
       [](const Numbers& n) {
         return topk(drawn({2, 3}), n[0]).values;
       }},
      {"multinomial", {2}, [](const Numbers& n) { return multinomial(rand({3}), n[0], true); }},
      {"multinomial", {2}, [](const Numbers& n) { return multinomial(rand({3}), n[0]); }},
      {"cross_entropy",
       {1, 2},
       [](const Numbers& n) {
         return cross_entropy(drawn({1, 3}), whole(n[0]), {.ignore_index = n[1]});
       }},
      {"categorical_log_prob",
       {1},
       [](const Numbers& n) {
         return categorical_log_prob(whole(n[0]), drawn({1, 3}));
       }},
  };
}

/// All that take an axis.
std::vector<Case> axis_cases() {
  std::vector<Case> out;
  const auto add = [&](const std::string& op, const std::function<Tensor(int)>& fn) {
    out.push_back({op, {1}, [fn](const Numbers& n) { return fn(narrow(n[0])); }});
  };
  add("softmax", [](int axis) { return softmax(drawn({2, 3}), axis); });
  add("log_softmax", [](int axis) { return log_softmax(drawn({2, 3}), axis); });
  add("logsumexp", [](int axis) { return logsumexp(drawn({2, 3}), axis); });
  add("sum", [](int axis) { return sum(drawn({2, 3}), {axis}); });
  add("mean", [](int axis) { return mean(drawn({2, 3}), {axis}); });
  add("var", [](int axis) { return var(drawn({2, 3}), Axes{axis}); });
  add("max", [](int axis) { return max(drawn({2, 3}), {axis}); });
  add("min", [](int axis) { return min(drawn({2, 3}), {axis}); });
  add("argmax", [](int axis) { return argmax(rand({2, 3}), axis); });
  add("flatten", [](int axis) { return flatten(drawn({2, 3, 2}), axis); });
  add("transpose", [](int axis) { return transpose(drawn({2, 3}), 0, axis); });
  add("permute", [](int axis) { return permute(drawn({2, 3}), {0, axis}); });
  add("concatenate", [](int axis) { return concatenate({drawn({2, 3}), drawn({2, 3})}, axis); });
  add("slice", [](int axis) { return slice(drawn({2, 3}), axis, 0, 1); });
  add("std", [](int axis) { return drawn({2, 3}).std(axis); });
  add("norm", [](int axis) { return norm(drawn({2, 3}), 2, axis); });
  add("all", [](int axis) { return all(drawn({2, 3}), axis); });
  add("any", [](int axis) { return any(drawn({2, 3}), axis); });
  add("argmin", [](int axis) { return argmin(rand({2, 3}), axis); });
  add("unsqueeze", [](int axis) { return unsqueeze(drawn({2, 3}), axis); });
  add("squeeze", [](int axis) { return squeeze(drawn({2, 1}), axis); });
  add("stack", [](int axis) { return stack({drawn({2, 3}), drawn({2, 3})}, axis); });
  add("split", [](int axis) { return split(drawn({2, 3}), 2, axis)[0]; });
  add("chunk", [](int axis) { return chunk(drawn({2, 3}), 2, axis)[0]; });
  add("index_select", [](int axis) { return index_select(drawn({2, 3}), axis, whole(1)); });
  add("gather", [](int axis) { return gather(drawn({2, 3}), axis, zeros({1, 1}, {DType::int64})); });
  add("scatter_add", [](int axis) {
    return scatter_add(drawn({2, 3}), axis, zeros({2, 3}, {DType::int64}), drawn({2, 3}));
  });
  add("cumsum", [](int axis) { return cumsum(drawn({2, 3}), axis); });
  add("topk", [](int axis) { return topk(drawn({2, 3}), 2, axis).values; });
  add("flip", [](int axis) { return flip(drawn({2, 3}), {axis}); });
  return out;
}

std::vector<Case> convolution_cases() {
  std::vector<Case> out;
  // Kernels of one element and of several, in one direction and in both, and none to convolve.
  for (const Shape& kernel : {Shape{2, 1, 3, 2}, Shape{2, 1, 1, 1}, Shape{2, 1, 1, 3}, Shape{0, 1, 2, 2}}) {
    for (std::int64_t pictures : {1, 0}) {
      const Shape x{pictures, 1, 4, 5};
      out.push_back({"conv2d", {1, 1, 1}, [=](const Numbers& n) {
                       return conv2d(drawn(x), drawn(kernel), {}, {.stride = n[0], .padding = n[1], .dilation = n[2]});
                     }});
      out.push_back({"conv2d", {1, 1, 1}, [=](const Numbers& n) {
                       return conv2d(drawn(x), drawn(kernel), {},
                                     {.stride = {n[0], 1}, .padding = {n[1], 0}, .dilation = {n[2], 1}});
                     }});
      out.push_back({"conv2d", {1, 1, 1}, [=](const Numbers& n) {
                       return conv2d(drawn(x), drawn(kernel), {},
                                     {.stride = {1, n[0]}, .padding = {0, n[1]}, .dilation = {1, n[2]}});
                     }});
      const Shape y{pictures, kernel[0], 1, 2};
      const Shape other{kernel[0], 1, kernel[2], kernel[3]};
      out.push_back({"conv_transpose2d", {1, 0, 0, 1}, [=](const Numbers& n) {
                       return conv_transpose2d(
                           drawn(y), drawn(other), {},
                           {.stride = n[0], .padding = n[1], .output_padding = n[2], .dilation = n[3]});
                     }});
      out.push_back(
          {"conv_transpose2d", {1, 0, 0, 1}, [=](const Numbers& n) {
             return conv_transpose2d(
                 drawn(y), drawn(other), {},
                 {.stride = {n[0], 1}, .padding = {n[1], 0}, .output_padding = {n[2], 0}, .dilation = {n[3], 1}});
           }});
    }
  }
  out.push_back({"conv1d", {1, 1, 2}, [](const Numbers& n) {
                   return conv1d(drawn({2, 2, 5}), drawn({2, 1, 3}), {}, {n[0], n[1], n[2], 2});
                 }});
  out.push_back({"conv_transpose1d", {2, 0, 1}, [](const Numbers& n) {
                   return conv_transpose1d(drawn({1, 2, 3}), drawn({2, 1, 2}), {}, {n[0], n[1], n[2], 1, 2});
                 }});
  out.push_back({"conv2d", {2}, [](const Numbers& n) {
                   return conv2d(drawn({1, 2, 3, 3}), drawn({2, 1, 2, 2}), {}, {.groups = n[0]});
                 }});
  out.push_back({"conv_transpose2d", {2}, [](const Numbers& n) {
                   return conv_transpose2d(drawn({1, 2, 3, 3}), drawn({2, 1, 2, 2}), {}, {.groups = n[0]});
                 }});
  return out;
}

std::vector<Case> picture_cases() {
  std::vector<Case> out;
  for (std::int64_t pictures : {1, 0}) {
    const Shape x{pictures, 1, 4, 5};
    out.push_back({"max_pool2d", {2, 1, 1}, [=](const Numbers& n) {
                     return max_pool2d(drawn(x), n[0], {.stride = n[1], .padding = n[2]});
                   }});
    out.push_back({"avg_pool2d", {2, 1, 1}, [=](const Numbers& n) {
                     return avg_pool2d(drawn(x), {n[0], 2}, {.stride = Size2(n[1], 1), .padding = {n[2], 0}});
                   }});
    for (UpsampleMode mode : {UpsampleMode::nearest, UpsampleMode::bilinear}) {
      out.push_back({"upsample", {2, 1}, [=](const Numbers& n) {
                       return upsample(drawn(x), {.scale = {n[0], n[1]}, .mode = mode});
                     }});
      out.push_back({"upsample", {2, 7}, [=](const Numbers& n) {
                       return upsample(drawn(x), {.size = Size2(n[0], n[1]), .mode = mode});
                     }});
    }
  }
  return out;
}

/// Calls, and gradients of what works. What is wrong, if something is.
std::string outcome(const Case& c, const Numbers& numbers) {
  std::ostringstream call;
  call << c.op << " of";
  for (std::int64_t n : numbers) call << ' ' << n;
  try {
    Tensor y = c.fn(numbers);
    if (y.requires_grad()) y.backward(Array::full(y.shape(), 1, y.array().options()));
    return "";
  } catch (const Error& error) {
    const std::string message = error.what(), begins = "[" + c.op + "] ";
    // A shape may be refused before an op sees it.
    if (message.starts_with(begins) || message.starts_with("[shape] ")) return "";
    return call.str() + ": " + message;
  } catch (const std::exception& error) {
    return call.str() + ": not one of the library's errors: " + error.what();
  }
}

/// Each number at each extreme with the others as usual, then all combinations.
std::string try_all(const Case& c, int& calls) {
  std::size_t combinations = 1;
  for (std::size_t i = 0; i < c.usual.size(); ++i) combinations *= extremes.size() + 1;
  for (std::size_t which = 0; which < combinations; ++which) {
    Numbers numbers = c.usual;
    for (std::size_t i = 0, rest = which; i < numbers.size(); ++i, rest /= extremes.size() + 1)
      if (const std::size_t digit = rest % (extremes.size() + 1); digit > 0) numbers[i] = extremes[digit - 1];
    ++calls;
    if (std::string wrong = outcome(c, numbers); !wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace

TEST_CASE("print what becomes of extreme numbers", "[.extremes]") {
  // What asks for more than this is refused by the system instead of slowing the machine down.
  if (!address_sanitizer) {
    const rlimit limit{std::size_t{1} << 31, std::size_t{1} << 31};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  }
  int calls = 0;
  for (const auto& cases : {shape_cases(), arranging_cases(), axis_cases(), convolution_cases(), picture_cases()})
    for (const Case& c : cases)
      if (std::string wrong = try_all(c, calls); !wrong.empty()) return print_result(wrong);
  CHECK(calls > 10000);
  print_result("all is well");
}

TEST_CASE("integers at the ends of their range work or are refused by the op's name", "[ops][extremes]") {
  CHECK(run_self("ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=256", "[.extremes]") ==
        "all is well");
}

TEST_CASE("a stride or a dilation that is never walked changes nothing", "[ops][extremes]") {
  const Tensor x = rand({2, 3, 5, 7}), one = rand({4, 3, 1, 1}), wide = rand({4, 3, 1, 3});
  const auto same = [](const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && a.array().to_vector<float>() == b.array().to_vector<float>();
  };
  for (std::int64_t huge : {two_31, two_62, most}) {
    CHECK(same(conv2d(x, one, {}, {.stride = huge}), conv2d(x, one, {}, {.stride = 100})));
    CHECK(same(conv2d(x, one, {}, {.dilation = huge}), conv2d(x, one)));
    CHECK(same(conv2d(x, wide, {}, {.dilation = {huge, 2}}), conv2d(x, wide, {}, {.dilation = {1, 2}})));
    CHECK_THROWS_AS(conv2d(x, wide, {}, {.dilation = huge}), ShapeError);
    CHECK(same(slice(x, 3, 1, 7, huge), slice(x, 3, 1, 2)));
    CHECK_THROWS_AS(pad(x, {0, 0, 0, huge}, {0, 0, 0, huge}), Error);
  }
  Tensor gx(x.array(), true), gw(one.array(), true);
  conv2d(gx, gw, {}, {.stride = most}).backward(Array::full({2, 4, 1, 1}, 1));
  Tensor px(x.array(), true), pw(one.array(), true);
  conv2d(px, pw, {}, {.stride = 100}).backward(Array::full({2, 4, 1, 1}, 1));
  CHECK(gx.grad().to_vector<float>() == px.grad().to_vector<float>());
  CHECK(gw.grad().to_vector<float>() == pw.grad().to_vector<float>());
}

TEST_CASE("shapes whose elements cannot be counted are refused, however they are made", "[ops][extremes]") {
  const Shape wide{two_62};
  CHECK_THROWS_WITH(Shape({two_62, 2}), "[shape] [4611686018427387904, 2] has more than 2^62 elements");
  CHECK_THROWS_AS(Shape({two_62, two_62, 0}), ShapeError);
  CHECK_THROWS_AS(wide.insert(0, 2), ShapeError);
  CHECK_THROWS_AS(Shape({two_62, 1}).with(1, 2), ShapeError);
  CHECK_THROWS_AS(wide.with(0, -1), ShapeError);
  CHECK_THROWS_AS(Array::empty(wide, {DType::float64}), ShapeError);
  CHECK(Shape({two_62, 0}).numel() == 0);
}
