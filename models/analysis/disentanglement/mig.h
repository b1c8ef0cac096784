#pragma once
#include <cstdint>
#include <vector>

#include "../../../core/api.h"
#include "../../../core/array.h"

namespace ELBO_API elbo {
namespace models {

struct MigOptions {
  std::int64_t bins = 20;  ///< of equal width, from the least to the largest code of each dimension
};

/// What a dimension of the codes says of a factor, and the gap between the best two.
struct Mig {
  double score = 0;                             ///< the mean of the gaps: 1 is best, 0 worst
  std::vector<double> gaps = {};                ///< [f]; NaN for a factor of one value, which is left out of the mean
  std::vector<double> mutual_information = {};  ///< [d, f], row-major, in nats
  std::vector<double> entropies = {};           ///< [f], in nats
};

/// The mutual information gap of codes [n, d], float32, and the factors [n, f] that their samples were made from, int64
/// from 0: for each factor the difference of the two largest mutual informations with a dimension, over the factor's
/// entropy (Chen, Li, Grosse and Duvenaud, "Isolating sources of disentanglement in VAEs", 2018, section 4.1). There
/// the mutual information is that of the posterior; here it is that of the codes (posterior means, say) counted in
/// bins, as Locatello et al. 2019 do in disentanglement_lib. A factor of more than `bins` values therefore reaches no
/// gap of 1. With one dimension the second largest is 0. Few samples for many bins make mutual informations too large
/// by some (bins - 1) (size - 1) / (2 n).
///
/// Throws DTypeError, ShapeError, and ValueError for a NaN or an infinity, a factor outside [0, 65536), where no factor
/// varies, or unless 2 <= bins <= 65536.
Mig mig(const Array& codes, const Array& factors, const MigOptions& options = {});

}  // namespace models
}  // namespace elbo
