// Every op, by the table in op_cases.h: against naive float64 references, by finite differences, float32 gradients
// against float64 ones, and with 1 to 4 threads bit for bit. To run one op:
//   elbo_tests "op table: gradients" -c conv2d
#include <elbo/core/errors.h>
#include <elbo/core/gradcheck.h>
#include <elbo/core/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "catch.h"
#include "declared_ops.h"
#include "op_checks.h"

using namespace op_cases;
using elbo::Array;

namespace {

class ThreadsGuard {
 public:
  ThreadsGuard() : before_(elbo::num_threads()) {}
  ~ThreadsGuard() { elbo::set_num_threads(before_); }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int before_;
};

}  // namespace

TEST_CASE("op table: every op of core/ops.h has three rows", "[ops]") {
  std::map<std::string, int> rows;
  for (const OpCase& c : all()) ++rows[c.op];
  for (const RandomCase& c : random_cases()) rows[c.op] += 3;  // their shapes are those of the test below
  const std::set<std::string> declared = declared_ops();
  CHECK(declared.size() > 60);
  for (const std::string& op : declared) {
    INFO(op);
    CHECK(rows[op] >= 3);
  }
  for (const auto& [op, count] : rows) {
    INFO(op << " is in the table and not in core/ops.h");
    CHECK(declared.count(op) == 1);
  }
}

TEST_CASE("op table: rows have names of their own, and operands without elements and of one are among them", "[ops]") {
  std::set<std::string> names;
  std::map<std::string, bool> with_empty, with_single;
  for (const OpCase& c : all()) {
    INFO(c.op << " " << c.variant);
    CHECK(names.insert(c.op + " " + c.variant).second);
    with_empty[c.op] |= has_no_elements(c);
    for (const Input& input : c.inputs)
      with_single[c.op] |= std::find(input.shape.begin(), input.shape.end(), 1) != input.shape.end();
  }
  for (const auto& [op, found] : with_empty) {
    INFO(op);
    CHECK(found);
    CHECK(with_single[op]);
  }
}

TEST_CASE("op table: values", "[ops]") {
  for_each_case([](const OpCase& c) { return static_cast<bool>(c.reference); },
                [](const OpCase& c) {
                  const Ref expected = c.reference(make_refs(c));
                  for (DType dtype : {DType::float64, DType::float32}) {
                    const Tensor y = c.fn(make_inputs(c, dtype, false));
                    INFO(elbo::name(dtype));
                    REQUIRE(y.shape() == expected.shape);
                    CHECK(difference(to_doubles(y.array()), expected.values, bound_for(y.dtype(), dtype)) == "");
                    if (differentiable(c) && c.op != "cast") CHECK(y.dtype() == dtype);
                    CHECK_FALSE(y.requires_grad());
                  }
                });
}

TEST_CASE("op table: gradients", "[ops]") {
  for_each_case([](const OpCase& c) { return differentiable(c) && c.size == Size::small && c.finite_differences; },
                [](const OpCase& c) {
                  // gradcheck varies float64 operands; labels, indices and conditions are constants of the function.
                  const std::vector<Tensor> inputs = make_inputs(c, DType::float64, true);
                  std::vector<Tensor> varied;
                  for (const Tensor& x : inputs)
                    if (x.dtype() == DType::float64) varied.push_back(x);
                  const auto fn = [&](Tensors given) {
                    std::vector<Tensor> operands = inputs;
                    std::size_t next = 0;
                    for (Tensor& x : operands)
                      if (x.dtype() == DType::float64) x = given[next++];
                    return c.fn(operands);
                  };
                  const elbo::GradcheckResult result =
                      elbo::gradcheck(fn, varied, {.eps = 1e-6, .rtol = 1e-4, .atol = 1e-7});
                  INFO(result.message);
                  CHECK(result.ok);
                });
}

TEST_CASE("op table: float32 gradients", "[ops]") {
  // Random ops draw other numbers in another dtype; tests/test_random_ops.cpp checks their gradients.
  const auto wanted = [](const OpCase& c) { return differentiable(c) && c.reference; };
  for_each_case(wanted, [](const OpCase& c) {
    const Results expected = run(c, DType::float64), found = run(c, DType::float32);
    REQUIRE(found.arrays.size() == expected.arrays.size());
    REQUIRE(found.arrays.size() > 1);
    for (std::size_t i = 1; i < found.arrays.size(); ++i) {
      INFO("gradient " << i - 1);
      REQUIRE(found.arrays[i].defined());
      REQUIRE(found.arrays[i].shape() == expected.arrays[i].shape());
      CHECK(found.arrays[i].dtype() == DType::float32);
      CHECK(difference(to_doubles(found.arrays[i]), to_doubles(expected.arrays[i]), 1e-5) == "");
    }
  });
}

TEST_CASE("op table: threads change no bit", "[ops][bits]") {
  ThreadsGuard guard;
  for_each_case([](const OpCase&) { return true; },
                [](const OpCase& c) {
                  for (DType dtype : {DType::float32, DType::float64}) {
                    if (dtype == DType::float64 && (c.flops > 1e8 || !has_real_input(c))) continue;
                    elbo::set_num_threads(1);
                    const Results expected = run(c, dtype);
                    for (int threads : {2, 3, 4}) {
                      elbo::set_num_threads(threads);
                      const Results found = run(c, dtype);
                      INFO(elbo::name(dtype) << ", " << threads << " threads");
                      REQUIRE(found.arrays.size() == expected.arrays.size());
                      for (std::size_t i = 0; i < found.arrays.size(); ++i) {
                        INFO((i == 0 ? "output" : "gradient ") << (i == 0 ? "" : std::to_string(i - 1)));
                        CHECK(same_bits(found.arrays[i], expected.arrays[i]));
                      }
                    }
                  }
                });
}

// ---- where finite differences say nothing --------------------------------------------------------------------------

namespace {

/// The gradient at each x of the sum of fn's output, weighted 1, 2, 3, ...
std::vector<double> weighted_gradient(const std::function<Tensor(const Tensor&)>& fn, std::vector<double> x) {
  const auto count = static_cast<std::int64_t>(x.size());
  Tensor leaf(array_of(x, {count}, DType::float64), true);
  Tensor y = fn(leaf);
  std::vector<double> weights;
  for (std::int64_t i = 1; i <= y.numel(); ++i) weights.push_back(static_cast<double>(i));
  y.backward(array_of(weights, y.shape(), DType::float64));
  return to_doubles(leaf.grad().array());
}

using Doubles = std::vector<double>;

}  // namespace

TEST_CASE("derivatives at kinks are those that core/ops.h promises", "[ops]") {
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::relu(x); }, {0, -0.0, 1e-9}) == Doubles{0, 0, 3});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::abs(x); }, {0, -0.0, -1e-9, 1e-9}) ==
        Doubles{0, 0, -3, 4});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::clamp(x, -1, 2); }, {-1, 2, -1.001, 2.001, 0}) ==
        Doubles{1, 2, 0, 0, 5});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::leaky_relu(x, 0.5); }, {0, -1, 1}) == Doubles{0.5, 1, 3});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::pow(x, 0); }, {0, 2}) == Doubles{0, 0});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::pow(x, 1); }, {0, 2}) == Doubles{1, 2});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::pow(x, 2); }, {0, -3}) == Doubles{0, -12});
}

TEST_CASE("the gradient of pow takes one from the exponent before it is rounded", "[ops]") {
  for (const float at : {1e-30f, 3.0f, 5.4423142e34f}) {
    CAPTURE(at);
    Tensor x = elbo::full({}, at);
    x.requires_grad_();
    elbo::pow(x, 2.1).backward();
    const double exact = static_cast<double>(2.1f) * std::pow(static_cast<double>(at), static_cast<double>(1.1f));
    CHECK(x.grad().item() == Approx(exact).epsilon(3e-7).scale(0));
  }
}

TEST_CASE("ties share the gradient equally", "[ops]") {
  const Tensor limit(array_of({1, 1, 1}, {3}, DType::float64));
  CHECK(weighted_gradient([&](const Tensor& x) { return elbo::maximum(x, limit); }, {0, 1, 2}) == Doubles{0, 1, 3});
  CHECK(weighted_gradient([&](const Tensor& x) { return elbo::maximum(limit, x); }, {0, 1, 2}) == Doubles{0, 1, 3});
  CHECK(weighted_gradient([&](const Tensor& x) { return elbo::minimum(x, limit); }, {0, 1, 2}) == Doubles{1, 1, 0});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::max(x); }, {nan, 1, 2}) == Doubles{1, 0, 0});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::min(x); }, {nan, 1, nan, 2}) == Doubles{0.5, 0, 0.5, 0});
  CHECK(weighted_gradient(
            [](const Tensor& x) {
              return elbo::max(elbo::reshape(x, {2, 2}), {1});
            },
            {nan, 1, 3, 2}) == Doubles{1, 0, 2, 0});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::max(x); }, {3, 1, 3, 3, 0, 3}) ==
        Doubles{0.25, 0, 0.25, 0.25, 0, 0.25});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::min(x); }, {3, 1, 1, 3}) == Doubles{0, 0.5, 0.5, 0});
  CHECK(weighted_gradient(
            [](const Tensor& x) {
              return elbo::max(elbo::reshape(x, {2, 2}), {1});
            },
            {5, 5, 1, 2}) == Doubles{0.5, 0.5, 0, 2});
}

TEST_CASE("losses stay finite where a logarithm would not", "[ops]") {
  const Tensor p(array_of({0, 1, 0, 1}, {4}, DType::float32));
  const Tensor t(array_of({0, 1, 1, 0}, {4}, DType::float32));
  CHECK(to_doubles(elbo::binary_cross_entropy(p, t, elbo::Reduction::none).array()) == Doubles{0, 0, 100, 100});
  const Tensor x(array_of({1000, -1000, 1000, -1000}, {4}, DType::float32));
  CHECK(to_doubles(elbo::binary_cross_entropy_with_logits(x, t, elbo::Reduction::none).array()) ==
        Doubles{1000, 1000, 0, 0});
}

TEST_CASE("an operand used twice gets both gradients", "[ops]") {
  CHECK(weighted_gradient([](const Tensor& x) { return x * x; }, {3, -1}) == Doubles{6, -4});
  CHECK(weighted_gradient([](const Tensor& x) { return elbo::concatenate({x, x}, 0); }, {3, -1}) == Doubles{4, 6});
}

TEST_CASE("ops whose result is an integer record nothing", "[ops]") {
  const Tensor a(elbo::ones({2}).array(), true);
  CHECK_FALSE(elbo::lt(a, a.detach()).requires_grad());
  CHECK_FALSE(elbo::lt(a.detach(), a).requires_grad());
  CHECK_FALSE(elbo::logical_not(a).requires_grad());
  CHECK_FALSE(elbo::argmax(a, 0).requires_grad());
  CHECK_FALSE(elbo::cast(a, DType::int64).requires_grad());
}

TEST_CASE("an op without a gradient refuses operands that require one", "[ops][errors]") {
  const Tensor a(elbo::ones({2}).array(), true);
  CHECK_THROWS_AS(elbo::bernoulli(a), elbo::AutogradError);
  const elbo::NoGradGuard guard;
  CHECK_FALSE(elbo::bernoulli(a).requires_grad());
}
