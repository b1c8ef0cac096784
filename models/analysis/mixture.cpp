#include "mixture.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "../../core/errors.h"
#include "../../core/kernels.h"
#include "../../core/parallel_for.h"
#include "../../core/text.h"
#include "neighbours.h"

namespace elbo::models {
namespace {

using std::int64_t;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Columns = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
using MatrixMap = Eigen::Map<Matrix>;
using ConstMatrixMap = Eigen::Map<const Matrix>;
using Vector = Eigen::VectorXd;

/// RowColumns that are computed with at a time.
constexpr int64_t block = 256;

/// The matrix of component c.
ConstMatrixMap part(const Array& matrices, int64_t c) {
  const int64_t d = matrices.shape()[1];
  return {matrices.values<double>().data() + c * d * d, d, d};
}

/// RowColumns [n, d] as the columns of a matrix.
struct RowColumns {
  Columns columns = {};
  int64_t n = 0, d = 0;
};

RowColumns checked_rows(const Array& rows, int64_t expected) {
  const std::vector<double> values = internal::checked_codes("[GaussianMixture] rows", rows);
  const int64_t n = rows.shape()[0], d = rows.shape()[1];
  ELBO_CHECK(expected == 0 || d == expected, ShapeError, "[GaussianMixture] rows: expected ", expected,
             " dimensions, found ", d);
  return {Eigen::Map<const Columns>(values.data(), d, n), n, d};
}

/// A mixture while it is fitted, or asked.
struct Parameters {
  Vector weights = {};
  Columns means = {};  ///< [d, k]
  std::vector<Matrix> covariances = {};
  std::vector<Matrix> factors = {};  ///< see GaussianMixture

  int64_t k() const { return weights.size(); }
  void factorize();
};

void Parameters::factorize() {
  factors.clear();
  for (int64_t c = 0; c < k(); ++c) {
    const Eigen::LLT<Matrix> solved(covariances[static_cast<std::size_t>(c)]);
    const Matrix factor = solved.matrixL();
    ELBO_CHECK(solved.info() == Eigen::Success && factor.allFinite(), ValueError, "[GaussianMixture] component ", c,
               ": expected a positive definite covariance, found another");
    factors.push_back(factor);
  }
}

/// log(weights[c] N(x; c)) of each row and component: [k, n].
Columns log_joint(const RowColumns& rows, const Parameters& p) {
  Columns out(p.k(), rows.n), work(rows.d, rows.n);
  parallel_for(rows.n, block, [&](int64_t first, int64_t last) {
    for (int64_t begin = first; begin < last; begin += block) {
      const int64_t count = std::min(block, last - begin);
      auto off = work.middleCols(begin, count);
      for (int64_t c = 0; c < p.k(); ++c) {
        const Matrix& factor = p.factors[static_cast<std::size_t>(c)];
        off = rows.columns.middleCols(begin, count).colwise() - p.means.col(c);
        factor.triangularView<Eigen::Lower>().solveInPlace(off);
        const double constant = std::log(p.weights[c]) - factor.diagonal().array().log().sum() -
                                0.5 * static_cast<double>(rows.d) * std::log(2 * std::numbers::pi);
        out.row(c).segment(begin, count) = (constant - 0.5 * off.colwise().squaredNorm().array()).matrix();
      }
    }
  });
  return out;
}

/// log p of each row; what `joint` holds becomes log p(component | row).
Vector normalize(Columns& joint) {
  Vector out(joint.cols());
  for (int64_t i = 0; i < joint.cols(); ++i) {
    const double largest = joint.col(i).maxCoeff();
    out[i] = largest + std::log((joint.col(i).array() - largest).exp().sum());
    joint.col(i).array() -= out[i];
  }
  return out;
}

/// The mixture whose components take each row with the given shares, [k, n]: the maximum of the likelihood that EM
/// expects.
Parameters maximize(const RowColumns& rows, const Columns& shares, double regularization) {
  const int64_t k = shares.rows(), d = rows.d;
  // So small that it only keeps 0 / 0 away, where a component has lost all rows.
  const Vector counts = shares.rowwise().sum().array() + 10 * std::numeric_limits<double>::epsilon();
  Parameters out{counts / counts.sum(), Columns(d, k), std::vector<Matrix>(static_cast<std::size_t>(k)), {}};
  for (Matrix& covariance : out.covariances) covariance = Matrix::Zero(d, d);
  std::vector<Columns> work(static_cast<std::size_t>(k), Columns(d, block));
  parallel_for(k, 1, [&](int64_t first, int64_t last) {
    for (int64_t c = first; c < last; ++c) {
      Matrix& covariance = out.covariances[static_cast<std::size_t>(c)];
      Columns& off = work[static_cast<std::size_t>(c)];
      out.means.col(c) = rows.columns * shares.row(c).transpose() / counts[c];
      for (int64_t begin = 0; begin < rows.n; begin += block) {
        const int64_t count = std::min(block, rows.n - begin);
        auto some = off.leftCols(count);
        some = rows.columns.middleCols(begin, count).colwise() - out.means.col(c);
        some.array().rowwise() *= shares.row(c).segment(begin, count).array().sqrt();
        covariance.selfadjointView<Eigen::Lower>().rankUpdate(some, 1 / counts[c]);
      }
      covariance.triangularView<Eigen::StrictlyUpper>() = covariance.transpose();
      covariance.diagonal().array() += regularization;
    }
  });
  out.factorize();
  return out;
}

/// k rows, each drawn with a chance that grows with the square of its distance to those before it; then for each row
/// the one nearest to it, as shares [k, n].
Columns nearest_of_drawn(const RowColumns& rows, int64_t k, std::uint64_t seed) {
  Generator generator(seed);
  const Array draws = kernels::random(RandomKind::uniform, {k}, DType::float64, generator);
  const double* u = draws.values<double>().data();
  Vector nearest = Vector::Constant(rows.n, std::numeric_limits<double>::infinity());
  std::vector<int64_t> owner(static_cast<std::size_t>(rows.n));
  for (int64_t c = 0; c < k; ++c) {
    int64_t chosen = static_cast<int64_t>(u[c] * static_cast<double>(rows.n));
    if (c > 0) {
      const double all = nearest.sum();
      ELBO_CHECK(all > 0, ValueError, "[GaussianMixture] expected at least as many different rows as the ", k,
                 " components, found ", c);
      double left = u[c] * all;
      // Rounding may leave a rest: the last row that can be drawn.
      for (int64_t i = 0; i < rows.n && left >= 0; ++i) {
        left -= nearest[i];
        if (nearest[i] > 0) chosen = i;
      }
    }
    for (int64_t i = 0; i < rows.n; ++i) {
      const double distance = (rows.columns.col(i) - rows.columns.col(chosen)).squaredNorm();
      if (distance < nearest[i]) nearest[i] = distance, owner[static_cast<std::size_t>(i)] = c;
    }
  }
  Columns out = Columns::Zero(k, rows.n);
  for (int64_t i = 0; i < rows.n; ++i) out(owner[static_cast<std::size_t>(i)], i) = 1;
  return out;
}

void check_options(const MixtureOptions& options, int64_t components, int64_t n) {
  ELBO_CHECK(components >= 1 && components <= n, ValueError, "[GaussianMixture] components: expected 1 to ", n,
             ", the number of rows, found ", components);
  ELBO_CHECK(options.max_iterations >= 1, ValueError, "[GaussianMixture] iterations: expected at least 1, found ",
             options.max_iterations);
  ELBO_CHECK(options.tolerance >= 0 && options.regularization >= 0 && std::isfinite(options.regularization), ValueError,
             "[GaussianMixture] expected a tolerance and a regularization of at least 0, found ", options.tolerance,
             " and ", options.regularization);
}

Parameters parameters_of(const GaussianMixture& mixture) {
  const int64_t k = mixture.components(), d = mixture.dimensions();
  Parameters out{Eigen::Map<const Vector>(mixture.weights().values<double>().data(), k),
                 Eigen::Map<const Columns>(mixture.means().values<double>().data(), d, k),
                 {},
                 {}};
  for (int64_t c = 0; c < k; ++c) out.covariances.push_back(part(mixture.covariances(), c));
  out.factorize();
  return out;
}

/// The matrices one behind the other: [k, d, d].
Array stacked(const std::vector<Matrix>& matrices, int64_t d) {
  const auto k = static_cast<int64_t>(matrices.size());
  Array out = Array::empty({k, d, d}, {DType::float64});
  double* to = out.mutable_values<double>().data();
  for (int64_t c = 0; c < k; ++c) MatrixMap(to + c * d * d, d, d) = matrices[static_cast<std::size_t>(c)];
  return out;
}

GaussianMixture mixture_of(const Parameters& p) {
  const int64_t k = p.k(), d = p.means.rows();
  const std::span weights(p.weights.data(), static_cast<std::size_t>(k));
  const std::span means(p.means.data(), static_cast<std::size_t>(k * d));
  return {Array::from(weights, {k}), Array::from(means, {k, d}), stacked(p.covariances, d)};
}

/// A copy on the host, so that nobody else can write to it.
Array checked_copy(const char* what, const Array& array, const Shape& shape) {
  ELBO_CHECK(array.defined() && array.dtype() == DType::float64, DTypeError, "[GaussianMixture] ", what,
             ": expected float64, found ", array.defined() ? name(array.dtype()) : "nothing");
  ELBO_CHECK(array.shape() == shape, ShapeError, "[GaussianMixture] ", what, ": expected ", shape, ", found ",
             array.shape());
  Array out = array.to(cpu).copy();
  for (const double value : out.values<double>())
    ELBO_CHECK(std::isfinite(value), ValueError, "[GaussianMixture] ", what, ": expected finite numbers, found ",
               value);
  return out;
}

void check_symmetric(const Array& covariances) {
  for (int64_t c = 0; c < covariances.shape()[0]; ++c) {
    const Matrix matrix = part(covariances, c);
    ELBO_CHECK((matrix - matrix.transpose()).cwiseAbs().maxCoeff() <= 1e-9 * matrix.cwiseAbs().maxCoeff(), ValueError,
               "[GaussianMixture] component ", c, ": expected a symmetric covariance, found another");
  }
}

}  // namespace

GaussianMixture::GaussianMixture(const Array& weights, const Array& means, const Array& covariances) {
  ELBO_CHECK(means.defined() && means.shape().rank() == 2 && means.numel() > 0, ShapeError,
             "[GaussianMixture] means: expected [components, dimensions], at least one of each, found ",
             means.defined() ? detail::concat(means.shape()) : "none");
  const int64_t k = means.shape()[0], d = means.shape()[1];
  weights_ = checked_copy("weights", weights, {k});
  means_ = checked_copy("means", means, {k, d});
  covariances_ = checked_copy("covariances", covariances, {k, d, d});
  double sum = 0;
  for (const double weight : weights_.values<double>()) {
    ELBO_CHECK(weight >= 0, ValueError, "[GaussianMixture] weights: expected at least 0, found ", weight);
    sum += weight;
  }
  ELBO_CHECK(std::abs(sum - 1) < 1e-6, ValueError, "[GaussianMixture] weights: expected a sum of 1, found ", sum);
  check_symmetric(covariances_);
  factors_ = stacked(parameters_of(*this).factors, d);
}

GaussianMixture GaussianMixture::fit(const Array& rows, const MixtureOptions& options) {
  const RowColumns data = checked_rows(rows, 0);
  check_options(options, options.components, data.n);
  const Columns shares = nearest_of_drawn(data, options.components, options.seed);
  return fit(rows, mixture_of(maximize(data, shares, options.regularization)), options);
}

GaussianMixture GaussianMixture::fit(const Array& rows, const GaussianMixture& start, const MixtureOptions& options) {
  const RowColumns data = checked_rows(rows, start.dimensions());
  check_options(options, start.components(), data.n);
  Parameters parameters = parameters_of(start);
  std::vector<double> trace;
  for (int64_t i = 0; i < options.max_iterations; ++i) {
    Columns shares = log_joint(data, parameters);
    trace.push_back(normalize(shares).mean());
    shares = shares.array().exp();
    parameters = maximize(data, shares, options.regularization);
    if (i > 0 && std::abs(trace.back() - trace.rbegin()[1]) < options.tolerance) break;
  }
  GaussianMixture out = mixture_of(parameters);
  out.log_likelihoods_ = std::move(trace);
  return out;
}

Array GaussianMixture::log_prob(const Array& rows) const {
  const RowColumns data = checked_rows(rows, dimensions());
  Columns joint = log_joint(data, parameters_of(*this));
  const Vector out = normalize(joint);
  return Array::from(std::span<const double>(out.data(), static_cast<std::size_t>(data.n)), {data.n});
}

Array GaussianMixture::sample(int64_t n, Generator& generator) const {
  ELBO_CHECK(n >= 0, ValueError, "[sample] expected a count of at least 0, found ", n);
  const int64_t k = components(), d = dimensions();
  const Array which = kernels::random(RandomKind::uniform, {n}, DType::float64, generator).to(cpu);
  const Array noise = kernels::random(RandomKind::normal, {n, d}, DType::float64, generator).to(cpu);
  const double* weights = weights_.values<double>().data();
  Array out = Array::empty({n, d});
  float* to = out.mutable_values<float>().data();
  for (int64_t i = 0; i < n; ++i) {
    double left = which.values<double>()[static_cast<std::size_t>(i)];
    int64_t c = 0;
    while (c + 1 < k && left >= weights[c]) left -= weights[c++];
    const Eigen::Map<const Vector> mean(means_.values<double>().data() + c * d, d);
    const Eigen::Map<const Vector> eps(noise.values<double>().data() + i * d, d);
    const Vector row = mean + part(factors_, c) * eps;
    std::transform(row.begin(), row.end(), to + i * d, [](double value) { return static_cast<float>(value); });
  }
  return out.to(generator.device());
}

NamedArrays GaussianMixture::state() const {
  return {{"weights", weights_}, {"means", means_}, {"covariances", covariances_}};
}

GaussianMixture GaussianMixture::from_state(const NamedArrays& state) {
  const auto find = [&](const std::string& wanted) {
    for (const auto& [name, array] : state)
      if (name == wanted) return array;
    fail<ValueError>("[GaussianMixture] expected a state of weights, means and covariances, found no ", wanted);
  };
  for (const auto& [name, array] : state)
    ELBO_CHECK(name == "weights" || name == "means" || name == "covariances", ValueError,
               "[GaussianMixture] expected a state of weights, means and covariances, found ", in_quotes(name));
  ELBO_CHECK(state.size() <= 3, ValueError,
             "[GaussianMixture] expected a state of weights, means and covariances, found one of them twice");
  return {find("weights"), find("means"), find("covariances")};
}

}  // namespace elbo::models
