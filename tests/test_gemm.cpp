#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../core/cpu/gemm.h"
#include "../core/cpu/pool.h"
#include "../core/parallel_for.h"
#include "catch.h"

namespace {

using namespace elbo;
using cpu_kernels::Isa;
using std::int64_t;

struct Case {
  int64_t m, n, k;
  int64_t batch = 1;
  bool share_a = false, share_b = false;
  bool transpose_a = false, transpose_b = false;
  bool bias = false;
  Activation activation = Activation::none;
};

std::string describe(const Case& c) {
  return std::to_string(c.m) + "x" + std::to_string(c.n) + "x" + std::to_string(c.k) + " batch " +
         std::to_string(c.batch) + (c.share_a ? " shared a" : "") + (c.share_b ? " shared b" : "") +
         (c.transpose_a ? " a^T" : "") + (c.transpose_b ? " b^T" : "") + (c.bias ? " bias" : "") + " activation " +
         std::to_string(static_cast<int>(c.activation));
}

// Operands with a little room behind each, to see writes beyond the end.
template <class T>
struct Operands {
  static constexpr std::size_t guard = 40;
  std::vector<T> a, b, bias;
  explicit Operands(const Case& c) {
    std::mt19937 random(7);
    std::uniform_real_distribution<double> uniform(-1, 1);
    a.resize((c.share_a ? 1 : c.batch) * c.m * c.k);
    b.resize((c.share_b ? 1 : c.batch) * c.k * c.n);
    bias.resize(c.n);
    for (std::vector<T>* each : {&a, &b, &bias})
      for (T& x : *each) x = static_cast<T>(uniform(random));
  }

  MatmulArgs args(const Case& c, std::vector<T>& out) const {
    return {a.data(),
            b.data(),
            out.data(),
            c.bias ? bias.data() : nullptr,
            dtype_of<T>,
            c.activation,
            c.transpose_a,
            c.transpose_b,
            c.m,
            c.n,
            c.k,
            c.batch,
            c.share_a ? 0 : c.m * c.k,
            c.share_b ? 0 : c.k * c.n,
            c.m * c.n,
            Precision::float32};
  }

  // The product in one variant; checks that nothing beyond the output was touched.
  std::vector<T> run(const Case& c, Isa isa, cpu_kernels::Pool& pool) const {
    const std::size_t size = static_cast<std::size_t>(c.batch * c.m * c.n);
    std::vector<T> out(size + guard, T(12345));
    cpu_kernels::gemm(args(c, out), pool, isa);
    for (std::size_t i = size; i < out.size(); ++i) REQUIRE(out[i] == T(12345));
    out.resize(size);
    return out;
  }
};

double activated(double x, Activation activation) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
  }
  return 0;
}

// The product by sums in float64, and the largest that any of its sums could be were all terms positive: what rounding
// errors are measured against, as terms may cancel.
struct Reference {
  std::vector<double> out;
  double largest = 0;

  template <class T>
  Reference(const Case& c, const Operands<T>& operands) {
    for (int64_t i = 0; i < c.batch; ++i) {
      const T* a = operands.a.data() + (c.share_a ? 0 : i * c.m * c.k);
      const T* b = operands.b.data() + (c.share_b ? 0 : i * c.k * c.n);
      for (int64_t row = 0; row < c.m; ++row)
        for (int64_t col = 0; col < c.n; ++col) {
          double sum = c.bias ? operands.bias[col] : 0, size = std::abs(sum);
          for (int64_t p = 0; p < c.k; ++p) {
            const double term = static_cast<double>(c.transpose_a ? a[p * c.m + row] : a[row * c.k + p]) *
                                static_cast<double>(c.transpose_b ? b[col * c.k + p] : b[p * c.n + col]);
            sum += term;
            size += std::abs(term);
          }
          out.push_back(activated(sum, c.activation));
          largest = std::max({largest, size, std::abs(out.back())});
        }
    }
  }

  // The largest difference, as a share of `largest`.
  template <class T>
  double error(const std::vector<T>& found) const {
    double difference = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double here = std::abs(static_cast<double>(found[i]) - out[i]);
      if (!(here <= difference)) difference = here;  // NaN too
    }
    return largest == 0 ? difference : difference / largest;
  }
};

template <class T>
void check(const Case& c) {
  // Some roundings, of half the distance between 1 and the next number each.
  const double bound = 8 * static_cast<double>(std::numeric_limits<T>::epsilon());
  const Operands<T> operands(c);
  const Reference reference(c, operands);
  cpu_kernels::Pool pool;
  for (Isa isa : cpu_kernels::available_isas()) {
    INFO(describe(c) << " " << cpu_kernels::name(isa));
    REQUIRE(reference.error(operands.run(c, isa, pool)) <= bound);
  }
}

void check_transposes(Case c) {
  for (int t = 0; t < 4; ++t) {
    c.transpose_a = t & 1, c.transpose_b = t & 2;
    check<float>(c);
    check<double>(c);
  }
}

// Sets the number of threads for a scope.
struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_CASE("gemm: all transposes at awkward sizes", "[gemm]") {
  const int64_t sizes[] = {1, 2, 7, 13, 65, 129};
  for (int64_t m : sizes)
    for (int64_t n : sizes)
      for (int64_t k : sizes) check_transposes({.m = m, .n = n, .k = k});
}

TEST_CASE("gemm: every height and width of a tile", "[gemm]") {
  for (int64_t m = 1; m <= 13; ++m)
    for (int64_t n : {3, 8, 9, 16, 17, 31, 32, 33, 47}) check_transposes({.m = m, .n = n, .k = 9});
  for (int64_t n = 1; n <= 70; ++n) check_transposes({.m = 5, .n = n, .k = 11});
}

TEST_CASE("gemm: the VAE's products", "[gemm]") {
  check<float>({.m = 128, .n = 400, .k = 784, .transpose_b = true});
  check<float>({.m = 128, .n = 784, .k = 400});
  check<float>({.m = 400, .n = 784, .k = 128, .transpose_a = true});
  check_transposes({.m = 128, .n = 20, .k = 400});
  check_transposes({.m = 128, .n = 400, .k = 20});
  check_transposes({.m = 20, .n = 400, .k = 128});
}

TEST_CASE("gemm: more than is packed at once, and long sums over few elements", "[gemm]") {
  for (Case c :
       {Case{.m = 1100, .n = 20, .k = 300}, Case{.m = 30, .n = 1500, .k = 300}, Case{.m = 3, .n = 5, .k = 5000},
        Case{.m = 70, .n = 33, .k = 3001}, Case{.m = 1, .n = 130, .k = 1025}, Case{.m = 2, .n = 2, .k = 70000}})
    check_transposes(c);
  check<float>({.m = 1030, .n = 16, .k = 8200});
  check<float>({.m = 9, .n = 1040, .k = 8200});
}

TEST_CASE("gemm: rows that lie a multiple of 4 KiB apart", "[gemm]") {
  check_transposes({.m = 130, .n = 300, .k = 1024});
  check_transposes({.m = 1024, .n = 260, .k = 600});
}

TEST_CASE("gemm: several parts along all three dimensions, against Eigen", "[gemm]") {
  // Of the second one, a part of a is copied before it is read.
  const Case c = GENERATE(Case{.m = 1030, .n = 1030, .k = 1900, .bias = true},
                          Case{.m = 1030, .n = 1030, .k = 2048, .bias = true});
  const Operands<float> operands(c);
  cpu_kernels::Pool pool;
  const std::vector<float> expected = operands.run(c, Isa::baseline, pool);
  for (Isa isa : cpu_kernels::available_isas()) {
    const std::vector<float> out = operands.run(c, isa, pool);
    float difference = 0;
    for (std::size_t i = 0; i < out.size(); ++i) difference = std::max(difference, std::abs(out[i] - expected[i]));
    INFO(cpu_kernels::name(isa));
    // Of the sum of magnitudes, about k / 4: the errors of both.
    REQUIRE(difference <= 16 * std::numeric_limits<float>::epsilon() * static_cast<float>(c.k) / 4);
  }
}

TEST_CASE("gemm: no rows, no columns, no sum, no batch", "[gemm]") {
  for (Case c : {Case{.m = 0, .n = 3, .k = 4}, Case{.m = 3, .n = 0, .k = 4}, Case{.m = 3, .n = 4, .k = 5, .batch = 0}})
    check_transposes(c);
  for (Activation activation : {Activation::none, Activation::sigmoid}) {
    // An empty sum is 0, to which bias and activation apply.
    check_transposes({.m = 3, .n = 4, .k = 0, .activation = activation});
    check_transposes({.m = 3, .n = 4, .k = 0, .batch = 2, .bias = true, .activation = activation});
  }
}

TEST_CASE("gemm: batches, with operands of their own and shared ones", "[gemm]") {
  for (int64_t batch : {2, 5, 40})
    for (int share = 0; share < 4; ++share)
      for (Case c : {Case{.m = 9, .n = 17, .k = 33}, Case{.m = 1, .n = 20, .k = 3}, Case{.m = 70, .n = 65, .k = 20}}) {
        c.batch = batch, c.share_a = share & 1, c.share_b = share & 2;
        c.bias = true, c.activation = Activation::tanh;
        check_transposes(c);
      }
}

TEST_CASE("gemm: bias and activation on the way out", "[gemm]") {
  for (Activation activation : {Activation::none, Activation::relu, Activation::sigmoid, Activation::tanh})
    for (bool bias : {false, true})
      for (Case c : {Case{.m = 31, .n = 37, .k = 5}, Case{.m = 5, .n = 3, .k = 2000}, Case{.m = 1, .n = 37, .k = 300},
                     Case{.m = 37, .n = 1, .k = 300}, Case{.m = 130, .n = 100, .k = 530}}) {
        c.bias = bias, c.activation = activation;
        check_transposes(c);
      }
}

TEST_CASE("gemm: NaN and infinity reach the elements they belong to, and no others", "[gemm]") {
  const Case c{.m = 7, .n = 19, .k = 5};
  cpu_kernels::Pool pool;
  for (Isa isa : cpu_kernels::available_isas()) {
    Operands<float> operands(c);
    operands.a[3 * c.k + 2] = std::numeric_limits<float>::quiet_NaN();
    operands.b[1 * c.n + 18] = std::numeric_limits<float>::infinity();
    const std::vector<float> out = operands.run(c, isa, pool);
    for (int64_t i = 0; i < c.m; ++i)
      for (int64_t j = 0; j < c.n; ++j) {
        INFO(cpu_kernels::name(isa) << " " << i << " " << j);
        REQUIRE(std::isnan(out[i * c.n + j]) == (i == 3));
        if (i != 3) REQUIRE(std::isinf(out[i * c.n + j]) == (j == 18));
      }
  }
}

TEST_CASE("gemm: the number of threads changes no bit", "[gemm]") {
  cpu_kernels::Pool pool;
  for (Case c : {Case{.m = 128, .n = 400, .k = 784, .transpose_b = true, .bias = true, .activation = Activation::relu},
                 Case{.m = 400, .n = 784, .k = 128, .transpose_a = true}, Case{.m = 20, .n = 36, .k = 9000},
                 Case{.m = 1, .n = 500, .k = 900, .transpose_b = true}, Case{.m = 6, .n = 500, .k = 900},
                 Case{.m = 33, .n = 65, .k = 300, .batch = 17}, Case{.m = 200, .n = 200, .k = 300, .batch = 3},
                 Case{.m = 200, .n = 300, .k = 1024}})
    for (Isa isa : cpu_kernels::available_isas()) {
      const Operands<float> operands(c);
      std::vector<float> expected;
      for (int threads : {1, 2, 3, 4}) {
        const Threads with(threads);
        const std::vector<float> out = operands.run(c, isa, pool);
        if (threads == 1) expected = out;
        INFO(describe(c) << " " << cpu_kernels::name(isa) << " threads " << threads);
        REQUIRE(same_bits(out, expected));
      }
    }
}

TEST_CASE("gemm: in our own product some rows, or a matrix of a batch, have the bits they have alone", "[gemm]") {
  cpu_kernels::Pool pool;
  for (bool transpose_b : {false, true})
    for (int64_t k : {6, 256, 1301}) {
      const Case whole{.m = 150, .n = 77, .k = k, .batch = 2, .share_b = true, .transpose_b = transpose_b};
      const Operands<float> operands(whole);
      for (Isa isa : cpu_kernels::available_isas()) {
        if (isa == Isa::baseline) continue;
        const std::vector<float> out = operands.run(whole, isa, pool);
        for (int64_t rows : {2, 3, 4, 5, 6, 7, 8, 9, 140}) {
          Case part = whole;
          part.m = rows, part.batch = 1;
          std::vector<float> alone(rows * whole.n);
          cpu_kernels::gemm(operands.args(part, alone), pool, isa);
          INFO(describe(part) << " " << cpu_kernels::name(isa));
          REQUIRE(same_bits(alone, std::vector<float>(out.begin(), out.begin() + rows * whole.n)));
        }
      }
    }
}

TEST_CASE("gemm: a warm product takes nothing from the system", "[gemm]") {
  cpu_kernels::Pool pool;
  const Case c{.m = 33, .n = 65, .k = 300, .batch = 17};
  const Operands<float> operands(c);
  const Threads with(3);
  for (Isa isa : cpu_kernels::available_isas()) operands.run(c, isa, pool);
  const int64_t before = pool.stats().backing_allocations;
  for (int i = 0; i < 10; ++i)
    for (Isa isa : cpu_kernels::available_isas()) operands.run(c, isa, pool);
  REQUIRE(pool.stats().backing_allocations == before);
  REQUIRE(pool.stats().active == 0);
}

TEST_CASE("gemm: a pool without room throws and writes nothing", "[gemm]") {
  cpu_kernels::Pool pool({[](std::size_t) -> void* { return nullptr; }, [](void*, std::size_t) {}});
  const Case c{.m = 33, .n = 65, .k = 30};
  const Operands<float> operands(c);
  for (Isa isa : cpu_kernels::available_isas()) {
    if (isa == Isa::baseline) continue;
    std::vector<float> out(c.m * c.n, 5.0f);
    REQUIRE_THROWS_AS(cpu_kernels::gemm(operands.args(c, out), pool, isa), std::bad_alloc);
    REQUIRE(out == std::vector<float>(c.m * c.n, 5.0f));
  }
}

}  // namespace
