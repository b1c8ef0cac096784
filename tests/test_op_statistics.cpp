// What the op table cannot say of deviations, norms and truth values.
#include <elbo/core/errors.h>
#include <elbo/core/ops.h>

#include <cmath>
#include <limits>

#include "catch.h"

using namespace elbo;

namespace {

using Doubles = std::vector<double>;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// The gradient of fn at `values`.
Doubles gradient(const std::function<Tensor(const Tensor&)>& fn, const Doubles& values) {
  Tensor x(Array::from(values, {static_cast<std::int64_t>(values.size())}), true);
  fn(x).backward();
  return x.grad().to_vector<double>();
}

}  // namespace

TEST_CASE("where a deviation or a norm is 0, so is its gradient", "[ops]") {
  CHECK(gradient([](const Tensor& x) { return x.std(); }, {2, 2, 2}) == Doubles{0, 0, 0});
  for (const double p : {0.5, 1.0, 1.5, 2.0, 3.0, infinity}) {
    CAPTURE(p);
    CHECK(gradient([p](const Tensor& x) { return norm(x, p); }, {0, 0}) == Doubles{0, 0});
    CHECK(gradient([p](const Tensor& x) { return norm(x, p); }, {0, -1}) == Doubles{0, -1});
  }
  CHECK(gradient([](const Tensor& x) { return norm(x, infinity); }, {-2, 1, 2}) == Doubles{-0.5, 0, 0.5});
}

TEST_CASE("std, norm, argmin, all and any are methods", "[ops]") {
  const Tensor x = tensor({{3, 4}, {0, 5}});
  CHECK(x.std().item() == elbo::std(x).item());
  CHECK(x.std(0, 0).to_vector<float>() == std::vector<float>{1.5f, 0.5f});
  CHECK(x.norm(2, 1).to_vector<float>() == std::vector<float>{5, 5});
  CHECK(x.argmin(1).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 0});
  CHECK(x.all().item() == 0);
  CHECK(x.all(0).to_vector<std::uint8_t>() == std::vector<std::uint8_t>{0, 1});
  CHECK(x.any().item() == 1);
}

TEST_CASE("NaN is not 0, and nothing is true of all", "[ops]") {
  const Tensor nan = full({2}, std::nan(""));
  CHECK(all(nan).item() == 1);
  CHECK(any(nan).item() == 1);
  CHECK(all(zeros({0})).item() == 1);
  CHECK(any(zeros({0})).item() == 0);
}

TEST_CASE("errors: norms", "[ops][errors]") {
  const Tensor x = ones({2, 0});
  for (const double p : {0.0, -1.0, std::nan("")})
    CHECK_THROWS_WITH(norm(x, p), Catch::StartsWith("[norm] expected p above 0, found "));
  CHECK_THROWS_WITH(norm(x, infinity), "[norm] expected at least one element, found shape [2, 0]");
  CHECK_THROWS_WITH(norm(x, 2, {0, 0}), "[norm] axis 0 of shape [2, 0] is named twice");
  CHECK_THROWS_WITH(x.std(2), "[std] axis 2 is out of range for shape [2, 0]");
  CHECK_THROWS_WITH(argmin(x, 1), "[argmin] expected at least one element along axis 1, found shape [2, 0]");
}
