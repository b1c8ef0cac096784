#include <elbo/core/errors.h>

#include <algorithm>
#include <iostream>
#include <new>

#include "arguments.h"
#include "commands.h"
#include "streams.h"

namespace {

constexpr int bad_input = 2, fault = 1;

int complain(const CLI::App* command, const std::string& message, int status) {
  std::cerr << (command ? "elbo " + command->get_name() : "elbo") << ": " << message << "\n";
  return status;
}

/// The subcommand that was given, for messages.
const CLI::App* given(const CLI::App& app) {
  auto commands = app.get_subcommands();
  return commands.empty() ? nullptr : commands.front();
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    out.push_back(command->get_name());
  return out;
}

bool has_command(const CLI::App& app, const std::string& name) {
  const std::vector<std::string> names = command_names(app);
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// "train, eval or doctor".
std::string commands_of(const CLI::App& app) { return elbo::cli::either(command_names(app)); }

/// One line for an option that could not be parsed.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  std::string text = error.what();
  if (text == "A subcommand is required") return "expected a command: " + commands_of(app) + " (--help describes them)";
  return text.substr(0, text.find('\n'));
}

template <class... Types>
bool is_any_of(const std::exception& error) {
  return (dynamic_cast<const Types*>(&error) || ...);
}

/// By the rule of docs/reliability.md: what other arguments or other files would mend is bad input, all else a fault.
int status_of(const std::exception& error) {
  using namespace elbo;
  const bool mendable = is_any_of<IoError, FormatError, ValueError, ShapeError, DTypeError, IndexError>(error);
  return mendable && !is_any_of<SystemFault>(error) ? bad_input : fault;
}

int run_program(int argc, char** argv) {
  CLI::App app{"Trains, evaluates and explains variational autoencoders.", "elbo"};
  app.set_version_flag("--version", "elbo " ELBO_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  elbo::cli::Command run;
  elbo::cli::add_train(app, run);
  elbo::cli::add_eval(app, run);
  elbo::cli::add_sample(app, run);
  elbo::cli::add_reconstruct(app, run);
  elbo::cli::add_interpolate(app, run);
  elbo::cli::add_traverse(app, run);
  elbo::cli::add_manifold(app, run);
  elbo::cli::add_embed(app, run);
  elbo::cli::add_score(app, run);
  elbo::cli::add_info(app, run);
  elbo::cli::add_report(app, run);
  elbo::cli::add_data(app, run);
  elbo::cli::add_doctor(app, run);
  if (argc > 1 && argv[1][0] != '-' && !has_command(app, argv[1])) {
    const std::string close = elbo::cli::suggestion(argv[1], command_names(app));
    return complain(
        nullptr,
        "unknown command '" + std::string(argv[1]) + "'" + (close.empty() ? ": expected " + commands_of(app) : close),
        bad_input);
  }
  if (argc > 1 && argv[1][0] != '-') {
    const CLI::App* command = app.get_subcommand(argv[1]);
    if (const auto problem = elbo::cli::argument_problem(*command, {argv + 2, argv + argc}))
      return complain(command, *problem, bad_input);
  }
  try {
    app.parse(argc, argv);
    elbo::cli::check_effects(*given(app));
    return run();
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return complain(given(app), explain(app, error), bad_input);
  } catch (const std::bad_alloc&) {
    return complain(given(app), "no memory left", fault);
  } catch (const std::exception& error) {
    return complain(given(app), error.what(), status_of(error));
  }
}

}  // namespace

int main(int argc, char** argv) {
  elbo::cli::prepare_streams();
  const int status = run_program(argc, argv);
  const std::string problem = elbo::cli::output_problem();
  if (problem.empty() || status != 0) return status;
  return complain(nullptr, "cannot write standard output: " + problem, fault);
}
