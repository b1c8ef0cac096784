// Matrix products on the GPU against long double: all shapes and options, and what a precision may cost.
#include "against_cpu.h"

using namespace against_cpu;

namespace {

struct Case {
  int64_t m, n, k, batch = 1;
  bool share_a = false, share_b = false, transpose_a = false, transpose_b = false, bias = false;
  Activation activation = Activation::none;
  Precision precision = Precision::float32;
  int64_t offset = 0;  // of a, in elements behind an aligned address; b and out lie elsewhere still
  int64_t bias_offset = 0;
};

std::string describe(const Case& c) {
  const char* names[] = {"", " relu", " sigmoid", " tanh"};
  return std::to_string(c.m) + " x " + std::to_string(c.k) + " x " + std::to_string(c.n) + " batch " +
         std::to_string(c.batch) + (c.share_a ? " shared a" : "") + (c.share_b ? " shared b" : "") +
         (c.transpose_a ? " a^T" : "") + (c.transpose_b ? " b^T" : "") + (c.bias ? " bias" : "") +
         names[static_cast<int>(c.activation)] + " " + name(c.precision) + " at " + std::to_string(c.offset);
}

/// A case's operands on the host.
template <class T>
struct Operands {
  std::vector<T> a, b, bias;
  /// Small integers: their sums are exact in any order, and no precision rounds them.
  void make_whole() {
    for (std::vector<T>* each : {&a, &b, &bias})
      for (T& x : *each) x = std::round(x * 2);
  }
  explicit Operands(const Case& c, unsigned seed = 1)
      : a(values<T>((c.share_a ? 1 : c.batch) * c.m * c.k, -1, 1.2, seed)),
        b(values<T>((c.share_b ? 1 : c.batch) * c.k * c.n, -1.1, 1, seed + 1)),
        bias(c.bias ? values<T>(c.n, -1, 1, seed + 2) : std::vector<T>()) {}
};

constexpr int64_t margin = 3;

/// `values` on the GPU, `offset` elements behind the beginning of the array, with a margin of NaN behind.
template <class T>
Array placed(const std::vector<T>& values, int64_t offset) {
  std::vector<T> all(static_cast<std::size_t>(offset), std::numeric_limits<T>::quiet_NaN());
  all.insert(all.end(), values.begin(), values.end());
  all.insert(all.end(), static_cast<std::size_t>(margin), std::numeric_limits<T>::quiet_NaN());
  return Array::from(all, {static_cast<int64_t>(all.size())}, gpu);
}
template <class T>
T* at(const Array& array, int64_t offset) {
  return static_cast<T*>(array.raw()) + offset;
}

template <class T>
std::vector<T> product(const Case& c, const Operands<T>& in) {
  const int64_t size = c.batch * c.m * c.n, offset_out = 3 * c.offset;
  // Now b is better aligned than a, now a than b.
  const int64_t offset_b = c.offset == 0 ? 0 : c.offset % 2 == 1 ? 2 * c.offset : c.offset + 1;
  const Array a = placed(in.a, c.offset), b = placed(in.b, offset_b), bias = placed(in.bias, c.bias_offset);
  const std::vector<T> nothing(static_cast<std::size_t>(size), std::numeric_limits<T>::quiet_NaN());
  const Array out = placed(nothing, offset_out);
  MatmulArgs args{};
  args.a = at<T>(a, c.offset), args.b = at<T>(b, offset_b), args.out = at<T>(out, offset_out);
  args.bias = c.bias ? at<T>(bias, c.bias_offset) : nullptr;
  args.dtype = dtype_of<T>;
  args.activation = c.activation;
  args.transpose_a = c.transpose_a, args.transpose_b = c.transpose_b;
  args.m = c.m, args.n = c.n, args.k = c.k, args.batch = c.batch;
  args.stride_a = c.share_a ? 0 : c.m * c.k;
  args.stride_b = c.share_b ? 0 : c.k * c.n;
  args.stride_out = c.m * c.n;
  args.precision = c.precision;
  ok(backend(gpu).matmul(args));
  const std::vector<T> all = out.to_vector<T>();
  for (int64_t i = 0; i < offset_out; ++i) REQUIRE(std::isnan(all[static_cast<std::size_t>(i)]));
  for (int64_t i = 0; i < margin; ++i) REQUIRE(std::isnan(all[static_cast<std::size_t>(offset_out + size + i)]));
  return {all.begin() + offset_out, all.begin() + offset_out + size};
}

long double activated(Activation activation, long double x) {
  if (activation == Activation::relu) return std::max(x, 0.0L);
  if (activation == Activation::sigmoid) return 1 / (1 + expl(-x));
  return activation == Activation::tanh ? tanhl(x) : x;
}

/// What one operand may be off by, relatively, when the multipliers take it.
template <class T>
double rounding(Precision precision) {
  if (dtype_of<T> == DType::float64 || precision == Precision::float32) return 0;
  // tf32: a GPU's multipliers may drop the bits beyond the tenth instead of rounding. bf16 is rounded by our kernel.
  return precision == Precision::tf32 ? 0x1p-10 : 0x1p-8;
}

/// An operand's rounding costs its part of each term; k roundings of the sum, in any order, at most (k + 1) half ulps
/// of the sum of magnitudes; tensor cores may cut where others round, which is twice that. The activations have slopes
/// of at most 1, and 2 ulp of their own.
template <class T>
void check(const Case& c, const Operands<T>& in, const std::vector<T>& found, bool exact = false) {
  std::vector<long double> expected;
  std::vector<double> bounds;
  const double operand = rounding<T>(c.precision), step = operand > 0 ? eps<T> : eps<T> / 2;
  auto element = [](const std::vector<T>& x, int64_t i) {
    return static_cast<long double>(x[static_cast<std::size_t>(i)]);
  };
  for (int64_t batch = 0; batch < c.batch; ++batch)
    for (int64_t i = 0; i < c.m; ++i)
      for (int64_t j = 0; j < c.n; ++j) {
        const int64_t first_a = c.share_a ? 0 : batch * c.m * c.k, first_b = c.share_b ? 0 : batch * c.k * c.n;
        long double sum = c.bias ? element(in.bias, j) : 0, magnitudes = fabsl(sum), terms = 0;
        for (int64_t l = 0; l < c.k; ++l) {
          const long double term = element(in.a, first_a + (c.transpose_a ? l * c.m + i : i * c.k + l)) *
                                   element(in.b, first_b + (c.transpose_b ? j * c.k + l : l * c.n + j));
          sum += term;
          terms += fabsl(term);
        }
        magnitudes += terms;
        const long double y = activated(c.activation, sum);
        expected.push_back(y);
        if (exact)
          bounds.push_back(0);
        else
          bounds.push_back(static_cast<double>(
              (2 * operand + operand * operand) * terms +
              static_cast<double>(c.k + 1) * step * magnitudes * (1 + operand) * 1.001L + 2 * eps<T> * fabsl(y)));
      }
  INFO(describe(c));
  near(found, expected, bounds);
}

template <class T>
void check(const Case& c) {
  Operands<T> in(c);
  check(c, in, product(c, in));
  if (c.activation != Activation::none && c.activation != Activation::relu) return;
  in.make_whole();
  check(c, in, product(c, in), true);
}

constexpr Activation activations[] = {Activation::none, Activation::relu, Activation::sigmoid, Activation::tanh};

/// Every option of products of one size.
template <class Fn>
void for_options(const Fn& fn) {
  for (int bits = 0; bits < 32; ++bits)
    for (Activation activation : activations) {
      Case c{5, 9, 17};
      c.transpose_a = bits & 1, c.transpose_b = bits & 2, c.bias = bits & 4;
      if (bits & 24) c.batch = 3;
      c.share_a = c.batch > 1 && (bits & 8), c.share_b = c.batch > 1 && (bits & 16) && !c.share_a;
      c.activation = activation;
      fn(c);
    }
}

}  // namespace

TEMPLATE_TEST_CASE("GPU: products with all options", "[cuda]", float, double) {
  for_options([](const Case& c) { check<TestType>(c); });
}

TEMPLATE_TEST_CASE("GPU: products of odd sizes", "[cuda]", float, double) {
  const std::vector<int64_t> lengths = {1, 3, 17, 64, 65, 129};
  int i = 0;
  for (int64_t m : lengths)
    for (int64_t n : lengths)
      for (int64_t k : lengths) {
        Case c{m, n, k};
        c.transpose_a = i & 1, c.transpose_b = i & 2, c.bias = i % 3 == 0;
        c.activation = activations[i % 5 % 4];
        check<TestType>(c);
        ++i;
      }
  check<TestType>({2, 3, 40000, 2});
  check<TestType>({128, 20, 400});
}

TEMPLATE_TEST_CASE("GPU: products of slices at odd offsets", "[cuda]", float, double) {
  for (int64_t offset : {1, 2, 3, 4, 7})
    for (int bits = 0; bits < 8; ++bits) {
      Case c{16, 24, 8, bits & 1 ? 2 : 1};
      c.transpose_b = bits & 2, c.bias = bits & 4;
      c.activation = Activation::relu;
      c.offset = offset;
      for (Precision precision : {Precision::float32, Precision::tf32, Precision::bf16}) {
        c.precision = precision;
        check<TestType>(c);
      }
    }
}

TEST_CASE("GPU: the same layer with other parameters", "[cuda]") {
  // The library's plan is made once; where the operands lie may change from call to call, also the bias' alignment.
  Case c{64, 400, 32};
  c.bias = true, c.activation = Activation::relu;
  check<float>(c);
  const Array taken = placed(values<float>(c.n), 0);  // where the bias was
  check<float>(c);
  for (int64_t offset : {1, 4, 6}) {
    c.bias_offset = offset;
    check<float>(c);
  }
}

TEMPLATE_TEST_CASE("GPU: products of nothing are the bias, activated", "[cuda]", float, double) {
  for (Activation activation : activations)
    for (bool bias : {false, true})
      for (int64_t batch : {1, 3}) {
        Case c{4, 6, 0, batch};
        c.bias = bias, c.activation = activation;
        check<TestType>(c);
      }
  // Nothing is written where there is nothing to write, whatever is asked for.
  for (Case c : {Case{0, 6, 3}, Case{4, 0, 3}, Case{4, 6, 3, 0}, Case{0, 0, 0}}) {
    c.activation = Activation::sigmoid;
    check<TestType>(c);
  }
}

TEST_CASE("GPU: more products at once than a grid has blocks", "[cuda]") {
  for (bool share : {false, true}) {
    Case c{1, 2, 2, 65536 + 7};
    c.share_b = share, c.bias = true, c.activation = Activation::relu;
    check<float>(c);
    c.activation = Activation::tanh;
    check<float>(c);
  }
}

TEST_CASE("GPU: products in tf32 and bf16 are within what their operands' rounding costs", "[cuda]") {
  for (Precision precision : {Precision::tf32, Precision::bf16}) {
    for_options([&](Case c) {
      c.precision = precision;
      check<float>(c);
    });
    for (int64_t n : {1, 3, 65, 129})
      for (int64_t k : {1, 17, 64, 129}) {
        Case c{17, n, k};
        c.transpose_b = n % 2 == 0, c.precision = precision;
        check<float>(c);
      }
  }
}

TEST_CASE("GPU: float32 products keep what tf32 and bf16 round away", "[cuda]") {
  constexpr int64_t n = 256;
  Case c{n, n, n};
  Operands<float> in(c);
  std::fill(in.b.begin(), in.b.end(), 1.0f);
  auto sum_of = [&](Precision precision, float a) {
    std::fill(in.a.begin(), in.a.end(), a);
    c.precision = precision;
    const std::vector<float> found = product(c, in);
    for (float x : found) REQUIRE(x == found[0]);
    return found[0];
  };
  const float below_tf32 = 1 + 0x1p-12f, below_bf16 = 1 + 0x1p-9f;
  CHECK(sum_of(Precision::float32, below_tf32) == n * below_tf32);
  CHECK(sum_of(Precision::tf32, below_tf32) == n);
  CHECK(sum_of(Precision::tf32, below_bf16) == n * below_bf16);
  CHECK(sum_of(Precision::bf16, below_bf16) == n);
  CHECK(sum_of(Precision::bf16, 1 + 0x1p-7f) == n * (1 + 0x1p-7f));
}

TEST_CASE("GPU: float64 products know one precision", "[cuda]") {
  Case c{33, 20, 50};
  const Operands<double> in(c);
  const std::vector<double> expected = product(c, in);
  for (Precision precision : {Precision::tf32, Precision::bf16}) {
    c.precision = precision;
    CHECK(same_bits(product(c, in), expected));
  }
}

TEST_CASE("GPU: the same product has the same bits, whatever came between", "[cuda]") {
  for (Precision precision : {Precision::float32, Precision::tf32, Precision::bf16}) {
    Case c{65, 129, 1000, 2};
    c.bias = true, c.activation = Activation::relu, c.precision = precision;
    const Operands<float> in(c);
    const std::vector<float> first = product(c, in);
    check<float>({17, 3, 65});
    CHECK(same_bits(product(c, in), first));
  }
}

TEMPLATE_TEST_CASE("GPU: relu keeps NaN, so that a diverged training shows", "[cuda]", float, double) {
  // cuBLASLt's own ReLU would make 0 of it.
  for (Precision precision : {Precision::float32, Precision::tf32, Precision::bf16})
    for (const bool bias : {false, true}) {
      if (std::is_same_v<TestType, double> && precision != Precision::float32) continue;
      Case c{16, 16, 16};
      c.activation = Activation::relu, c.precision = precision, c.bias = bias;
      INFO(describe(c));
      Operands<TestType> in(c);
      in.a[0] = static_cast<TestType>(NAN);
      const std::vector<TestType> found = product(c, in);
      for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(std::isnan(found[i]) == (i < 16));
    }
}

TEST_CASE(
    "GPU: a small layer is one launch, a large one with an activation two, and warm it takes no memory from the driver",
    "[cuda]") {
  auto launches_of = [](Case c, auto type, long long expected) {
    using T = decltype(type);
    INFO(describe(c));
    const Operands<T> in(c);
    product(c, in);
    const int64_t taken = memory_stats(gpu).backing_allocations;
    one_launch([&] { product(c, in); }, expected);
    CHECK(memory_stats(gpu).backing_allocations == taken);
  };
  Case c{128, 400, 784};
  c.bias = true;
  launches_of(c, float{}, 1);
  launches_of(c, double{}, 1);
  c.precision = Precision::tf32;
  launches_of(c, float{}, 1);
  c.precision = Precision::bf16;
  launches_of(c, float{}, 1);
  c.precision = Precision::float32;
  for (Activation activation : {Activation::relu, Activation::sigmoid}) {
    c.activation = activation;
    launches_of(c, float{}, 1);
  }
  c = {1100, 500, 4, 1};
  c.bias = true;
  launches_of(c, float{}, 1);
  launches_of(c, double{}, 2);  // the library has no epilogue for it
  c.precision = Precision::bf16;
  launches_of(c, float{}, 2);  // the operands' rounding
  c.precision = Precision::float32;
  c.activation = Activation::relu;
  launches_of(c, float{}, 2);
  c.k = 0;
  launches_of(c, float{}, 1);
}
