// Convolutions on the GPU against double: all shapes, both ways to compute them, and what a precision may cost.
#include <elbo/core/ops.h>

#include "../self.h"
#include "against_cpu.h"

using namespace against_cpu;

namespace {

struct Case {
  int64_t n, c_in, h, w, c_out, kh, kw;
  int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
  Precision precision = Precision::float32;

  int64_t out_h() const { return (h + 2 * pad_h - dilation_h * (kh - 1) - 1) / stride_h + 1; }
  int64_t out_w() const { return (w + 2 * pad_w - dilation_w * (kw - 1) - 1) / stride_w + 1; }
  Shape x() const { return {n, c_in, h, w}; }
  Shape y() const { return {n, c_out, out_h(), out_w()}; }
  Shape weight() const { return {c_out, c_in, kh, kw}; }
  Conv2dArgs args(DType dtype) const {
    return {dtype,   n,        c_in,     h,     w,     c_out,      kh,         kw,        out_h(),
            out_w(), stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, precision, Activation::none,
            false,   false};
  }
};

std::string describe(const Case& c) {
  auto pair = [](int64_t a, int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  return c.x().to_string() + " by " + c.weight().to_string() + " stride " + pair(c.stride_h, c.stride_w) + " padding " +
         pair(c.pad_h, c.pad_w) + " dilation " + pair(c.dilation_h, c.dilation_w) + " " + name(c.precision);
}

/// What is computed, with the sum of magnitudes of each element's terms.
struct Sums {
  std::vector<long double> values;
  std::vector<double> magnitudes;
  explicit Sums(int64_t count) : values(static_cast<std::size_t>(count)), magnitudes(static_cast<std::size_t>(count)) {}
  void add(int64_t i, double term) {
    const auto place = static_cast<std::size_t>(i);
    values[place] += static_cast<long double>(term);
    magnitudes[place] += std::fabs(term);
  }
};

/// Calls fn(place in x, place in y, place in weight) for each product of a convolution.
template <class Fn>
void for_terms(const Case& c, const Fn& fn) {
  const int64_t out_h = c.out_h(), out_w = c.out_w();
  for (int64_t image = 0; image < c.n; ++image)
    for (int64_t co = 0; co < c.c_out; ++co)
      for (int64_t ci = 0; ci < c.c_in; ++ci)
        for (int64_t i = 0; i < c.kh; ++i)
          for (int64_t oy = 0; oy < out_h; ++oy) {
            const int64_t line = oy * c.stride_h - c.pad_h + i * c.dilation_h;
            if (line < 0 || line >= c.h) continue;
            for (int64_t j = 0; j < c.kw; ++j)
              for (int64_t ox = 0; ox < out_w; ++ox) {
                const int64_t column = ox * c.stride_w - c.pad_w + j * c.dilation_w;
                if (column < 0 || column >= c.w) continue;
                fn(((image * c.c_in + ci) * c.h + line) * c.w + column,
                   ((image * c.c_out + co) * out_h + oy) * out_w + ox, ((co * c.c_in + ci) * c.kh + i) * c.kw + j);
              }
          }
}

/// The operands of all three functions.
template <class T>
struct Operands {
  std::vector<T> x, y, weight, bias_in, bias_out;
  explicit Operands(const Case& c)
      : x(values<T>(c.x().numel(), -1, 1.2, 1)),
        y(values<T>(c.y().numel(), -1.1, 1, 2)),
        weight(values<T>(c.weight().numel(), -1, 1.3, 3)),
        bias_in(values<T>(c.c_in, -1, 1, 4)),
        bias_out(values<T>(c.c_out, -1, 1, 5)) {}
  /// Small integers: their sums are exact in any order, and no precision rounds them.
  void make_whole() {
    for (std::vector<T>* each : {&x, &y, &weight, &bias_in, &bias_out})
      for (T& value : *each) value = std::round(value * 2);
  }
};

enum class Kind { forward, grad_data, grad_weight };
constexpr Kind kinds[] = {Kind::forward, Kind::grad_data, Kind::grad_weight};

Shape shape_of(const Case& c, Kind kind) {
  return kind == Kind::forward ? c.y() : kind == Kind::grad_data ? c.x() : c.weight();
}

/// `shift`: how many elements behind an aligned address the output begins.
template <class T>
std::vector<T> computed(const Case& c, Kind kind, const Operands<T>& in, bool bias, int64_t shift = 0) {
  const Array x = Array::from(in.x, c.x(), gpu), y = Array::from(in.y, c.y(), gpu);
  const Array weight = Array::from(in.weight, c.weight(), gpu);
  const Array bias_in = Array::from(in.bias_in, {c.c_in}, gpu), bias_out = Array::from(in.bias_out, {c.c_out}, gpu);
  const Conv2dArgs args = c.args(dtype_of<T>);
  const Twin out = Twin::unwritten(dtype_of<T>, shape_of(c, kind), shift);
  void* to = out.view(gpu).data;
  Backend& device = backend(gpu);
  if (kind == Kind::forward)
    ok(device.conv2d(args, to, x.raw(), weight.raw(), bias ? bias_out.raw() : nullptr));
  else if (kind == Kind::grad_data)
    ok(device.conv2d_grad_data(args, to, y.raw(), weight.raw(), bias ? bias_in.raw() : nullptr));
  else
    ok(device.conv2d_grad_weight(args, to, y.raw(), x.raw()));
  const std::vector<T> found = out.array(gpu).to_vector<T>();
  // What lies around the output is as it was.
  out.array(cpu).assign(out.array(gpu));
  out.check();
  return found;
}

template <class T>
Sums reference(const Case& c, Kind kind, const Operands<T>& in, bool bias) {
  auto value = [](const std::vector<T>& from, int64_t i) {
    return static_cast<double>(from[static_cast<std::size_t>(i)]);
  };
  const Shape shape = shape_of(c, kind);
  Sums sums(shape.numel());
  if (bias && kind != Kind::grad_weight)
    for (int64_t i = 0; i < shape.numel(); ++i)
      sums.add(i, value(kind == Kind::forward ? in.bias_out : in.bias_in, i / (shape[2] * shape[3]) % shape[1]));
  for_terms(c, [&](int64_t x, int64_t y, int64_t weight) {
    if (kind == Kind::forward)
      sums.add(y, value(in.x, x) * value(in.weight, weight));
    else if (kind == Kind::grad_data)
      sums.add(x, value(in.y, y) * value(in.weight, weight));
    else
      sums.add(weight, value(in.y, y) * value(in.x, x));
  });
  return sums;
}

/// How many terms an element has at most.
int64_t terms(const Case& c, Kind kind) {
  if (kind == Kind::grad_weight) return c.n * c.out_h() * c.out_w();
  return (kind == Kind::forward ? c.c_in : c.c_out) * c.kh * c.kw;
}

template <class T>
void check_exact(const Case& c, Kind kind, bool bias) {
  Operands<T> in(c);
  in.make_whole();
  const Sums expected = reference(c, kind, in, bias);
  INFO(describe(c) << ", kind " << static_cast<int>(kind) << (bias ? ", bias" : "") << ", whole numbers");
  near(computed(c, kind, in, bias), expected.values, std::vector<double>(expected.values.size(), 0.0));
}

/// As for products (test_cuda_matmul.cpp): the operands' rounding, and that of a sum in any order.
template <class T>
void check(const Case& c, Kind kind, bool bias, int64_t shift = 0) {
  const Operands<T> in(c);
  const Sums expected = reference(c, kind, in, bias);
  const bool exact = dtype_of<T> == DType::float64 || c.precision == Precision::float32;
  const double operand = exact ? 0 : c.precision == Precision::tf32 ? 0x1p-10 : 0x1p-8;
  // float64 is compared with a sum of terms that were themselves rounded.
  const double sum = static_cast<double>(terms(c, kind) + 2) * eps<T> * (exact && sizeof(T) == 4 ? 0.5 : 1.0);
  std::vector<double> bounds;
  for (double each : expected.magnitudes)
    bounds.push_back((2 * operand + operand * operand + sum * (1 + operand)) * each);
  INFO(describe(c) << ", kind " << static_cast<int>(kind) << (bias ? ", bias" : "") << ", shift " << shift);
  near(computed(c, kind, in, bias, shift), expected.values, bounds);
  check_exact<T>(c, kind, bias);
}

const std::vector<Case> small_cases = {
    {2, 3, 5, 6, 4, 3, 2},
    {1, 1, 1, 1, 1, 1, 1},
    {1, 1, 5, 5, 1, 5, 5},
    {2, 2, 7, 5, 3, 3, 3, 2, 2, 1, 1},
    {2, 3, 8, 8, 16, 4, 4, 2, 2, 1, 1},
    {2, 16, 8, 8, 33, 4, 4, 2, 2, 1, 1},
    {3, 65, 4, 4, 3, 3, 3, 1, 1, 1, 1},
    {1, 2, 9, 7, 17, 3, 2, 2, 3, 1, 0},
    {1, 2, 9, 8, 2, 3, 3, 1, 1, 2, 1, 2, 1},
    {2, 1, 10, 9, 1, 2, 3, 3, 2, 0, 2, 3, 2},
    {2, 2, 11, 12, 5, 3, 3, 2, 3, 2, 2, 2, 3},  // dilation a multiple of the stride: some remainders meet no tap
    {1, 3, 13, 12, 5, 3, 3, 3, 2, 2, 3, 2, 4},
    {1, 1, 2, 2, 1, 3, 3, 1, 1, 2, 2},
    {2, 5, 3, 3, 4, 1, 1},
    {2, 3, 1, 6, 2, 1, 3, 1, 1, 0, 1},
    {1, 1, 6, 6, 1, 2, 2, 3, 3},            // the last rows and columns are never read
    {1, 2, 21, 22, 3, 2, 3, 9, 11, 1, 2},   // more remainders than a launch takes
    {1, 2, 3, 4, 3, 2, 2, 5, 6, 2, 2},      // fewer lines than the stride
    {1, 4, 12, 12, 8, 3, 3, 1, 1, 1, 1},    // rows of four, all aligned
    {1, 2, 16, 17, 3, 15, 15, 2, 1, 7, 7},  // the largest kernel that the bits of a tap have room for
    {1, 2, 17, 16, 3, 16, 3, 1, 1, 8, 1},   // and one larger
};
const std::vector<Case> empty_cases = {
    {0, 2, 4, 4, 3, 3, 3, 1, 1, 1, 1}, {2, 0, 4, 4, 3, 3, 3, 1, 1, 1, 1}, {2, 2, 4, 4, 0, 3, 3, 1, 1, 1, 1}};

}  // namespace

TEMPLATE_TEST_CASE("GPU: convolutions of all kinds", "[cuda][cuda-conv]", float, double) {
  for (const auto* cases : {&small_cases, &empty_cases})
    for (const Case& c : *cases)
      for (Kind kind : kinds) {
        check<TestType>(c, kind, false);
        if (kind != Kind::grad_weight) check<TestType>(c, kind, true);
      }
}

TEMPLATE_TEST_CASE("GPU: convolutions write at odd addresses", "[cuda][cuda-conv]", float, double) {
  const Case c{2, 4, 12, 12, 8, 3, 3, 1, 1, 1, 1};
  for (int64_t shift : {1, 2, 3})
    for (Kind kind : kinds) check<TestType>(c, kind, true, shift);
}

TEST_CASE("GPU: convolutions of every number of channels and many places", "[cuda][cuda-conv]") {
  // From the thinnest tile to the largest: what decides is channels, and whether there are places enough.
  for (int64_t channels : {1, 3, 4, 5, 16, 17, 32, 33, 65}) {
    check<float>({2, 2, 6, 5, channels, 3, 3, 1, 1, 1, 1}, Kind::forward, true);
    check<float>({2, channels, 12, 10, 2, 4, 4, 2, 2, 1, 1}, Kind::grad_data, true);
    check<float>({2, 2, 6, 5, channels, 3, 3, 1, 1, 1, 1}, Kind::grad_weight, false);
  }
  check_exact<float>({2, 1, 115, 113, 31, 2, 1}, Kind::forward, true);
  check_exact<float>({2, 31, 115, 114, 1, 4, 2, 2, 1, 1, 0}, Kind::grad_data, true);
  check_exact<float>({1, 1, 117, 113, 65, 1, 2}, Kind::forward, false);
  check_exact<float>({1, 65, 114, 116, 1, 2, 2, 2, 2}, Kind::grad_data, false);
}

TEST_CASE("GPU: weight gradients of long sums", "[cuda][cuda-conv]") {
  check_exact<float>({3, 1, 60, 61, 3, 2, 2}, Kind::grad_weight, false);  // cut into many parts
  check_exact<float>({130, 5, 8, 8, 20, 3, 3, 2, 2, 1, 1}, Kind::grad_weight, false);
  check_exact<float>({2, 3, 190, 190, 33, 1, 1}, Kind::grad_weight, false);  // the larger tile
  check_exact<double>({2, 1, 60, 61, 3, 2, 2}, Kind::grad_weight, false);
}

TEST_CASE("GPU: convolutions in tf32 and bf16 are within what their operands' rounding costs", "[cuda][cuda-conv]") {
  for (Precision precision : {Precision::tf32, Precision::bf16}) {
    for (const auto* cases : {&small_cases, &empty_cases})
      for (Case c : *cases) {
        c.precision = precision;
        for (Kind kind : kinds) check<float>(c, kind, kind != Kind::grad_weight);
      }
    // More columns than are made at a time: the last picture goes alone.
    Case many{3, 1, 340, 340, 2, 5, 5, 1, 1, 2, 2};
    many.precision = precision;
    for (Kind kind : kinds) check_exact<float>(many, kind, false);
  }
}

TEST_CASE("GPU: convolutions keep or round away what the precision says", "[cuda][cuda-conv]") {
  Case c{4, 16, 16, 16, 64, 4, 4, 2, 2, 1, 1};
  Operands<float> in(c);
  for (std::vector<float>* each : {&in.x, &in.y, &in.weight}) std::fill(each->begin(), each->end(), 1.0f);
  auto changed = [&](Precision precision, Kind kind, float value) {
    c.precision = precision;
    Operands<float> other = in;
    std::fill((kind == Kind::forward ? other.x : other.y).begin(), (kind == Kind::forward ? other.x : other.y).end(),
              value);
    return !same_bits(computed(c, kind, other, false), computed(c, kind, in, false));
  };
  for (Kind kind : kinds) {
    CHECK(changed(Precision::float32, kind, 1 + 0x1p-12f));
    CHECK(!changed(Precision::tf32, kind, 1 + 0x1p-12f));
    CHECK(changed(Precision::tf32, kind, 1 + 0x1p-9f));
    CHECK(!changed(Precision::bf16, kind, 1 + 0x1p-9f));
    CHECK(changed(Precision::bf16, kind, 1 + 0x1p-6f));
  }
}

TEST_CASE("GPU: the same convolution has the same bits", "[cuda][cuda-conv]") {
  for (Precision precision : {Precision::float32, Precision::tf32, Precision::bf16}) {
    Case c{16, 5, 20, 20, 20, 4, 4, 2, 2, 1, 1};
    c.precision = precision;
    const Operands<float> in(c);
    for (Kind kind : kinds) CHECK(same_bits(computed(c, kind, in, false), computed(c, kind, in, false)));
  }
}

TEST_CASE("GPU: float64 convolutions know one precision", "[cuda][cuda-conv]") {
  Case c{4, 7, 12, 12, 9, 3, 3, 1, 1, 1, 1};
  const Operands<double> in(c);
  for (Kind kind : kinds) {
    c.precision = Precision::float32;
    const std::vector<double> expected = computed(c, kind, in, true);
    for (Precision precision : {Precision::tf32, Precision::bf16}) {
      c.precision = precision;
      CHECK(same_bits(computed(c, kind, in, true), expected));
    }
  }
}

namespace {

/// All gradients of a convolution, or of a transposed one, at once, on whole numbers: the CPU's bits. Bit i of `wanted`
/// asks for gx, gweight and gbias.
template <class T>
void check_grads(const Case& c, bool transposed, bool relu, int wanted) {
  INFO(describe(c) << (transposed ? ", transposed" : "") << (relu ? ", relu" : "") << ", wanted " << wanted);
  Operands<T> in(c);
  in.make_whole();
  const Twin x(in.x, c.x()), y(in.y, c.y()), weight(in.weight, c.weight());
  const Shape out_shape = transposed ? c.x() : c.y();
  std::vector<T> outputs = values<T>(out_shape.numel(), -1, 1, 7);
  for (T& each : outputs) each = std::round(each);
  const Twin out(outputs, out_shape);
  const Twin gx = Twin::unwritten(dtype_of<T>, transposed ? c.y() : c.x());
  const Twin gweight = Twin::unwritten(dtype_of<T>, c.weight());
  const Twin gbias = Twin::unwritten(dtype_of<T>, {transposed ? c.c_in : c.c_out});
  on_both([&](Backend& backend, Device device) {
    const auto data = [&](const Twin& twin, bool there) { return there ? twin.view(device).data : nullptr; };
    return backend.conv2d_grad(
        c.args(dtype_of<T>), transposed,
        {data(transposed ? x : y, true), data(out, relu), data(transposed ? y : x, true), data(weight, true),
         data(gx, (wanted & 1) != 0), data(gweight, (wanted & 2) != 0), data(gbias, (wanted & 4) != 0)});
  });
  for (const Twin* each : {&gx, &gweight, &gbias}) each->check();
}

}  // namespace

TEST_CASE("GPU: all gradients of a convolution at once, through a ReLU too", "[cuda][conv]") {
  for (std::size_t i = 0; i < small_cases.size(); ++i)
    for (const bool transposed : {false, true})
      for (const bool relu : {false, true}) {
        check_grads<float>(small_cases[i], transposed, relu, 7);
        if (i % 3 == 0) check_grads<double>(small_cases[i], transposed, relu, 7);
        if (i < 7) check_grads<float>(small_cases[i], transposed, relu, static_cast<int>(i) + 1);
      }
  for (const Case& empty : empty_cases)
    for (const bool transposed : {false, true}) check_grads<float>(empty, transposed, true, 7);
  const Case c{8, 3, 32, 32, 16, 4, 4, 2, 2, 1, 1};
  for (const bool transposed : {false, true})
    one_launch([&] { check_grads<float>(c, transposed, true, 7); }, 3);  // gx, and gweight with gbias in two
}

TEST_CASE("GPU: how many launches a convolution takes, and no memory when warm", "[cuda]") {
  auto launches_of = [](const Case& c, Kind kind, long long expected) {
    INFO(describe(c) << ", kind " << static_cast<int>(kind));
    const Operands<float> in(c);
    computed(c, kind, in, true);
    const int64_t taken = memory_stats(gpu).backing_allocations;
    one_launch([&] { computed(c, kind, in, true); }, expected);
    CHECK(memory_stats(gpu).backing_allocations == taken);
  };
  const Case c{8, 3, 32, 32, 16, 4, 4, 2, 2, 1, 1};
  launches_of(c, Kind::forward, 1);
  launches_of(c, Kind::grad_data, 1);
  launches_of(c, Kind::grad_weight, 2);  // the parts' sum
}

TEST_CASE("GPU: a kernel whose lines are further apart than an int counts elements", "[cuda]") {
  // Its second line is 2^20 lines of 2^12 elements after its first.
  Conv2dArgs a{};
  a.dtype = DType::float32, a.precision = Precision::float32;
  a.n = a.c_in = a.c_out = a.kw = a.h = 1, a.kh = 2;
  a.w = a.out_w = 1 << 12, a.out_h = 2;
  a.stride_h = a.pad_h = a.dilation_h = 1 << 20;
  a.stride_w = a.dilation_w = 1;
  const std::vector<float> x = values<float>(a.w), weight = {2, 3};
  std::vector<float> expected;
  for (const float factor : {3.0f, 2.0f})  // the picture's one line meets the last of the kernel, then the first
    for (const float each : x) expected.push_back(factor * each);
  const Array input = Array::from(x, {a.w}, gpu), kernel = Array::from(weight, {2}, gpu);
  const std::vector<float> found = output<float>(gpu, {2 * a.w}, [&](Backend& backend, View out) {
    return backend.conv2d(a, out.data, input.raw(), kernel.raw(), nullptr);
  });
  CHECK(found == expected);
}

TEST_CASE("GPU: pictures with their channels last are turned before and after a convolution", "[cuda]") {
  Tensor x = randn({2, 4, 6, 5}).to(gpu), weight = randn({8, 4, 3, 3}).to(gpu), bias = randn({8}).to(gpu);
  for (Tensor* each : {&x, &weight, &bias}) each->requires_grad_();
  const auto gradients = [&](const Tensor& planes) {
    std::vector<std::vector<float>> out{planes.to_vector<float>()};
    sum(square(planes)).backward();
    for (Tensor* each : {&x, &weight, &bias}) {
      out.push_back(each->grad().to_vector<float>());
      each->zero_grad();
    }
    return out;
  };
  const ConvLayouts last{Layout::channels_last, Layout::channels_last};
  const auto expected = gradients(conv2d(x, weight, bias, {}, Activation::relu));
  CHECK(gradients(permute(conv2d(permute(x, {0, 2, 3, 1}), weight, bias, {}, Activation::relu, last), {0, 3, 1, 2})) ==
        expected);
}
