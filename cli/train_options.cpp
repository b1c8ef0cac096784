#include <elbo/datasets/dataset.h>
#include <elbo/models/registry.h>

#include <algorithm>
#include <iostream>

#include "commands.h"
#include "fields.h"
#include "inputs.h"
#include "train_args.h"

namespace elbo::cli {
namespace {

/// All settings of a model, those of its own too.
models::VisitFields fields_of(models::ModelConfig& model) {
  return [&model](models::FieldVisitor& visitor) {
    model.fields(visitor);
    for (auto& [name, value] : model.own) visitor({.name = name.c_str()}, value);
  };
}

models::VisitFields fields_of(models::TrainOptions& train) {
  return [&train](models::FieldVisitor& visitor) { train.fields(visitor); };
}

/// Whether all parts of some kind have the field, or most models whatever their parts.
bool is_common(const std::string& field) {
  const auto has = [&](const models::Entry& one) {
    return std::find(one.fields.begin(), one.fields.end(), field) != one.fields.end();
  };
  for (const models::PartKind& kind : models::part_kinds())
    if (std::find(kind.fields.begin(), kind.fields.end(), field) != kind.fields.end() ||
        std::all_of(kind.parts.begin(), kind.parts.end(), [&](const models::Entry* part) { return has(*part); }))
      return true;
  const std::vector<models::ModelRow>& rows = models::models().rows();
  return 2 * std::count_if(rows.begin(), rows.end(), has) > std::ssize(rows);
}

/// What every model has, else the parts that use it.
std::string model_heading(const std::string& field) {
  if (!models::is_used_at_all(field)) return "";
  const std::string users = models::users_of(field);
  return users.empty() || is_common(field) ? "Model" : "For " + users;
}

std::string training_heading(const std::string& field) {
  if (field == "precision" || field == "graph") return "Device";
  for (const char* one : {"lr", "schedule", "optimizer", "weight_decay", "momentum", "clip_norm", "ema"})
    if (field.starts_with(one)) return "Optimiser";
  return "Training";
}

/// The settings that models have of their own, of all there are.
void add_own_fields(CLI::App& command) {
  for (const models::ModelRow& row : models::models().rows())
    for (models::OwnField own : row.own) {
      const CLI::Option* taken = command.get_option_no_throw(option_of(own.name));
      ELBO_CHECK(!taken || taken->get_group() == model_heading(own.name), ValueError, "model ", row.name,
                 ": its setting ", own.name, " has the name of an option of elbo train");
      add_fields(
          command,
          [&](models::FieldVisitor& visitor) {
            visitor({.name = own.name.c_str(), .what = own.what.c_str()}, own.value);
          },
          model_heading);
    }
}

void add_data_options(CLI::App& command, models::DataOptions& data, bool& grey) {
  command
      .add_option("--dataset", data.dataset,
                  "mnist, fashion-mnist, cifar10, cifar100, svhn, shapes (drawn, no files), idx or folder (pictures of "
                  "your own), npz (a file of NumPy arrays in the form of dSprites)")
      ->check(one_of(datasets::known_datasets()))
      ->group("Data")
      ->capture_default_str();
  command
      .add_option("--data", data.dir, "The folder with the dataset's files, or npz's file (default: the usual places)")
      ->check(not_for("--dataset", {"shapes"}))
      ->group("Data")
      ->type_name("DIR");
  command.add_option("--size", data.load.size, "Side of the square pictures, in pixels")
      ->check(at_least(1))
      ->check(only_for("--dataset", {"folder"}))
      ->group("Data")
      ->type_name("N")
      ->capture_default_str();
  command.add_flag("--grey", grey, "Grey pictures instead of RGB")
      ->check(only_for("--dataset", {"folder"}))
      ->group("Data");
  command
      .add_option("--count", data.load.count,
                  "How many pictures, in each half; a test half of fewer gives all that it has (default: shapes "
                  "40,000, and 5,000 to test; npz all)")
      ->check(only_for("--dataset", {"shapes", "npz"}))
      ->check(at_least(1))
      ->group("Data")
      ->type_name("N");
}

/// What the parts of a model do not tell: settings that others make idle.
void add_conditions(CLI::App& command) {
  const auto on = [&](const char* option, const CLI::Validator& condition) {
    if (CLI::Option* found = command.get_option_no_throw(option)) found->check(condition);
  };
  on("--allow-range-mismatch", only_with("--pixels"));
  on("--warmup", not_for("--beta", {"0"}));
  on("--cycles", not_for("--beta", {"0"}));
  on("--cycle-epochs", not_for("--cycles", {"0"}));
  on("--capacity", not_for("--beta", {"0"}));
  on("--free-bits", not_for("--beta", {"0"}));
  on("--capacity-epochs", not_for("--capacity", {"0"}));
  on("--mmd-kernel", not_for("--mmd-weight", {"0"}));
  on("--lr-warmup", not_for("--schedule", {"one-cycle"}));
  on("--lr-every", only_for("--schedule", {"step"}));
  on("--lr-factor", only_for("--schedule", {"step", "plateau"}));
  on("--lr-patience", only_for("--schedule", {"plateau"}));
  on("--momentum", only_for("--optimizer", {"sgd", "rmsprop"}));
  on("--patience", not_for("--val-size", {"0"}));
  on("--graph", not_for("--device", {"cpu"}));
}

}  // namespace

void add_settings(CLI::App& command, TrainArgs& args) {
  add_data_options(command, args.data, args.grey);
  command
      .add_option("--model", args.model, "A model of the zoo, whose settings hold where none are given: 'elbo models'")
      ->check(one_of(models::known_models()))
      ->group("Model")
      ->capture_default_str();
  models::ModelConfig model;
  models::TrainOptions train;
  add_fields(command, fields_of(model), model_heading);
  add_own_fields(command);
  add_device(command, args.device)->group("Device");
  add_fields(command, fields_of(train), training_heading);
  add_conditions(command);
}

models::RunConfig with_given(const TrainArgs& args, models::RunConfig config) {
  read_fields(*args.command, fields_of(config.model));
  read_fields(*args.command, fields_of(config.train));
  return config;
}

std::vector<std::pair<std::string, std::string>> setting_texts(models::RunConfig config) {
  std::vector<std::pair<std::string, std::string>> out = {{"--dataset", config.data.dataset},
                                                          {"--size", std::to_string(config.data.load.size)},
                                                          {"--grey", config.data.load.channels == 1 ? "yes" : "no"},
                                                          {"--count", std::to_string(config.data.load.count)},
                                                          {"--model", config.model.model}};
  for (const models::VisitFields& visit : {fields_of(config.model), fields_of(config.train)})
    for (const auto& [field, text] : models::field_texts(visit)) out.emplace_back(option_of(field), text);
  return out;
}

void refuse_without_effect(const TrainArgs& args, const models::RunConfig& config) {
  Settings settings;
  for (const auto& [option, text] : setting_texts(config)) settings[option] = {text};
  models::ModelConfig all = config.model;
  for (const models::ModelRow& row : models::models().rows())
    for (const models::OwnField& own : row.own) all.own.emplace(own.name, own.value);
  for (const auto& [field, text] : models::field_texts(fields_of(all))) {
    const std::string option = option_of(field);
    if (!args.command->get_option_no_throw(option) || !args.given(option)) continue;
    const std::string why = models::why_unused(config.model, field);
    ELBO_CHECK(why.empty(), ValueError, as_given(*args.command, option), ": ", why);
  }
  if (args.given("--device") || !args.resume) settings["--device"] = {args.device};
  check_effects(*args.command, settings);
}

Device device_to_train_on(const TrainArgs& args) {
  const Device device = device_of(args.device);
  // `--device auto` may take the CPU, where there are no graphs; kept for a run that goes on on a GPU.
  if (args.given("--graph") && device == cpu)
    std::cerr << "elbo train: note: " << as_given(*args.command, "--graph")
              << " has no effect on the CPU, which --device " << args.device << " takes here\n";
  return device;
}

models::RunConfig config_of(const TrainArgs& args) {
  models::RunConfig out;
  out.model = models::preset(args.model);
  out.data = args.data;
  out.data.load.channels = args.grey ? 1 : 3;
  out = with_given(args, std::move(out));
  refuse_without_effect(args, out);
  out.train.device = device_to_train_on(args);
  return out;
}

}  // namespace elbo::cli
