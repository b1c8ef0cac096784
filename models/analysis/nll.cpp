#include "nll.h"

#include <algorithm>
#include <cmath>

#include "batches_detail.h"

namespace elbo::models {
namespace {

/// Of one picture: log of the mean weight, and how many draws count.
struct Weights {
  double log_mean = 0, effective = 0;
};

/// The weights of picture `at` among `batch`, in a row for each sample.
Weights weights_of(std::span<const float> log_weights, std::size_t at, std::size_t batch) {
  double highest = -std::numeric_limits<double>::infinity(), sum = 0, squares = 0;
  for (std::size_t i = at; i < log_weights.size(); i += batch) highest = std::max<double>(highest, log_weights[i]);
  for (std::size_t i = at; i < log_weights.size(); i += batch) {
    const double w = std::exp(log_weights[i] - highest);
    sum += w;
    squares += w * w;
  }
  const std::size_t count = log_weights.size() / batch;
  const auto samples = static_cast<double>(count);
  return {highest + std::log(sum / samples), sum * sum / squares};
}

}  // namespace

Nll estimate_nll(Model& model, const datasets::Dataset& dataset, const NllOptions& options) {
  ELBO_CHECK(dataset.size() > 0, ValueError, "[estimate_nll] expected pictures, found none in ", dataset.name);
  ELBO_CHECK(options.samples >= 1, ValueError, "[estimate_nll] samples: expected at least 1, found ", options.samples);
  const std::vector<std::int64_t> all = internal::all_up_to(dataset.size());
  const Device device = model.device();
  Generator noise(options.seed, Stream::validation, device);
  Nll out{.count = dataset.size(), .samples = options.samples};
  internal::for_batches(
      model, dataset.pictures_array(device), dataset.labels_array(device), all, options.batch_size,
      [&](const Tensor& x, const Tensor& labels) {
        const Tensor found = model.log_weights({.x = x, .labels = labels, .noise = &noise}, options.samples);
        ELBO_CHECK(found.defined(), ValueError, "[estimate_nll] the model ", model.config().model,
                   " cannot tell p(x, z) and q(z|x): expected one that draws its codes and has a density for them");
        const std::vector<float> log_weights = found.array().to_vector<float>();
        const auto batch = static_cast<std::size_t>(x.shape()[0]);
        for (std::size_t i = 0; i < batch; ++i) {
          const Weights one = weights_of(log_weights, i, batch);
          out.of_picture.push_back(-one.log_mean);
          out.effective_samples += one.effective / static_cast<double>(out.count);
        }
        if (options.on_batch) options.on_batch(std::ssize(out.of_picture));
      });
  const auto n = static_cast<double>(out.count);
  for (const double nats : out.of_picture) out.nats += nats / n;
  double squares = 0;
  for (const double nats : out.of_picture) squares += (nats - out.nats) * (nats - out.nats);
  out.standard_error = out.count > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
  return out;
}

}  // namespace elbo::models
