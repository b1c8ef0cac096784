// Random orders and splits: the same everywhere, independent of each other, and fair.
#include <elbo/core/errors.h>
#include <elbo/datasets/split.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "catch.h"

using namespace elbo;
using namespace elbo::datasets;

namespace {

using Order = std::vector<std::int64_t>;

Order counting(std::int64_t n) {
  Order out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), std::int64_t{0});
  return out;
}

Order sorted(Order order) {
  std::sort(order.begin(), order.end());
  return order;
}

template <class T>
std::string complaint(T val_size, std::int64_t n) {
  try {
    resolve_val_size(val_size, n);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "(nothing thrown)";
}

}  // namespace

TEST_CASE("split: a permutation has each number once, at any size") {
  for (std::int64_t n : {0, 1, 2, 3, 4, 5, 7, 8, 100, 60001})
    CHECK(sorted(permutation(n, 3, Stream::shuffle, 1)) == counting(n));
  CHECK_THROWS_AS(permutation(-1, 0, Stream::user), ValueError);
  CHECK_THROWS_AS(permutation(std::int64_t{1} << 32, 0, Stream::user), ValueError);
}

TEST_CASE("split: a permutation is a function of seed, stream, epoch and count alone") {
  const Order once = permutation(1000, 3, Stream::shuffle, 1);
  CHECK(permutation(1000, 3, Stream::shuffle, 1) == once);
  const std::vector<Order> others = {
      permutation(1000, 4, Stream::shuffle, 1),
      permutation(1000, 3 + (std::uint64_t{1} << 32), Stream::shuffle, 1),
      permutation(1000, 3, Stream::split, 1),
      permutation(1000, 3, Stream::shuffle, 0),
      permutation(1000, 3, Stream::shuffle, 1 + (std::int64_t{1} << 32)),
  };
  std::set<Order> all(others.begin(), others.end());
  all.insert(once);
  CHECK(all.size() == 6);
  for (const Order& other : others) {
    // No two agree in more places than chance would have: one on average.
    std::int64_t same = 0;
    for (std::size_t i = 0; i < once.size(); ++i) same += other[i] == once[i];
    CHECK(same < 10);
  }
}

TEST_CASE("split: the order of a seed is the same on every machine and in every version") {
  // Computed apart from this library, from the published Philox and 128-bit products.
  CHECK(permutation(8, 0, Stream::shuffle, 0) == Order{4, 7, 1, 5, 0, 3, 2, 6});
  CHECK(permutation(8, 0x123456789abcdef0, Stream::split, 7) == Order{0, 3, 6, 2, 7, 1, 4, 5});
}

TEST_CASE("split: shuffle moves values as permutation moves their places") {
  Order values = {50, 10, 10, -7, 90, 3, 8};
  const Order before = values;
  const Order order = permutation(7, 11, Stream::shuffle, 2);
  shuffle(values, 11, Stream::shuffle, 2);
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == before[static_cast<std::size_t>(order[i])]);
}

TEST_CASE("split: each order of four is equally likely, and no place is preferred among many") {
  std::vector<std::int64_t> counts(256);
  const int draws = 24000;
  for (int epoch = 0; epoch < draws; ++epoch) {
    const Order order = permutation(4, 5, Stream::shuffle, epoch);
    ++counts[static_cast<std::size_t>(order[0] * 64 + order[1] * 16 + order[2] * 4 + order[3])];
  }
  double chi2 = 0;
  int orders = 0;
  for (std::int64_t count : counts)
    if (count > 0) {
      ++orders;
      chi2 += std::pow(static_cast<double>(count) - 1000, 2) / 1000;
    }
  CHECK(orders == 24);
  CHECK(chi2 < 49.7);  // the 99.9 % point for 23 degrees of freedom

  // Where number 0 of 101 goes.
  std::array<double, 101> places{};
  for (int epoch = 0; epoch < 20200; ++epoch) {
    const Order order = permutation(101, 6, Stream::shuffle, epoch);
    places[static_cast<std::size_t>(std::find(order.begin(), order.end(), 0) - order.begin())] += 1;
  }
  double spread = 0;
  for (double count : places) spread += (count - 200) * (count - 200) / 200;
  CHECK(spread < 149.4);  // the 99.9 % point for 100 degrees of freedom
}

TEST_CASE("split: training and validation share nothing and leave nothing out") {
  const Subsets parts = split(1000, 200, 1);
  CHECK(parts.val.size() == 200);
  CHECK(parts.train.size() == 800);
  Order all = parts.train;
  all.insert(all.end(), parts.val.begin(), parts.val.end());
  CHECK(sorted(all) == counting(1000));
  // At random: not the first ones, and about a fifth from each half.
  const auto low = std::count_if(parts.val.begin(), parts.val.end(), [](std::int64_t i) { return i < 500; });
  CHECK(low > 70);
  CHECK(low < 130);

  const Subsets again = split(1000, 200, 1);
  CHECK(again.train == parts.train);
  CHECK(again.val == parts.val);
  CHECK(split(1000, 200, 2).val != parts.val);
}

TEST_CASE("split: the edges") {
  CHECK(split(10, 0, 1).val.empty());
  CHECK(sorted(split(10, 0, 1).train) == counting(10));
  CHECK(split(10, 9, 1).train.size() == 1);
  CHECK(split(0, 0, 1).train.empty());
  CHECK_THROWS_AS(split(10, 10, 1), ValueError);
  CHECK_THROWS_AS(split(10, -1, 1), ValueError);
  CHECK_THROWS_AS(split(0, 1, 1), ValueError);
}

TEST_CASE("split: a validation size is a fraction, a count or nothing") {
  CHECK(resolve_val_size(0.1, 60000) == 6000);
  CHECK(resolve_val_size(0.2, 60000) == 12000);
  CHECK(resolve_val_size(12000, 60000) == 12000);
  CHECK(resolve_val_size(1, 60000) == 1);
  CHECK(resolve_val_size(0, 60000) == 0);
  CHECK(resolve_val_size(0.25, 6) == 2);  // 1.5, rounded
  CHECK(resolve_val_size(0.001, 100) == 1);
  CHECK(resolve_val_size("0.1", 60000) == 6000);
  CHECK(resolve_val_size("12000", 60000) == 12000);
  CHECK(resolve_val_size("0", 60000) == 0);
  CHECK(resolve_val_size("1e3", 60000) == 1000);
}

TEST_CASE("split: validation sizes that make no sense") {
  const std::string too_many = "val-size: expected fewer than the 100 samples there are, found ";
  CHECK(complaint(100, 100) == too_many + "100");
  CHECK(complaint(101, 100) == too_many + "101");
  CHECK(complaint(0.999, 100) == too_many + "0.999, which is 100");
  CHECK(complaint("100", 100) == too_many + "100");
  const std::string neither = "val-size: expected a fraction between 0 and 1 or a count, found ";
  CHECK(complaint(1.5, 100) == neither + "1.5");
  CHECK(complaint(-1, 100) == neither + "-1");
  CHECK(complaint(-0.1, 100) == neither + "-0.1");
  CHECK(complaint(std::numeric_limits<double>::quiet_NaN(), 100) == neither + "nan");
  CHECK(complaint(std::numeric_limits<double>::infinity(), 100) == neither + "inf");
  CHECK(complaint("", 100) == neither + "''");
  CHECK(complaint("10%", 100) == neither + "'10%'");
  CHECK(complaint("many", 100) == neither + "'many'");
  CHECK(complaint("1e400", 100) == neither + "'1e400'");
}
