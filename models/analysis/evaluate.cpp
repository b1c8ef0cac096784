#include "evaluate.h"

#include <array>
#include <cmath>
#include <numeric>

#include "../objective.h"
#include "batches_detail.h"

namespace elbo::models {
namespace {

/// total += part, in float64 on the device. The first part makes the total.
void add_to(Array& total, const Array& part) {
  if (!total.defined()) total = Array::zeros(part.shape(), {DType::float64, part.device()});
  kernels::accumulate_(total, part);
}

/// The sum over the rows of x [n, d], in float64: [1, d].
Array column_sums(const Array& x) {
  constexpr std::array rows{0};
  return kernels::reduce(ReduceOp::sum, x, rows);
}

/// Sums over batches, on the device.
struct Sums {
  Array reconstruction, kl, squares;
  Array mu, mu_squared;  ///< [1, latent]

  void add(const Model& model, const Tensor& x, const Prediction& prediction) {
    const LossSums parts = loss_sums(model, prediction, x);
    add_to(reconstruction, parts.reconstruction.array());
    add_to(kl, parts.kl.array());
    add_to(squares, mse_loss(model.mean(prediction.logits), x, Reduction::sum).array());
    const Array codes = kernels::cast(prediction.posterior.mu.array(), DType::float64);
    add_to(mu, column_sums(codes));
    add_to(mu_squared, column_sums(kernels::mul(codes, codes)));
  }
  std::int64_t active_units(double n) const {
    const std::vector<double> sum = mu.to_vector<double>(), squared = mu_squared.to_vector<double>();
    std::int64_t active = 0;
    for (std::size_t i = 0; i < sum.size(); ++i) active += squared[i] / n - (sum[i] / n) * (sum[i] / n) > 0.01;
    return active;
  }
};

/// Calls visit(x, prediction) for one batch after the other, the codes chosen as the options say.
template <class Visit>
void for_predictions(Model& model, const Array& pictures, const Array& labels, std::span<const std::int64_t> indices,
                     const EvaluateOptions& options, const Visit& visit) {
  Generator noise(options.seed, Stream::validation, pictures.device());
  internal::for_batches(model, pictures, labels, indices, options.batch_size, [&](const Tensor& x, const Tensor& y) {
    if (options.before_batch) options.before_batch();
    Posterior q = model.encode(x, y);
    Tensor z = options.codes == Codes::mean ? q.mu : draw(q, &noise);
    visit(x, Prediction{model.decode(z, y), q});
  });
}

std::vector<std::int64_t> all_of(const datasets::Dataset& dataset) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(dataset.size()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

void check_beta(const EvaluateOptions& options) {
  ELBO_CHECK(std::isfinite(options.beta), ValueError, "[evaluate] beta: expected a finite number, found ",
             options.beta);
}

}  // namespace

Evaluation evaluate(Model& model, const Array& pictures, const Array& labels, std::span<const std::int64_t> indices,
                    const EvaluateOptions& options) {
  check_beta(options);
  Sums sums;
  for_predictions(model, pictures, labels, indices, options,
                  [&](const Tensor& x, const Prediction& prediction) { sums.add(model, x, prediction); });
  Evaluation out;
  out.count = static_cast<std::int64_t>(indices.size());
  out.constant = likelihood_constant(model.config());
  if (out.count == 0) return out;
  double count = static_cast<double>(out.count);
  out.losses.reconstruction = sums.reconstruction.item() / count;
  out.losses.kl = sums.kl.item() / count;
  out.losses.loss = out.losses.reconstruction + options.beta * out.losses.kl;
  out.mse = sums.squares.item() / (count * static_cast<double>(model.config().picture.numel()));
  out.active_units = sums.active_units(count);
  return out;
}

Evaluation evaluate(Model& model, const datasets::Dataset& dataset, const EvaluateOptions& options) {
  const Device device = model.device();
  return evaluate(model, dataset.pictures_array(device), dataset.labels_array(device), all_of(dataset), options);
}

std::vector<Losses> score(Model& model, const datasets::Dataset& dataset, const EvaluateOptions& options) {
  check_beta(options);
  std::vector<Losses> out;
  if (dataset.size() == 0) return out;
  std::vector<Array> reconstructions, kls;
  const Device device = model.device();
  for_predictions(model, dataset.pictures_array(device), dataset.labels_array(device), all_of(dataset), options,
                  [&](const Tensor& x, const Prediction& prediction) {
                    LossSums parts = losses_per_picture(model, prediction, x);
                    reconstructions.push_back(parts.reconstruction.array());
                    kls.push_back(parts.kl.array());
                  });
  const std::vector<float> reconstruction = kernels::concatenate(reconstructions, 0).to_vector<float>();
  const std::vector<float> kl = kernels::concatenate(kls, 0).to_vector<float>();
  for (std::size_t i = 0; i < kl.size(); ++i)
    out.push_back({reconstruction[i] + options.beta * kl[i], reconstruction[i], kl[i]});
  return out;
}

}  // namespace elbo::models
