#pragma once
#include <cstdint>

#include "../../core/api.h"
#include "../../core/array.h"

namespace ELBO_API elbo {
namespace models {

/// How two sets of points cover each other; all but the density lie in [0, 1].
struct PrecisionRecall {
  double precision = 0;  ///< the share of generated points that lie in the ball of a real one: are they like real ones?
  double recall = 0;     ///< the share of real points that lie in the ball of a generated one: is nothing left out?
  double density = 0;    ///< in how many real balls a generated point lies, over k; about 1 where the sets are alike
  double coverage = 0;   ///< the share of real points whose ball holds a generated one
};

/// Improved precision and recall (Kynkäänniemi, Karras, Laine, Lehtinen and Aila 2019) and density and coverage (Naeem,
/// Oh, Uh, Choi and Yoo 2020) of two sets of feature vectors, real [n, d] and generated [m, d], float32. The ball of a
/// point reaches to its k-th nearest other point of its own set, by Euclidean distance, and includes its edge. Exact,
/// by comparing all pairs in float64. The sets are best of the same size; the numbers depend on it and on the features:
/// compare those alone that were measured in the same way.
///
/// Throws DTypeError, ShapeError, and ValueError for a NaN or an infinity, or unless 1 <= k < n, m.
PrecisionRecall precision_recall(const Array& real, const Array& generated, std::int64_t k = 3);

}  // namespace models
}  // namespace elbo
