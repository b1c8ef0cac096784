#pragma once
#include <elbo/models/config.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace elbo::cli {

/// What `elbo train` takes on the command line. The settings of model and training are read by read_settings.
struct TrainArgs {
  models::DataOptions data;
  std::filesystem::path out;
  std::string model = "vae", device = "auto";
  bool grey = false, json = false, resume = false, accept_changed_data = false, profile = false;
  const CLI::App* command = nullptr;  ///< which knows what was given

  /// Whether the option, such as `--epochs`, was given.
  bool given(const std::string& option) const { return command->count(option) > 0; }
  /// `--val-size` as it was given: a fraction or a number.
  std::string val_size() const { return command->get_option("--val-size")->as<std::string>(); }
};

/// Adds all options of data, model, training and device.
void add_settings(CLI::App& command, TrainArgs& args);
/// What the options say: the model's preset and the training's defaults, with what is given in their place.
models::RunConfig config_of(const TrainArgs& args);
/// The config with the settings that are given in place of its own, but for the device.
models::RunConfig with_given(const TrainArgs& args, models::RunConfig config);
/// Each setting by its option, in words: {"--batch-size", "128"}.
std::vector<std::pair<std::string, std::string>> setting_texts(models::RunConfig config);
/// Throws ValueError naming the first option that was given and has no effect on such a run.
void refuse_without_effect(const TrainArgs& args, const models::RunConfig& config);
/// The device of `--device`. Says where `--graph` has no effect there.
Device device_to_train_on(const TrainArgs& args);

}  // namespace elbo::cli
