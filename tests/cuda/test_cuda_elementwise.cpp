// Elementwise kernels on the GPU, one at a time: the CPU's bits at all sizes, addresses and kinds of broadcasting.
#include "against_cpu.h"

using namespace against_cpu;

namespace {

struct Unary {
  UnaryOp op;
  const char* name;
  double p0, p1;
};
#define ELBO_ROW(op, ...) {UnaryOp::op, #op, 0, 0},
#define ELBO_ROW_1(op, F, saves, lo, hi, p0) {UnaryOp::op, #op, p0, 0},
#define ELBO_ROW_2(op, F, saves, lo, hi, p0, p1) {UnaryOp::op, #op, p0, p1},
const std::vector<Unary>& unary_ops() {
  static const std::vector<Unary> ops = {ELBO_UNARY_OPS(ELBO_ROW) ELBO_UNARY_OPS_1(ELBO_ROW_1)
                                             ELBO_UNARY_OPS_2(ELBO_ROW_2)};
  return ops;
}
#undef ELBO_ROW
#undef ELBO_ROW_1
#undef ELBO_ROW_2

/// float64 functions are the platform's; these are of arithmetic alone.
bool exact_in_double(UnaryOp op) {
  using enum UnaryOp;
  return op == neg || op == square || op == sqrt || op == abs || op == relu || op == add_scalar || op == mul_scalar ||
         op == div_scalar || op == leaky_relu || op == clamp || op == sign || op == round || op == floor ||
         op == ceil || op == trunc;
}
template <class T>
bool exact(UnaryOp op) {
  return std::is_same_v<T, float> || exact_in_double(op);
}

template <class T>
void check_unary(const Unary& u, int64_t n, int64_t shift_x, int64_t shift_out) {
  INFO(u.name << ", " << n << " elements, " << name(dtype_of<T>) << ", shifted " << shift_x << " and " << shift_out);
  const Shape shape{n};
  const Twin x(odd_values<T>(n), shape, shift_x), g(odd_values<T>(n, -2, 2, 3), shape, shift_x);
  const Twin y = Twin::unwritten(dtype_of<T>, shape, shift_out), gx = Twin::unwritten(dtype_of<T>, shape, shift_out);
  on_both(
      [&](Backend& backend, Device device) { return backend.unary(u.op, y.view(device), x.view(device), u.p0, u.p1); });
  y.check();
  on_both([&](Backend& backend, Device device) {
    return backend.unary_grad(u.op, gx.view(device), x.view(device), y.view(device), g.view(device), u.p0, u.p1);
  });
  gx.check();
}

}  // namespace

TEST_CASE("unary kernels on the GPU: the CPU's bits", "[cuda][elementwise]") {
  if (!cpu_has_fma()) return;
  for (const Unary& u : unary_ops())
    for (int64_t shift : {0, 1}) {
      if (exact<float>(u.op)) check_unary<float>(u, 1000, shift, 0);
      if (exact<double>(u.op)) check_unary<double>(u, 1000, shift, 0);
    }
  const Unary& clamp = unary_ops().back();
  for (int64_t n : sizes)
    for (int64_t shift_x : {0, 2, 3})
      for (int64_t shift_out : {0, 1}) {
        check_unary<float>(clamp, n, shift_x, shift_out);
        check_unary<double>(clamp, n, shift_x, shift_out);
      }
}

TEST_CASE("unary kernels on the GPU: in place, and without what is not read", "[cuda][elementwise]") {
  for (int64_t n : {5, 1000}) {
    const Shape shape{n};
    const Twin x(odd_values<float>(n), shape), g(odd_values<float>(n), shape);
    on_both([&](Backend& backend, Device device) {
      return backend.unary(UnaryOp::mul_scalar, x.view(device), x.view(device), 1.5, 0);
    });
    x.check();
    CHECK(first_difference<float>(x.array(gpu), g.array(gpu)) >= 0);
    on_both([&](Backend& backend, Device device) {
      return backend.unary_grad(UnaryOp::relu, g.view(device), {}, x.view(device), g.view(device), 0, 0);
    });
    g.check();
    on_both([&](Backend& backend, Device device) {
      return backend.unary_grad(UnaryOp::neg, g.view(device), {}, {}, g.view(device), 0, 0);
    });
    g.check();
  }
}

TEST_CASE("fill on the GPU", "[cuda][elementwise]") {
  for_types([]<class T>(T) {
    for (int64_t n : sizes)
      for (int64_t shift : {0, 1, 4}) {
        for (double value : {0.0, 3.75, 200.0}) {
          INFO(name(dtype_of<T>) << ", " << n << " elements, shifted " << shift << ", value " << value);
          const Twin out = Twin::unwritten(dtype_of<T>, {n}, shift);
          on_both([&](Backend& backend, Device device) { return backend.fill(out.view(device), value); });
          out.check();
        }
      }
  });
}

namespace {

/// What fits To and From both, with the largest and fractions where there are any.
template <class To, class From>
std::vector<From> castable(int64_t n) {
  const bool bytes = sizeof(To) == 1 || sizeof(From) == 1, whole = std::is_integral_v<From>;
  std::vector<From> out = values<From>(n, bytes ? 0 : -1e9, bytes ? 255 : 1e9);
  for (std::size_t i = 0; i < out.size(); i += 5)
    out[i] = whole ? From(i % 128) : static_cast<From>(static_cast<double>(i % 100) + 0.99);
  if (n > 3 && bytes) out[3] = From(255);
  if (n > 3 && !bytes && std::is_floating_point_v<From>) out[3] = From(-9.2e18);
  if (n > 4 && std::is_same_v<From, int64_t> && !bytes) out[4] = From((int64_t{1} << 53) + 1);
  return out;
}

}  // namespace

TEST_CASE("cast on the GPU: all pairs", "[cuda][elementwise]") {
  for_types([]<class To>(To) {
    for_types([]<class From>(From) {
      for (int64_t n : sizes)
        for (int64_t shift : {0, 1}) {
          INFO(name(dtype_of<From>) << " to " << name(dtype_of<To>) << ", " << n << " elements, shifted " << shift);
          const Twin x(castable<To, From>(n), {n}, shift), out = Twin::unwritten(dtype_of<To>, {n}, 2 * shift);
          on_both([&](Backend& backend, Device device) { return backend.cast(out.view(device), x.view(device)); });
          out.check();
        }
    });
  });
}

TEST_CASE("cast on the GPU: what does not fit becomes what x86 makes of it", "[cuda][elementwise]") {
  const Array x = Array::from(std::vector<float>{300, -1, 3e9f, NAN, -INFINITY, 255.9f}, {6}, gpu);
  CHECK(kernels::cast(x, DType::uint8).to_vector<std::uint8_t>() == std::vector<std::uint8_t>{44, 255, 0, 0, 0, 255});
  const Array big = Array::from(std::vector<double>{1e30, -1e30, NAN, INFINITY, 9.3e18, -7.5}, {6}, gpu);
  const int64_t least = std::numeric_limits<int64_t>::min();
  CHECK(kernels::cast(big, DType::int64).to_vector<int64_t>() ==
        std::vector<int64_t>{least, least, least, least, least, -7});
  const Array whole = Array::from(std::vector<int64_t>{256, -1, 511, 7}, {4}, gpu);
  CHECK(kernels::cast(whole, DType::uint8).to_vector<std::uint8_t>() == std::vector<std::uint8_t>{0, 255, 255, 7});
}

namespace {

struct Broadcast {
  Shape out, a, b, c;
};
/// Whole operands, single elements, rows, columns, planes; rows of multiples of four and others; all 8 dimensions.
const std::vector<Broadcast>& broadcasts() {
  static const std::vector<Broadcast> all = {
      {{}, {}, {}, {}},
      {{1, 1, 1}, {1}, {}, {1, 1}},
      {{0}, {0}, {1}, {}},
      {{3, 0, 4}, {4}, {3, 1, 1}, {3, 0, 4}},
      {{5}, {5}, {5}, {5}},
      {{1029}, {1029}, {}, {1}},
      {{1029}, {}, {1029}, {1029}},
      {{7, 9}, {7, 9}, {7, 9}, {7, 9}},
      {{4, 8}, {4, 8}, {8}, {4, 1}},
      {{4, 5}, {4, 5}, {5}, {4, 1}},
      {{4, 5}, {4, 1}, {4, 5}, {5}},
      {{128, 20}, {20}, {128, 20}, {128, 1}},
      {{7, 9}, {7, 1}, {1, 9}, {}},
      {{8, 12}, {8, 1}, {1, 12}, {8, 12}},
      {{2, 3, 4, 8}, {3, 1, 1}, {2, 1, 4, 8}, {8}},
      {{2, 3, 4, 5}, {3, 1, 1}, {2, 1, 4, 5}, {5}},
      {{16, 3, 32, 32}, {16, 3, 32, 32}, {3, 1, 1}, {1, 3, 1, 32}},
      {{6, 1, 1, 10}, {6, 1, 1, 10}, {10}, {1, 1, 1, 1}},
      {{2, 3, 2, 5, 1, 2, 3, 4}, {2, 1, 2, 1, 1, 2, 1, 4}, {3, 1, 5, 1, 1, 3, 1}, {2, 3, 1, 5, 1, 1, 3, 4}},
      {{2, 3, 2, 5, 1, 2, 3, 3}, {2, 1, 2, 1, 1, 2, 1, 3}, {3, 1, 5, 1, 1, 3, 1}, {2, 3, 1, 5, 1, 1, 3, 3}},
      {{333, 301}, {333, 301}, {301}, {333, 1}},
  };
  return all;
}
template <class Fn>
void for_broadcasts(const Fn& fn) {
  for (const Broadcast& b : broadcasts())
    for (int64_t shift : {0, 1, 4}) {
      INFO(b.out << " from " << b.a << ", " << b.b << " and " << b.c << ", shifted " << shift);
      fn(b, shift);
    }
}
template <class T>
Twin operand(const Shape& shape, int64_t shift, unsigned seed) {
  return Twin(any_values<T>(shape.numel(), seed), shape, shift);
}

#define ELBO_ROW(op, ...) BinaryOp::op,
const std::vector<BinaryOp> binary_ops = {ELBO_BINARY_OPS(ELBO_ROW) ELBO_LOSS_OPS(ELBO_ROW)};
#undef ELBO_ROW
#define ELBO_ROW(op, ...) CompareOp::op,
const std::vector<CompareOp> compare_ops = {ELBO_COMPARE_OPS(ELBO_ROW)};
#undef ELBO_ROW

template <class T>
void check_binary(BinaryOp op, const Broadcast& shapes, int64_t shift) {
  INFO("op " << static_cast<int>(op) << ", " << name(dtype_of<T>));
  const Twin a = operand<T>(shapes.a, shift, 1), b = operand<T>(shapes.b, 0, 2), g = operand<T>(shapes.c, shift, 3);
  const Twin out = Twin::unwritten(dtype_of<T>, shapes.out, shift / 2);
  on_both([&](Backend& backend, Device device) {
    return backend.binary(op, out.view(device), a.view(device), b.view(device));
  });
  out.check();
  for (int side : {0, 1}) {
    INFO("side " << side);
    const Twin grad = Twin::unwritten(dtype_of<T>, shapes.out, shift / 2);
    on_both([&](Backend& backend, Device device) {
      return backend.binary_grad(op, side, grad.view(device), a.view(device), b.view(device), g.view(device));
    });
    grad.check();
  }
}

}  // namespace

TEST_CASE("binary kernels on the GPU: all kinds of broadcasting", "[cuda][elementwise]") {
  for_broadcasts([](const Broadcast& shapes, int64_t shift) {
    check_binary<float>(BinaryOp::div, shapes, shift);
    check_binary<double>(BinaryOp::div, shapes, shift);
  });
}

TEST_CASE("binary kernels on the GPU: all ops", "[cuda][elementwise]") {
  if (!cpu_has_fma()) return;
  for (BinaryOp op : binary_ops) {
    check_binary<float>(op, {{40, 25}, {40, 25}, {40, 25}, {40, 25}}, 0);
    check_binary<float>(op, {{40, 25}, {40, 1}, {25}, {}}, 1);
  }
}

TEST_CASE("binary kernels on the GPU: the output may be an operand", "[cuda][elementwise]") {
  for (int64_t shift : {0, 1})
    for (const Shape& shape : {Shape{100, 7}, Shape{1}, Shape{33, 64}})
      for (bool first : {true, false}) {
        INFO(shape << ", shifted " << shift << ", " << (first ? "first" : "second"));
        const Twin a(odd_values<float>(shape.numel()), shape, shift);
        const Twin b(odd_values<float>(shape.back(), -1, 1, 2), {shape.back()});
        on_both([&](Backend& backend, Device device) {
          const Twin &x = first ? a : b, &y = first ? b : a;
          return backend.binary(BinaryOp::sub, a.view(device), x.view(device), y.view(device));
        });
        a.check();
      }
}

TEST_CASE("comparisons on the GPU", "[cuda][elementwise]") {
  for_types([]<class T>(T) {
    for_broadcasts([](const Broadcast& shapes, int64_t shift) {
      const Twin a = operand<T>(shapes.a, shift, 1), b = operand<T>(shapes.b, 0, 2);
      for (CompareOp op : compare_ops) {
        if (op != CompareOp::lt && shapes.out.numel() > 1000) continue;
        INFO("op " << static_cast<int>(op) << ", " << name(dtype_of<T>));
        const Twin out = Twin::unwritten(DType::uint8, shapes.out, shift);
        on_both([&](Backend& backend, Device device) {
          return backend.compare(op, out.view(device), a.view(device), b.view(device));
        });
        out.check();
      }
    });
  });
}

TEST_CASE("where on the GPU", "[cuda][elementwise]") {
  for_types([]<class T>(T) {
    for_broadcasts([](const Broadcast& shapes, int64_t shift) {
      INFO(name(dtype_of<T>));
      const Twin condition(values<std::uint8_t>(shapes.c.numel(), 0, 2.5), shapes.c, shift);
      const Twin a = operand<T>(shapes.a, shift, 1), b = operand<T>(shapes.b, 0, 2);
      const Twin out = Twin::unwritten(dtype_of<T>, shapes.out, shift);
      on_both([&](Backend& backend, Device device) {
        return backend.where(out.view(device), condition.view(device), a.view(device), b.view(device));
      });
      out.check();
    });
  });
}

TEST_CASE("elementwise kernels on the GPU: one launch each, none for nothing", "[cuda][elementwise]") {
  Backend& backend = elbo::backend(gpu);
  for (int64_t n : {0, 300000}) {
    const long long expected = n > 0 ? 1 : 0;
    Array x = Array::empty({n, 2}, {DType::float32, gpu}), row = Array::empty({2}, {DType::float32, gpu});
    Array bytes = Array::empty({n, 2}, {DType::uint8, gpu});
    one_launch([&] { ok(backend.fill(x.mutable_view(), 2)); }, expected);
    one_launch([&] { ok(backend.unary(UnaryOp::exp, x.mutable_view(), x.view(), 0, 0)); }, expected);
    one_launch([&] { ok(backend.binary(BinaryOp::add, x.mutable_view(), x.view(), row.view())); }, expected);
    one_launch([&] { ok(backend.compare(CompareOp::lt, bytes.mutable_view(), x.view(), row.view())); }, expected);
    one_launch([&] { ok(backend.cast(bytes.mutable_view(), x.view())); }, expected);
  }
}
