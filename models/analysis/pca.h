#pragma once
#include <cstdint>
#include <vector>

#include "../../core/api.h"
#include "../../core/array.h"

namespace ELBO_API elbo {
namespace models {

/// Principal components of codes [n, d]: the directions in which they vary most (Jolliffe 2002).
struct Pca {
  std::vector<double> mean = {};  ///< [d]
  /// [k, d]: rows of unit length, by falling variance; the entry of largest magnitude of each is positive, as in
  /// scikit-learn.
  std::vector<double> components = {};
  std::vector<double> explained_variance_ratio = {};  ///< [k]: each one's share of all variance; 0 if there is none

  /// The coordinates of `codes` [n, d], float32, along the components: float32 [n, k] on the host. Throws DTypeError,
  /// ShapeError, and ValueError for a NaN or an infinity.
  Array project(const Array& codes) const;
};

/// The first `components` principal components of codes [n, d], float32, by the eigenvectors of their covariance in
/// float64. Throws DTypeError, ShapeError, and ValueError for a NaN or an infinity, or unless 1 <= components <= d.
Pca pca(const Array& codes, std::int64_t components = 2);

}  // namespace models
}  // namespace elbo
