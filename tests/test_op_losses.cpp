// What the op table cannot say of losses and densities: their tails, and what is ignored.
#include <elbo/core/errors.h>
#include <elbo/core/ops.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "catch.h"

using namespace elbo;

namespace {

constexpr TensorOptions f64{DType::float64};

Tensor number(double x) { return tensor(x, f64).requires_grad_(); }

}  // namespace

TEST_CASE("cross_entropy ignores a label whatever its logits are", "[ops]") {
  Tensor x = tensor({{1, 2}, {-std::numeric_limits<double>::infinity(), 0}}).requires_grad_();
  const Tensor labels = tensor({1, -100}, {DType::int64});
  Tensor loss = cross_entropy(x, labels, {.ignore_index = -100});
  CHECK(loss.item() == Approx(std::log1p(std::exp(-1.0))));
  loss.backward();
  CHECK(x.grad()[1].to_vector<float>() == std::vector<float>{0, 0});
  CHECK(std::isnan(cross_entropy(x, full({2}, 7, {DType::int64}), {.ignore_index = 7}).item()));
  CHECK_THROWS_AS(cross_entropy(x, labels, {.ignore_index = 7}), IndexError);
  CHECK_THROWS_AS(cross_entropy(x, labels), IndexError);
}

TEST_CASE("options of cross_entropy that change nothing change no bit", "[ops][bits]") {
  const Tensor x = randn({50, 7}), labels = randint(0, 7, {50});
  CHECK(cross_entropy(x, labels, {.label_smoothing = 0}).item() == cross_entropy(x, labels).item());
  CHECK(cross_entropy(x, labels, {.weight = ones({7})}).item() == Approx(cross_entropy(x, labels).item()));
  CHECK(cross_entropy(x, one_hot(labels, 7)).item() == Approx(cross_entropy(x, labels).item()));
}

TEST_CASE("densities are exact in both tails", "[ops]") {
  const Tensor zero = tensor(0, f64);
  for (const double x : {-1e200, -1e5, 1e5, 1e200}) {
    CAPTURE(x);
    Tensor at = number(x);
    Tensor logistic = logistic_log_prob(at, zero, zero);
    CHECK(logistic.item() == Approx(-std::abs(x)).epsilon(1e-15));
    logistic.backward();
    CHECK(at.grad().item() == (x > 0 ? -1 : 1));
    at.zero_grad();
    Tensor cauchy = student_t_log_prob(at, zero, zero, 1);  // 1 / (pi (1 + x^2))
    CHECK(cauchy.item() == Approx(-std::log(std::numbers::pi) - 2 * std::log(std::abs(x))).epsilon(1e-10));
    cauchy.backward();
    CHECK(at.grad().item() == Approx(-2 / x).epsilon(1e-9).scale(0));
  }
  // Of a scale that float32 can hold, whose square it cannot.
  const Tensor far = gaussian_log_prob(full({}, 1e25), full({}, 0), full({}, 120));
  CHECK(far.item() == Approx(-0.5 * (1e50 * std::exp(-120.0) + 120 + std::log(2 * std::numbers::pi))));
  CHECK(bernoulli_log_prob(full({}, 1), full({}, -500)).item() == -500);
  CHECK(bernoulli_log_prob(full({}, 1), full({}, 500)).item() == 0);
}

TEST_CASE("Student's t of many degrees is the Gaussian", "[ops]") {
  const Tensor x = tensor({-2, 0, 0.5}, f64), zero = zeros({}, f64);
  const std::vector<double> normal = gaussian_log_prob(x, zero, zero).to_vector<double>();
  const std::vector<double> student = student_t_log_prob(x, zero, zero, 1e12).to_vector<double>();
  for (std::size_t i = 0; i < normal.size(); ++i) CHECK(student[i] == Approx(normal[i]).epsilon(1e-11));
}

TEST_CASE("the divergence of two Gaussians is 0 of equal ones, and is not cancelled near that", "[ops]") {
  const Tensor mu = tensor({1, -3}, f64), logvar = tensor({2, -7}, f64);
  CHECK(gaussian_kl(mu, logvar, mu, logvar, Reduction::sum).item() == 0);
  // v^2 / 4 for a small difference v of the logarithms.
  CHECK(gaussian_kl(mu, logvar + 1e-9, mu, logvar).to_vector<double>()[0] == Approx(2.5e-19).epsilon(1e-6).scale(0));
}

TEST_CASE("losses refuse operands that repeat each other, which densities take", "[ops][errors]") {
  const Tensor column = zeros({4, 1}), row = arange(4);
  CHECK_THROWS_WITH(mse_loss(column, row),
                    "[mse_loss] expected operands of one shape, or one that broadcasts to the other's, found [4, 1] "
                    "and [4]");
  CHECK_THROWS_AS(l1_loss(row, column), ShapeError);
  CHECK_THROWS_AS(huber_loss(column, row), ShapeError);
  CHECK_THROWS_AS(binary_cross_entropy(column, row), ShapeError);
  CHECK_THROWS_AS(binary_cross_entropy_with_logits(column, row), ShapeError);
  CHECK_THROWS_AS(binary_cross_entropy_with_logits(column, row, {.pos_weight = row}), ShapeError);
  CHECK_THROWS_AS(gaussian_kl(column, row), ShapeError);
  CHECK(mse_loss(column, zeros({4, 3})).item() == 0);
  CHECK(bernoulli_log_prob(row, column).shape() == Shape{4, 4});
  CHECK(gaussian_kl(column, column, row, row).shape() == Shape{4, 4});  // each of four with each of four
}
