// Every row of the op table on the GPU: float32 elementwise results and random numbers are the CPU's bit for bit, all
// else is within the bound that the CPU itself is held to, against the same float64 references; gradients too.
#include <elbo/core/backend.h>
#include <elbo/core/device.h>
#include <elbo/core/functors.h>

#include <set>

#include "../op_checks.h"

using namespace op_cases;

namespace {

const elbo::Device gpu{elbo::DeviceType::cuda, 0};

#define ELBO_NAME(op, ...) #op,
/// Ops whose float32 results are the CPU's, bit for bit.
const std::set<std::string>& exact_ops() {
  static const std::set<std::string> ops = [] {
    std::set<std::string> names{ELBO_UNARY_OPS(ELBO_NAME) ELBO_UNARY_OPS_1(ELBO_NAME) ELBO_UNARY_OPS_2(ELBO_NAME)
                                    ELBO_BINARY_OPS(ELBO_NAME) ELBO_COMPARE_OPS(ELBO_NAME)};
    names.insert({"topk",        "cast",       "where",      "logical_not", "argmax",         "bernoulli",
                  "concatenate", "dropout",    "flatten",    "flip",        "gather",         "scatter_add",
                  "cumsum",      "max_pool2d", "avg_pool2d", "upsample",    "index_select",   "one_hot",
                  "pad",         "permute",    "rand",       "randn",       "reparameterize", "reshape",
                  "slice",       "transpose"});
    return names;
  }();
  return ops;
}
#undef ELBO_NAME

/// The baseline variant has no fma, so its elementwise functions may differ in the last bit.
bool cpu_has_fma() { return std::string(elbo::backend(elbo::cpu).description()) != "baseline"; }

Results run_seeded(const OpCase& c, DType dtype, elbo::Device device) {
  elbo::manual_seed(17);
  return run(c, dtype, device);
}

/// Whether all real operands have the output's shape, so that no gradient is summed.
bool all_of_one_shape(const OpCase& c, const Shape& shape) {
  for (const Input& input : c.inputs)
    if (input.kind == Kind::real && input.shape != shape) return false;
  return true;
}

}  // namespace

TEST_CASE("op table on the GPU: what must be the CPU's bits", "[cuda][ops]") {
  if (!cpu_has_fma()) {
    WARN("skipped: the CPU's baseline kernels have no fma");
    return;
  }
  for_each_case([](const OpCase& c) { return exact_ops().contains(c.op); },
                [](const OpCase& c) {
                  const Results expected = run_seeded(c, DType::float32, elbo::cpu);
                  const Results found = run_seeded(c, DType::float32, gpu);
                  REQUIRE(found.arrays.size() == expected.arrays.size());
                  // Gradients of index_select add up where an index repeats, in the same order on both.
                  const std::size_t compared =
                      all_of_one_shape(c, expected.arrays[0].shape()) || c.inputs.size() == 1 ? found.arrays.size() : 1;
                  for (std::size_t i = 0; i < compared; ++i) {
                    INFO((i == 0 ? "output" : "gradient ") << (i == 0 ? "" : std::to_string(i - 1)));
                    const Array on_cpu = found.arrays[i].to(elbo::cpu);
                    REQUIRE(on_cpu.shape() == expected.arrays[i].shape());
                    if (!same_bits(on_cpu, expected.arrays[i])) {
                      // NaN payloads apart.
                      CHECK(difference(to_doubles(on_cpu), to_doubles(expected.arrays[i]), 0) == "");
                    }
                  }
                });
}

TEST_CASE("op table on the GPU: operands on two devices are refused by the op that was called", "[cuda][ops]") {
  // A row that is written with an operator has the operator's name; batch_norm without affine leaves two operands out.
  for_each_case(
      [](const OpCase& c) {
        const bool all_used = c.op != "batch_norm" || c.variant.find("affine") != std::string::npos;
        return c.size == Size::small && c.inputs.size() > 1 && !c.variant.starts_with("operator") && all_used;
      },
      [](const OpCase& c) {
        for (std::size_t i = 0; i < c.inputs.size(); ++i) {
          std::vector<Tensor> inputs = make_inputs(c, DType::float32, false);
          inputs[i] = Tensor(inputs[i].array().to(gpu));
          INFO("operand " << i);
          try {
            c.fn(inputs);
            FAIL("nothing thrown");
          } catch (const elbo::DeviceError& error) {
            CHECK_THAT(error.what(),
                       Catch::Matchers::StartsWith("[" + c.op + "] expected operands on one device, found "));
          }
        }
      });
}

TEST_CASE("op table on the GPU: values", "[cuda][ops]") {
  for_each_case([](const OpCase& c) { return static_cast<bool>(c.reference); },
                [](const OpCase& c) {
                  const Ref expected = c.reference(make_refs(c));
                  for (DType dtype : {DType::float64, DType::float32}) {
                    INFO(elbo::name(dtype));
                    const Results found = run(c, dtype, gpu);
                    const Array& y = found.arrays[0];
                    REQUIRE(y.device() == gpu);
                    REQUIRE(y.shape() == expected.shape);
                    CHECK(difference(to_doubles(y), expected.values, bound_for(y.dtype(), dtype)) == "");
                  }
                });
}

TEST_CASE("op table on the GPU: gradients", "[cuda][ops]") {
  const auto wanted = [](const OpCase& c) { return differentiable(c) && c.reference; };
  for_each_case(wanted, [](const OpCase& c) {
    const Results expected = run_seeded(c, DType::float64, elbo::cpu);
    for (DType dtype : {DType::float64, DType::float32}) {
      INFO(elbo::name(dtype));
      const Results found = run_seeded(c, dtype, gpu);
      REQUIRE(found.arrays.size() == expected.arrays.size());
      for (std::size_t i = 1; i < found.arrays.size(); ++i) {
        INFO("gradient " << i - 1);
        REQUIRE(found.arrays[i].device() == gpu);
        REQUIRE(found.arrays[i].shape() == expected.arrays[i].shape());
        CHECK(difference(to_doubles(found.arrays[i]), to_doubles(expected.arrays[i]),
                         dtype == DType::float32 ? 1e-5 : 1e-12) == "");
      }
    }
  });
}

TEST_CASE("op table on the GPU: twice the same bits", "[cuda][ops][bits]") {
  for_each_case([](const OpCase&) { return true; },
                [](const OpCase& c) {
                  const Results first = run_seeded(c, DType::float32, gpu);
                  const Results second = run_seeded(c, DType::float32, gpu);
                  for (std::size_t i = 0; i < first.arrays.size(); ++i)
                    CHECK(same_bits(first.arrays[i].to(elbo::cpu), second.arrays[i].to(elbo::cpu)));
                });
}
