#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "../../core/api.h"
#include "../../datasets/dataset.h"
#include "../model.h"

namespace ELBO_API elbo {
namespace models {

struct NllOptions {
  std::int64_t samples = 5000;  ///< draws of the code for each picture
  std::uint64_t seed = 0;       ///< of the draws
  std::int64_t batch_size = 1;  ///< pictures at a time; each is encoded once
  std::function<void(std::int64_t pictures)> on_batch =
      {};  ///< told how many are done; what it throws ends the estimate
};

/// An estimate of -log p(x), nats per picture.
struct Nll {
  std::int64_t count = 0, samples = 0;
  double nats = 0;                      ///< mean over the pictures
  double standard_error = 0;            ///< of that mean, over the pictures: how far another test set may lie
  std::vector<double> of_picture = {};  ///< in the dataset's order
  double effective_samples = 0;  ///< mean of (sum w)^2 / sum w^2: how many of the draws count; near 1, the estimate is
                                 ///< no better than the ELBO
};

/// -log (1/K sum_k p(x, z_k) / q(z_k|x)), z_k ~ q(z|x), by importance sampling (Burda, Grosse and Salakhutdinov 2016,
/// equation 8 and section 5.1): an upper bound of -log p(x) in expectation, which falls with K. The weights' sum is
/// taken in float64. The reconstruction's constant is in it. The model is in evaluation mode meanwhile. Throws
/// ValueError for a model that has no weights (Model::log_weights), no pictures, or fewer than one sample.
Nll estimate_nll(Model& model, const datasets::Dataset& dataset, const NllOptions& options = {});

}  // namespace models
}  // namespace elbo
