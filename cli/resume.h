#pragma once
#include <elbo/models/training/trainer.h>

#include <optional>

#include "train_args.h"

/// `elbo train --resume`: what a run keeps, and what may change when it goes on.
namespace elbo::cli {

/// A run that goes on.
struct Resumed {
  models::Run run;             ///< locked
  models::TrainOptions train;  ///< the run's, with what the options change
  std::string nothing = {};    ///< why nothing is left to train; then nothing of the run is changed
};

/// Opens the run in `--out`. Throws ValueError naming an option that differs from what the run keeps, IoError where it
/// is trained already, DeviceError where its device is not there.
Resumed resume(const TrainArgs& args);
/// With this data, which is kept too, unless `--accept-changed-data` is there: then `config`, the run's, is given its
/// new identity and classes. So is `--val-size`. Throws ValueError where they differ. Where something is left to train,
/// `config` is given the settings that the options change.
void go_on_with(const TrainArgs& args, Resumed& resumed, models::RunConfig& config, const datasets::Dataset& data);
/// Says on standard error what a resumed run should know before it goes on.
void warn_of_other_kernels(const models::Run& run);
/// The command line that goes on with the run.
std::string resume_command(const TrainArgs& args);

}  // namespace elbo::cli
