// topk beyond the op table: NaN, integers, scalars; and what multinomial draws.
#include <elbo/core/errors.h>
#include <elbo/core/ops.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "catch.h"

using namespace elbo;

namespace {

using Ints = std::vector<std::int64_t>;
Ints numbers(const Tensor& x) { return x.to_vector<std::int64_t>(); }

}  // namespace

TEST_CASE("topk: NaN is the largest, and of equal ones the first comes first", "[ops][topk]") {
  const Tensor x = tensor({NAN, 1, 5, 3, -INFINITY, 5});
  CHECK(numbers(x.topk(4).indices) == Ints{0, 2, 5, 3});
  CHECK(numbers(topk(x, 6, 0, false).indices) == Ints{4, 1, 3, 2, 5, 0});
  const TopK top = topk(tensor({3, 200, 7}, {DType::uint8}), 2);
  CHECK(top.values.to_vector<std::uint8_t>() == std::vector<std::uint8_t>{200, 7});
  // Beyond what a double tells apart.
  const std::int64_t big = std::int64_t{1} << 60;
  CHECK(numbers(topk(tensor<std::int64_t>(Ints{big, big + 1}, {2}), 1).indices) == Ints{1});
  CHECK(topk(tensor(2.5), 1).values.item() == 2.5);
  CHECK(topk(tensor(2.5), 1).indices.shape() == Shape{});
  CHECK_THROWS_WITH(topk(x, 7), "[topk] expected k in [0, 6] for axis -1 of shape [6], found 7");
}

TEST_CASE("multinomial without replacement draws each place once, by its weight", "[ops][random]") {
  Generator generator(3);
  const Tensor weights = tensor({{1, 0, 2, 1}, {0, 5, 5, 0}});
  std::map<std::int64_t, int> first, second;
  for (int i = 0; i < 1000; ++i) {
    Ints drawn = numbers(weights.multinomial(2, false, &generator));
    ++first[drawn[0]], ++second[drawn[1]];
    CHECK(drawn[0] != drawn[1]);
    std::sort(drawn.begin() + 2, drawn.end());
    CHECK(Ints(drawn.begin() + 2, drawn.end()) == Ints{1, 2});
  }
  CHECK(first.count(1) + second.count(1) == 0);
  // 1/2 of the first draws are 2; of the second ones 1/2 (2/3), since one of the others came first.
  CHECK(std::abs(first[2] - 500) < 80);
  CHECK(std::abs(second[2] - 333) < 80);
}

TEST_CASE("multinomial is a function of seed and offset", "[ops][random]") {
  const Tensor weights = rand({7, 30});
  for (bool replacement : {false, true}) {
    Generator a(5), b(5);
    CHECK(numbers(multinomial(weights, 9, replacement, &a)) == numbers(multinomial(weights, 9, replacement, &b)));
    CHECK(numbers(multinomial(weights, 9, replacement, &a)) != numbers(multinomial(weights, 9, replacement, &a)));
  }
  CHECK(multinomial(weights[0], 4).shape() == Shape{4});
  CHECK(multinomial(weights, 40, true).shape() == Shape{7, 40});
}

TEST_CASE("multinomial refuses weights that it cannot draw from", "[ops][random][errors]") {
  CHECK_THROWS_WITH(multinomial(tensor({1, 2}), 3),
                    "[multinomial] expected a count of at most that of the weights, found 3 of shape [2]");
  CHECK_THROWS_WITH(multinomial(tensor({{1, 2}, {1, 0}}), 2),
                    "[multinomial] expected at least 2 weights above 0 in each row, to draw 2 without replacement, "
                    "found 1 in row 1");
  CHECK_THROWS_WITH(multinomial(tensor({0, 0}), 1, true),
                    "[multinomial] expected weights with a sum from 1e-300 to 2^1001 in each row, found 0 in row 0");
  CHECK_THROWS_WITH(multinomial(tensor({1, -1}), 1),
                    "[multinomial] expected weights from 0 to 2^1000, found -1 at position 1");
  CHECK_THROWS_AS(multinomial(tensor({1, NAN}), 1), ValueError);
  CHECK_THROWS_AS(multinomial(tensor({1, INFINITY}), 1), ValueError);
  CHECK_THROWS_AS(multinomial(ones({1, 1, 2}), 1), ShapeError);
  CHECK_THROWS_AS(multinomial(ones({2}, {DType::int64}), 1), DTypeError);
  CHECK_THROWS_AS(multinomial(ones({2}).requires_grad_(), 1, true, nullptr).backward(), AutogradError);
}
