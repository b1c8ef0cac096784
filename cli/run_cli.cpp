#include <elbo/cli.h>
#include <elbo/core/errors.h>
#include <elbo/core/text.h>

#include <algorithm>
#include <iostream>
#include <new>
#include <optional>
#include <string_view>

#include "arguments.h"
#include "commands.h"
#include "help.h"
#include "options.h"
#include "streams.h"

namespace elbo {
namespace {

constexpr int bad_input = 2, fault = 1;

int complain(const CLI::App* command, const std::string& message, int status) {
  std::cerr << (command ? "elbo " + command->get_name() : "elbo") << ": " << printable(message) << "\n";
  return status;
}

/// The subcommand that was given, for messages.
const CLI::App* given(const CLI::App& app) {
  auto commands = app.get_subcommands();
  return commands.empty() ? nullptr : commands.front();
}

/// What is wrong with the words of the command line before any option is read, and the command they are for.
std::pair<const CLI::App*, std::optional<std::string>> problem(const CLI::App& app,
                                                               const std::vector<std::string>& words) {
  if (words.empty()) return {nullptr, {}};
  if (words[0].starts_with('-')) return {nullptr, cli::argument_problem(app, words)};
  const CLI::App& command = cli::command_named(app, words[0]);
  return {&command, cli::argument_problem(command, {words.begin() + 1, words.end()})};
}

/// One line for an option that could not be parsed.
std::string explain(const CLI::App* command, const CLI::ParseError& error) {
  std::string text = error.what();
  constexpr std::string_view required = " is required";
  if (text == "A subcommand is required") return "expected a command ('elbo help' lists them)";
  if (command && text.ends_with(required))
    for (const cli::OptionFacts& option : cli::options_of(*command))
      if (option.name + std::string(required) == text)
        return option.name + ": expected " + option.type + ", found nothing";
  return text.substr(0, text.find('\n'));
}

template <class... Types>
bool is_any_of(const std::exception& error) {
  return (dynamic_cast<const Types*>(&error) || ...);
}

/// What models and datasets complain of by a field's name, by the name of the option that sets it.
std::string by_option(const CLI::App* command, const std::exception& error) {
  std::string message = error.what();
  if (!dynamic_cast<const ValueError*>(&error)) return message;
  const std::size_t op = message.starts_with('[') ? message.find("] ") : std::string::npos;
  const std::string rest = op == std::string::npos ? message : message.substr(op + 2);
  std::string name = "--" + rest.substr(0, rest.find(": "));
  std::replace(name.begin(), name.end(), '_', '-');
  if (!command || name.find(' ') != std::string::npos || !command->get_option_no_throw(name)) return message;
  return name + rest.substr(name.size() - 2);
}

/// Which function of the library ran out of memory, or was the first to read a variable, says nothing to a user.
std::string without_op(const std::string& message) {
  const std::size_t end = message.starts_with('[') ? message.find("] ") : std::string::npos;
  if (end == std::string::npos) return message;
  const std::string rest = message.substr(end + 2);
  return rest.starts_with("no memory") || rest.starts_with("ELBO_") ? rest : message;
}

/// By the rule of docs/reliability.md: what other arguments or other files would mend is bad input, all else a fault.
int status_of(const std::exception& error) {
  const bool mendable = is_any_of<IoError, FormatError, ValueError, ShapeError, DTypeError, IndexError>(error);
  return mendable && !is_any_of<SystemFault>(error) ? bad_input : fault;
}

int run_program(int argc, char** argv) {
  CLI::App app{"Trains, evaluates and explains variational autoencoders.", "elbo"};
  app.set_version_flag("--version", "elbo " ELBO_VERSION);
  app.require_subcommand(1);
  app.formatter(std::make_shared<cli::HelpFormatter>());
  cli::Command run;
  cli::add_train(app, run);
  cli::add_eval(app, run);
  cli::add_sample(app, run);
  cli::add_reconstruct(app, run);
  cli::add_interpolate(app, run);
  cli::add_traverse(app, run);
  cli::add_manifold(app, run);
  cli::add_embed(app, run);
  cli::add_score(app, run);
  cli::add_info(app, run);
  cli::add_models(app, run);
  cli::add_report(app, run);
  cli::add_data(app, run);
  cli::add_doctor(app, run);
  cli::add_help(app, run);
  cli::add_completion(app, run);
  cli::add_man(app, run);
  try {
    if (const auto [command, wrong] = problem(app, {argv + 1, argv + argc}); wrong)
      return complain(command, *wrong, bad_input);
    app.parse(argc, argv);
    cli::check_effects(*given(app));
    return run();
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return complain(given(app), explain(given(app), error), bad_input);
  } catch (const std::bad_alloc&) {
    return complain(given(app), "no memory left", fault);
  } catch (const std::exception& error) {
    return complain(given(app), without_op(by_option(given(app), error)), status_of(error));
  } catch (...) {  // of a program's own models
    return complain(given(app), "stopped by an exception that is no std::exception", fault);
  }
}

}  // namespace

int run_cli(int argc, char** argv) {
  cli::prepare_streams();
  const int status = run_program(argc, argv);
  const std::string problem = cli::output_problem();
  if (problem.empty() || status != 0) return status;
  return complain(nullptr, "cannot write standard output: " + problem, fault);
}

}  // namespace elbo
