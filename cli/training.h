#pragma once
#include <elbo/core/profile.h>
#include <elbo/models/training/trainer.h>

#include <nlohmann/json.hpp>

#include "stop.h"
#include "train_args.h"

/// What `elbo train` shows while it works.
namespace elbo::cli {

/// The model, the data and the settings, above the table.
void print_head(const models::RunConfig& config, const models::Model& model, const models::Trainer& trainer);
/// Each on a line of standard error.
void print_warnings(const std::vector<std::string>& warnings);
/// Trains the run and shows it; with `--json` on standard error, if that is a terminal. A signal stops it.
models::FitResult fit_with_progress(const TrainArgs& args, const models::Run& run, models::Trainer& trainer,
                                    models::Model& model, const StopSignals& signals);
/// Says where the signal stopped the training, and how it goes on; the program's exit status.
int stopped(const TrainArgs& args, const models::Trainer& trainer, const models::FitResult& result, int signal);
/// Keeps the profile's trace in the run folder and, without `--json`, prints its table. False where the trace could not
/// be written, which is said.
bool show_profile(const TrainArgs& args, const models::Run& run, const models::Trainer& trainer,
                  const Profile& profile);
/// The same in numbers.
nlohmann::ordered_json profile_json(const models::Trainer& trainer, const Profile& profile);
/// The line below the table.
void print_end(const models::Trainer& trainer, const models::FitResult& result);

}  // namespace elbo::cli
