#include "evaluate.h"

#include <array>
#include <cmath>

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
  std::vector<Term> terms;  ///< of the first batch, without their numbers
  std::vector<Array> nats;
  Array squares;
  Array mu, mu_squared;  ///< [1, latent]

  void add(Model& model, const Tensor& x, const Tensor& labels, const Terms& found) {
    nats.resize(found.list.size());
    for (std::size_t i = 0; i < nats.size(); ++i) {
      if (i == terms.size()) terms.push_back({found.list[i].name, {}, found.list[i].weight, found.list[i].counts});
      add_to(nats[i], found.list[i].nats.array());
    }
    const Tensor mean = found.decoded.defined() ? model.mean(found.decoded) : model.reconstruct(x, labels);
    add_to(squares, mse_loss(mean, x, Reduction::sum).array());
    if (!found.codes.defined()) return;
    const Array codes = kernels::cast(found.codes.array(), DType::float64);
    add_to(mu, column_sums(codes));
    add_to(mu_squared, column_sums(kernels::mul(codes, codes)));
  }
  Losses losses(double count) const {
    Losses out;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const double mean = nats[i].item() / count;
      out.terms.emplace_back(terms[i].name, mean);
      if (terms[i].counts) out.loss += terms[i].weight.last() * mean;
    }
    return out;
  }
  std::int64_t active_units(double n) const {
    if (!mu.defined()) return 0;
    const std::vector<double> sum = mu.to_vector<double>(), squared = mu_squared.to_vector<double>();
    std::int64_t active = 0;
    for (std::size_t i = 0; i < sum.size(); ++i) active += squared[i] / n - (sum[i] / n) * (sum[i] / n) > 0.01;
    return active;
  }
};

/// Calls visit(batch) for one after the other.
template <class Visit>
void for_inputs(Model& model, const Array& pictures, const Array& labels, std::span<const std::int64_t> indices,
                const EvaluateOptions& options, const Visit& visit) {
  Generator noise(options.seed, Stream::validation, pictures.device());
  internal::for_batches(model, pictures, labels, indices, options.batch_size, [&](const Tensor& x, const Tensor& y) {
    if (options.before_batch) options.before_batch();
    visit(StepInput{.x = x, .labels = y, .noise = &noise, .train_size = std::ssize(indices), .codes = options.codes});
  });
}

}  // namespace

Evaluation evaluate(Model& model, const Array& pictures, const Array& labels, std::span<const std::int64_t> indices,
                    const EvaluateOptions& options) {
  Sums sums;
  for_inputs(model, pictures, labels, indices, options,
             [&](const StepInput& in) { sums.add(model, in.x, in.labels, model.loss(in)); });
  Evaluation out;
  out.count = static_cast<std::int64_t>(indices.size());
  out.constant = model.constant();
  if (out.count == 0) return out;
  const double count = static_cast<double>(out.count);
  out.losses = sums.losses(count);
  out.mse = sums.squares.item() / (count * static_cast<double>(model.config().picture.numel()));
  out.active_units = sums.active_units(count);
  return out;
}

Evaluation evaluate(Model& model, const datasets::Dataset& dataset, const EvaluateOptions& options) {
  const Device device = model.device();
  return evaluate(model, dataset.pictures_array(device), dataset.labels_array(device),
                  internal::all_up_to(dataset.size()), options);
}

std::vector<Losses> score(Model& model, const datasets::Dataset& dataset, const EvaluateOptions& options) {
  std::vector<Losses> out;
  const Device device = model.device();
  if (dataset.size() == 0) return out;
  for_inputs(model, dataset.pictures_array(device), dataset.labels_array(device), internal::all_up_to(dataset.size()),
             options, [&](StepInput in) {
               in.per_picture = true;
               const Terms terms = model.elbo(in);
               const std::size_t begin = out.size();
               out.resize(begin + static_cast<std::size_t>(in.size()));
               for (const Term& term : terms.list) {
                 const std::vector<float> nats = term.nats.array().to_vector<float>();
                 for (std::size_t i = 0; i < nats.size(); ++i) {
                   Losses& one = out[begin + i];
                   one.terms.emplace_back(term.name, nats[i]);
                   if (term.counts) one.loss += term.weight.last() * nats[i];
                 }
               }
             });
  return out;
}

}  // namespace elbo::models
