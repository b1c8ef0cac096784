#pragma once
#include <elbo/models/config.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

namespace elbo::cli {

/// What `elbo train` takes on the command line.
struct TrainArgs {
  models::RunConfig config;
  std::filesystem::path out;
  std::string likelihood = "bernoulli", schedule = "constant", val_size = "0.1", device = "auto", precision = "float32";
  bool grey = false, no_decoder_relu = false, graph = true, json = false;
  bool resume = false, accept_changed_data = false;
  const CLI::App* command = nullptr;  ///< which knows what was given

  /// Whether the option, such as `--epochs`, was given.
  bool given(const char* option) const { return command->count(option) > 0; }
};

/// The settings that the options name.
models::RunConfig config_of(const TrainArgs& args);
/// The same, but for the device, which is not looked at.
models::RunConfig settings_of(const TrainArgs& args);

}  // namespace elbo::cli
