// Numbers in order, and whole numbers that are drawn.
#include <elbo/core/errors.h>
#include <elbo/core/ops.h>
#include <elbo/core/parallel_for.h>

#include <algorithm>
#include <limits>
#include <map>

#include "catch.h"

using namespace elbo;

namespace {

using Doubles = std::vector<double>;
using Ints = std::vector<std::int64_t>;
constexpr TensorOptions f64{DType::float64}, i64{DType::int64};
constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("arange counts in steps", "[ops]") {
  CHECK(arange(2, 7, 2, i64).to_vector<std::int64_t>() == Ints{2, 4, 6});
  CHECK(arange(3, 0, -1, i64).to_vector<std::int64_t>() == Ints{3, 2, 1});
  CHECK(arange(0, 1, 0.25, f64).to_vector<double>() == Doubles{0, 0.25, 0.5, 0.75});
  CHECK(arange(-1, 2).to_vector<float>() == std::vector<float>{-1, 0, 1});
  CHECK(arange(3, 0).shape() == Shape{0});
  CHECK(arange(1, 1).shape() == Shape{0});
  CHECK(arange(4).shape() == Shape{4});
  CHECK(arange(250, 256, 1, {DType::uint8}).shape() == Shape{6});
  CHECK_THROWS_WITH(arange(250, 257, 1, {DType::uint8}), Catch::StartsWith("[arange] expected a whole number in "));
  CHECK_THROWS_WITH(arange(0, 2, 0.5, i64), Catch::StartsWith("[arange] expected a whole number in "));
  CHECK_THROWS_WITH(arange(0, 1, 0), "[arange] expected finite bounds and a step other than 0, found 0, 1 and 0");
  CHECK_THROWS_AS(arange(0, infinity), ValueError);
  CHECK_THROWS_AS(arange(0, 1, 1e-300), ShapeError);
}

TEST_CASE("linspace has both ends", "[ops]") {
  CHECK(linspace(0, 1, 5, f64).to_vector<double>() == Doubles{0, 0.25, 0.5, 0.75, 1});
  CHECK(linspace(1, -1, 3, f64).to_vector<double>() == Doubles{1, 0, -1});
  CHECK(linspace(3, 9, 1, f64).to_vector<double>() == Doubles{3});
  CHECK(linspace(3, 9, 0).shape() == Shape{0});
  for (const std::int64_t count : {2, 3, 10, 97}) {
    const Doubles x = linspace(0.1, 0.7, count, f64).to_vector<double>();
    CHECK(x.front() == 0.1);
    CHECK(x.back() == 0.7);
    CHECK(std::is_sorted(x.begin(), x.end()));
  }
  CHECK_THROWS_WITH(linspace(0, 1, -1), "[linspace] negative size -1 in dimension 0");
  CHECK_THROWS_WITH(linspace(0, 1, 2, i64), "[linspace] expected float32 or float64, found int64");
}

TEST_CASE("eye is the identity", "[ops]") {
  const Tensor x = randn({3, 4}, f64);
  CHECK(matmul(eye(3, f64), x).to_vector<double>() == x.to_vector<double>());
  CHECK(eye(2, i64).to_vector<std::int64_t>() == Ints{1, 0, 0, 1});
  CHECK(eye(1).item() == 1);
  CHECK(eye(0).shape() == Shape{0, 0});
  CHECK_THROWS_WITH(eye(-1), "[eye] negative size -1 in dimension 0");
}

TEST_CASE("randint draws all of its numbers, and no other", "[ops][random]") {
  Generator generator(3);
  const Ints draws = randint(-1, 2, {1000}, cpu, &generator).to_vector<std::int64_t>();
  for (const std::int64_t value : {-1, 0, 1}) CHECK(std::count(draws.begin(), draws.end(), value) > 250);
  CHECK(std::all_of(draws.begin(), draws.end(), [](std::int64_t x) { return x >= -1 && x <= 1; }));
  CHECK(randint(7, 8, {}, cpu, &generator).item() == 7);
  const std::int64_t most = std::int64_t{1} << 53;
  CHECK(randint(most - 1, most, {}).item() == static_cast<double>(most - 1));
  CHECK_THROWS_WITH(randint(2, 2, {1}), "[randint] expected low < high, at most 2^53 and so far apart, found 2 and 2");
  CHECK_THROWS_AS(randint(-1, most, {1}), ValueError);
}

TEST_CASE("randperm has each number once, and every order", "[ops][random]") {
  Generator generator(4);
  std::map<Ints, int> orders;
  for (int i = 0; i < 600; ++i) ++orders[randperm(3, cpu, &generator).to_vector<std::int64_t>()];
  CHECK(orders.size() == 6);
  for (const auto& [order, count] : orders) CHECK(count > 60);
  Ints large = randperm(1000, cpu, &generator).to_vector<std::int64_t>();
  std::sort(large.begin(), large.end());
  CHECK(large == arange(1000, i64).to_vector<std::int64_t>());
  CHECK(randperm(0).shape() == Shape{0});
  CHECK_THROWS_WITH(randperm(-1), "[randperm] negative size -1 in dimension 0");
}

TEST_CASE("the number of threads changes no draw", "[ops][random][bits]") {
  const int before = num_threads();
  const auto draws = [](int threads) {
    set_num_threads(threads);
    Generator generator(5);
    const Ints a = randint(0, 1000, {20000}, cpu, &generator).to_vector<std::int64_t>();
    Ints b = randperm(20000, cpu, &generator).to_vector<std::int64_t>();
    b.insert(b.end(), a.begin(), a.end());
    return b;
  };
  const Ints one = draws(1);
  CHECK(one == draws(3));
  set_num_threads(before);
}
