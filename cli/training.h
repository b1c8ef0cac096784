#pragma once
#include <elbo/models/trainer.h>

/// What `elbo train` shows while it works.
namespace elbo::cli {

/// The model, the data and the settings, above the table.
void print_head(const models::RunConfig& config, const models::Model& model, const models::Trainer& trainer);
/// Trains the run and shows it. With `json` progress goes to standard error.
void fit_with_progress(const models::Run& run, models::Trainer& trainer, models::Model& model, bool json);

}  // namespace elbo::cli
