#pragma once
#include <cstdint>
#include <vector>

#include "../../../core/api.h"
#include "../../../core/array.h"
#include "factors.h"

namespace ELBO_API elbo {
namespace models {

struct DciOptions {
  std::vector<FactorKind> kinds = {};  ///< one a factor; may be left out where all are ordinal
  std::int64_t rounds = 300;           ///< stumps of each regressor
  double learning_rate = 0.1;          ///< the share of each stump that is added
  std::int64_t thresholds = 64;        ///< places at which a stump may cut a dimension, at most
};

/// 1 is best for all three, 0 worst.
struct Dci {
  double disentanglement = 0;            ///< whether a dimension tells of one factor alone; the mean by importance
  double completeness = 0;               ///< whether a factor is told by one dimension alone; the mean over factors
  double informativeness = 0;            ///< how well the factors are told at all; the mean over factors
  std::vector<double> importances = {};  ///< [d, f], row-major
  std::vector<double> disentanglements = {};   ///< [d]; 0 for a dimension without importance
  std::vector<double> completenesses = {};     ///< [f]; 0 for a factor that is not told; NaN for one that is left out
  std::vector<double> informativenesses = {};  ///< [f]; NaN for one that is left out
};

/// Disentanglement, completeness and informativeness (Eastwood and Williams, "A framework for the quantitative
/// evaluation of disentangled representations", 2018, section 2) of codes [n, d], float32, for the factors [n, f] that
/// their samples were made from, int64 from 0. A regressor per factor is made from `codes` and `factors`; how well it
/// tells others is seen on `test_codes` and `test_factors`, which are best drawn from the same distribution.
///
/// With R the importances, P = R with each row divided by its sum and Q the same by columns, a dimension's
/// disentanglement is 1 - H(P[i]) / log f, a factor's completeness 1 - H(Q[:, j]) / log d; the mean of the former
/// weighs each dimension by its share of all importance. A factor of one value in `factors` is left out, of f too; with
/// one factor, or one dimension, there is nothing to be mixed with, and the value is 1.
///
/// This variant: where the paper has lasso and random forests, a regressor is a sum of stumps by gradient boosting
/// (Friedman 2001) with squared loss: any function of each dimension by itself, and no products of dimensions. A stump
/// cuts one dimension in two, between neighbouring values or `thresholds` quantiles of the codes. R[i, j] is the share
/// of factor j's variance that the stumps on dimension i take away from the residuals. A categorical factor is one
/// regression for each of its values, 1 where it has it and 0 elsewhere, taken together. Informativeness is 1 - mean
/// squared error on the test rows / variance of the factor in `factors`, at least 0 (1 less the square of the paper's
/// normalised error). Without a draw: nothing depends on a seed.
///
/// Throws DTypeError, ShapeError, and ValueError for a NaN or an infinity, a factor outside [0, 65536), where no factor
/// varies, for a categorical one of more than 256 values, or unless 1 <= rounds, 0 < learning_rate <= 1 and
/// 1 <= thresholds <= 65535.
Dci dci(const Array& codes, const Array& factors, const Array& test_codes, const Array& test_factors,
        const DciOptions& options = {});

}  // namespace models
}  // namespace elbo
