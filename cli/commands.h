#pragma once
#include <CLI/CLI.hpp>
#include <functional>

#include "options.h"

/// The commands of the `elbo` program. Each declares its options on a subcommand and sets `run`, which does the work
/// and returns the exit status once the options are parsed.
namespace elbo::cli {

using Command = std::function<int()>;

void add_train(CLI::App& app, Command& run);
void add_eval(CLI::App& app, Command& run);
void add_sample(CLI::App& app, Command& run);
void add_reconstruct(CLI::App& app, Command& run);
void add_interpolate(CLI::App& app, Command& run);
void add_traverse(CLI::App& app, Command& run);
void add_manifold(CLI::App& app, Command& run);
void add_embed(CLI::App& app, Command& run);
void add_score(CLI::App& app, Command& run);
void add_info(CLI::App& app, Command& run);
void add_models(CLI::App& app, Command& run);
void add_report(CLI::App& app, Command& run);
void add_data(CLI::App& app, Command& run);
void add_doctor(CLI::App& app, Command& run);
/// `help` and `version`.
void add_help(CLI::App& app, Command& run);
void add_completion(CLI::App& app, Command& run);
void add_man(CLI::App& app, Command& run);

/// Adds `--threads` and applies it when parsed.
void add_threads(CLI::App& app);

}  // namespace elbo::cli
