#pragma once
#include <vector>

#include "../../../core/api.h"
#include "../../../core/array.h"
#include "factors.h"

namespace ELBO_API elbo {
namespace models {

/// How well each dimension alone predicts each factor, and the gap between the best two.
struct Sap {
  double score = 0;                   ///< the mean of the gaps: 1 is best for ordinal factors, 0 worst
  std::vector<double> gaps = {};      ///< [f]; NaN for a factor of one value, which is left out of the mean
  std::vector<double> predicts = {};  ///< [d, f], row-major: see sap()
};

/// The separated attribute predictability of codes [n, d], float32, and the factors [n, f] that their samples were made
/// from, int64 from 0: the mean over factors of the difference between the two largest scores of a dimension (Kumar,
/// Sattigeri and Balakrishnan, "Variational inference of disentangled latent concepts from unlabeled observations",
/// 2018, section 3). The score of a dimension for an ordinal factor is the squared correlation, that is the R^2 of the
/// best line; for a categorical one of K values that occur, the best balanced accuracy (the mean over values of the
/// share that is told right) of a classifier that cuts the line at K - 1 places or fewer and names each piece, found
/// exactly, on these same samples. By chance that is 1 / K, so that a gap there is at most 1 - 1 / K. A dimension that
/// does not vary scores 0, and 1 / K. With one dimension the second largest is that of one that does not vary.
///
/// `kinds`, one a factor, may be left out where all are ordinal. Throws DTypeError, ShapeError, and ValueError for a
/// NaN or an infinity, a factor outside [0, 65536), where no factor varies, or for a categorical one of more than 256
/// values.
Sap sap(const Array& codes, const Array& factors, const std::vector<FactorKind>& kinds = {});

}  // namespace models
}  // namespace elbo
