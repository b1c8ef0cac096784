#pragma once
#include "../datasets/dataset.h"
#include "../models/model.h"
#include "../models/run.h"
#include "image.h"
#include "svg.h"

namespace elbo::viz {

/// The first row of pictures is the dataset's own, the second what the model makes of their posterior means, and so on
/// in pairs of rows, `columns` wide. `indices` name pictures of the dataset. Throws IndexError.
Image reconstructions(models::Model& model, const datasets::Dataset& dataset, std::span<const std::int64_t> indices,
                      int columns, int scale = 2);

/// rows x columns mean pictures of codes drawn from the prior; equal seeds draw equal codes.
Image samples(models::Model& model, int rows, int columns, std::uint64_t seed, int scale = 2);

/// The curves of one run, for `loss_chart`.
LossCurves loss_curves(const std::vector<models::EpochRecord>& history, std::string name = {});

/// Writes `samples.png`, `reconstructions.png` (of pictures spread over `test`) and `loss.svg` into the run folder.
void write_run_pictures(const models::Run& run, models::Model& model, const datasets::Dataset& test);

}  // namespace elbo::viz
