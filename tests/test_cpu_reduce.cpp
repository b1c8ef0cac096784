// The CPU's reductions, softmax and normalisation through the Backend interface, in every variant, against plain loops
// in double precision.
#include "kernel_support.h"

using namespace kernel_test;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

/// [outer, n, inner]: sizes 0 and 1, less and more than a vector, more than a strip, and cut into chunks both ways.
const std::vector<Shape> shapes = {{1, 1, 1},     {0, 5, 3},     {3, 0, 4},     {3, 4, 0},     {4, 0, 1},
                                   {1, 7, 1},     {5, 20, 1},    {3, 16, 1},    {2, 33, 3},    {7, 1, 5},
                                   {128, 784, 1}, {1, 128, 784}, {1, 40000, 1}, {3, 50001, 1}, {1, 20011, 3},
                                   {2, 300, 300}, {40, 9, 70},   {2, 129, 1},   {9, 31, 5},    {13, 40, 1}};

/// Rows that are computed eight at once: fewer and more than eight, of fewer and more elements than a block of four.
std::vector<Shape> with_short_rows() {
  std::vector<Shape> all = shapes;
  for (int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 10, 16, 31, 32, 33})
    for (int64_t rows : {3, 8, 19}) all.push_back({rows, n, 1});
  return all;
}

Shape without_n(const Shape& shape) { return {shape[0], shape[2]}; }

/// fn(the n elements of one output, as doubles) for each output.
template <class T, class Fn>
std::vector<double> along(const std::vector<T>& x, const Shape& shape, const Fn& fn) {
  std::vector<double> out;
  for (int64_t o = 0; o < shape[0]; ++o)
    for (int64_t i = 0; i < shape[2]; ++i) {
      std::vector<double> line;
      for (int64_t k = 0; k < shape[1]; ++k)
        line.push_back(static_cast<double>(x[static_cast<std::size_t>((o * shape[1] + k) * shape[2] + i)]));
      out.push_back(fn(line));
    }
  return out;
}
/// fn(line, out line) for each line of x; the results in x's shape.
template <class T, class Fn>
std::vector<double> map_along(const std::vector<T>& x, const Shape& shape, const Fn& fn) {
  std::vector<double> out(x.size());
  int64_t line_number = 0;
  along(x, shape, [&](const std::vector<double>& line) {
    const std::vector<double> y = fn(line, line_number);
    const int64_t o = line_number / shape[2], i = line_number % shape[2];
    for (int64_t k = 0; k < shape[1]; ++k)
      out[static_cast<std::size_t>((o * shape[1] + k) * shape[2] + i)] = y[static_cast<std::size_t>(k)];
    ++line_number;
    return 0.0;
  });
  return out;
}

double sum_of(const std::vector<double>& x) {
  double sum = 0;
  for (double each : x) sum += each;
  return sum;
}
double squares_of(const std::vector<double>& x) {
  double sum = 0;
  for (double each : x) sum += each * each;
  return sum;
}
double max_of(const std::vector<double>& x) {
  double max = -inf;
  for (double each : x) max = each > max || std::isnan(each) ? each : max;
  return max;
}
double log_sum_exp(const std::vector<double>& x) {
  const double max = max_of(x), shift = std::isfinite(max) ? max : 0;
  double sum = 0;
  for (double each : x) sum += std::exp(each - shift);
  return shift + std::log(sum);
}

template <class T>
std::vector<T> reduced(Backend& backend, ReduceOp op, const std::vector<T>& x, const Shape& shape) {
  auto out = poison<T>(without_n(shape).numel());
  ok(backend.reduce(op, view(out, without_n(shape)), view(x, shape)));
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("sum, sum of squares, max and min along an axis", "", float, double) {
  using T = TestType;
  for (const auto& backend : backends()) {
    for (const Shape& shape : with_short_rows()) {
      INFO(backend->description() << " " << shape.to_string());
      const auto x = values<T>(shape.numel(), -1, 1.5);
      auto run = [&](ReduceOp op) { return same_for_threads([&] { return reduced(*backend, op, x, shape); }); };
      close(run(ReduceOp::sum), along(x, shape, sum_of));
      close(run(ReduceOp::sum_squares), along(x, shape, squares_of));
      close(run(ReduceOp::max), along(x, shape, max_of));
      close(run(ReduceOp::min), along(x, shape, [](std::vector<double> line) {
              for (double& each : line) each = -each;
              return -max_of(line);
            }));
    }
  }
}

TEST_CASE("a float32 sum of a million elements is as good as a double one") {
  for (const auto& backend : backends()) {
    const auto x = values<float>(1000000, 0, 1);
    const Shape row{1, 1000000, 1}, column{1, 500000, 2};
    for (const Shape& shape : {row, column}) {
      const auto found = reduced(*backend, ReduceOp::sum, x, shape);
      const auto expected = along(x, shape, sum_of);
      for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == static_cast<float>(expected[i]));
    }
  }
}

TEST_CASE("a float32 sum of a short row is a double one, rounded") {
  for (const auto& backend : backends())
    for (int64_t n : {3, 10, 32, 33, 63, 100}) {
      const Shape shape{21, n, 1};
      const auto x = values<float>(shape.numel(), -1, 1.5);
      const auto found = reduced(*backend, ReduceOp::sum, x, shape);
      const auto expected = along(x, shape, sum_of);
      for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == static_cast<float>(expected[i]));
    }
}

TEMPLATE_TEST_CASE("NaN wins a maximum in a row beside others", "", float, double) {
  using T = TestType;
  for (const auto& backend : backends())
    for (int64_t n : {1, 3, 10, 33, 150})
      for (int64_t bad = 0; bad < n; ++bad) {
        const Shape shape{11, n, 1};
        auto x = values<T>(shape.numel());
        x[static_cast<std::size_t>(9 * n + bad)] = static_cast<T>(NAN);
        for (ReduceOp op : {ReduceOp::max, ReduceOp::min}) {
          const auto found = reduced(*backend, op, x, shape);
          for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(std::isnan(found[i]) == (i == 9));
        }
      }
}

TEMPLATE_TEST_CASE("NaN wins a maximum and a minimum wherever it is, infinity otherwise", "", float, double) {
  using T = TestType;
  for (const auto& backend : backends()) {
    for (int64_t inner : {1, 3}) {
      const Shape shape{1, 100, inner};
      for (int64_t at : {0, 1, 31, 64, 98, 99}) {
        auto x = values<T>(shape.numel());
        x[static_cast<std::size_t>(at * inner)] = static_cast<T>(NAN);
        REQUIRE(std::isnan(reduced(*backend, ReduceOp::max, x, shape)[0]));
        REQUIRE(std::isnan(reduced(*backend, ReduceOp::min, x, shape)[0]));
        REQUIRE(std::isnan(reduced(*backend, ReduceOp::sum, x, shape)[0]));
        x[static_cast<std::size_t>(at * inner)] = static_cast<T>(inf);
        REQUIRE(reduced(*backend, ReduceOp::max, x, shape)[0] == static_cast<T>(inf));
        REQUIRE(std::isfinite(reduced(*backend, ReduceOp::min, x, shape)[0]));
      }
    }
    const std::vector<T> none;
    REQUIRE(reduced(*backend, ReduceOp::sum, none, {2, 0, 1}) == std::vector<T>{0, 0});
    REQUIRE(reduced(*backend, ReduceOp::max, none, {1, 0, 2})[1] == static_cast<T>(-inf));
    REQUIRE(reduced(*backend, ReduceOp::min, none, {1, 0, 1})[0] == static_cast<T>(inf));
  }
}

TEMPLATE_TEST_CASE("argmax is the first maximum, NaN counting as the largest", "", float, double) {
  using T = TestType;
  auto run_on = [](Backend& backend, const std::vector<T>& x, const Shape& shape) {
    auto out = poison<int64_t>(without_n(shape).numel());
    ok(backend.argmax(view(out, without_n(shape)), view(x, shape)));
    return out;
  };
  // As the reference of a table has it: the first of the largest, of which NaN is one.
  auto first_max = [](const std::vector<double>& line) {
    std::size_t best = 0;
    for (std::size_t k = 1; k < line.size(); ++k)
      if (line[k] > line[best] || (std::isnan(line[k]) && !std::isnan(line[best]))) best = k;
    return static_cast<double>(best);
  };
  const T nan = static_cast<T>(NAN), low = static_cast<T>(-inf);
  for (const auto& backend : backends()) {
    auto run = [&](const std::vector<T>& x, const Shape& shape) { return run_on(*backend, x, shape); };
    REQUIRE(run({1, 3, 2, 3}, {1, 4, 1}) == std::vector<int64_t>{1});
    REQUIRE(run({1, nan, 5, nan}, {1, 4, 1}) == std::vector<int64_t>{1});
    REQUIRE(run({nan, 9}, {1, 2, 1}) == std::vector<int64_t>{0});
    REQUIRE(run({low, low, low}, {1, 3, 1}) == std::vector<int64_t>{0});
    REQUIRE(run({1, 6, 2, 5, 3, 6}, {1, 3, 2}) == std::vector<int64_t>{2, 0});
    std::vector<Shape> tried = with_short_rows();
    tried.push_back({30, 50, 7});
    for (const Shape& shape : tried) {
      if (shape.numel() == 0) continue;
      INFO(backend->description() << " " << shape.to_string());
      auto x = values<T>(shape.numel());
      for (std::size_t i = 0; i < x.size(); i += 7) x[i] = x[i / 2];  // ties
      for (std::size_t i = 5; i < x.size(); i += 61) x[i] = nan;
      const auto expected = along(x, shape, first_max);
      const auto found = same_for_threads([&] { return run(x, shape); });
      for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == static_cast<int64_t>(expected[i]));
    }
  }
}

TEMPLATE_TEST_CASE("softmax, log_softmax, logsumexp and their gradients", "", float, double) {
  using T = TestType;
  for (const auto& backend : backends()) {
    for (const Shape& shape : with_short_rows()) {
      INFO(backend->description() << " " << shape.to_string());
      // Far apart, so that no sum without a shift would survive; but few of them, of which one then has all of the
      // share, would leave gradients of rounding alone.
      const auto x = values<T>(shape.numel(), -5, shape[1] < 12 ? 3 : 90), g = values<T>(shape.numel(), -1, 2, 7);
      close(same_for_threads([&] {
              auto out = poison<T>(without_n(shape).numel());
              ok(backend->logsumexp(view(out, without_n(shape)), view(x, shape)));
              return out;
            }),
            along(x, shape, log_sum_exp));
      for (SoftmaxKind kind : {SoftmaxKind::softmax, SoftmaxKind::log_softmax}) {
        const bool log = kind == SoftmaxKind::log_softmax;
        const auto y = same_for_threads([&] {
          auto out = poison<T>(shape.numel());
          ok(backend->softmax(kind, view(out, shape), view(x, shape)));
          return out;
        });
        close(y, map_along(x, shape, [&](std::vector<double> line, int64_t) {
                const double total = log_sum_exp(line);
                for (double& each : line) each = log ? each - total : std::exp(each - total);
                return line;
              }));
        std::vector<std::vector<double>> lines;
        along(g, shape, [&](const std::vector<double>& line) { return lines.push_back(line), 0.0; });
        const auto expected = map_along(y, shape, [&](std::vector<double> line, int64_t number) {
          const std::vector<double>& grad = lines[static_cast<std::size_t>(number)];
          double dot = 0;
          for (std::size_t k = 0; k < line.size(); ++k) dot += log ? grad[k] : grad[k] * line[k];
          for (std::size_t k = 0; k < line.size(); ++k)
            line[k] = log ? grad[k] - std::exp(line[k]) * dot : line[k] * (grad[k] - dot);
          return line;
        });
        close(same_for_threads([&] {
                auto gx = poison<T>(shape.numel());
                ok(backend->softmax_grad(kind, view(gx, shape), view(y, shape), view(g, shape)));
                return gx;
              }),
              expected);
      }
    }
  }
}

TEMPLATE_TEST_CASE("logsumexp with infinities", "", float, double) {
  using T = TestType;
  const T big = static_cast<T>(inf);
  for (const auto& backend : backends()) {
    for (int64_t inner : {1, 2}) {
      auto run = [&](T first, T second) {
        std::vector<T> x(static_cast<std::size_t>(2 * inner), first), out(static_cast<std::size_t>(inner));
        for (int64_t i = 0; i < inner; ++i) x[static_cast<std::size_t>(inner + i)] = second;
        ok(backend->logsumexp(view(out, {1, inner}), view(x, {1, 2, inner})));
        return static_cast<double>(out.back());
      };
      REQUIRE(run(-big, -big) == -inf);
      REQUIRE(run(-big, 3) == 3);
      REQUIRE(run(big, 3) == inf);
      REQUIRE(std::isnan(run(static_cast<T>(NAN), 3)));
    }
  }
}

// ---- moments and normalisation: x [a, groups, b] -------------------------------------------------------------------

TEMPLATE_TEST_CASE("moments, normalize and its gradient", "", float, double) {
  using T = TestType;
  const double eps = 1e-5;
  std::vector<Shape> grouped = {{1, 1, 1},     {4, 3, 1},     {1, 5, 17},  {6, 3, 9}, {128, 400, 1}, {1, 60, 33},
                                {3, 2, 20000}, {30000, 2, 1}, {50, 40, 7}, {0, 3, 2}, {3, 0, 2}};
  for (int64_t n : {3, 4, 5, 8, 10, 16, 31, 32, 33, 100})  // groups that are rows
    for (int64_t groups : {3, 8, 19}) grouped.push_back({1, groups, n});
  for (const auto& backend : backends()) {
    for (const Shape& shape : grouped) {
      INFO(backend->description() << " " << shape.to_string());
      const int64_t groups = shape[1];
      const auto x = values<T>(shape.numel(), 2, 5), g = values<T>(shape.numel(), -1, 2, 5);
      std::vector<double> mean(static_cast<std::size_t>(groups)), var(mean), mean_g(mean), mean_gx(mean);
      const double count = static_cast<double>(shape[0] * shape[2]);
      auto group_of = [&](std::size_t i) { return i / static_cast<std::size_t>(shape[2]) % mean.size(); };
      for (std::size_t i = 0; i < x.size(); ++i) mean[group_of(i)] += static_cast<double>(x[i]) / count;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double d = static_cast<double>(x[i]) - mean[group_of(i)];
        var[group_of(i)] += d * d / count;
      }
      if (shape.numel() > 0) {
        const auto found = same_for_threads([&] {
          auto m = poison<T>(groups), v = poison<T>(groups);
          ok(backend->moments(flat(m), flat(v), view(x, shape)));
          m.insert(m.end(), v.begin(), v.end());
          return m;
        });
        close(std::vector<T>(found.begin(), found.begin() + groups), mean);
        close(std::vector<T>(found.begin() + groups, found.end()), var);
      }
      const std::vector<T> m(mean.begin(), mean.end()), v(var.begin(), var.end());
      const auto xhat = same_for_threads([&] {
        auto out = poison<T>(shape.numel());
        ok(backend->normalize(view(out, shape), view(x, shape), flat(m), flat(v), eps));
        return out;
      });
      std::vector<double> expected(x.size()), expected_grad(x.size());
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t k = group_of(i);
        expected[i] =
            (static_cast<double>(x[i]) - static_cast<double>(m[k])) / std::sqrt(static_cast<double>(v[k]) + eps);
        mean_g[k] += static_cast<double>(g[i]) / count;
        mean_gx[k] += static_cast<double>(g[i]) * static_cast<double>(xhat[i]) / count;
      }
      close(xhat, expected);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t k = group_of(i);
        expected_grad[i] = (static_cast<double>(g[i]) - mean_g[k] - static_cast<double>(xhat[i]) * mean_gx[k]) /
                           std::sqrt(static_cast<double>(v[k]) + eps);
      }
      const auto gx = same_for_threads([&] {
        auto out = poison<T>(shape.numel());
        ok(backend->normalize_grad(view(out, shape), view(xhat, shape), flat(v), view(g, shape), eps));
        return out;
      });
      if (shape != Shape{1, 1, 1}) close(gx, expected_grad);
    }
  }
}

TEMPLATE_TEST_CASE("layer_norm and its gradients", "", float, double) {
  using T = TestType;
  const double eps = 0.25;  // no row is so flat that its errors grow
  std::vector<Shape> shapes_of_rows = {{0, 3}, {3, 0}, {1, 1}, {1, 20000}, {700, 5}, {700, 50}, {130, 129}};
  for (int64_t n : {1, 3, 4, 5, 8, 10, 15, 16, 31, 32, 33, 39, 100})
    for (int64_t rows : {3, 8, 19}) shapes_of_rows.push_back({rows, n});
  for (const auto& backend : backends()) {
    for (const Shape& shape : shapes_of_rows) {
      INFO(backend->description() << " " << shape.to_string());
      const int64_t rows = shape[0], n = shape[1];
      const auto x = values<T>(rows * n, 2, 5), g = values<T>(rows * n, -1, 2, 5);
      const auto weight = values<T>(n, 0.5, 2, 6), bias = values<T>(n, -1, 1, 7);
      std::vector<double> mean, var, normal, y, y_alone, gx, gx_alone;
      std::vector<double> gweight(weight.size()), gbias(weight.size());
      auto at = [&](const std::vector<T>& all, int64_t i) {
        return static_cast<double>(all[static_cast<std::size_t>(i)]);
      };
      const double count = static_cast<double>(n);
      for (int64_t r = 0; r < rows && n > 0; ++r) {
        double m = 0, v = 0, mean_g[2] = {}, mean_gx[2] = {};
        for (int64_t j = 0; j < n; ++j) m += at(x, r * n + j) / count;
        for (int64_t j = 0; j < n; ++j) v += (at(x, r * n + j) - m) * (at(x, r * n + j) - m) / count;
        mean.push_back(m), var.push_back(v);
        const double scale = 1 / std::sqrt(v + eps);
        for (int64_t j = 0; j < n; ++j) {
          const double h = (at(x, r * n + j) - m) * scale, grad = at(g, r * n + j);
          normal.push_back(h), y_alone.push_back(h), y.push_back(h * at(weight, j) + at(bias, j));
          gweight[static_cast<std::size_t>(j)] += grad * h, gbias[static_cast<std::size_t>(j)] += grad;
          for (int w : {0, 1}) {
            const double scaled = w == 0 ? grad : grad * at(weight, j);
            mean_g[w] += scaled / count, mean_gx[w] += scaled * h / count;
          }
        }
        for (int64_t j = 0; j < n; ++j) {
          const double h = normal[static_cast<std::size_t>(r * n + j)], grad = at(g, r * n + j);
          gx_alone.push_back(scale * (grad - mean_g[0] - h * mean_gx[0]));
          gx.push_back(scale * (grad * at(weight, j) - mean_g[1] - h * mean_gx[1]));
        }
      }
      for (bool affine : {false, true}) {
        const LayerNormArgs args{view(x, shape), affine ? flat(weight) : ConstView(), affine ? flat(bias) : ConstView(),
                                 eps};
        std::vector<T> m, v;
        close(same_for_threads([&] {
                auto out = poison<T>(rows * n);
                m = poison<T>(rows), v = m;
                ok(backend->layer_norm(view(out, shape), flat(m), flat(v), args));
                return out;
              }),
              affine ? y : y_alone);
        if (n > 0) close(m, mean), close(v, var);
        for (int wanted = 1; wanted < 8; ++wanted) {
          auto to = [&](int which, std::vector<T>& out, const Shape& its) {
            return (wanted & which) != 0 ? view(out, its) : View();
          };
          const auto found = same_for_threads([&] {
            auto a = poison<T>(rows * n), b = poison<T>(n), c = b;
            ok(backend->layer_norm_grad(to(1, a, shape), to(2, b, {n}), to(4, c, {n}), args, flat(m), flat(v),
                                        view(g, shape)));
            a.insert(a.end(), b.begin(), b.end());
            a.insert(a.end(), c.begin(), c.end());
            return a;
          });
          const auto weights = found.begin() + rows * n, biases = weights + n;
          // One element is what it was made of, and its gradient rounding.
          if ((wanted & 1) != 0 && n > 1) close(std::vector<T>(found.begin(), weights), affine ? gx : gx_alone);
          if ((wanted & 2) != 0 && n > 1) close(std::vector<T>(weights, biases), gweight);
          if ((wanted & 4) != 0) close(std::vector<T>(biases, found.end()), gbias);
        }
      }
    }
  }
}

namespace {

/// That binary_sum with a gradient has its own bits without, and those of binary_grad.
template <class T>
void check_gradient(Backend& backend, BinaryOp op, const std::vector<T>& a, const std::vector<T>& b,
                    const std::vector<T>& expected_sum) {
  const std::vector<T> g = {T(0.3)};
  std::vector<T> expected = poison<T>(static_cast<int64_t>(a.size()));
  ok(backend.binary_grad(op, 0, flat(expected), flat(a), flat(b), view(g, {})));
  REQUIRE(same_bits(same_for_threads([&] {
                      std::vector<T> sum = poison<T>(1), ga = poison<T>(static_cast<int64_t>(a.size()));
                      ok(backend.binary_sum(op, view(sum, {}), flat(a), flat(b), flat(ga), g.data()));
                      REQUIRE(same_bits(sum, expected_sum));
                      return ga;
                    }),
                    expected));
}

}  // namespace

TEMPLATE_TEST_CASE("binary_sum has the bits of binary and then a sum over all", "", float, double) {
  using T = TestType;
  for (int64_t n : {0, 1, 15, 100, 16383, 16384, 16385, 40000, 128 * 784}) {
    // Positive, so that every op has a value, logarithms too.
    const auto a = values<T>(n, 0.1, 0.9, 1), b = values<T>(n, 0.1, 0.9, 2);
    for (const auto& backend : backends()) {
      for (int op = 0; op < static_cast<int>(BinaryOp::count); ++op) {
        INFO(n << " elements, op " << op << ", " << backend->description());
        std::vector<T> elements(static_cast<std::size_t>(n)), expected = poison<T>(1);
        ok(backend->binary(static_cast<BinaryOp>(op), flat(elements), flat(a), flat(b)));
        ok(backend->reduce(ReduceOp::sum, view(expected, {1, 1}), view(elements, {1, n, 1})));
        REQUIRE(same_bits(same_for_threads([&] {
                            std::vector<T> out = poison<T>(1);
                            ok(backend->binary_sum(static_cast<BinaryOp>(op), view(out, {}), flat(a), flat(b), {},
                                                   nullptr));
                            return out;
                          }),
                          expected));
        if (op >= static_cast<int>(BinaryOp::squared_difference))
          check_gradient(*backend, static_cast<BinaryOp>(op), a, b, expected);
      }
    }
  }
}

TEST_CASE("binary_sum keeps no array of the elements") {
  const auto backend = cpu_kernels::make_cpu_backend();
  const auto a = values<float>(1 << 20), b = values<float>(1 << 20);
  std::vector<float> out(1);
  ok(backend->binary_sum(BinaryOp::mul, view(out, {}), flat(a), flat(b), {}, nullptr));
  REQUIRE(out[0] != 0);
  REQUIRE(backend->memory().peak <= 4096);
}
