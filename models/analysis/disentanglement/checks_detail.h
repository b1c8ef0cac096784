#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "../../../core/array.h"
#include "factors.h"

/// Internal: what the measures of disentanglement ask of their arguments.
namespace elbo::models::internal {

/// Codes and factors of the same n samples, on the host.
struct CodesAndFactors {
  std::int64_t n = 0, d = 0, f = 0;
  std::vector<double> codes = {};          ///< [n, d]
  std::vector<std::int64_t> factors = {};  ///< [n, f]
  std::vector<std::int64_t> sizes = {};    ///< [f]: of each factor its largest value plus one
  std::vector<bool> varies = {};           ///< [f]: whether a factor has more than one value

  double code(std::int64_t row, std::int64_t column) const { return codes[static_cast<std::size_t>(row * d + column)]; }
  std::int64_t factor(std::int64_t row, std::int64_t column) const {
    return factors[static_cast<std::size_t>(row * f + column)];
  }
};

/// Codes float32 [n, d] and factors int64 [n, f] on any device. Throws DTypeError, ShapeError, and ValueError for a
/// code that is no finite number, a factor outside [0, 65536), or where no factor varies; messages begin with `op`.
CodesAndFactors checked_codes_and_factors(std::string_view op, const Array& codes, const Array& factors);

/// `kinds`, or all ordinal where there are none. Throws ShapeError unless there is one for each of f factors.
std::vector<FactorKind> checked_kinds(std::string_view op, const std::vector<FactorKind>& kinds, std::int64_t f);

/// The mean of the numbers that are not NaN.
double mean_of_numbers(const std::vector<double>& values);

}  // namespace elbo::models::internal
