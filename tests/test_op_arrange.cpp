// What the op table cannot say of ops that arrange elements.
#include <elbo/core/errors.h>
#include <elbo/core/ops.h>

#include "catch.h"

using namespace elbo;

namespace {

using Ints = std::vector<std::int64_t>;

Tensor counted(const Shape& shape) { return reshape(arange(shape.numel(), {DType::int64}), shape); }
Ints values(const Tensor& x) { return x.to_vector<std::int64_t>(); }

}  // namespace

TEST_CASE("arranging takes integers", "[ops]") {
  const Tensor x = counted({2, 3});
  CHECK(values(stack({x, x}, 1)) == Ints{0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5});
  CHECK(values(split(x, {1, 2}, 1)[1]) == Ints{1, 2, 4, 5});
  CHECK(values(chunk(x, 2)[1]) == Ints{3, 4, 5});
  CHECK(values(repeat(x, {1, 2})) == Ints{0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5});
  CHECK(values(masked_fill(x, x > 2, 9)) == Ints{0, 1, 2, 9, 9, 9});
  CHECK(values(tril(x)) == Ints{0, 0, 0, 3, 4, 0});
  CHECK(values(triu(x)) == Ints{0, 1, 2, 0, 4, 5});
}

TEST_CASE("a list of one size is a list of sizes", "[ops]") {
  CHECK(split(counted({6}), {6}).size() == 1);
  CHECK(split(counted({6}), 3).size() == 2);
  CHECK_THROWS_AS(split(counted({6}), {3}), ShapeError);
}

TEST_CASE("unsqueeze, squeeze, expand and t are methods", "[ops]") {
  const Tensor x = counted({2, 3});
  CHECK(x.unsqueeze(-1).shape() == Shape{2, 3, 1});
  CHECK(x.unsqueeze(0).squeeze().shape() == Shape{2, 3});
  CHECK(x.unsqueeze(0).squeeze(1).shape() == Shape{1, 2, 3});
  CHECK(x.unsqueeze(0).expand({2, 2, 3}).shape() == Shape{2, 2, 3});
  CHECK(values(x.t()) == Ints{0, 3, 1, 4, 2, 5});
  CHECK(x[0].t().shape() == Shape{3});
  CHECK_THROWS_WITH(x.unsqueeze(0).t(), "[t] expected at most 2 dimensions, found shape [1, 2, 3]");
}

TEST_CASE("errors: arranging", "[ops][errors]") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH(unsqueeze(x, 3), "[unsqueeze] axis 3 is out of range for a new dimension of shape [2, 3]");
  CHECK_THROWS_WITH(squeeze(x, 2), "[squeeze] axis 2 is out of range for shape [2, 3]");
  CHECK_THROWS_WITH(stack({}), "[stack] expected at least one tensor, found none");
  CHECK_THROWS_WITH(stack({x, zeros({3, 2})}), "[stack] expected parts of shape [2, 3], found [3, 2]");
  CHECK_THROWS_WITH(split(x, 0), "[split] expected a size of at least 1, found 0");
  CHECK_THROWS_WITH(split(x, {1, 1}, 1), "[split] expected sizes that add up to 3 for axis 1 of shape [2, 3], found 2");
  CHECK_THROWS_WITH(split(x, {-1, 3}), "[split] expected sizes of at least 0, found -1");
  CHECK_THROWS_WITH(chunk(x, 0), "[chunk] expected at least one chunk, found 0");
  CHECK_THROWS_WITH(repeat(x, {2}), "[repeat] expected at least 2 repeats for shape [2, 3], found 1");
  CHECK_THROWS_WITH(repeat(x, {1, -1}), "[repeat] expected repeats of at least 0, found -1");
  CHECK_THROWS_WITH(tril(zeros({3})), "[tril] expected at least 2 dimensions, found shape [3]");
  CHECK_THROWS_WITH(masked_fill(x, x, 0), "[masked_fill] expected a condition of uint8, found float32");
}
