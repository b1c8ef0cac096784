#include "resume.h"

#include <iostream>

#include "commands.h"
#include "inputs.h"

namespace elbo::cli {

models::RunConfig config_of(const TrainArgs& args) {
  models::RunConfig out = args.config;
  out.model.likelihood = args.likelihood == "gaussian" ? models::Likelihood::gaussian : models::Likelihood::bernoulli;
  out.model.decoder_relu = !args.no_decoder_relu;
  out.data.load.channels = args.grey ? 1 : 3;
  out.train.device = device_of(args.device);
  out.train.precision = models::parse_precision(args.precision);
  out.train.graph = !args.no_graph;
  return out;
}

models::RunConfig resumed_config(const TrainArgs& args) {
  models::RunConfig out = models::Run::open(args.out).config();
  if (args.given("--epochs")) out.train.epochs = args.config.train.epochs;
  if (args.given("--precision")) out.train.precision = models::parse_precision(args.precision);
  if (args.given("--device")) {
    out.train.device = device_of(args.device);
    return out;
  }
  try {
    backend(out.train.device);
  } catch (const DeviceError& error) {
    fail<DeviceError>(error.what(), "; the run was trained there, --device cpu goes on without");
  }
  return out;
}

models::Run open_run(const TrainArgs& args, const models::RunConfig& config) {
  if (!args.resume) return models::Run::create(args.out, config);
  models::Run run = models::Run::open(args.out);
  if (config.to_json() != run.config().to_json()) run.set_config(config);
  return run;
}

void warn_of_other_kernels(const models::Run& run) {
  auto checkpoint = run.read_checkpoint();
  std::string now = backend(run.config().train.device).description();
  if (!checkpoint || checkpoint->kernels == now) return;
  std::cerr << "elbo train: note: the checkpoint was written with the kernels of " << checkpoint->kernels
            << ", these are of " << now << ": the result may differ in its last bits\n";
}

}  // namespace elbo::cli
