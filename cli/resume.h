#pragma once
#include <elbo/models/trainer.h>

#include <optional>

#include "train_args.h"

/// `elbo train --resume`: what a run keeps, and what may change when it goes on.
namespace elbo::cli {

/// A run that goes on.
struct Resumed {
  models::Run run;           ///< locked
  models::RunConfig config;  ///< the run's, with what the options change
  std::string nothing = {};  ///< why nothing is left to train; then nothing of the run is changed
  std::int64_t epochs = 0;   ///< that are over
  bool other_data = false;   ///< `--accept-changed-data` has accepted some
};

/// Opens the run in `--out`. Throws ValueError naming an option that differs from what the run keeps, IoError where it
/// is trained already, DeviceError where its device is not there.
Resumed resume(const TrainArgs& args);
/// The data is kept too, unless `--accept-changed-data` is there: then the config is given its new identity and
/// classes. So is `--val-size`. Throws ValueError where they differ.
void refuse_other_data(const TrainArgs& args, Resumed& resumed, models::RunConfig& config,
                       const datasets::Dataset& data);
/// Says on standard error what a resumed run should know before it goes on.
void warn_of_other_kernels(const models::Run& run);
/// The command line that goes on with the run.
std::string resume_command(const TrainArgs& args);

}  // namespace elbo::cli
