#include "evaluate.h"

#include <numeric>

#include "../core/kernels.h"
#include "objective.h"

namespace elbo::models {
namespace {

/// Sums over batches, in float64 on the host.
struct Sums {
  double reconstruction = 0, kl = 0, squares = 0;
  std::vector<double> mu, mu_squared;

  void add_codes(const Array& mu_batch) {
    std::vector<float> values = mu_batch.to_vector<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      double value = values[i];
      mu[i % mu.size()] += value;
      mu_squared[i % mu.size()] += value * value;
    }
  }
  std::int64_t active_units(double n) const {
    std::int64_t active = 0;
    for (std::size_t i = 0; i < mu.size(); ++i) active += mu_squared[i] / n - (mu[i] / n) * (mu[i] / n) > 0.01;
    return active;
  }
};

/// Calls visit(x, prediction) for one batch of the pictures after the other, without gradients and in evaluation mode,
/// which it leaves as it was.
template <class Visit>
void for_batches(Model& model, const Array& pictures, const Array& labels, std::span<const std::int64_t> indices,
                 const EvaluateOptions& options, const Visit& visit) {
  ELBO_CHECK(options.batch_size >= 1, ValueError, "[evaluate] batch size: expected at least 1, found ",
             options.batch_size);
  NoGradGuard no_grad;
  bool was_training = model.is_training();
  model.eval();
  Generator noise(options.seed, Stream::validation, pictures.device());
  auto [low, high] = model.config().pixels;
  auto n = static_cast<std::int64_t>(indices.size());
  for (std::int64_t begin = 0; begin < n; begin += options.batch_size) {
    auto batch = indices.subspan(static_cast<std::size_t>(begin),
                                 static_cast<std::size_t>(std::min(options.batch_size, n - begin)));
    Array places = Array::from(batch, {static_cast<std::int64_t>(batch.size())}, pictures.device());
    Tensor x(kernels::gather_pictures(pictures, places, (high - low) / 255, low));
    Tensor y = model.is_conditional() && labels.defined() ? Tensor(kernels::gather(labels, places, 0)) : Tensor();
    Posterior q = model.encode(x, y);
    Tensor z = options.codes == Codes::mean ? q.mu : draw(q, &noise);
    visit(x, Prediction{model.decode(z, y), q});
  }
  model.train(was_training);
}

std::vector<std::int64_t> all_of(const datasets::Dataset& dataset) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(dataset.size()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

Evaluation evaluate(Model& model, const Array& pictures, const Array& labels, std::span<const std::int64_t> indices,
                    const EvaluateOptions& options) {
  Sums sums;
  sums.mu.resize(static_cast<std::size_t>(model.config().latent));
  sums.mu_squared = sums.mu;
  for_batches(model, pictures, labels, indices, options, [&](const Tensor& x, const Prediction& prediction) {
    LossSums parts = loss_sums(model, prediction, x);
    sums.reconstruction += parts.reconstruction.item();
    sums.kl += parts.kl.item();
    sums.squares += mse_loss(model.mean(prediction.logits), x, Reduction::sum).item();
    sums.add_codes(prediction.posterior.mu.array());
  });
  Evaluation out;
  out.count = static_cast<std::int64_t>(indices.size());
  out.constant = likelihood_constant(model.config());
  if (out.count == 0) return out;
  double count = static_cast<double>(out.count);
  out.losses.reconstruction = sums.reconstruction / count;
  out.losses.kl = sums.kl / count;
  out.losses.loss = out.losses.reconstruction + options.beta * out.losses.kl;
  out.mse = sums.squares / (count * static_cast<double>(model.config().picture.numel()));
  out.active_units = sums.active_units(count);
  return out;
}

Evaluation evaluate(Model& model, const datasets::Dataset& dataset, const EvaluateOptions& options) {
  return evaluate(model, dataset.pictures_array(), dataset.labels_array(), all_of(dataset), options);
}

std::vector<Losses> score(Model& model, const datasets::Dataset& dataset, const EvaluateOptions& options) {
  std::vector<Losses> out;
  auto visit = [&](const Tensor& x, const Prediction& prediction) {
    LossSums parts = losses_per_picture(model, prediction, x);
    auto reconstruction = parts.reconstruction.array().to_vector<float>(), kl = parts.kl.array().to_vector<float>();
    for (std::size_t i = 0; i < kl.size(); ++i)
      out.push_back({reconstruction[i] + options.beta * kl[i], reconstruction[i], kl[i]});
  };
  for_batches(model, dataset.pictures_array(), dataset.labels_array(), all_of(dataset), options, visit);
  return out;
}

}  // namespace elbo::models
