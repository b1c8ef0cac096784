// The softmax family, moments and normalisation on the GPU, one kernel at a time, in many shapes.
//
// Bounds, in units of T's epsilon, against long double: exponentials are within 2 ulp, and the difference that they are
// taken of is rounded, so a softmax is within 6 + spread of its value, spread being the largest less the smallest
// element of its line; log_softmax and logsumexp are within 4 + spread + |result|. Sums are in double and show no
// error. The CPU is held to the same.
#include <algorithm>

#include "backend_calls.h"

using namespace backend_calls;

namespace {

/// What a sum in double may be off by, of the sum of the magnitudes: it shows in float64 alone.
constexpr double in_double = 32 * eps<double>;

/// [outer, n, inner]: rows shorter and longer than a warp and a block, columns, sizes 0 and 1.
const std::vector<Shape> softmax_shapes = {
    {1, 1, 1},      {0, 5, 3},  {3, 4, 0},  {3, 0, 4},    {5, 0, 1},    {128, 10, 1}, {7, 2, 1},
    {300, 3, 1},    {3, 31, 1}, {3, 32, 1}, {3, 33, 1},   {2, 1023, 1}, {2, 1024, 1}, {2, 1025, 1},
    {1, 100000, 1}, {1, 10, 7}, {4, 5, 33}, {1, 700, 65}, {1, 3, 5000}, {2, 129, 2},  {60, 1, 4}};

/// [a, groups, b]: batches of vectors, of maps large and small, layers, and sizes 0 and 1.
const std::vector<Shape> group_shapes = {
    {1, 1, 1},      {128, 20, 1},  {2048, 65, 1}, {257, 1, 1},   {128, 3, 256}, {128, 32, 16}, {16, 8, 49},
    {2, 3, 40000},  {64, 128, 64}, {1, 128, 784}, {1, 3, 10007}, {1, 700, 4},   {5, 300, 1},   {3, 1, 1},
    {1, 1, 100352}, {3, 5, 2},     {100, 2, 3},   {1000, 1, 3},  {4, 0, 5},     {0, 0, 3},     {33, 257, 5}};

template <class T, class Call>
std::vector<T> with_x(Device device, const std::vector<T>& x, const Shape& shape, const Shape& out_shape,
                      const Call& call) {
  const Array in = Array::from(x, shape, device);
  return output<T>(device, out_shape, [&](Backend& backend, View out) { return call(backend, out, in.view()); });
}
template <class T>
std::vector<T> softmax_of(Device device, SoftmaxKind kind, const std::vector<T>& x, const Shape& shape) {
  return with_x(device, x, shape, shape,
                [&](Backend& backend, View out, ConstView in) { return backend.softmax(kind, out, in); });
}
template <class T>
std::vector<T> softmax_grad_of(Device device, SoftmaxKind kind, const std::vector<T>& y, const std::vector<T>& g,
                               const Shape& shape) {
  const Array grad = Array::from(g, shape, device);
  return with_x(device, y, shape, shape, [&](Backend& backend, View out, ConstView in) {
    return backend.softmax_grad(kind, out, in, grad.view());
  });
}
template <class T>
std::vector<T> logsumexp_of(Device device, const std::vector<T>& x, const Shape& shape) {
  return with_x(device, x, shape, {shape[0], shape[2]},
                [](Backend& backend, View out, ConstView in) { return backend.logsumexp(out, in); });
}

template <class T>
struct Moments {
  std::vector<T> mean, var;
};
template <class T>
Moments<T> moments_of(Device device, const std::vector<T>& x, const Shape& shape) {
  Array mean = unwritten<T>({shape[1]}, device);
  auto var = with_x(device, x, shape, {shape[1]}, [&](Backend& backend, View out, ConstView in) {
    return backend.moments(mean.mutable_view(), out, in);
  });
  return {mean.to_vector<T>(), var};
}
template <class T>
std::vector<T> normalized(Device device, const std::vector<T>& x, const Moments<T>& m, const Shape& shape, double eps) {
  const Array mean = Array::from(m.mean, {shape[1]}, device), var = Array::from(m.var, {shape[1]}, device);
  return with_x(device, x, shape, shape, [&](Backend& backend, View out, ConstView in) {
    return backend.normalize(out, in, mean.view(), var.view(), eps);
  });
}
template <class T>
std::vector<T> normalize_grad_of(Device device, const std::vector<T>& xhat, const std::vector<T>& var,
                                 const std::vector<T>& g, const Shape& shape, double eps) {
  const Array v = Array::from(var, {shape[1]}, device), grad = Array::from(g, shape, device);
  return with_x(device, xhat, shape, shape, [&](Backend& backend, View out, ConstView in) {
    return backend.normalize_grad(out, in, v.view(), grad.view(), eps);
  });
}

/// fn(group, the places of its elements).
template <class Fn>
void for_groups(const Shape& shape, const Fn& fn) {
  for (int64_t g = 0; g < shape[1]; ++g) {
    std::vector<std::size_t> places;
    for (int64_t i = 0; i < shape[0]; ++i)
      for (int64_t j = 0; j < shape[2]; ++j)
        places.push_back(static_cast<std::size_t>((i * shape[1] + g) * shape[2] + j));
    fn(static_cast<std::size_t>(g), places);
  }
}

/// Compares moments with two passes in long double.
template <class T>
void check_moments(const Moments<T>& found, const std::vector<T>& x, const Shape& shape) {
  std::vector<long double> means, vars;
  std::vector<double> mean_bounds, var_bounds;
  for_groups(shape, [&](std::size_t, const std::vector<std::size_t>& places) {
    const long double n = static_cast<long double>(places.size());
    Total total, squares;
    for (std::size_t at : places) total.add(x[at]);
    const long double mean = total.sum() / n;
    for (std::size_t at : places) squares.add((x[at] - mean) * (x[at] - mean));
    // The GPU measures from the first element, and then adds it.
    const long double first = places.empty() ? 0 : x[places[0]];
    const long double var = squares.sum() / n, offset = mean - first;
    means.push_back(mean), vars.push_back(var);
    mean_bounds.push_back(static_cast<double>(0.5L * eps<T> * fabsl(mean) + in_double * total.magnitudes() / n +
                                              eps<double> * fabsl(first)));
    var_bounds.push_back(static_cast<double>(0.5L * eps<T> * var + in_double * (var + offset * offset)));
  });
  near(found.mean, means, mean_bounds);
  near(found.var, vars, var_bounds);
}

}  // namespace

TEMPLATE_TEST_CASE("GPU: softmax, log_softmax and logsumexp", "[cuda]", float, double) {
  using T = TestType;
  for (Device device : both) {
    for (const Shape& shape : softmax_shapes) {
      INFO(device.to_string() << " " << shape.to_string());
      const auto x = values<T>(shape.numel(), -9, 9);
      const std::size_t size = x.size(), outputs = static_cast<std::size_t>(shape[0] * shape[2]);
      std::vector<long double> soft(size), log_soft(size), log_sums(outputs);
      std::vector<double> soft_bound(size), log_bound(size), sum_bound(outputs);
      const auto lines = lines_of(x, shape);
      for_lines(shape, [&](int64_t number, int64_t first, int64_t step) {
        const auto& line = lines[static_cast<std::size_t>(number)];
        long double sum = 0, max = line.empty() ? 0 : *std::max_element(line.begin(), line.end());
        const long double spread = line.empty() ? 0 : max - *std::min_element(line.begin(), line.end());
        for (T each : line) sum += expl(each - max);
        const long double log_sum = max + logl(sum);
        log_sums[static_cast<std::size_t>(number)] = log_sum;
        sum_bound[static_cast<std::size_t>(number)] = eps<T> * static_cast<double>(4 + spread + fabsl(log_sum));
        for (std::size_t k = 0; k < line.size(); ++k) {
          const std::size_t at = static_cast<std::size_t>(first) + k * static_cast<std::size_t>(step);
          log_soft[at] = line[k] - log_sum, soft[at] = expl(log_soft[at]);
          soft_bound[at] = eps<T> * static_cast<double>((6 + spread) * soft[at]);
          log_bound[at] = eps<T> * static_cast<double>(4 + spread + fabsl(log_soft[at]));
        }
      });
      near(softmax_of(device, SoftmaxKind::softmax, x, shape), soft, soft_bound);
      near(softmax_of(device, SoftmaxKind::log_softmax, x, shape), log_soft, log_bound);
      near(logsumexp_of(device, x, shape), log_sums, sum_bound);
    }
  }
}

TEMPLATE_TEST_CASE("GPU: the gradients of softmax and log_softmax", "[cuda]", float, double) {
  using T = TestType;
  for (Device device : both) {
    for (const Shape& shape : softmax_shapes) {
      INFO(device.to_string() << " " << shape.to_string());
      // Any y and g will do: the rules are formulas in both.
      const auto y = values<T>(shape.numel(), 0, 1), log_y = values<T>(shape.numel(), -9, 0);
      const auto g = values<T>(shape.numel(), -1, 2, 5);
      const std::size_t size = y.size();
      std::vector<long double> soft(size), log_soft(size);
      std::vector<double> soft_bound(size), log_bound(size);
      for_lines(shape, [&](int64_t, int64_t first, int64_t step) {
        auto place = [&](int64_t k) { return static_cast<std::size_t>(first + k * step); };
        Total dots, sums;
        for (int64_t k = 0; k < shape[1]; ++k)
          dots.add(static_cast<long double>(y[place(k)]) * g[place(k)]), sums.add(g[place(k)]);
        const long double dot = dots.sum(), sum = sums.sum();
        const long double dot_error = in_double * dots.magnitudes(), sum_error = in_double * sums.magnitudes();
        for (int64_t k = 0; k < shape[1]; ++k) {
          const std::size_t at = place(k);
          const long double power = expl(log_y[at]), scaled = power * sum;
          soft[at] = y[at] * (g[at] - dot), log_soft[at] = g[at] - scaled;
          soft_bound[at] = static_cast<double>(y[at] * (2 * eps<T> * (fabsl(g[at]) + fabsl(dot)) + dot_error));
          log_bound[at] = static_cast<double>(eps<T> * (fabsl(g[at]) + 4 * fabsl(scaled)) + power * sum_error);
        }
      });
      near(softmax_grad_of(device, SoftmaxKind::softmax, y, g, shape), soft, soft_bound);
      near(softmax_grad_of(device, SoftmaxKind::log_softmax, log_y, g, shape), log_soft, log_bound);
    }
  }
}

TEMPLATE_TEST_CASE("GPU: softmax with infinities and NaN does what the CPU's does", "[cuda]", float, double) {
  using T = TestType;
  const T big = static_cast<T>(inf), nan = static_cast<T>(NAN);
  for (int64_t n : {4, 40, 3000}) {
    for (const std::vector<T>& odd : {std::vector<T>{-big}, {big}, {nan}, {big, -big}, {nan, -big}, {1000, -1000}}) {
      for (const bool all : {false, true}) {
        INFO("n " << n << ", " << odd[0] << (all ? " everywhere" : ""));
        std::vector<T> x(static_cast<std::size_t>(n), all ? odd[0] : T(0));
        for (std::size_t i = 0; i < odd.size(); ++i) x[x.size() - 1 - 2 * i] = odd[i];
        for (const Shape& shape : {Shape{1, n, 1}, Shape{1, n / 2, 2}}) {
          auto agree = [&](const std::vector<T>& found, const std::vector<T>& expected) {
            near(found, std::vector<long double>(expected.begin(), expected.end()),
                 std::vector<double>(expected.size(), 4 * eps<T>));
          };
          for (SoftmaxKind kind : {SoftmaxKind::softmax, SoftmaxKind::log_softmax})
            agree(softmax_of(gpu, kind, x, shape), softmax_of(cpu, kind, x, shape));
          // A sum of up to 3000 ones has a logarithm near 8.
          near(
              logsumexp_of(gpu, x, shape),
              [&] {
                const auto expected = logsumexp_of(cpu, x, shape);
                return std::vector<long double>(expected.begin(), expected.end());
              }(),
              std::vector<double>(static_cast<std::size_t>(shape[2]), 8 * eps<T>));
        }
      }
    }
  }
  const std::vector<T> none;
  REQUIRE(logsumexp_of(gpu, none, {2, 0, 1}) == std::vector<T>{-big, -big});
  REQUIRE(logsumexp_of(gpu, std::vector<T>{-big, -big}, {1, 2, 1})[0] == -big);
  REQUIRE(logsumexp_of(gpu, std::vector<T>{-big, big}, {1, 2, 1})[0] == big);
}

TEMPLATE_TEST_CASE("GPU: means and variances of groups", "[cuda]", float, double) {
  using T = TestType;
  for (Device device : both) {
    for (const Shape& shape : group_shapes) {
      INFO(device.to_string() << " " << shape.to_string());
      const auto x = values<T>(shape.numel(), -1, 2);
      check_moments(moments_of(device, x, shape), x, shape);
    }
  }
  for (const Shape& shape : {Shape{0, 3, 4}, Shape{4, 3, 0}, Shape{1, 3, 0}, Shape{0, 3, 1}}) {
    const auto none = moments_of(gpu, std::vector<T>{}, shape);
    REQUIRE(none.mean.size() == 3);
    for (std::size_t g = 0; g < 3; ++g) REQUIRE((std::isnan(none.mean[g]) && std::isnan(none.var[g])));
  }
}

TEMPLATE_TEST_CASE("GPU: a variance far from 0, and none", "[cuda]", float, double) {
  using T = TestType;
  for (const Shape& shape : {Shape{128, 5, 1}, Shape{64, 3, 100}, Shape{1, 4, 3000}, Shape{1, 1, 100000}}) {
    INFO(shape.to_string());
    const double far = sizeof(T) == 4 ? 1e4 : 1e9;
    const auto x = values<T>(shape.numel(), far, far + 0.01);
    check_moments(moments_of(gpu, x, shape), x, shape);
    // The first element is where distances are measured from: let it be the odd one.
    auto odd = values<T>(shape.numel(), -0.001, 0.001);
    odd[0] = static_cast<T>(far);
    check_moments(moments_of(gpu, odd, shape), odd, shape);

    const std::vector<T> same(static_cast<std::size_t>(shape.numel()), static_cast<T>(0.1));
    const auto none = moments_of(gpu, same, shape);
    for (T mean : none.mean) REQUIRE(mean == static_cast<T>(0.1));
    for (T var : none.var) REQUIRE(var == 0);
  }
}

TEMPLATE_TEST_CASE("GPU: an infinity spoils the moments of its own group", "[cuda]", float, double) {
  using T = TestType;
  for (const Shape& shape : {Shape{64, 3, 1}, Shape{16, 3, 20}, Shape{1, 3, 5000}}) {
    auto x = values<T>(shape.numel());
    const auto clean = moments_of(gpu, x, shape);
    const std::size_t last = x.size() - static_cast<std::size_t>(2 * shape[2]) - 1;  // of group 0
    for (std::size_t at : {std::size_t{0}, last}) {
      for (double odd : {inf, -inf, static_cast<double>(NAN)}) {
        INFO(shape.to_string() << " " << odd << " at " << at);
        auto spoilt = x;
        spoilt[at] = static_cast<T>(odd);
        const auto found = moments_of(gpu, spoilt, shape);
        if (std::isnan(odd)) {
          REQUIRE(std::isnan(found.mean[0]));
        } else {
          REQUIRE(found.mean[0] == static_cast<T>(odd));
        }
        REQUIRE(std::isnan(found.var[0]));
        for (std::size_t g : {1u, 2u}) REQUIRE((found.mean[g] == clean.mean[g] && found.var[g] == clean.var[g]));
      }
    }
  }
}

TEMPLATE_TEST_CASE("GPU: normalize has the CPU's bits for the same moments", "[cuda]", float, double) {
  using T = TestType;
  for (const Shape& shape : group_shapes) {
    INFO(shape.to_string());
    const auto x = values<T>(shape.numel(), -1, 2);
    const Moments<T> m{values<T>(shape[1], -1, 1, 3), values<T>(shape[1], 0, 2, 4)};
    REQUIRE(same_bits(normalized(gpu, x, m, shape, 1e-5), normalized(cpu, x, m, shape, 1e-5)));
  }
}

TEMPLATE_TEST_CASE("GPU: the gradient of normalize", "[cuda]", float, double) {
  using T = TestType;
  const double add = 1e-3;
  for (Device device : both) {
    for (const Shape& shape : group_shapes) {
      INFO(device.to_string() << " " << shape.to_string());
      const auto xhat = values<T>(shape.numel(), -2, 2), g = values<T>(shape.numel(), -1, 2, 5);
      const auto var = values<T>(shape[1], 0.1, 2, 6);
      std::vector<long double> expected(xhat.size());
      std::vector<double> bound(xhat.size());
      for_groups(shape, [&](std::size_t group, const std::vector<std::size_t>& places) {
        const long double n = static_cast<long double>(places.size());
        const long double scale = 1 / sqrtl(static_cast<long double>(var[group]) + static_cast<T>(add));
        Total sum, dot;
        for (std::size_t at : places) sum.add(g[at]), dot.add(static_cast<long double>(g[at]) * xhat[at]);
        const long double mean = sum.sum() / n;
        const long double mean_error = in_double * sum.magnitudes() / n, slope_error = in_double * dot.magnitudes() / n;
        for (std::size_t at : places) {
          const long double along = xhat[at] * dot.sum() / n;
          expected[at] = scale * (g[at] - mean - along);
          bound[at] = static_cast<double>(scale * (4 * eps<T> * (fabsl(g[at]) + fabsl(mean) + fabsl(along)) +
                                                   mean_error + fabsl(xhat[at]) * slope_error));
        }
      });
      near(normalize_grad_of(device, xhat, var, g, shape, add), expected, bound);
    }
  }
}

TEMPLATE_TEST_CASE("GPU: layer_norm and its gradients are the CPU's", "[cuda]", float, double) {
  using T = TestType;
  for (const Shape& shape : {Shape{1, 1}, {0, 3}, {3, 0}, {128, 20}, {700, 4}, {5, 1025}, {2000, 33}}) {
    const int64_t rows = shape[0], n = shape[1];
    const auto x = values<T>(rows * n, -1, 2), g = values<T>(rows * n, -1, 2, 5);
    const auto weight = values<T>(n, 0.5, 2, 6), bias = values<T>(n, -1, 1, 7);
    for (bool affine : {false, true}) {
      INFO(shape.to_string() << (affine ? " with a weight and a bias" : ""));
      auto all = [&](Device device) {
        const Array in = Array::from(x, shape, device), grad = Array::from(g, shape, device);
        const Array w = Array::from(weight, {n}, device), b = Array::from(bias, {n}, device);
        LayerNormArgs args{in.view(), {}, {}, 1e-3};
        if (affine) args.weight = w.view(), args.bias = b.view();
        Array mean = unwritten<T>({rows}, device), var = unwritten<T>({rows}, device), y = unwritten<T>(shape, device);
        Array gx = unwritten<T>(shape, device), gweight = unwritten<T>({n}, device), gbias = unwritten<T>({n}, device);
        ok(backend(device).layer_norm(y.mutable_view(), mean.mutable_view(), var.mutable_view(), args));
        ok(backend(device).layer_norm_grad(gx.mutable_view(), gweight.mutable_view(), gbias.mutable_view(), args,
                                           mean.view(), var.view(), grad.view()));
        return std::vector{y.to_vector<T>(), gx.to_vector<T>(), gweight.to_vector<T>(), gbias.to_vector<T>()};
      };
      const auto found = all(gpu), expected = all(cpu);
      for (std::size_t i = 0; i < found.size(); ++i) {
        long double largest = 1;
        for (T each : expected[i]) largest = std::max(largest, fabsl(each));
        near(found[i], std::vector<long double>(expected[i].begin(), expected[i].end()),
             std::vector<double>(expected[i].size(), static_cast<double>(8 * eps<T> * largest)));
      }
    }
  }
}

TEMPLATE_TEST_CASE("GPU: softmax and normalisation have the same bits every time", "[cuda]", float, double) {
  using T = TestType;
  const Shape groups{128, 32, 64}, rows{64, 1500, 1};
  const auto x = values<T>(groups.numel()), g = values<T>(groups.numel(), -1, 1, 2), r = values<T>(rows.numel());
  auto all = [&] {
    std::vector<std::vector<T>> found;
    const auto m = moments_of(gpu, x, groups);
    found.push_back(m.mean), found.push_back(m.var);
    found.push_back(normalize_grad_of(gpu, x, m.var, g, groups, 1e-5));
    found.push_back(softmax_of(gpu, SoftmaxKind::softmax, r, rows));
    found.push_back(softmax_grad_of(gpu, SoftmaxKind::log_softmax, r, r, rows));
    found.push_back(logsumexp_of(gpu, r, rows));
    return found;
  };
  const auto first = all();
  for (int round = 0; round < 3; ++round) {
    const ThreadOrder order(round);
    // Other sizes in between leave their partial sums in the pool.
    const Shape other{50 + round, 7, 300};
    moments_of(gpu, values<T>(other.numel()), other);
    const auto again = all();
    for (std::size_t i = 0; i < first.size(); ++i) REQUIRE(same_bits(again[i], first[i]));
  }
}

TEST_CASE("GPU: reductions and normalisation take few launches", "[cuda]") {
  const auto launches = emulator_function<long long()>("elbo_emulator_launches");
  if (!launches) return;  // nobody counts them
  Backend& on = backend(gpu);
  auto count = [&](auto... calls) {
    const long long before = launches();
    (ok(calls()), ...);
    return launches() - before;
  };
  for (const Shape& shape : {Shape{1, 128, 400}, Shape{128, 784, 1}, Shape{1, 100352, 1}, Shape{128, 32, 64},
                             Shape{2048, 20, 1}, Shape{1, 9000, 3}}) {
    INFO(shape.to_string());
    const Array x = Array::full(shape, 0.5, {DType::float32, gpu});
    Array y = Array::full(shape, 0, x.options()), total = Array::full({}, 0, x.options());
    Array line = Array::full({shape[0], shape[2]}, 0, x.options());
    Array index = Array::full({shape[0], shape[2]}, 0, {DType::int64, gpu});
    Array mean = Array::full({shape[1]}, 0, x.options()), var = Array::full({shape[1]}, 1, x.options());
    CHECK(count([&] { return on.reduce(ReduceOp::sum, line.mutable_view(), x.view()); }) == 1);
    CHECK(count([&] { return on.argmax(index.mutable_view(), x.view()); }) == 1);
    CHECK(count([&] { return on.binary_sum(BinaryOp::bce, total.mutable_view(), x.view(), x.view(), {}, nullptr); }) ==
          1);
    CHECK(count([&] { return on.softmax(SoftmaxKind::softmax, y.mutable_view(), x.view()); }) == 1);
    CHECK(count([&] { return on.softmax_grad(SoftmaxKind::softmax, y.mutable_view(), x.view(), x.view()); }) == 1);
    CHECK(count([&] { return on.logsumexp(line.mutable_view(), x.view()); }) == 1);
    CHECK(count([&] { return on.moments(mean.mutable_view(), var.mutable_view(), x.view()); }) == 1);
    CHECK(count([&] { return on.normalize(y.mutable_view(), x.view(), mean.view(), var.view(), 1e-5); }) == 1);
    CHECK(count([&] { return on.normalize_grad(y.mutable_view(), x.view(), var.view(), x.view(), 1e-5); }) == 2);
  }
  synchronize(gpu);
}
