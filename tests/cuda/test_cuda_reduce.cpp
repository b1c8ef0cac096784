// Reductions, sums of losses and argmax on the GPU, one kernel at a time, in many shapes.
#include <algorithm>

#include "backend_calls.h"

using namespace backend_calls;

namespace {

/// [outer, n, inner]: sizes 0 and 1; around a warp, a block, what a thread takes at once and what is cut in chunks;
/// rows, columns, and both.
const std::vector<Shape> shapes = {
    {1, 1, 1},     {0, 5, 3},      {3, 0, 4},    {3, 4, 0},      {4, 0, 1},     {1, 0, 1},     {1, 3, 1},
    {1, 31, 1},    {1, 32, 1},     {1, 33, 1},   {1, 255, 1},    {1, 257, 1},   {1, 1023, 1},  {1, 1025, 1},
    {1, 4096, 1},  {1, 4097, 1},   {1, 6145, 1}, {1, 100352, 1}, {128, 784, 1}, {128, 20, 1},  {5000, 2, 1},
    {777, 3, 1},   {300, 1, 1},    {9, 4097, 1}, {3, 50001, 1},  {1, 128, 400}, {1, 128, 784}, {1, 2048, 20},
    {1, 2047, 65}, {1, 100003, 3}, {1, 7, 5000}, {1, 513, 4097}, {2, 300, 300}, {40, 9, 70},   {7, 1, 5},
    {64, 17, 2},   {6000, 5, 2},   {1, 1, 1000}, {1, 129, 2},    {33, 1025, 8}, {3, 40000, 2}};

Shape without_n(const Shape& shape) { return {shape[0], shape[2]}; }

template <class T>
std::vector<T> reduced(Device device, ReduceOp op, const std::vector<T>& x, const Shape& shape) {
  const Array in = Array::from(x, shape, device);
  return output<T>(device, without_n(shape),
                   [&](Backend& backend, View out) { return backend.reduce(op, out, in.view()); });
}
template <class T>
std::vector<int64_t> argmax_of(Device device, const std::vector<T>& x, const Shape& shape) {
  const Array in = Array::from(x, shape, device);
  return output<int64_t>(device, without_n(shape),
                         [&](Backend& backend, View out) { return backend.argmax(out, in.view()); });
}
template <class T>
std::vector<T> pair_sum(Device device, BinaryOp op, const std::vector<T>& a, const std::vector<T>& b) {
  const Shape shape{static_cast<int64_t>(a.size())};
  const Array in_a = Array::from(a, shape, device), in_b = Array::from(b, shape, device);
  return output<T>(device, {}, [&](Backend& backend, View out) {
    return backend.binary_sum(op, out, in_a.view(), in_b.view(), {}, nullptr);
  });
}

/// A sum in double, rounded once: half an ulp of the result, and little of the terms.
template <class T>
double sum_bound(const Total& total) {
  return static_cast<double>(0.5L * eps<T> * fabsl(total.sum()) + 32 * eps<double> * total.magnitudes());
}
template <class T>
void check_sums(const std::vector<T>& found, const std::vector<std::vector<T>>& lines) {
  std::vector<long double> sums;
  std::vector<double> bounds;
  for (const auto& line : lines) {
    Total total;
    for (T each : line) total.add(each);
    sums.push_back(total.sum());
    bounds.push_back(sum_bound<T>(total));
  }
  near(found, sums, bounds);
}

/// Both functors' lists: name and where their operands lie.
struct PairOp {
  const char* name;
  BinaryOp op;
  double lo_a, hi_a, lo_b, hi_b;
};
#define ELBO_PAIR(op, F, lo_a, hi_a, lo_b, hi_b) PairOp{#op, BinaryOp::op, lo_a, hi_a, lo_b, hi_b},
const std::vector<PairOp> pair_ops{ELBO_BINARY_OPS(ELBO_PAIR) ELBO_LOSS_OPS(ELBO_PAIR)};
#undef ELBO_PAIR

}  // namespace

TEMPLATE_TEST_CASE("GPU: sum, max and min along an axis", "[cuda]", float, double) {
  using T = TestType;
  for (Device device : both) {
    for (const Shape& shape : shapes) {
      INFO(device.to_string() << " " << shape.to_string());
      const auto x = values<T>(shape.numel(), -1, 1.5);
      const auto lines = lines_of(x, shape);
      check_sums(reduced(device, ReduceOp::sum, x, shape), lines);
      std::vector<T> max, min;
      for (const auto& line : lines) {
        max.push_back(line.empty() ? static_cast<T>(-inf) : *std::max_element(line.begin(), line.end()));
        min.push_back(line.empty() ? static_cast<T>(inf) : *std::min_element(line.begin(), line.end()));
      }
      REQUIRE(reduced(device, ReduceOp::max, x, shape) == max);
      REQUIRE(reduced(device, ReduceOp::min, x, shape) == min);
    }
  }
}

TEMPLATE_TEST_CASE("GPU: a sum of a million elements is rounded once", "[cuda]", float, double) {
  using T = TestType;
  const auto x = values<T>(1000000, 0, 1);
  for (const Shape& shape : {Shape{1, 1000000, 1}, Shape{1, 500000, 2}, Shape{2, 500000, 1}, Shape{1, 1000, 1000}}) {
    INFO(shape.to_string());
    const auto found = reduced(gpu, ReduceOp::sum, x, shape);
    check_sums(found, lines_of(x, shape));
    if (sizeof(T) == 4) REQUIRE(same_bits(found, reduced(cpu, ReduceOp::sum, x, shape)));
  }
  // In float the small ones would be lost one by one.
  std::vector<T> uneven(300001, static_cast<T>(1e-3));
  uneven[0] = static_cast<T>(65536);
  check_sums(reduced(gpu, ReduceOp::sum, uneven, {1, 300001, 1}), lines_of(uneven, {1, 300001, 1}));
}

TEMPLATE_TEST_CASE("GPU: NaN wins a maximum and a minimum wherever it is, infinity otherwise", "[cuda]", float,
                   double) {
  using T = TestType;
  for (const Shape& shape : {Shape{1, 100, 1}, Shape{1, 100, 3}, Shape{2, 9000, 1}, Shape{1, 5000, 2}}) {
    const int64_t n = shape[1], step = shape[2];
    for (int64_t at : {int64_t{0}, int64_t{1}, int64_t{31}, n / 2, n - 2, n - 1}) {
      INFO(shape.to_string() << " at " << at);
      auto x = values<T>(shape.numel());
      const auto before = reduced(gpu, ReduceOp::min, x, shape);
      T& one = x[static_cast<std::size_t>(at * step)];
      one = static_cast<T>(NAN);
      REQUIRE(std::isnan(reduced(gpu, ReduceOp::max, x, shape)[0]));
      REQUIRE(std::isnan(reduced(gpu, ReduceOp::min, x, shape)[0]));
      REQUIRE(std::isnan(reduced(gpu, ReduceOp::sum, x, shape)[0]));
      one = static_cast<T>(inf);
      REQUIRE(reduced(gpu, ReduceOp::max, x, shape)[0] == static_cast<T>(inf));
      REQUIRE(reduced(gpu, ReduceOp::sum, x, shape)[0] == static_cast<T>(inf));
      REQUIRE(std::isfinite(reduced(gpu, ReduceOp::min, x, shape)[0]));
      one = static_cast<T>(-inf);
      REQUIRE(reduced(gpu, ReduceOp::min, x, shape)[0] == static_cast<T>(-inf));
      // The other lines know nothing of it.
      if (before.size() > 1) REQUIRE(reduced(gpu, ReduceOp::min, x, shape)[1] == before[1]);
    }
  }
  const std::vector<T> none;
  REQUIRE(reduced(gpu, ReduceOp::sum, none, {2, 0, 1}) == std::vector<T>{0, 0});
  REQUIRE(reduced(gpu, ReduceOp::max, none, {1, 0, 2})[1] == static_cast<T>(-inf));
  REQUIRE(reduced(gpu, ReduceOp::min, none, {1, 0, 1})[0] == static_cast<T>(inf));
  const std::vector<T> least(40, static_cast<T>(-inf));
  REQUIRE(reduced(gpu, ReduceOp::max, least, {1, 40, 1})[0] == static_cast<T>(-inf));
}

TEMPLATE_TEST_CASE("GPU: the sum of a pair op is the sum of its elements", "[cuda]", float, double) {
  using T = TestType;
  for (int64_t n : {0, 1, 2, 31, 33, 255, 256, 257, 1025, 4096, 4097, 100352}) {
    for (const PairOp& each : pair_ops) {
      INFO(each.name << " " << n);
      const auto a = values<T>(n, each.lo_a, each.hi_a, 2), b = values<T>(n, each.lo_b, each.hi_b, 3);
      const Array in_a = Array::from(a, {n}, gpu), in_b = Array::from(b, {n}, gpu);
      const auto elements = output<T>(
          gpu, {n}, [&](Backend& backend, View out) { return backend.binary(each.op, out, in_a.view(), in_b.view()); });
      check_sums(pair_sum(gpu, each.op, a, b), {elements});
    }
  }
  std::vector<T> a = values<T>(5000), b = values<T>(5000);
  a[4321] = static_cast<T>(NAN);
  REQUIRE(std::isnan(pair_sum(gpu, BinaryOp::squared_difference, a, b)[0]));
}

TEMPLATE_TEST_CASE("GPU: argmax is the first maximum, NaN counting as the largest", "[cuda]", float, double,
                   std::uint8_t, int64_t) {
  using T = TestType;
  for (const Shape& shape : shapes) {
    if (shape[1] == 0) continue;
    INFO(shape.to_string());
    // Few values, so that the largest is there often.
    auto x = values<T>(shape.numel(), 0, shape[1] % 2 == 0 ? 5 : 200);
    for (T& each : x) each = static_cast<T>(static_cast<int>(each));
    std::vector<int64_t> expected;
    for (const auto& line : lines_of(x, shape))
      expected.push_back(std::max_element(line.begin(), line.end()) - line.begin());
    REQUIRE(argmax_of(gpu, x, shape) == expected);
    REQUIRE(argmax_of(cpu, x, shape) == expected);
  }
  // All equal, and all the least that there is.
  const T least = std::numeric_limits<T>::has_infinity ? static_cast<T>(-inf) : std::numeric_limits<T>::lowest();
  for (const Shape& shape : {Shape{1, 5000, 1}, Shape{1, 5000, 2}, Shape{3, 40, 1}}) {
    for (T each : {least, T(3)}) {
      const std::vector<T> x(static_cast<std::size_t>(shape.numel()), each);
      REQUIRE(argmax_of(gpu, x, shape) == std::vector<int64_t>(static_cast<std::size_t>(shape[0] * shape[2]), 0));
    }
  }
  if constexpr (std::is_floating_point_v<T>) {
    for (const Shape& shape : {Shape{1, 4, 1}, Shape{1, 9001, 1}, Shape{1, 9001, 2}}) {
      std::vector<T> x(static_cast<std::size_t>(shape.numel()), static_cast<T>(inf));
      x[static_cast<std::size_t>(3 * shape[2])] = static_cast<T>(NAN);
      x[static_cast<std::size_t>((shape[1] - 1) * shape[2])] = static_cast<T>(NAN);
      REQUIRE(argmax_of(gpu, x, shape)[0] == 3);
    }
  }
}

TEST_CASE("GPU: an int64 argmax sees every bit", "[cuda]") {
  const int64_t big = int64_t{1} << 60;
  REQUIRE(argmax_of<int64_t>(gpu, {big, big + 1, big - 1, -big}, {1, 4, 1}) == std::vector<int64_t>{1});
}

TEMPLATE_TEST_CASE("GPU: reductions have the same bits every time", "[cuda]", float, double) {
  using T = TestType;
  const std::vector<Shape> cut{{1, 100352, 1}, {1, 9000, 3}, {5, 9000, 1}, {1, 128, 400}, {128, 784, 1}};
  std::vector<std::vector<T>> inputs, first;
  for (const Shape& shape : cut) {
    inputs.push_back(values<T>(shape.numel(), -1, 1));
    first.push_back(reduced(gpu, ReduceOp::sum, inputs.back(), shape));
  }
  const auto loss = pair_sum(gpu, BinaryOp::gaussian_kl, inputs[0], inputs[0]);
  // In another order, with other reductions' partial sums lying in the pool.
  for (int round = 0; round < 3; ++round) {
    const ThreadOrder order(round);
    for (std::size_t i = cut.size(); i-- > 0;) {
      INFO(cut[i].to_string());
      REQUIRE(same_bits(reduced(gpu, ReduceOp::sum, inputs[i], cut[i]), first[i]));
      REQUIRE(argmax_of(gpu, inputs[i], cut[i]) == argmax_of(cpu, inputs[i], cut[i]));
    }
    REQUIRE(same_bits(pair_sum(gpu, BinaryOp::gaussian_kl, inputs[0], inputs[0]), loss));
  }
}
