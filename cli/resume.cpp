#include "resume.h"

#include <elbo/core/backend.h>
#include <elbo/datasets/split.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/trained.h>
#include <elbo/viz/figures.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <map>
#include <span>

#include "commands.h"
#include "fields.h"
#include "inputs.h"
#include "outputs.h"

namespace elbo::cli {

namespace {

/// What may be given when a run goes on: the settings that may change, and what is no setting of the run. (The
/// validation size is compared when the pictures are there.)
constexpr const char* free_options[] = {
    "--epochs",    "--lr",      "--patience", "--checkpoint-every",    "--device",   "--graph",
    "--precision", "--threads", "--data",     "--accept-changed-data", "--val-size", "--out",
    "--resume",    "--json",    "--profile"};

/// The settings that say which others have an effect.
std::vector<std::string> deciding_options() {
  std::vector<std::string> out = {"--dataset", "--model"};
  for (const models::PartKind& kind : models::part_kinds()) out.push_back(option_of(kind.name));
  out.insert(out.end(), {"--beta", "--cycles", "--capacity", "--schedule", "--optimizer"});
  return out;
}

bool contains(std::span<const char* const> options, const std::string& option) {
  return std::find(options.begin(), options.end(), option) != options.end();
}

[[noreturn]] void refuse(const std::string& option, const std::string& has, const std::string& found) {
  fail<ValueError>(option, ": the run has ", has, ", found ", found,
                   ": a run that goes on keeps it, another one starts with a new --out");
}

/// What the run has and what is asked for, by the option.
struct Kept {
  std::string has, asked;
};

std::map<std::string, Kept> kept_settings(const TrainArgs& args, const models::RunConfig& config) {
  std::map<std::string, Kept> out;
  for (const auto& [option, text] : setting_texts(config)) out[option] = {text, text};
  models::RunConfig asked = with_given(args, config);
  asked.model.model = args.model;
  asked.data.dataset = args.data.dataset;
  asked.data.load = args.data.load;
  asked.data.load.channels = args.grey ? 1 : 3;
  for (const auto& [option, text] : setting_texts(asked))
    if (args.command->get_option_no_throw(option)) out[option].asked = text;
  return out;
}

/// Those first that say which of the others have an effect.
void refuse_changes(const TrainArgs& args, const models::RunConfig& config) {
  const std::map<std::string, Kept> kept = kept_settings(args, config);
  const auto compare = [&](const std::string& option) {
    const auto found = kept.find(option);
    if (found != kept.end() && !contains(free_options, option) && found->second.has != found->second.asked)
      refuse(as_given(*args.command, option), found->second.has, found->second.asked);
  };
  for (const std::string& option : deciding_options())
    if (args.command->get_option_no_throw(option) && args.given(option)) compare(option);
  refuse_without_effect(args, config);
  for (const CLI::Option* option : args.command->get_options()) {
    if (option->count() == 0) continue;
    const std::string name = "--" + option->get_lnames().front();
    ELBO_CHECK(kept.contains(name) || contains(free_options, name), ValueError, name,
               ": not to be given with --resume");
    compare(name);
  }
}

/// The curves that go over all epochs end with the last of them.
void note_bent_schedule(const models::TrainOptions& own, const models::TrainOptions& asked) {
  const bool over_all = own.schedule == models::LrSchedule::cosine || own.schedule == models::LrSchedule::one_cycle;
  if (!over_all || own.epochs == asked.epochs) return;
  std::cerr << "elbo train: note: --schedule " << models::name(own.schedule) << " was for "
            << counted(own.epochs, "epoch", "epochs") << " and now is for " << asked.epochs
            << ": the learning rate jumps to the new curve\n";
}

/// The settings that the options change.
models::TrainOptions changed(const TrainArgs& args, const models::RunConfig& config) {
  models::TrainOptions out = with_given(args, config).train;
  out.val_size = config.train.val_size;  // which is compared later
  if (args.given("--device")) out.device = device_to_train_on(args);
  return out;
}

/// Why these settings have nothing more to train.
std::string nothing_left(const models::Standing& standing, const models::TrainOptions& asked,
                         const models::TrainOptions& own) {
  const std::string trained = counted(standing.epochs, "epoch is", "epochs are") + " trained";
  if (standing.epochs < asked.epochs)
    return trained + ", the last " +
           std::to_string(standing.epochs - std::max(standing.best_epoch, standing.since - 1)) +
           " without a better validation loss: a larger --patience, or 0, trains on; nothing is changed";
  if (asked.epochs < own.epochs)
    return "--epochs " + std::to_string(asked.epochs) + ": " + trained + " already, of " + std::to_string(own.epochs) +
           "; nothing is changed";
  return trained + ", as many as asked for: more --epochs train on; nothing is changed";
}

}  // namespace

Resumed resume(const TrainArgs& args) {
  models::Run run = models::Run::open_to_train(args.out);
  models::RunConfig config = run.config();
  config.model = run.outline().config;  // with what its file leaves open
  refuse_changes(args, config);
  Resumed out{run, changed(args, config)};
  out.train.validate();
  models::standing(run);  // before the pictures are read: whether the run can go on
  try {
    backend(out.train.device);
  } catch (const DeviceError& error) {
    fail<DeviceError>(error.what(), "; the run was trained there, --device cpu goes on without");
  }
  return out;
}

namespace {

/// Data that may change must still have pictures to validate on, of the same kind: else the model kept would be the
/// best by losses that do not compare.
void check_validation(const TrainArgs& args, models::RunConfig& config, const datasets::Dataset& data) {
  const std::string found = data.val_count > 0 ? "half" : "held-out";
  const auto text = [](const std::string& kind) {
    return kind == "half" ? "a half of their own" : "held out of those to train on";
  };
  if (config.train.val_size > 0 || data.val_count > 0)
    ELBO_CHECK(config.data.validation.empty() || found == config.data.validation, ValueError, args.out.string(),
               ": expected pictures to validate on as the run has them (", text(config.data.validation), "), found ",
               text(found), ": losses would not compare; another run starts with a new --out");
  const auto size = static_cast<double>(data.size());
  ELBO_CHECK(data.val_count > 0 || config.train.val_size < size, ValueError, args.out.string(),
             ": expected more pictures than the ", config.train.val_size, " that the run validates on, found ",
             data.size());
  config.data.validation = found;
}

}  // namespace

void go_on_with(const TrainArgs& args, Resumed& resumed, models::RunConfig& config, const datasets::Dataset& data) {
  const std::string found = data.identity();
  if (!args.accept_changed_data)
    models::check_data(
        resumed.run, found,
        "; --accept-changed-data goes on with it, though losses then no longer compare with those before");
  ELBO_CHECK(!config.model.classes || data.classes() <= config.model.classes, ValueError, args.out.string(),
             ": expected the classes that the model takes (",
             classes_text(config.data.class_names, config.model.classes),
             "), found another one: ", viz::class_name(data.class_names, config.model.classes));
  check_validation(args, config, data);
  if (!config.data.identity.empty() && found != config.data.identity)
    config.data.since = models::standing(resumed.run).epochs + 1;
  config.data.identity = found;
  config.data.class_names = data.class_names;
  if (data.val_count > 0) config.train.val_size = static_cast<double>(data.val_count);
  if (args.given("--val-size")) {
    const auto asked = static_cast<double>(datasets::resolve_val_size(args.val_size(), data.size()));
    if (asked != config.train.val_size) refuse("--val-size", csv_number(config.train.val_size), csv_number(asked));
  }
  resumed.train.val_size = config.train.val_size;
  const models::Standing standing = models::standing(resumed.run, config.data);
  if (standing.is_over(resumed.train)) {
    resumed.nothing = nothing_left(standing, resumed.train, config.train);
    config.train.device = resumed.train.device;  // for what is left to draw
  } else {
    note_bent_schedule(config.train, resumed.train);
    config.change(resumed.train, standing.epochs + 1, standing.batch);
  }
}

std::string resume_command(const TrainArgs& args) {
  std::string out = shell_word(program_invocation_name) + " train --resume --out " + shell_word(args.out.string());
  if (args.given("--threads")) out += " --threads " + args.command->get_option("--threads")->as<std::string>();
  if (args.json) out += " --json";
  return out;
}

void warn_of_other_kernels(const models::Run& run) {
  const auto checkpoint = run.checkpoint_head();
  const std::string now = backend(run.config().train.device).description();
  if (!checkpoint || checkpoint->kernels == now) return;
  std::cerr << "elbo train: note: the checkpoint was written with the kernels of " << checkpoint->kernels
            << ", these are of " << now << ": the result may differ in its last bits\n";
}

}  // namespace elbo::cli
