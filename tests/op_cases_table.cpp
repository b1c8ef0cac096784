// How the operands of the op table are drawn, and what its references are made of.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "op_cases.h"

namespace op_cases {

namespace {

/// splitmix64 (Steele et al. 2014): small, and the same on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  /// In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

/// FNV-1a, so that a case's numbers hang on its name and not on its place in the table.
std::uint64_t seed_of(const OpCase& op_case, std::uint64_t place) {
  std::uint64_t h = 0xcbf29ce484222325U ^ place;
  for (char c : op_case.op + "|" + op_case.variant) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return h;
}

double to_float32(double x) { return static_cast<double>(static_cast<float>(x)); }

/// Near a lattice point, or halfway between two with `offset`: whatever the operands, no two of different offset meet.
double draw_real(Random& random, const Input& input) {
  constexpr double step = 0x1p-10;
  double x = input.lo + (input.hi - input.lo) * random.uniform();
  x = (std::floor(x / step) + (input.offset ? 0.5 : 0.0)) * step + (random.uniform() - 0.5) * step / 4;
  x = std::clamp(x, input.lo, input.hi);
  for (double kink : input.avoid)
    if (std::abs(x - kink) < step / 2) x = kink + (input.hi > kink + step ? step : -step);
  return to_float32(x);
}

std::vector<double> draw_distinct(Random& random, const Input& input, std::size_t count) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] =
        to_float32(input.lo + (input.hi - input.lo) * (static_cast<double>(i) + 0.5) / static_cast<double>(count));
  for (std::size_t i = count; i > 1; --i) std::swap(values[i - 1], values[random.next() % i]);
  return values;
}

std::vector<double> draw(const OpCase& op_case, std::size_t place) {
  const Input& input = op_case.inputs[place];
  const auto count = static_cast<std::size_t>(input.shape.numel());
  if (!input.values.empty()) {
    if (input.values.size() != count) throw std::logic_error("op table: wrong number of values in " + op_case.variant);
    return input.values;
  }
  Random random(seed_of(op_case, place));
  if (input.distinct) return draw_distinct(random, input, count);
  std::vector<double> values(count);
  for (double& x : values) {
    x = input.kind == Kind::real && !input.whole ? draw_real(random, input)
                                                 : std::floor(input.lo + (input.hi - input.lo + 1) * random.uniform());
  }
  return values;
}

DType dtype_of_input(const Input& input, DType real) {
  switch (input.kind) {
    case Kind::uint8:
      return DType::uint8;
    case Kind::int64:
      return DType::int64;
    case Kind::real:
      break;
  }
  return real;
}

template <class T>
elbo::Array converted(const std::vector<double>& values, const Shape& shape) {
  std::vector<T> out;
  out.reserve(values.size());
  for (double x : values) out.push_back(static_cast<T>(x));
  return elbo::Array::from(out, shape);
}

}  // namespace

elbo::Array array_of(const std::vector<double>& values, const Shape& shape, DType dtype) {
  switch (dtype) {
    case DType::float32:
      return converted<float>(values, shape);
    case DType::float64:
      return converted<double>(values, shape);
    case DType::uint8:
      return converted<std::uint8_t>(values, shape);
    case DType::int64:
      return converted<std::int64_t>(values, shape);
  }
  throw std::logic_error("op table: unknown dtype");
}

std::vector<Tensor> make_inputs(const OpCase& op_case, DType dtype, bool grad) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < op_case.inputs.size(); ++i) {
    const Input& input = op_case.inputs[i];
    tensors.emplace_back(array_of(draw(op_case, i), input.shape, dtype_of_input(input, dtype)),
                         grad && input.grad && input.kind == Kind::real);
  }
  return tensors;
}

std::vector<Ref> make_refs(const OpCase& op_case) {
  std::vector<Ref> refs;
  for (std::size_t i = 0; i < op_case.inputs.size(); ++i) refs.push_back({op_case.inputs[i].shape, draw(op_case, i)});
  return refs;
}

std::vector<double> draw_gradient(const OpCase& op_case, const Shape& shape) {
  OpCase holder{op_case.op, op_case.variant + " gradient", {{.shape = shape, .lo = -1, .hi = 2}}, {}, {}};
  return draw(holder, 0);
}

const std::vector<OpCase>& all() {
  static const Table table = [] {
    Table t;
    add_elementwise(t);
    add_reductions(t);
    add_contractions(t);
    add_convolutions(t);
    add_groups(t);
    add_integers(t);
    add_shape_ops(t);
    add_index_ops(t);
    add_arrange_ops(t);
    add_statistics(t);
    add_norms_and_losses(t);
    add_losses(t);
    add_densities(t);
    return t;
  }();
  return table;
}

Index unravel(std::int64_t i, const Shape& shape) {
  Index index{};
  for (int d = shape.rank() - 1; d >= 0; --d) {
    index[static_cast<std::size_t>(d)] = i % shape[d];
    i /= shape[d];
  }
  return index;
}

std::int64_t ravel(const Index& index, const Shape& shape) {
  std::int64_t i = 0;
  for (int d = 0; d < shape.rank(); ++d) i = i * shape[d] + index[static_cast<std::size_t>(d)];
  return i;
}

Ref filled(const Shape& shape, double value) {
  return {shape, std::vector<double>(static_cast<std::size_t>(shape.numel()), value)};
}

namespace {

/// The shape that operands broadcast to: aligned at the last dimension, a size of 1 gives way.
Shape broadcast_shape(const Shape& a, const Shape& b) {
  std::vector<std::int64_t> sizes;
  for (int from_end = std::max(a.rank(), b.rank()) - 1; from_end >= 0; --from_end) {
    const std::int64_t na = from_end < a.rank() ? a[-1 - from_end] : 1;
    const std::int64_t nb = from_end < b.rank() ? b[-1 - from_end] : 1;
    sizes.push_back(na == 1 ? nb : na);
  }
  return Shape(std::span<const std::int64_t>(sizes));
}

/// The element of x that stands at `index` of the broadcast shape `out`.
double element(const Ref& x, const Index& index, const Shape& out) {
  std::int64_t place = 0;
  for (int d = 0; d < x.shape.rank(); ++d) {
    const std::int64_t i = index[static_cast<std::size_t>(d + out.rank() - x.shape.rank())];
    place = place * x.shape[d] + (x.shape[d] == 1 ? 0 : i);
  }
  return x.values[static_cast<std::size_t>(place)];
}

}  // namespace

Ref map(const Ref& x, const std::function<double(double)>& f) {
  Ref out = x;
  for (double& v : out.values) v = f(v);
  return out;
}

Ref map(const Ref& a, const Ref& b, const std::function<double(double, double)>& f) {
  Ref out = filled(broadcast_shape(a.shape, b.shape));
  for (std::int64_t i = 0; i < out.shape.numel(); ++i) {
    const Index index = unravel(i, out.shape);
    out.values[static_cast<std::size_t>(i)] = f(element(a, index, out.shape), element(b, index, out.shape));
  }
  return out;
}

Ref map(const Ref& a, const Ref& b, const Ref& c, const std::function<double(double, double, double)>& f) {
  Ref out = filled(broadcast_shape(broadcast_shape(a.shape, b.shape), c.shape));
  for (std::int64_t i = 0; i < out.shape.numel(); ++i) {
    const Index index = unravel(i, out.shape);
    out.values[static_cast<std::size_t>(i)] =
        f(element(a, index, out.shape), element(b, index, out.shape), element(c, index, out.shape));
  }
  return out;
}

namespace {

std::vector<bool> chosen_axes(int rank, const Axes& axes) {
  std::vector<bool> chosen(static_cast<std::size_t>(rank), axes.empty());
  for (int axis : axes) chosen[static_cast<std::size_t>(axis < 0 ? axis + rank : axis)] = true;
  return chosen;
}

}  // namespace

Shape reduced_shape(const Shape& shape, const Axes& axes, bool keepdim) {
  const std::vector<bool> chosen = chosen_axes(shape.rank(), axes);
  std::vector<std::int64_t> sizes;
  for (int d = 0; d < shape.rank(); ++d) {
    if (!chosen[static_cast<std::size_t>(d)]) sizes.push_back(shape[d]);
    if (chosen[static_cast<std::size_t>(d)] && keepdim) sizes.push_back(1);
  }
  return Shape(std::span<const std::int64_t>(sizes));
}

Ref reduce(const Ref& x, const Axes& axes, bool keepdim, const std::function<double(const std::vector<double>&)>& f) {
  const std::vector<bool> chosen = chosen_axes(x.shape.rank(), axes);
  const Shape kept = reduced_shape(x.shape, axes, true);
  std::vector<std::vector<double>> groups(static_cast<std::size_t>(kept.numel()));
  for (std::int64_t i = 0; i < x.shape.numel(); ++i) {
    Index index = unravel(i, x.shape);
    for (int d = 0; d < x.shape.rank(); ++d)
      if (chosen[static_cast<std::size_t>(d)]) index[static_cast<std::size_t>(d)] = 0;
    groups[static_cast<std::size_t>(ravel(index, kept))].push_back(x.values[static_cast<std::size_t>(i)]);
  }
  Ref out{reduced_shape(x.shape, axes, keepdim), {}};
  for (const std::vector<double>& group : groups) out.values.push_back(f(group));
  return out;
}

double total(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return sum;
}

}  // namespace op_cases
