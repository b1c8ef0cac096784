#include "information.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "batches_detail.h"
#include "codes.h"

namespace elbo::models {
namespace {

/// log q(z_i|x_j) of all pairs, a row for each code: the quadratic form as two matrix products, in float64, since its
/// parts are much larger than their sum.
Tensor log_density_table(const Tensor& z, const Tensor& mu, const Tensor& logvar) {
  const Tensor precision = exp(-logvar), scaled = mu * precision;
  const Tensor of_picture =
      sum(mu * scaled + logvar, {1}) + static_cast<double>(mu.shape()[1]) * std::log(2 * std::numbers::pi);
  return (matmul(z * z, transpose(precision, 0, 1)) - 2 * matmul(z, transpose(scaled, 0, 1)) + of_picture) * -0.5;
}

/// Of all pictures: float64 [n, latent].
struct Codes64 {
  Tensor mu, logvar, z;
};

Codes64 codes_of(LatentModel& model, const datasets::Dataset& dataset, std::uint64_t seed) {
  const std::vector<std::int64_t> all = internal::all_up_to(dataset.size());
  const Device device = model.device();
  Generator noise(seed, Stream::validation, device);
  std::vector<Tensor> mu, logvar, z;
  internal::for_batches(model, dataset.pictures_array(device), dataset.labels_array(device), all, 500,
                        [&](const Tensor& x, const Tensor& labels) {
                          const Encoded q = model.encode(x, labels);
                          mu.push_back(q.mu);
                          logvar.push_back(q.logvar);
                          z.push_back(model.posterior().sample(q, models::Codes::sampled, &noise));
                        });
  const auto joined = [](const std::vector<Tensor>& parts) { return cast(concatenate(parts, 0), DType::float64); };
  return {joined(mu), joined(logvar), joined(z)};
}

std::vector<double> doubles(const Tensor& x) { return x.array().to_vector<double>(); }

}  // namespace

CodeInformation code_information(LatentModel& model, const datasets::Dataset& dataset, std::uint64_t seed) {
  ELBO_CHECK(model.config().posterior == "diagonal", ValueError,
             "[code_information] expected a model with the posterior diagonal, found ", model.config().posterior);
  ELBO_CHECK(dataset.size() > 0, ValueError, "[code_information] expected pictures, found none in ", dataset.name);
  const NoGradGuard no_grad;
  const Codes64 all = codes_of(model, dataset, seed);
  CodeInformation out;
  out.kl = doubles(mean(gaussian_kl(all.mu, all.logvar), {0}));
  out.mean_variance = doubles(var(all.mu, {0}, 0));
  for (std::size_t i = 0; i < out.mean_variance.size(); ++i)
    if (out.mean_variance[i] > 0.01) out.active.push_back(static_cast<std::int64_t>(i));
  // In stretches, so that the table of pairs takes little memory.
  const std::int64_t n = dataset.size(), stretch = 500;
  double own = 0, marginal = 0, prior = 0;
  for (std::int64_t begin = 0; begin < n; begin += stretch) {
    const std::int64_t end = std::min(begin + stretch, n);
    const Tensor z = slice(all.z, 0, begin, end);
    own += sum(gaussian_log_prob(z, slice(all.mu, 0, begin, end), slice(all.logvar, 0, begin, end))).item();
    marginal += sum(logsumexp(log_density_table(z, all.mu, all.logvar), {1}) - std::log(static_cast<double>(n))).item();
    prior += sum(cast(model.log_prior(cast(z, DType::float32)), DType::float64)).item();
  }
  const auto count = static_cast<double>(n);
  out.mutual_information = (own - marginal) / count;
  out.marginal_kl = (marginal - prior) / count;
  return out;
}

std::vector<std::int64_t> telling_dimensions(Model& model, const datasets::Dataset& dataset, std::int64_t count) {
  ELBO_CHECK(dataset.size() > 0, ValueError, "[telling_dimensions] expected pictures, found none in ", dataset.name);
  const NoGradGuard no_grad;
  std::vector<std::int64_t> dims = internal::all_up_to(model.code_size());
  if (std::ssize(dims) <= count && !dims.empty()) return dims;
  const datasets::Dataset some = dataset.subset(evenly_spaced(dataset.size(), 500));
  auto* latent = dynamic_cast<LatentModel*>(&model);
  std::vector<double> worth;
  if (latent && latent->config().posterior == "diagonal") {
    const Codes64 all = codes_of(*latent, some, 0);
    worth = doubles(mean(gaussian_kl(all.mu, all.logvar), {0}));
  } else {
    worth = doubles(var(cast(Tensor(encode_means(model, some)), DType::float64), {0}, 0));
  }
  const auto kept = dims.begin() + count;
  const auto more = [&](std::int64_t a, std::int64_t b) {
    return worth[static_cast<std::size_t>(a)] > worth[static_cast<std::size_t>(b)];
  };
  std::stable_sort(dims.begin(), dims.end(), more);
  dims.erase(kept, dims.end());
  std::sort(dims.begin(), dims.end());
  return dims;
}

}  // namespace elbo::models
