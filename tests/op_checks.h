#pragma once
#include <map>
#include <string>
#include <vector>

#include "catch.h"
#include "op_cases.h"

/// How rows of the op table are run and compared, on any device.
namespace op_cases {

using elbo::Array;

/// A section for each op, and in it one for each of its cases that `wanted` picks.
template <class Wanted, class Body>
void for_each_case(Wanted wanted, Body body) {
  static const std::map<std::string, std::vector<const OpCase*>> by_op = [] {
    std::map<std::string, std::vector<const OpCase*>> groups;
    for (const OpCase& c : all()) groups[c.op].push_back(&c);
    return groups;
  }();
  for (const auto& [op, cases] : by_op) {
    DYNAMIC_SECTION(op) {
      for (const OpCase* c : cases) {
        if (c->size == Size::huge || !wanted(*c)) continue;
        DYNAMIC_SECTION(c->variant) { body(*c); }
      }
    }
  }
}

/// The elements, wherever they lie.
std::vector<double> to_doubles(const Array& array);
/// The first element of `found` that is further from `expected` than `bound` times the largest magnitude expected, in
/// words; empty if there is none. NaN agrees with NaN, infinity with infinity.
std::string difference(const std::vector<double>& found, const std::vector<double>& expected, double bound);
/// What a value of type `output` may be off by, computed from operands of type `input`.
double bound_for(DType output, DType input);

/// Output first, then the gradients of the differentiable inputs for a drawn gradient of the output.
struct Results {
  std::vector<Array> arrays;
};
/// Runs a case on copies of its inputs on `device`.
Results run(const OpCase& c, DType dtype, elbo::Device device = elbo::cpu);

bool has_real_input(const OpCase& c);
bool differentiable(const OpCase& c);
bool has_no_elements(const OpCase& c);
/// Of two arrays on the CPU.
bool same_bits(const Array& a, const Array& b);

}  // namespace op_cases
