// The CPU's elementwise kernels and optimisers through the Backend interface, in every variant, against plain loops in
// double precision. That the functors' gradients are right is gradcheck's matter; here, that the loops compute them.
#include <functional>

#include "../core/functors.h"
#include "kernel_support.h"

using namespace kernel_test;

namespace {

template <class F, class... P>
F functor(P... p) {
  return F{static_cast<double>(p)...};
}

struct UnaryCase {
  std::string name;
  UnaryOp op;
  double lo, hi, p0, p1;
  std::function<double(double)> value;
  std::function<double(double, double)> grad;  // of x and g
};
template <class F>
UnaryCase unary_case(const char* name, UnaryOp op, double lo, double hi, F f, double p0 = 0, double p1 = 0) {
  return {
      name, op, lo, hi, p0, p1, [f](double x) { return f(x); }, [f](double x, double g) { return f.grad(x, f(x), g); }};
}
const std::vector<UnaryCase>& unary_cases() {
#define CASE(op, F, saves, lo, hi) unary_case(#op, UnaryOp::op, lo, hi, F<double>{}),
#define CASE_1(op, F, saves, lo, hi, p) unary_case(#op, UnaryOp::op, lo, hi, functor<F<double>>(p), p),
#define CASE_2(op, F, saves, lo, hi, p, q) unary_case(#op, UnaryOp::op, lo, hi, functor<F<double>>(p, q), p, q),
  static const std::vector<UnaryCase> cases = {ELBO_UNARY_OPS(CASE) ELBO_UNARY_OPS_1(CASE_1) ELBO_UNARY_OPS_2(CASE_2)};
#undef CASE
#undef CASE_1
#undef CASE_2
  return cases;
}

struct BinaryCase {
  std::string name;
  BinaryOp op;
  double lo_a, hi_a, lo_b, hi_b;
  std::function<double(double, double)> value;
  std::function<double(double, double, double)> grad[2];
};
template <class F>
BinaryCase binary_case(const char* name, BinaryOp op, double lo_a, double hi_a, double lo_b, double hi_b) {
  return {name,
          op,
          lo_a,
          hi_a,
          lo_b,
          hi_b,
          [](double a, double b) { return F{}(a, b); },
          {[](double a, double b, double g) { return F{}.grad_a(a, b, g); },
           [](double a, double b, double g) { return F{}.grad_b(a, b, g); }}};
}
const std::vector<BinaryCase>& binary_cases() {
#define CASE(op, F, ...) binary_case<F<double>>(#op, BinaryOp::op, __VA_ARGS__),
  static const std::vector<BinaryCase> cases = {ELBO_BINARY_OPS(CASE) ELBO_LOSS_OPS(CASE)};
#undef CASE
  return cases;
}

/// Shapes that broadcast to the first: equal, scalar, rows, columns, both, neither merging with a neighbour.
struct Shapes {
  Shape out, a, b;
};
const std::vector<Shapes> broadcasts = {
    {{7}, {7}, {7}},
    {{}, {}, {}},
    {{0}, {0}, {1}},
    {{3, 0, 2}, {1, 1, 2}, {3, 0, 1}},
    {{1, 1}, {1, 1}, {}},
    {{5, 6}, {5, 6}, {}},
    {{5, 6}, {1}, {5, 6}},
    {{5, 6}, {6}, {5, 6}},
    {{5, 6}, {5, 6}, {5, 1}},
    {{5, 6}, {5, 1}, {1, 6}},
    {{2, 3, 4, 5}, {2, 3, 1, 1}, {4, 5}},
    {{2, 3, 4, 5}, {3, 1, 5}, {2, 1, 4, 1}},
    {{2, 1, 2, 1, 3, 1, 2, 2}, {2, 1, 1, 1, 3, 1, 1, 2}, {2, 1, 3, 1, 2, 1}},
    {{3, 2500}, {3, 1}, {2500}},
    {{40, 1000}, {40, 1000}, {1000}},
    {{90, 7, 4}, {90, 7, 4}, {90, 7, 1}},  // short rows, several of which are one piece
    {{90, 7, 4}, {4}, {90, 7, 4}},
    {{90, 7, 3}, {7, 1}, {90, 1, 3}},
    {{7, 2, 255}, {7, 1, 255}, {2, 1}},
    {{5, 256}, {5, 1}, {256}},
    {{5, 257}, {5, 1}, {5, 257}},
    {{70, 130}, {70, 130}, {70, 1}},  // rows so long that each is computed with its number
    {{3, 70, 65}, {70, 1}, {3, 70, 65}},
    {{30, 64}, {30, 64}, {}},
};

template <class T>
std::vector<double> doubles_of(const std::vector<T>& x) {
  return {x.begin(), x.end()};
}

}  // namespace

TEMPLATE_TEST_CASE("unary ops and their gradients", "", float, double) {
  using T = TestType;
  for (const auto& backend : backends()) {
    for (const UnaryCase& each : unary_cases()) {
      INFO(each.name << " " << backend->description());
      for (int64_t n : {0, 1, 17, 30011}) {
        // One element alone is its own largest magnitude: not from the tails, where sigmoid' and gelu vanish.
        const double edge = n == 1 ? 0.3 * (each.hi - each.lo) : 0;
        const auto x = values<T>(n, each.lo + edge, each.hi - edge), g = values<T>(n, -2, 3, 2);
        std::vector<double> expected, expected_grad;
        for (std::size_t i = 0; i < x.size(); ++i) {
          expected.push_back(each.value(static_cast<double>(x[i])));
          expected_grad.push_back(each.grad(static_cast<double>(x[i]), static_cast<double>(g[i])));
        }
        auto forward = [&] {
          auto y = poison<T>(n);
          ok(backend->unary(each.op, flat(y), flat(x), each.p0, each.p1));
          return y;
        };
        const auto y = same_for_threads(forward);
        close(y, expected);
        auto backward = [&] {
          auto gx = poison<T>(n);
          ok(backend->unary_grad(each.op, flat(gx), flat(x), flat(y), flat(g), each.p0, each.p1));
          return gx;
        };
        const auto gx = same_for_threads(backward);
        close(gx, expected_grad);
        auto in_place = x;
        ok(backend->unary(each.op, flat(in_place), flat(in_place), each.p0, each.p1));
        REQUIRE(same_bits(in_place, y));
        auto grad_in_place = g;
        ok(backend->unary_grad(each.op, flat(grad_in_place), flat(x), flat(y), flat(grad_in_place), each.p0, each.p1));
        REQUIRE(same_bits(grad_in_place, gx));
      }
    }
  }
}

TEST_CASE("a gradient does not look at an operand that it doesn't save") {
  const std::string none = "none", x_only = "x", y_only = "y";
#define CASE(op, F, saves, ...) {UnaryOp::op, #saves},
  const std::vector<std::pair<UnaryOp, std::string>> saved = {ELBO_UNARY_OPS(CASE) ELBO_UNARY_OPS_1(CASE)
                                                                  ELBO_UNARY_OPS_2(CASE)};
#undef CASE
  for (const auto& [op, saves] : saved) {
    const UnaryCase& each = unary_cases()[static_cast<std::size_t>(op)];
    INFO(each.name << " saves " << saves);
    const auto x = values<float>(50, each.lo, each.hi), g = values<float>(50, -2, 3, 2);
    std::vector<float> y(50), full(50), partial = poison<float>(50);
    Backend& backend = *backends().back();
    ok(backend.unary(op, flat(y), flat(x), each.p0, each.p1));
    ok(backend.unary_grad(op, flat(full), flat(x), flat(y), flat(g), each.p0, each.p1));
    ok(backend.unary_grad(op, flat(partial), saves == x_only ? flat(x) : ConstView{},
                          saves == y_only ? flat(y) : ConstView{}, flat(g), each.p0, each.p1));
    REQUIRE(same_bits(full, partial));
    REQUIRE((saves == none || saves == x_only || saves == y_only));
  }
}

TEMPLATE_TEST_CASE("binary ops and their gradients, broadcast", "", float, double) {
  using T = TestType;
  for (const auto& backend : backends()) {
    for (const BinaryCase& each : binary_cases()) {
      for (const Shapes& shapes : broadcasts) {
        INFO(each.name << " " << backend->description() << " " << shapes.out.to_string() << " " << shapes.a.to_string()
                       << " " << shapes.b.to_string());
        const int64_t n = shapes.out.numel();
        const auto a = values<T>(shapes.a.numel(), each.lo_a, each.hi_a, 1);
        const auto b = values<T>(shapes.b.numel(), each.lo_b, each.hi_b, 2);
        const auto g = values<T>(n, -2, 3, 3);
        const std::vector<T> one = {static_cast<T>(0.75)};
        std::vector<double> expected, expected_grad[2], expected_one[2];
        for (int64_t i = 0; i < n; ++i) {
          const double x = static_cast<double>(a[broadcast_index(i, shapes.out, shapes.a)]);
          const double y = static_cast<double>(b[broadcast_index(i, shapes.out, shapes.b)]);
          expected.push_back(each.value(x, y));
          for (int side : {0, 1}) {
            expected_grad[side].push_back(each.grad[side](x, y, static_cast<double>(g[static_cast<std::size_t>(i)])));
            expected_one[side].push_back(each.grad[side](x, y, 0.75));
          }
        }
        close(same_for_threads([&] {
                auto out = poison<T>(n);
                ok(backend->binary(each.op, view(out, shapes.out), view(a, shapes.a), view(b, shapes.b)));
                return out;
              }),
              expected);
        for (int side : {0, 1}) {
          auto out = poison<T>(n);
          ok(backend->binary_grad(each.op, side, view(out, shapes.out), view(a, shapes.a), view(b, shapes.b),
                                  view(g, shapes.out)));
          close(out, expected_grad[side]);
          out = poison<T>(n);
          ok(backend->binary_grad(each.op, side, view(out, shapes.out), view(a, shapes.a), view(b, shapes.b),
                                  view(one, Shape{})));
          close(out, expected_one[side]);
        }
      }
    }
  }
}

TEST_CASE("binary ops in place") {
  for (const auto& backend : backends()) {
    const auto a = values<float>(1000), b = values<float>(1000, -1, 1, 2);
    std::vector<float> separate(1000), to_a = a, to_b = b;
    ok(backend->binary(BinaryOp::sub, flat(separate), flat(a), flat(b)));
    ok(backend->binary(BinaryOp::sub, flat(to_a), flat(to_a), flat(b)));
    ok(backend->binary(BinaryOp::sub, flat(to_b), flat(a), flat(to_b)));
    REQUIRE(same_bits(separate, to_a));
    REQUIRE(same_bits(separate, to_b));
    ok(backend->binary(BinaryOp::sub, flat(to_a), flat(a), flat(b)));
  }
}

TEST_CASE("NaN passes through relu, clamp, maximum and minimum; ties share the gradient") {
  const float nan = NAN;
  for (const auto& backend : backends()) {
    for (std::size_t at : {std::size_t{0}, std::size_t{9}}) {  // in a vector and in what is left of one
      std::vector<float> x(10, 0.5f), y(10), z(10, 0.25f);
      x[at] = nan;
      for (UnaryOp op : {UnaryOp::relu, UnaryOp::clamp, UnaryOp::abs, UnaryOp::softplus, UnaryOp::gelu}) {
        ok(backend->unary(op, flat(y), flat(x), -1, 1));
        REQUIRE(std::isnan(y[at]));
        REQUIRE(!std::isnan(y[5]));
      }
      for (BinaryOp op : {BinaryOp::maximum, BinaryOp::minimum}) {
        ok(backend->binary(op, flat(y), flat(x), flat(z)));
        REQUIRE(std::isnan(y[at]));
        ok(backend->binary(op, flat(y), flat(z), flat(x)));
        REQUIRE(std::isnan(y[at]));
        REQUIRE(y[5] == (op == BinaryOp::maximum ? 0.5f : 0.25f));
      }
    }
    std::vector<float> a(10, 2), g(10, 3), out(10);
    for (int side : {0, 1}) {
      ok(backend->binary_grad(BinaryOp::maximum, side, flat(out), flat(a), flat(a), flat(g)));
      REQUIRE(out == std::vector<float>(10, 1.5f));
    }
    std::vector<float> zeros(10, 0.0f);
    ok(backend->unary_grad(UnaryOp::relu, flat(out), flat(zeros), flat(zeros), flat(g), 0, 0));
    REQUIRE(out == zeros);
  }
}

TEMPLATE_TEST_CASE("comparisons, where and fill", "", float, double, std::uint8_t, int64_t) {
  using T = TestType;
  for (const auto& backend : backends()) {
    for (const Shapes& shapes : broadcasts) {
      const int64_t n = shapes.out.numel();
      auto a = values<T>(shapes.a.numel(), 0, 4, 1), b = values<T>(shapes.b.numel(), 0, 4, 2);
      for (auto* each : {&a, &b})
        for (T& x : *each) x = static_cast<T>(static_cast<int>(x));
#define CASE(op, F)                                                                                                 \
  {                                                                                                                 \
    auto out = poison<std::uint8_t>(n);                                                                             \
    ok(backend->compare(CompareOp::op, view(out, shapes.out), view(a, shapes.a), view(b, shapes.b)));               \
    for (int64_t i = 0; i < n; ++i)                                                                                 \
      REQUIRE(                                                                                                      \
          out[static_cast<std::size_t>(i)] ==                                                                       \
          (F{}(a[broadcast_index(i, shapes.out, shapes.a)], b[broadcast_index(i, shapes.out, shapes.b)]) ? 1 : 0)); \
  }
      if (n < 1000) {
        ELBO_COMPARE_OPS(CASE)
      }
#undef CASE
      auto condition = values<std::uint8_t>(n, 0, 3, 3);
      const auto out = same_for_threads([&] {
        auto to = poison<T>(n);
        ok(backend->where(view(to, shapes.out), view(condition, shapes.out), view(a, shapes.a), view(b, shapes.b)));
        return to;
      });
      int64_t wrong = 0;
      for (int64_t i = 0; i < n; ++i)
        wrong += out[static_cast<std::size_t>(i)] != (condition[static_cast<std::size_t>(i)] != 0
                                                          ? a[broadcast_index(i, shapes.out, shapes.a)]
                                                          : b[broadcast_index(i, shapes.out, shapes.b)]);
      REQUIRE(wrong == 0);
      auto filled = poison<T>(n);
      ok(backend->fill(view(filled, shapes.out), 3));
      REQUIRE(filled == std::vector<T>(static_cast<std::size_t>(n), T(3)));
    }
  }
}

TEST_CASE("where takes a condition that broadcasts") {
  for (const auto& backend : backends()) {
    const std::vector<std::uint8_t> rows = {0, 2, 1};
    const std::vector<double> a = values<double>(12), b = values<double>(4);
    std::vector<double> out = poison<double>(12);
    ok(backend->where(view(out, {3, 4}), view(rows, {3, 1}), view(a, {3, 4}), view(b, {4})));
    for (std::size_t i = 0; i < 12; ++i) REQUIRE(out[i] == (i < 4 ? b[i] : a[i]));
  }
}

template <class To, class From>
static void check_cast(Backend& backend) {
  const auto x = values<From>(1001, 0, 200);
  auto out = poison<To>(1001);
  ok(backend.cast(flat(out), flat(x)));
  for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(out[i] == static_cast<To>(x[i]));
}
TEMPLATE_TEST_CASE("cast is C++'s conversion", "", float, double, std::uint8_t, int64_t) {
  for (const auto& backend : backends()) {
    check_cast<float, TestType>(*backend);
    check_cast<double, TestType>(*backend);
    check_cast<std::uint8_t, TestType>(*backend);
    check_cast<int64_t, TestType>(*backend);
  }
}

// ---- optimisers ----------------------------------------------------------------------------------------------------

namespace {

/// Parameters of several sizes with their buffers, and the same in double precision, stepped by plain loops.
template <class T>
struct Model {
  std::vector<std::vector<T>> param, grad, first, second;
  std::vector<OptimizerSlot> slots;

  explicit Model(bool with_first = true) {
    unsigned seed = 1;
    for (int64_t n : {1, 784, 0, 20000, 33}) {
      param.push_back(values<T>(n, -1, 1, ++seed));
      grad.push_back(values<T>(n, -1, 1, ++seed));
      first.push_back(std::vector<T>(static_cast<std::size_t>(n), T(0)));
      second.push_back(first.back());
    }
    for (std::size_t i = 0; i < param.size(); ++i)
      slots.push_back({param[i].data(), grad[i].data(), with_first ? first[i].data() : nullptr, second[i].data(),
                       static_cast<int64_t>(param[i].size()), dtype_of<T>});
  }
  std::vector<T> all() const {
    std::vector<T> out;
    for (const auto* list : {&param, &first, &second})
      for (const auto& each : *list) out.insert(out.end(), each.begin(), each.end());
    return out;
  }
};

template <class T, class Step>
std::vector<double> reference(const Step& step, int steps) {
  const Model<T> model;
  std::vector<double> out[3];
  for (std::size_t i = 0; i < model.param.size(); ++i) {
    for (std::size_t j = 0; j < model.param[i].size(); ++j) {
      double p = static_cast<double>(model.param[i][j]), m = 0, v = 0;
      for (int t = 1; t <= steps; ++t) step(p, static_cast<double>(model.grad[i][j]), m, v, t);
      out[0].push_back(p), out[1].push_back(m), out[2].push_back(v);
    }
  }
  out[0].insert(out[0].end(), out[1].begin(), out[1].end());
  out[0].insert(out[0].end(), out[2].begin(), out[2].end());
  return out[0];
}

}  // namespace

TEMPLATE_TEST_CASE("sgd follows PyTorch's formula", "", float, double) {
  const double lr = 0.1;
  const SgdArgs args{0.9, 0.01};
  for (const auto& backend : backends()) {
    const auto found = same_for_threads([&] {
      Model<TestType> model;
      for (int t = 0; t < 3; ++t) ok(backend->sgd(model.slots, args, &lr));
      return model.all();
    });
    close(found, reference<TestType>(
                     [&](double& p, double g, double& m, double&, int) {
                       g += args.weight_decay * p;
                       m = args.momentum * m + g;
                       p -= lr * m;
                     },
                     3));
    Model<TestType> plain(false);
    ok(backend->sgd(plain.slots, {0, 0.01}, &lr));
    close(plain.all(),
          reference<TestType>([&](double& p, double g, double&, double&, int) { p -= lr * (g + 0.01 * p); }, 1));
  }
}

TEMPLATE_TEST_CASE("adam and adamw follow PyTorch's formula", "", float, double) {
  const double lr = 0.01;
  for (bool decoupled : {false, true}) {
    const AdamArgs args{0.9, 0.999, 1e-8, 0.02, decoupled};
    const auto expected = reference<TestType>(
        [&](double& p, double g, double& m, double& v, int t) {
          if (decoupled)
            p -= lr * args.weight_decay * p;
          else
            g += args.weight_decay * p;
          m = args.beta1 * m + (1 - args.beta1) * g;
          v = args.beta2 * v + (1 - args.beta2) * g * g;
          const double m_hat = m / (1 - std::pow(args.beta1, t)), v_hat = v / (1 - std::pow(args.beta2, t));
          p -= lr * m_hat / (std::sqrt(v_hat) + args.eps);
        },
        4);
    for (const auto& backend : backends()) {
      close(same_for_threads([&] {
              Model<TestType> model;
              int64_t step = 0;
              AdamScales scales{};
              const Errand next{
                  .kind = Errand::Kind::adam_step, .to = &scales, .from = &lr, .step = &step, .adam = args};
              for (int t = 0; t < 4; ++t) {
                ok(backend->run_errands({&next, 1}));
                ok(backend->adam(model.slots, &scales, {}));
              }
              REQUIRE(step == 4);
              return model.all();
            }),
            expected);
    }
  }
}

TEST_CASE("an optimiser passes over a parameter without a gradient") {
  Backend& backend = *backends().back();
  const double lr = 0.1;
  const AdamScales scales{{0.1f, 0.999f, 0.001f, 0.1f, 1, 1e-8f, 0, 1}, {}};
  Model<float> model;
  const auto before = model.param[1];
  model.slots[1].grad = nullptr;
  ok(backend.adam(model.slots, &scales, {}));
  ok(backend.sgd(model.slots, {0.9, 0.1}, &lr));
  REQUIRE(model.param[1] == before);
  REQUIRE(model.param[3] != Model<float>().param[3]);
}

TEST_CASE("errands: sums, counts and an optimiser's factors, in their order, by themselves or along with a call") {
  for (const auto& backend : backends()) {
    double total = 1, other = 0;
    const float value = 0.1f, factor = 3;
    const double wide = 0.1, lr = 0.5;
    int64_t count = 5, step = 1;
    AdamScales scales{};
    const std::vector<Errand> errands = {
        {.kind = Errand::Kind::add, .to = &total, .from = &value},
        {.kind = Errand::Kind::add, .to = &total, .from = &value, .factor = &factor},
        {.kind = Errand::Kind::add, .to = &other, .from = &wide, .factor = &lr, .dtype = DType::float64},
        {.kind = Errand::Kind::count, .to = &count, .amount = 7},
        {.kind = Errand::Kind::adam_step,
         .to = &scales,
         .from = &lr,
         .step = &step,
         .adam = {0.5, 0.25, 0.125, 0, false}}};
    const auto check = [&](int times) {
      REQUIRE(total == 1 + times * (static_cast<double>(0.1f) + static_cast<double>(0.1f * 3)));
      REQUIRE(other == times * 0.05);
      REQUIRE(count == 5 + 7 * times);
      REQUIRE(step == 1 + times);
      REQUIRE(scales.float64.rate == 0.5 / (1 - std::pow(0.5, step)));
      REQUIRE(scales.float32.root_scale == static_cast<float>(1 / std::sqrt(1 - std::pow(0.25, step))));
      REQUIRE(scales.float64.eps == 0.125);
    };
    ok(backend->run_errands(errands));
    check(1);
    Model<float> model;
    const AdamScales now = scales;
    ok(backend->adam(model.slots, &now, errands));
    REQUIRE(step == 3);
    const std::vector<std::uint8_t> pictures(4);
    const std::vector<int64_t> indices(1);
    std::vector<float> out(4);
    ok(backend->gather_pictures(view(out, {1, 4}), view(pictures, {1, 4}), flat(indices),
                                {nullptr, 1, 0, nullptr, errands}));
    REQUIRE(step == 4);
    REQUIRE(count == 26);
  }
}

// ---- the backend itself --------------------------------------------------------------------------------------------

TEST_CASE("a backend allocates from a pool, copies, and reports what it cannot do") {
  const auto backend = cpu_kernels::make_cpu_backend();
  REQUIRE(std::string(backend->description()) == cpu_kernels::name(cpu_kernels::active_isa()));
  void* block = nullptr;
  ok(backend->allocate(1000, &block));
  REQUIRE(block != nullptr);
  REQUIRE(backend->memory().active >= 1000);
  const auto data = values<float>(250);
  ok(backend->copy(block, data.data(), 1000, CopyKind::host_to_device));
  REQUIRE(std::memcmp(block, data.data(), 1000) == 0);
  ok(backend->synchronize());
  backend->release(block, 1000);
  REQUIRE(backend->memory().active == 0);
  REQUIRE(backend->memory().cached >= 1000);
  backend->trim();
  REQUIRE(backend->memory().cached == 0);

  const Status status = backend->allocate(std::size_t{1} << 60, &block);
  REQUIRE(status.code == StatusCode::out_of_memory);
  REQUIRE(std::string(status.message) == "no memory left on the CPU for a block of 1152921504606846976 bytes");
  REQUIRE(block == nullptr);
}
