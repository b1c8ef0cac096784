#pragma once
#include <string>
#include <vector>

#include "../core/api.h"
#include "../datasets/dataset.h"
#include "../models/model.h"
#include "../models/training/run.h"
#include "svg.h"

namespace ELBO_API elbo {
namespace viz {

/// The curves of one run, for `loss_chart`.
LossCurves loss_curves(const std::vector<models::EpochRecord>& history, std::string name = {});

/// Writes `samples.png`, `reconstructions.png` (of pictures spread over `test`) and `loss.svg` into the run folder. An
/// autoencoder's samples come from a Gaussian fitted to its codes of `test`. Figures of large pictures hold fewer of
/// them, of a conditional model those of one class: some 8 million pixels at most, or a single picture. Without
/// `replace` only those that are not there.
void write_run_pictures(const models::Run& run, models::Model& model, const datasets::Dataset& test,
                        bool replace = true);

}  // namespace viz
}  // namespace elbo
