// The random ops: their distributions, what a generator determines, and the gradients through the noise.
#include <cmath>
#include <thread>

#include "catch.h"
#include "op_cases.h"

using namespace op_cases;
using elbo::Generator;

namespace {

std::vector<double> values_of(const Tensor& x) {
  if (x.dtype() == DType::float64) return x.array().to_vector<double>();
  const std::vector<float> narrow = x.array().to_vector<float>();
  return {narrow.begin(), narrow.end()};
}

double power_mean(const std::vector<double>& values, double centre, int power) {
  double sum = 0;
  for (double v : values) sum += std::pow(v - centre, power);
  return sum / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("random ops: mean, variance and range", "[ops][random]") {
  for (const RandomCase& c : random_cases()) {
    DYNAMIC_SECTION(c.op << " " << c.variant) {
      for (DType dtype : {DType::float32, DType::float64}) {
        Generator generator(2024);
        const std::vector<double> x = values_of(c.fn(&generator, {400, 500}, dtype));
        const double n = static_cast<double>(x.size());
        INFO(elbo::name(dtype));
        // Five standard errors: one seed in a million fails, and this one does not.
        CHECK(std::abs(power_mean(x, 0, 1) - c.mean) <= 5 * std::sqrt(c.variance / n) + 1e-6);
        const double spread = power_mean(x, c.mean, 4) - c.variance * c.variance;
        CHECK(std::abs(power_mean(x, c.mean, 2) - c.variance) <= 5 * std::sqrt(std::max(spread, 0.0) / n) + 1e-6);
        for (double v : x)
          if (!(v >= c.lo && v <= c.hi * (1 + 1e-7)))
            FAIL("found " << v << " outside [" << c.lo << ", " << c.hi << "]");
      }
    }
  }
}

TEST_CASE("random ops: a generator's seed and offset determine the bits", "[ops][random]") {
  for (const RandomCase& c : random_cases()) {
    DYNAMIC_SECTION(c.op << " " << c.variant) {
      for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{1, 1}, Shape{33, 70}}) {
        Generator a(5), b(5), other(6);
        const auto first = values_of(c.fn(&a, shape, DType::float32));
        CHECK(first == values_of(c.fn(&b, shape, DType::float32)));
        CHECK(a.offset().item() == 1);
        const auto second = values_of(c.fn(&a, shape, DType::float32));
        if (c.variance > 0 && shape.numel() > 10) {
          CHECK(first != second);
          CHECK(first != values_of(c.fn(&other, shape, DType::float32)));
        }
        a.set_offset(0);
        CHECK(first == values_of(c.fn(&a, shape, DType::float32)));
      }
    }
  }
}

TEST_CASE("a generator's copy goes on by itself", "[ops][random]") {
  const auto draw = [](Generator& g) { return rand({1}, {}, &g).item(); };
  Generator a(7);
  draw(a);
  Generator b = a, c;
  c = a;
  const double next = draw(a);
  CHECK(a.offset().item() == 2);
  CHECK(draw(b) == next);
  CHECK(draw(c) == next);
  b.manual_seed(9);
  CHECK(a.offset().item() == 2);
  CHECK(a.seed() == 7);
}

TEST_CASE("a generator's offset is kept exactly, and is none below 0", "[ops][random]") {
  Generator a;
  for (const std::int64_t offset : {(std::int64_t{1} << 53) + 1, std::numeric_limits<std::int64_t>::max() - 1}) {
    a.set_offset(offset);
    CHECK(a.offset().values<std::int64_t>()[0] == offset);
  }
  CHECK_THROWS_WITH(a.set_offset(-1), "[Generator] offset: expected at least 0, found -1");
}

TEST_CASE("rand stays below 1", "[ops][random]") {
  Generator generator(1);
  for (DType dtype : {DType::float32, DType::float64})
    for (double v : values_of(elbo::rand({1000, 1000}, {.dtype = dtype}, &generator)))
      if (!(v >= 0 && v < 1)) FAIL("found " << v);
}

TEST_CASE("randn: shares of the normal distribution", "[ops][random]") {
  Generator generator(3);
  const std::vector<double> x = values_of(elbo::randn({1000000}, {}, &generator));
  for (double limit : {-2.0, -1.0, 0.0, 0.5, 1.5, 2.5}) {
    double below = 0;
    for (double v : x) below += v < limit;
    const double share = std::erfc(-limit / std::sqrt(2.0)) / 2, n = static_cast<double>(x.size());
    INFO("share below " << limit);
    CHECK(std::abs(below / n - share) < 5 * std::sqrt(share * (1 - share) / n));
  }
}

TEST_CASE("dropout keeps or zeroes, and its gradient does the same", "[ops][random]") {
  Tensor x(elbo::full({50, 40}, 3).array(), true);
  Generator generator(9);
  Tensor y = elbo::dropout(x, 0.2, true, &generator);
  y.backward(elbo::Array::full({50, 40}, 7));
  const auto values = values_of(y);
  const auto gradient = x.grad().to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    REQUIRE((values[i] == 0 || values[i] == Approx(3 / 0.8)));
    REQUIRE(gradient[i] == Approx(values[i] == 0 ? 0 : 7 / 0.8));
  }
}

TEST_CASE("reparameterize is mu + exp(logvar / 2) eps, and so are its gradients", "[ops][random]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const elbo::TensorOptions options{.dtype = dtype};
    Tensor mu(elbo::tensor({{0.5, -1, 2}, {3, 0, -0.25}}, options).array(), true);
    Tensor logvar(elbo::tensor({{0, 1, -2}, {0.5, -4, 1.5}}, options).array(), true);
    const Tensor none = elbo::zeros({2, 3}, options);
    Generator a(11), b(11);
    Tensor z = elbo::reparameterize(mu, logvar, &a);
    const auto eps = values_of(elbo::reparameterize(none, none, &b));
    z.backward(array_of({1, -2, 3, 4, 5, -6}, {2, 3}, dtype));
    const auto found = values_of(z), m = values_of(mu), v = values_of(logvar),
               g = std::vector<double>{1, -2, 3, 4, 5, -6};
    const auto to_mu = values_of(mu.grad()), to_logvar = values_of(logvar.grad());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double noise = std::exp(v[i] / 2) * eps[i];
      CHECK(eps[i] != 0);
      CHECK(found[i] == Approx(m[i] + noise).epsilon(1e-6));
      CHECK(to_mu[i] == g[i]);
      CHECK(to_logvar[i] == Approx(g[i] * noise / 2).epsilon(1e-6));
    }
  }
}

TEST_CASE("a GeneratorScope takes the place of the default generator, and gives it back", "[random]") {
  using elbo::GeneratorScope;
  const auto draw = [](Generator* generator) { return values_of(elbo::rand({3}, {}, generator)); };
  elbo::manual_seed(11);
  Generator a(1), b(2), expected_a(1), expected_b(2), expected_default(11);
  {
    GeneratorScope outer(a);
    CHECK(draw(nullptr) == draw(&expected_a));
    {
      GeneratorScope inner(b);
      CHECK(draw(nullptr) == draw(&expected_b));
      CHECK(&elbo::default_generator() == &b);
    }
    CHECK(draw(nullptr) == draw(&expected_a));
    CHECK(draw(&b) == draw(&expected_b));  // one that is given is used
    elbo::manual_seed(12);                 // seeds the default generators, not what stands in for them
    CHECK(draw(nullptr) == draw(&expected_a));
    elbo::manual_seed(11);
    CHECK_THROWS_AS(
        [&] {
          GeneratorScope inner(b);
          elbo::rand({2}, {.dtype = DType::int64});
        }(),
        elbo::DTypeError);
    CHECK(&elbo::default_generator() == &a);
    std::vector<double> other;
    std::thread([&] { other = draw(nullptr); }).join();
    CHECK(other == draw(&expected_default));  // it holds on its own thread alone
  }
  CHECK(draw(nullptr) == draw(&expected_default));
  CHECK(a.offset().item() == 3);
  static_assert(!std::is_copy_constructible_v<GeneratorScope> && !std::is_move_constructible_v<GeneratorScope>);
}
