#pragma once
#include <cstdint>
#include <span>

#include "../../core/api.h"
#include "../../core/array.h"

namespace ELBO_API elbo {
namespace models {

/// How far the neighbours of a point in an embedding [n, e] were already near in the codes [n, d] (both float32):
/// 1 - 2 / (n k (2 n - 3 k - 1)) sum_i sum_j max(0, r(i, j) - k), where j runs over the k nearest of i in the embedding
/// and r(i, j) is j's rank among the neighbours of i in the codes, by Euclidean distance (Venna and Kaski 2001; as
/// scikit-learn's). 1 is best. Of equally near points the one with the lower index counts as nearer.
/// Throws DTypeError, ShapeError, and ValueError for a NaN or an infinity, or unless 1 <= k < n / 2.
double trustworthiness(const Array& codes, const Array& embedding, std::int64_t k = 5);

/// Area under the ROC curve: the chance that an odd sample scores higher than a normal one, a tie counted as one half
/// (Hanley and McNeil 1982). odd[i] is 1 for an odd sample and 0 for a normal one. Scores may be infinite. Throws
/// ShapeError where the counts differ, and ValueError for a NaN score, another label, or without samples of both kinds.
double auroc(std::span<const double> scores, std::span<const std::int64_t> odd);

}  // namespace models
}  // namespace elbo
