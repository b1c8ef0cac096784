#pragma once
#include <elbo/models/run.h>

#include "train_args.h"

/// `elbo train --resume`: what a run keeps, and what may change when it goes on.
namespace elbo::cli {

/// Those of the run in `--out`, and what may change when it goes on.
models::RunConfig resumed_config(const TrainArgs& args);
/// The run to train: a new one, or the one that goes on, with that config.
models::Run open_run(const TrainArgs& args, const models::RunConfig& config);
/// Says on standard error what a resumed run should know before it goes on.
void warn_of_other_kernels(const models::Run& run);

}  // namespace elbo::cli
