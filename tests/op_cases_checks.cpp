#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "op_checks.h"

namespace op_cases {

std::vector<double> to_doubles(const Array& array) {
  const auto widened = [](const auto& values) { return std::vector<double>(values.begin(), values.end()); };
  switch (array.dtype()) {
    case DType::float32:
      return widened(array.to_vector<float>());
    case DType::float64:
      return widened(array.to_vector<double>());
    case DType::uint8:
      return widened(array.to_vector<std::uint8_t>());
    case DType::int64:
      return widened(array.to_vector<std::int64_t>());
  }
  return {};
}

std::string difference(const std::vector<double>& found, const std::vector<double>& expected, double bound) {
  double magnitude = 0;
  for (double e : expected)
    if (std::isfinite(e)) magnitude = std::max(magnitude, std::abs(e));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double f = found[i], e = expected[i];
    if (f == e || (std::isnan(f) && std::isnan(e)) || std::abs(f - e) <= bound * magnitude) continue;
    std::ostringstream out;
    out.precision(17);
    out << "element " << i << " is " << f << ", expected " << e << "; the largest magnitude is " << magnitude
        << ", the difference " << std::abs(f - e) / magnitude << " of it";
    return out.str();
  }
  return "";
}

double bound_for(DType output, DType input) {
  if (!elbo::is_floating(output)) return 0;
  return output == DType::float32 || input == DType::float32 ? 1e-5 : 1e-12;
}

Results run(const OpCase& c, DType dtype, elbo::Device device) {
  std::vector<Tensor> inputs = make_inputs(c, dtype, true);
  for (Tensor& x : inputs) x = Tensor(x.array().to(device), x.requires_grad());
  Tensor y = c.fn(inputs);
  Results results{{y.array()}};
  if (!y.requires_grad()) return results;
  y.backward(array_of(draw_gradient(c, y.shape()), y.shape(), y.dtype()).to(device));
  for (const Tensor& x : inputs)
    if (x.requires_grad()) results.arrays.push_back(x.grad().array());
  return results;
}

bool has_real_input(const OpCase& c) {
  return std::any_of(c.inputs.begin(), c.inputs.end(), [](const Input& i) { return i.kind == Kind::real; });
}

bool differentiable(const OpCase& c) {
  return std::any_of(c.inputs.begin(), c.inputs.end(), [](const Input& i) { return i.kind == Kind::real && i.grad; });
}

bool has_no_elements(const OpCase& c) {
  return std::any_of(c.inputs.begin(), c.inputs.end(), [](const Input& i) { return i.shape.numel() == 0; });
}

bool same_bits(const Array& a, const Array& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  return a.numel() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

}  // namespace op_cases
