#pragma once
#include <functional>
#include <span>

#include "../../core/api.h"
#include "../../datasets/dataset.h"
#include "../losses.h"
#include "../model.h"

namespace ELBO_API elbo {
namespace models {

struct EvaluateOptions {
  Codes codes = Codes::sampled;
  std::uint64_t seed = 0;  ///< of the noise; equal seeds draw equal noise for equal batches
  std::int64_t batch_size = 500;
  std::function<void()> before_batch = {};  ///< what it throws ends the evaluation
};

struct Evaluation {
  std::int64_t count = 0;  ///< pictures
  /// What the model minimises and its terms, their weights as they are when all warming up is over.
  Losses losses = {};
  double mse = 0;                 ///< squared error of the mean picture, per pixel
  double constant = 0;            ///< nats per picture that the reconstruction leaves out: Model::constant
  std::int64_t active_units = 0;  ///< latent dimensions whose code varies by more than 0.01 over the pictures (Burda et
                                  ///< al. 2016, section 5.2); 0 for a model without codes
};

/// Losses over the pictures of `pictures` (uint8 [n, channels, height, width], or float32 as the model takes them) at
/// `indices`, each counted once whatever the batches. Throws DTypeError for another dtype. `labels` (int64 [n]) are for
/// a conditional model; others leave them aside. Both lie on the model's device, where all is summed, in float64, and
/// read once. Records no gradient and leaves the model's mode as it was.
Evaluation evaluate(Model& model, const Array& pictures, const Array& labels, std::span<const std::int64_t> indices,
                    const EvaluateOptions& options = {});
/// The same over a whole dataset, wherever the model lies.
Evaluation evaluate(Model& model, const datasets::Dataset& dataset, const EvaluateOptions& options = {});

/// The negative ELBO of each picture of a dataset and its terms, in its order: how unlike the training pictures the
/// model finds it, whatever it was trained to minimise.
std::vector<Losses> score(Model& model, const datasets::Dataset& dataset, const EvaluateOptions& options = {});

}  // namespace models
}  // namespace elbo
