// What every op of the table says of operands that it cannot take: an error of the right type whose message begins with
// the name of the op that was called, whatever that op is made of.
#include <elbo/core/errors.h>

#include <set>
#include <stdexcept>

#include "op_checks.h"

using namespace op_cases;
using Catch::Matchers::Contains;

namespace {

/// What `fn` throws, as `[op] ...`; "nothing thrown" otherwise. Must be one of Errors.
template <class... Errors>
std::string refusal(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const elbo::Error& error) {
    const elbo::Error* thrown = &error;
    const bool expected = ((dynamic_cast<const Errors*>(thrown) != nullptr) || ...);
    return expected ? error.what() : "of the wrong type: " + std::string(error.what());
  }
  return "nothing thrown";
}

/// Rows that are written with an operator, whose name counts, and rows whose functions look at an operand before the op
/// does: both have tests of their own below.
bool by_name(const OpCase& c) {
  return !c.variant.starts_with("operator") && c.op != "dropout" && !c.op.starts_with("reparameterize");
}

/// The op's operands that may be left out: a bias, weights of a normalisation.
bool optional(const OpCase& c, std::size_t operand) {
  static const std::set<std::string> with_bias{"linear",           "linear_heads", "conv1d",
                                               "conv_transpose1d", "conv2d",       "conv_transpose2d"};
  static const std::set<std::string> with_weight{"cross_entropy", "binary_cross_entropy_with_logits"};
  static const std::set<std::string> with_affine{"batch_norm", "layer_norm"};
  return ((with_bias.contains(c.op) || with_weight.contains(c.op)) && operand == 2) ||
         (with_affine.contains(c.op) && (operand == 1 || operand == 2));
}

std::vector<const OpCase*> first_of_each_op() {
  std::vector<const OpCase*> out;
  std::set<std::string> seen;
  for (const OpCase& c : all())
    if (c.size == Size::small && !has_no_elements(c) && seen.insert(c.op).second) out.push_back(&c);
  return out;
}

}  // namespace

TEST_CASE("op table: an operand that is not there is an error of the op that was called", "[ops][errors]") {
  for_each_case([](const OpCase& c) { return c.size == Size::small && by_name(c); },
                [](const OpCase& c) {
                  for (const Tensor& none : {Tensor(), Tensor(Array())}) {
                    CHECK_FALSE(none.defined());
                    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
                      if (optional(c, i) || (c.op == "batch_norm" && i > 2)) continue;
                      std::vector<Tensor> inputs = make_inputs(c, DType::float32, true);
                      inputs[i] = none;
                      INFO("operand " << i);
                      CHECK(refusal<elbo::AutogradError>([&] { c.fn(inputs); }) ==
                            "[" + c.op + "] expected a tensor, found an undefined one");
                    }
                  }
                });
}

TEST_CASE("op table: an operand that may be left out may be an undefined array too", "[ops][errors]") {
  for (const OpCase* c : first_of_each_op())
    for (std::size_t i = 0; i < c->inputs.size(); ++i) {
      if (!optional(*c, i)) continue;
      INFO(c->op << ", operand " << i);
      std::vector<Tensor> inputs = make_inputs(*c, DType::float32, false);
      inputs[i] = Tensor(Array());
      CHECK(refusal<elbo::Error>([&] { c->fn(inputs); }) == "nothing thrown");
    }
}

TEST_CASE("op table: an operand of another dtype is named with the op that was called", "[ops][errors]") {
  // These take any; of two, both must be of one.
  const std::set<std::string> any{
      "eq",         "ne",          "lt",          "le",       "gt",    "ge",     "logical_and",  "flatten", "permute",
      "logical_or", "logical_xor", "logical_not", "cast",     "slice", "pad",    "index_select", "reshape", "transpose",
      "flip",       "expand",      "unsqueeze",   "squeeze",  "split", "chunk",  "repeat",       "tril",    "triu",
      "all",        "any",         "isnan",       "isfinite", "neg",   "square", "abs",          "clamp",   "sum",
      "max",        "min",         "argmax",      "argmin",   "topk",  "clone"};
  for_each_case([](const OpCase& c) { return c.size == Size::small && by_name(c); },
                [&](const OpCase& c) {
                  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
                    if (c.inputs.size() == 1 && any.contains(c.op)) continue;
                    if (c.op == "concatenate" && c.inputs.size() == 1) continue;
                    if ((c.op == "index_select" || c.op == "gather") && i == 0) continue;
                    if (c.op == "batch_norm" && i > 0) continue;  // a row may leave them out
                    std::vector<Tensor> inputs = make_inputs(c, DType::float32, false);
                    const DType other = inputs[i].dtype() == DType::uint8 ? DType::int64 : DType::uint8;
                    inputs[i] = elbo::ones(inputs[i].shape(), {other});
                    INFO("operand " << i);
                    const std::string found = refusal<elbo::DTypeError>([&] { c.fn(inputs); });
                    CHECK_THAT(found, Catch::Matchers::StartsWith("[" + c.op + "] expected "));
                    CHECK_THAT(found, Contains(elbo::name(other)));
                  }
                });
}

TEST_CASE("op table: an operand of a shape that does not fit is named with the op that was called", "[ops][errors]") {
  for (const OpCase* c : first_of_each_op())
    for (std::size_t i = 0; i < c->inputs.size(); ++i) {
      std::vector<Tensor> inputs = make_inputs(*c, DType::float32, false);
      // 7 of something that no row has 7 of, in more dimensions than anything takes.
      inputs[i] = elbo::ones({7, 7, 7, 7, 7}, {inputs[i].dtype()});
      INFO(c->op << " " << c->variant << ", operand " << i);
      const std::string found = refusal<elbo::ShapeError, elbo::IndexError, elbo::ValueError>([&] { c->fn(inputs); });
      if (found != "nothing thrown") CHECK_THAT(found, Catch::Matchers::StartsWith("[" + c->op + "] "));
      // Ops of one operand take any shape, or say so.
      if (c->inputs.size() > 1 && c->op != "index_select") CHECK(found != "nothing thrown");
    }
}

TEST_CASE("op table: a bad index or label is named with the op that was called", "[ops][errors]") {
  const std::set<std::string> with_indices{"index_select", "one_hot",     "cross_entropy",
                                           "gather",       "scatter_add", "categorical_log_prob"};
  const auto wanted = [&](const OpCase& c) {
    return c.size == Size::small && !has_no_elements(c) && with_indices.contains(c.op);
  };
  for_each_case(wanted, [&](const OpCase& c) {
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      if (c.inputs[i].kind != Kind::int64) continue;
      for (double bad : {-1.0, 1e6, -0x1p63, 0x1p62}) {
        std::vector<Tensor> inputs = make_inputs(c, DType::float32, false);
        inputs[i] = elbo::full(inputs[i].shape(), bad, {DType::int64});
        INFO("operand " << i << " of " << bad);
        CHECK_THAT(refusal<elbo::IndexError>([&] { c.fn(inputs); }),
                   Catch::Matchers::StartsWith("[" + c.op + "] index "));
      }
    }
  });
}

TEST_CASE("dropout, reparameterize and batch_norm name themselves", "[ops][errors]") {
  const Tensor x = elbo::ones({2, 3}), i = elbo::ones({2, 3}, {DType::int64});
  Tensor none;
  const std::string undefined = "] expected a tensor, found an undefined one";
  const std::string dtype = "] expected float32 or float64, found int64";
  using elbo::AutogradError, elbo::DTypeError;
  for (const Tensor& empty : {none, Tensor(Array())}) {
    CHECK(refusal<AutogradError>([&] { elbo::dropout(empty, 0.5); }) == "[dropout" + undefined);
    CHECK(refusal<AutogradError>([&] { elbo::reparameterize(empty, x); }) == "[reparameterize" + undefined);
    CHECK(refusal<AutogradError>([&] { elbo::reparameterize(x, empty); }) == "[reparameterize" + undefined);
    CHECK(refusal<AutogradError>([&] { elbo::reparameterize_kl(x, empty); }) == "[reparameterize_kl" + undefined);
  }
  CHECK(refusal<DTypeError>([&] { elbo::dropout(i, 0.5); }) == "[dropout" + dtype);
  CHECK(refusal<DTypeError>([&] { elbo::reparameterize(i, i); }) == "[reparameterize" + dtype);
  Tensor mean = elbo::zeros({3}, {DType::float64});
  CHECK(refusal<DTypeError>([&] { elbo::batch_norm(x, {}, {}, mean, mean, true); }) ==
        "[batch_norm] expected operands of one dtype, found float32 and float64");
  CHECK(refusal<elbo::ValueError>([&] { elbo::batch_norm(x, {}, {}, none, none, false); }) ==
        "[batch_norm] expected a running mean and variance outside training, found none");
}

TEST_CASE("operators with a number name the operator", "[ops][errors]") {
  const Tensor i = elbo::ones({2}, {DType::int64}), none;
  const std::string undefined = "] expected a tensor, found an undefined one";
  using Op = std::function<Tensor(const Tensor&)>;
  const std::vector<std::pair<std::string, Op>> ops = {
      {"[add", [](const Tensor& x) { return x + 2.5; }}, {"[add", [](const Tensor& x) { return 2.5 + x; }},
      {"[sub", [](const Tensor& x) { return x - 2.5; }}, {"[sub", [](const Tensor& x) { return 2.5 - x; }},
      {"[mul", [](const Tensor& x) { return x * 2.5; }}, {"[mul", [](const Tensor& x) { return 2.5 * x; }},
      {"[div", [](const Tensor& x) { return x / 2.5; }}, {"[div", [](const Tensor& x) { return 2.5 / x; }},
      {"[neg", [](const Tensor& x) { return -x; }},
  };
  for (const auto& [name, op] : ops) {
    if (name != "[neg")  // of integers too
      CHECK_THAT(refusal<elbo::DTypeError>([&, fn = op] { fn(i); }), Catch::Matchers::StartsWith(name + "] expected "));
    for (const Tensor& x : {none, Tensor(Array())})
      CHECK(refusal<elbo::AutogradError>([&, fn = op] { fn(x); }) == name + undefined);
  }
}

TEST_CASE("every method of an undefined tensor or array says so", "[ops][errors]") {
  using elbo::AutogradError;
  const std::string tensor = "] expected a tensor, found an undefined one";
  const std::string array = "] expected an array, found an undefined one";
  for (Tensor x : {Tensor(), Tensor(Array())}) {
    const std::string any = "[tensor" + tensor;
    CHECK(refusal<AutogradError>([&] { x.array(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.mutable_array(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.shape(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.dtype(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.device(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.numel(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.requires_grad(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.requires_grad_(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.is_leaf(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.grad(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.retain_grad(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.zero_grad(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.detach(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.item(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.node(); }) == any);
    CHECK(refusal<AutogradError>([&] { x.backward(); }) == "[backward" + tensor);
    CHECK(refusal<AutogradError>([&] { x.backward(Array::zeros({})); }) == "[backward" + tensor);
  }
  CHECK(refusal<AutogradError>([&] { Tensor(Array(), true); }) == "[tensor" + tensor);
  Array none;
  CHECK(refusal<AutogradError>([&] { none.reshape({}); }) == "[reshape" + array);
  CHECK(refusal<AutogradError>([&] { none.slice(0, 0); }) == "[slice" + array);
  CHECK(refusal<AutogradError>([&] { none.copy(); }) == "[copy" + array);
  CHECK(refusal<AutogradError>([&] { none.to(elbo::cpu); }) == "[to" + array);
  CHECK(refusal<AutogradError>([&] { none.assign(Array::zeros({})); }) == "[assign" + array);
  CHECK(refusal<AutogradError>([&] { Array::zeros({}).assign(none); }) == "[assign" + array);
  CHECK(refusal<AutogradError>([&] { none.assign(none); }) == "[assign" + array);
  CHECK(refusal<AutogradError>([&] { none.fill(0); }) == "[fill" + array);
  CHECK(refusal<AutogradError>([&] { none.item(); }) == "[item" + array);
  CHECK(refusal<AutogradError>([&] { none.values<float>(); }) == "[values" + array);
  CHECK(refusal<AutogradError>([&] { none.mutable_values<float>(); }) == "[values" + array);
  CHECK(refusal<AutogradError>([&] { none.to_vector<float>(); }) == "[to_vector" + array);
  CHECK(none.to_string() == "undefined");
  CHECK(none.numel() == 0);
}

TEST_CASE("a gradient before backward() is not there, and using it says so", "[ops][errors]") {
  using elbo::AutogradError;
  Tensor p = elbo::ones({2}).requires_grad_();
  CHECK(refusal<AutogradError>([&] { elbo::square(p.grad()); }) ==
        "[square] expected a tensor, found an undefined one");
  CHECK(refusal<AutogradError>([&] { p - p.grad() * 0.5; }) == "[mul] expected a tensor, found an undefined one");
  CHECK(refusal<AutogradError>([&] { elbo::square(p).backward(Array()); }) ==
        "[backward] expected a gradient, found an undefined one");
  CHECK(refusal<AutogradError>([&] { elbo::square(elbo::sum(p)).backward(Array()); }) ==
        "[backward] expected a gradient, found an undefined one");
}
