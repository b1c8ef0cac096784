// Arithmetic of integers at the ends of their range; elsewhere the op table has it.
#include <elbo/core/errors.h>
#include <elbo/core/ops.h>

#include <limits>

#include "catch.h"

using namespace elbo;

namespace {

using Ints = std::vector<std::int64_t>;
using Bytes = std::vector<std::uint8_t>;
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(),
                       least = std::numeric_limits<std::int64_t>::min();

Tensor ints(const Ints& values) { return tensor<std::int64_t>(values, {static_cast<std::int64_t>(values.size())}); }
Ints numbers(const Tensor& x) { return x.to_vector<std::int64_t>(); }

}  // namespace

TEST_CASE("integers wrap around", "[ops][integers]") {
  const Tensor ends = ints({most, least});
  CHECK(numbers(ends + 1) == Ints{least, least + 1});
  CHECK(numbers(ends - 1) == Ints{most - 1, most});
  CHECK(numbers(ends * 2) == Ints{-2, 0});
  CHECK(numbers(ends * ends) == Ints{1, 0});
  CHECK(numbers(-ends) == Ints{-most, least});
  CHECK(numbers(abs(ends)) == Ints{most, least});
  CHECK(numbers(2 - ends) == Ints{2 - most, least + 2});
  CHECK(sum(ints({most, most, most})).to_vector<std::int64_t>() == Ints{most - 2});
  CHECK(numbers(maximum(ends, 0)) == Ints{most, 0});
  CHECK(numbers(clamp(ends, {}, 5)) == Ints{5, least});
  CHECK(max(ends).to_vector<std::int64_t>() == Ints{most});
  CHECK(min(ends, {0}, true).to_vector<std::int64_t>() == Ints{least});
  CHECK(argmin(ends, 0).item() == 1);
  CHECK(numbers(scatter_add(ends, 0, ints({0, 1}), ints({1, -1}))) == Ints{least, most});
}

TEST_CASE("bytes stay bytes, but for their sum", "[ops][integers]") {
  const Tensor bytes = full({300}, 255, {DType::uint8});
  CHECK(sum(bytes).dtype() == DType::int64);
  CHECK(sum(bytes).item() == 76500);
  CHECK(sum(tensor(7, {DType::uint8})).dtype() == DType::int64);
  CHECK(sum(bytes == 255).item() == 300);
  CHECK(sum(zeros({2, 0}, {DType::uint8}), 1).to_vector<std::int64_t>() == Ints{0, 0});
  CHECK(max(bytes).dtype() == DType::uint8);
  CHECK((1 + bytes[0]).to_vector<std::uint8_t>() == Bytes{0});
}

TEST_CASE("integers are written in place", "[ops][integers][inplace]") {
  Tensor x = ints({1, most});
  const void* memory = x.array().raw();
  x += 1;
  x *= ints({3, 1});
  x -= Tensor(x);  // itself
  x += ints({4, 5});
  CHECK(numbers(x) == Ints{4, 5});
  CHECK(x.array().raw() == memory);
}

TEST_CASE("what integers cannot do is refused", "[ops][integers][errors]") {
  Tensor x = ints({1, 2}), bytes = ones({2}, {DType::uint8});
  CHECK_THROWS_WITH(x + 2.5, "[add] expected a whole number beside int64, found 2.5");
  CHECK_THROWS_AS(bytes + 256, ValueError);
  CHECK_THROWS_AS(bytes * -1, ValueError);
  CHECK_THROWS_WITH(x / 2, "[div] expected float32 or float64, found int64");
  CHECK_THROWS_WITH(x /= 2, "[/=] expected float32 or float64, found int64");
  CHECK_THROWS_WITH(x + bytes, "[add] expected operands of one dtype, found int64 and uint8");
  CHECK_THROWS_WITH(mean(x), "[mean] expected float32 or float64, found int64");
}
