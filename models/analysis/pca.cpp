#include "pca.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>

#include "../../core/parallel_for.h"
#include "neighbours.h"

namespace elbo::models {
namespace {

using std::int64_t;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowVector = Eigen::Matrix<double, 1, Eigen::Dynamic>;

}  // namespace

Pca pca(const Array& codes, int64_t components) {
  const std::vector<double> rows = internal::checked_codes("[pca] codes", codes);
  const int64_t n = codes.shape()[0], d = codes.shape()[1];
  ELBO_CHECK(components >= 1 && components <= d, ValueError, "[pca] components: expected 1 to ", d,
             ", the dimensions of the codes, found ", components);
  Matrix centred = Eigen::Map<const Matrix>(rows.data(), n, d);
  const RowVector mean = centred.colwise().mean();
  centred.rowwise() -= mean;
  Matrix covariance = Matrix::Zero(d, d);
  covariance.selfadjointView<Eigen::Lower>().rankUpdate(centred.transpose(), 1.0 / static_cast<double>(n));
  const double total = covariance.trace();
  // Only the lower triangle is read. The eigenvalues come in rising order.
  const Eigen::SelfAdjointEigenSolver<Matrix> solved(covariance);
  ELBO_CHECK(solved.info() == Eigen::Success, Error, "[pca] the eigenvalues of the covariance do not converge");

  Pca out;
  out.mean.assign(mean.data(), mean.data() + d);
  for (int64_t k = 0; k < components; ++k) {
    RowVector axis = solved.eigenvectors().col(d - 1 - k).transpose();
    Eigen::Index largest = 0;
    axis.cwiseAbs().maxCoeff(&largest);
    if (axis[largest] < 0) axis = -axis;
    out.components.insert(out.components.end(), axis.data(), axis.data() + d);
    const double variance = std::max(solved.eigenvalues()[d - 1 - k], 0.0);
    out.explained_variance_ratio.push_back(total > 0 ? variance / total : 0);
  }
  return out;
}

Array Pca::project(const Array& codes) const {
  const std::vector<double> rows = internal::checked_codes("[project] codes", codes);
  const int64_t n = codes.shape()[0], d = codes.shape()[1];
  ELBO_CHECK(d == static_cast<int64_t>(mean.size()), ShapeError, "[project] codes: expected ", mean.size(),
             " dimensions, found ", d);
  const auto k = static_cast<int64_t>(explained_variance_ratio.size());
  Array out = Array::empty({n, k});
  constexpr double largest = std::numeric_limits<float>::max();
  float* to = out.mutable_values<float>().data();
  parallel_for(n, 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < k; ++j) {
        double sum = 0;
        for (int64_t c = 0; c < d; ++c)
          sum += (rows[static_cast<std::size_t>(i * d + c)] - mean[static_cast<std::size_t>(c)]) *
                 components[static_cast<std::size_t>(j * d + c)];
        to[i * k + j] = static_cast<float>(std::clamp(sum, -largest, largest));
      }
  });
  return out;
}

}  // namespace elbo::models
