#pragma once
#include <elbo/core/ops.h>

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

/// One table of op cases. It drives the forward checks against naive references, the gradient checks, the comparison of
/// numbers of threads (tests/test_ops.cpp), and the benchmark rows (bench/bench_ops.cpp). Elementwise ops come from the
/// lists in core/functors.h, and need a formula in op_cases_elementwise.cpp; for any other op, add rows to the
/// op_cases_*.cpp file of its family. A test fails while an op declared in core/ops.h has fewer than three rows.
namespace op_cases {

using elbo::Axes;
using elbo::DType;
using elbo::Shape;
using elbo::Tensor;

/// An array of the references: float64, row-major, and nothing of the library but its Shape.
struct Ref {
  Shape shape;
  std::vector<double> values;
};
using Refs = std::span<const Ref>;
using Tensors = std::span<const Tensor>;

/// What an input holds: `real` numbers are float32 or float64, whichever is being tested.
enum class Kind { real, uint8, int64 };

/// How one operand is drawn. The values depend on the case's name and the operand's place alone; they are exact in
/// float32, so that all dtypes compute from the same numbers.
struct Input {
  Shape shape = {};
  double lo = -2;
  double hi = 3;
  Kind kind = Kind::real;
  bool grad = true;                 ///< differentiable; only real operands are
  std::vector<double> avoid = {};   ///< kinks: no value comes closer to them than 1e-4
  bool offset = false;              ///< values of an operand with an offset differ from one's without by more than 1e-4
  bool whole = false;               ///< whole numbers from lo to hi, so that equal ones are many
  bool distinct = false;            ///< all values differ, evenly spaced between lo and hi in a shuffled order
  std::vector<double> values = {};  ///< these values, instead of drawn ones
};

/// small: every check. large: big enough that all threads and all tiles work; not for finite differences. huge: for
/// benchmarks alone.
enum class Size { small, large, huge };

struct OpCase {
  std::string op;       ///< its name in core/ops.h
  std::string variant;  ///< what tells it from the op's other cases
  std::vector<Input> inputs;
  std::function<Tensor(Tensors)> fn;
  /// The naive result; empty where the op is random and checked by its properties in tests/test_ops.cpp.
  std::function<Ref(Refs)> reference;
  Size size = Size::small;
  bool bench = false;
  bool finite_differences = true;  ///< false where the output is too coarse for them: a cast to float32
  /// Floating-point operations of a contraction, forward; 0 for others, whose speed is that of memory.
  double flops = 0;
};

/// Every case, in the order of core/ops.h's families.
const std::vector<OpCase>& all();

/// The operands of a case as tensors, real ones of `dtype`; with `grad`, those that are differentiable require it.
std::vector<Tensor> make_inputs(const OpCase& op_case, DType dtype, bool grad);
/// The same operands for the reference.
std::vector<Ref> make_refs(const OpCase& op_case);
/// Numbers for the gradient of an output of `shape`: asymmetric, exact in float32.
std::vector<double> draw_gradient(const OpCase& op_case, const Shape& shape);
/// `values` in `dtype`.
elbo::Array array_of(const std::vector<double>& values, const Shape& shape, DType dtype);

// ---- the families, each in a file op_cases_*.cpp
using Table = std::vector<OpCase>;
void add_elementwise(Table& table);
void add_reductions(Table& table);
void add_contractions(Table& table);
void add_convolutions(Table& table);
void add_shape_ops(Table& table);
void add_index_ops(Table& table);
void add_arrange_ops(Table& table);
void add_statistics(Table& table);
void add_groups(Table& table);
void add_integers(Table& table);
void add_losses(Table& table);
void add_densities(Table& table);
void add_norms_and_losses(Table& table);

/// A random op, for the statistics: element i of fn(generator, n) has this mean and variance and lies in [lo, hi].
struct RandomCase {
  std::string op, variant;
  std::function<Tensor(elbo::Generator*, const Shape&, DType)> fn;
  double mean, variance, lo, hi;
};
const std::vector<RandomCase>& random_cases();

// ---- what references are made of
using Index = std::array<std::int64_t, Shape::max_rank>;

/// The index of element i of an array of this shape, in row-major order, and the way back.
Index unravel(std::int64_t i, const Shape& shape);
std::int64_t ravel(const Index& index, const Shape& shape);
/// An array of this shape, all of one value.
Ref filled(const Shape& shape, double value = 0);
/// Element by element, operands broadcast by NumPy's rules.
Ref map(const Ref& x, const std::function<double(double)>& f);
Ref map(const Ref& a, const Ref& b, const std::function<double(double, double)>& f);
Ref map(const Ref& a, const Ref& b, const Ref& c, const std::function<double(double, double, double)>& f);
/// f of the elements along `axes` (all axes if empty; negative ones count from the end), in row-major order.
Ref reduce(const Ref& x, const Axes& axes, bool keepdim, const std::function<double(const std::vector<double>&)>& f);
/// The shape a reduction leaves.
Shape reduced_shape(const Shape& shape, const Axes& axes, bool keepdim);
double total(const std::vector<double>& values);

}  // namespace op_cases
