#include "resume.h"

#include <elbo/core/backend.h>
#include <elbo/datasets/split.h>
#include <elbo/models/training/trained.h>
#include <elbo/viz/figures.h>

#include <algorithm>
#include <cerrno>
#include <iostream>

#include "commands.h"
#include "inputs.h"
#include "outputs.h"

namespace elbo::cli {

namespace {

/// What a run keeps, by the option that sets it.
struct Kept {
  const char* option;
  std::string (*value)(const models::RunConfig&);
};

std::string text(bool value) { return value ? "yes" : "no"; }
std::string text(double value) { return csv_number(value); }
template <class Numbers>
std::string list(const Numbers& values) {
  std::string out;
  if (std::empty(values)) return "none";
  for (const auto& value : values) out += (out.empty() ? "" : ",") + csv_number(static_cast<double>(value));
  return out;
}

using Config = models::RunConfig;

constexpr Kept kept[] = {
    {"--dataset", [](const Config& c) { return c.data.dataset; }},
    {"--size", [](const Config& c) { return std::to_string(c.data.load.size); }},
    {"--grey", [](const Config& c) { return text(c.data.load.channels == 1); }},
    {"--count", [](const Config& c) { return std::to_string(c.data.load.count); }},
    {"--model", [](const Config& c) { return c.model.model; }},
    {"--hidden", [](const Config& c) { return list(c.model.hidden); }},
    {"--channels", [](const Config& c) { return list(c.model.channels); }},
    {"--decoder-channels", [](const Config& c) { return list(c.model.decoder_channels); }},
    {"--kernel", [](const Config& c) { return std::to_string(c.model.kernel); }},
    {"--no-decoder-relu", [](const Config& c) { return text(!c.model.decoder_relu); }},
    {"--latent", [](const Config& c) { return std::to_string(c.model.latent); }},
    {"--likelihood", [](const Config& c) { return std::string(models::name(c.model.likelihood)); }},
    {"--variance", [](const Config& c) { return text(c.model.variance); }},
    {"--pixels", [](const Config& c) { return list(c.model.pixels); }},
    {"--allow-range-mismatch", [](const Config& c) { return text(c.model.allow_range_mismatch); }},
    {"--beta", [](const Config& c) { return text(c.train.beta); }},
    {"--warmup", [](const Config& c) { return text(c.train.warmup); }},
    {"--schedule", [](const Config& c) { return std::string(models::name(c.train.schedule)); }},
    {"--lr-warmup", [](const Config& c) { return text(c.train.lr_warmup); }},
    {"--lr-every", [](const Config& c) { return std::to_string(c.train.lr_every); }},
    {"--lr-factor", [](const Config& c) { return text(c.train.lr_factor); }},
    {"--lr-patience", [](const Config& c) { return std::to_string(c.train.lr_patience); }},
    {"--batch-size", [](const Config& c) { return std::to_string(c.train.batch_size); }},
    {"--drop-last", [](const Config& c) { return text(c.train.drop_last); }},
    {"--seed", [](const Config& c) { return std::to_string(c.train.seed); }},
    {"--binarize", [](const Config& c) { return text(c.train.binarize); }},
};

/// What may be given when a run goes on: the settings that may change, and what is no setting of the run. (The
/// validation size is compared when the pictures are there.)
constexpr const char* free_options[] = {
    "--epochs",    "--lr",      "--patience", "--checkpoint-every",    "--device",   "--graph",
    "--precision", "--threads", "--data",     "--accept-changed-data", "--val-size", "--out",
    "--resume",    "--json"};

[[noreturn]] void refuse(const std::string& option, const std::string& has, const std::string& found) {
  fail<ValueError>(option, ": the run has ", has, ", found ", found,
                   ": a run that goes on keeps it, another one starts with a new --out");
}

/// As for a new run, whose settings the options say.
void refuse_without_effect(const TrainArgs& args, const models::RunConfig& config) {
  const std::string device = args.given("--device") ? args.device : config.train.device.to_string();
  check_effects(*args.command, {{"--dataset", {config.data.dataset}},
                                {"--model", {config.model.model}},
                                {"--likelihood", {models::name(config.model.likelihood)}},
                                {"--beta", {text(config.train.beta)}},
                                {"--schedule", {models::name(config.train.schedule)}},
                                {"--val-size", {text(config.train.val_size)}},
                                {"--device", {device}}});
}

/// Those first that say which of the others have an effect.
void refuse_changes(const TrainArgs& args, const models::RunConfig& config) {
  const models::RunConfig asked = settings_of(args);
  for (const Kept& one : kept) {
    const std::string name = one.option;
    const bool decides =
        name == "--dataset" || name == "--model" || name == "--likelihood" || name == "--beta" || name == "--schedule";
    if (decides && args.given(one.option) && one.value(asked) != one.value(config))
      refuse(name, one.value(config), one.value(asked));
  }
  refuse_without_effect(args, config);
  for (const CLI::Option* option : args.command->get_options()) {
    if (option->count() == 0) continue;
    const std::string name = "--" + option->get_lnames().front();
    const auto* same = std::find_if(std::begin(kept), std::end(kept), [&](const Kept& k) { return name == k.option; });
    if (same != std::end(kept)) {
      if (same->value(asked) != same->value(config)) refuse(name, same->value(config), same->value(asked));
    } else {
      const bool is_free = std::find(std::begin(free_options), std::end(free_options), name) != std::end(free_options);
      ELBO_CHECK(is_free, ValueError, name, ": not to be given with --resume");
    }
  }
}

/// `--device auto` may take the CPU, where there are no graphs; kept for a run that goes on on a GPU.
void note_graph(const TrainArgs& args, Device device) {
  if (args.given("--graph") && device == cpu)
    std::cerr << "elbo train: note: " << (args.graph ? "--graph" : "--no-graph")
              << " has no effect on the CPU, which --device " << args.device << " takes here\n";
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
models::TrainOptions changed(const TrainArgs& args, models::TrainOptions train) {
  const models::TrainOptions& asked = args.config.train;
  if (args.given("--epochs")) train.epochs = asked.epochs;
  if (args.given("--lr")) train.lr = asked.lr;
  if (args.given("--patience")) train.patience = asked.patience;
  if (args.given("--checkpoint-every")) train.checkpoint_every = asked.checkpoint_every;
  if (args.given("--graph")) train.graph = args.graph;
  if (args.given("--precision")) train.precision = models::parse_precision(args.precision);
  if (args.given("--device")) train.device = device_of(args.device);
  note_graph(args, train.device);
  return train;
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

models::RunConfig settings_of(const TrainArgs& args) {
  models::RunConfig out = args.config;
  out.model.likelihood = args.likelihood == "gaussian" ? models::Likelihood::gaussian : models::Likelihood::bernoulli;
  out.model.decoder_relu = !args.no_decoder_relu;
  out.data.load.channels = args.grey ? 1 : 3;
  out.train.schedule = models::parse_lr_schedule(args.schedule);
  out.train.precision = models::parse_precision(args.precision);
  out.train.graph = args.graph;
  return out;
}

models::RunConfig config_of(const TrainArgs& args) {
  models::RunConfig out = settings_of(args);
  out.train.device = device_of(args.device);
  note_graph(args, out.train.device);
  return out;
}

Resumed resume(const TrainArgs& args) {
  models::Run run = models::Run::open_to_train(args.out);
  refuse_changes(args, run.config());
  Resumed out{run, changed(args, run.config().train)};
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
    const auto asked = static_cast<double>(datasets::resolve_val_size(args.val_size, data.size()));
    if (asked != config.train.val_size) refuse("--val-size", text(config.train.val_size), text(asked));
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
