#include <algorithm>
#include <cmath>

#include "../../../core/errors.h"
#include "../neighbours.h"
#include "checks_detail.h"

namespace elbo::models::internal {

CodesAndFactors checked_codes_and_factors(std::string_view op, const Array& codes, const Array& factors) {
  CodesAndFactors out;
  out.codes = checked_codes(detail::concat("[", op, "] codes"), codes);
  out.n = codes.shape()[0], out.d = codes.shape()[1];
  ELBO_CHECK(factors.defined() && factors.dtype() == DType::int64, DTypeError, "[", op,
             "] factors: expected int64, found ", factors.defined() ? name(factors.dtype()) : "nothing");
  ELBO_CHECK(factors.shape().rank() == 2 && factors.shape()[0] == out.n && factors.shape()[1] > 0, ShapeError, "[", op,
             "] factors: expected [", out.n, ", factors] for codes ", codes.shape(), ", found ", factors.shape());
  out.f = factors.shape()[1];
  out.factors = factors.to_vector<std::int64_t>();
  for (std::int64_t j = 0; j < out.f; ++j) {
    std::int64_t least = out.factor(0, j), most = least;
    for (std::int64_t i = 0; i < out.n; ++i) {
      const std::int64_t value = out.factor(i, j);
      ELBO_CHECK(value >= 0 && value < 65536, ValueError, "[", op, "] factors: expected values from 0 to 65535, found ",
                 value, " at [", i, ", ", j, "]");
      least = std::min(least, value), most = std::max(most, value);
    }
    out.sizes.push_back(most + 1);
    out.varies.push_back(least != most);
  }
  ELBO_CHECK(std::find(out.varies.begin(), out.varies.end(), true) != out.varies.end(), ValueError, "[", op,
             "] factors: expected one with more than one value, found none");
  return out;
}

std::vector<FactorKind> checked_kinds(std::string_view op, const std::vector<FactorKind>& kinds, std::int64_t f) {
  if (kinds.empty()) return std::vector<FactorKind>(static_cast<std::size_t>(f), FactorKind::ordinal);
  ELBO_CHECK(static_cast<std::int64_t>(kinds.size()) == f, ShapeError, "[", op, "] kinds: expected one for each of ", f,
             " factors, found ", kinds.size());
  return kinds;
}

double mean_of_numbers(const std::vector<double>& values) {
  double sum = 0, count = 0;
  for (const double value : values)
    if (!std::isnan(value)) sum += value, ++count;
  return count > 0 ? sum / count : 0;
}

}  // namespace elbo::models::internal
