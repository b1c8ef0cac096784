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
  std::string nothing = {};  ///< why nothing is left to train; then `config` is the run's
  bool is_over = false;      ///< by the run's own settings
};

/// Opens the run in `--out`. Throws ValueError naming an option that differs from what the run keeps, IoError where it
/// is trained already, DeviceError where its device is not there.
Resumed resume(const TrainArgs& args);
/// `--val-size` of a dataset of so many pictures is kept too. Throws ValueError where it differs.
void refuse_other_val_size(const TrainArgs& args, const models::RunConfig& config, std::int64_t pictures);
/// Says on standard error what a resumed run should know before it goes on.
void warn_of_other_kernels(const models::Run& run);
/// The command line that goes on with the run.
std::string resume_command(const TrainArgs& args);

}  // namespace elbo::cli
