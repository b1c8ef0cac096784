#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../core/api.h"
#include "../models/model.h"
#include "../models/training/run.h"

/// A run in words, for people: `elbo info` and the report say the same.
namespace ELBO_API elbo {
namespace viz {

/// One line: `Likelihood`, `Bernoulli (binary cross entropy on logits)`.
struct Fact {
  std::string name = {}, value = {};
  /// The epoch and its steps before, where it says what changed in the midst of the training; else zeros.
  std::pair<std::int64_t, std::int64_t> since = {};
};

/// Model, likelihood, pixels, dataset and training of a run, from its config; `model` is its model's own, which has the
/// sizes filled in that the run's may leave open. A setting that changed has all its values in turn. No two facts have
/// the same name.
std::vector<Fact> describe(const models::RunConfig& config, const models::ModelConfig& model, std::int64_t parameters);

/// How the learning rate moves: "along a cosine", "times 0.1 every 10 epochs"; empty where it does not.
std::string lr_schedule_text(const models::TrainOptions& train);

/// "784-400-20-400-784", or "convolutions 3-16-32-128, 20 latent dimensions, transposed convolutions 128-64-32-3".
std::string layer_sizes(const models::ModelConfig& config);

/// "652,824": a comma between thousands.
std::string thousands(std::int64_t count);

/// "1 picture", "2,000 pictures".
std::string counted(std::int64_t count, const std::string& one, const std::string& several);

/// As short as `%g` prints it: "0.001".
std::string general(double value);

}  // namespace viz
}  // namespace elbo
