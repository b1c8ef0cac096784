#include <elbo/core/errors.h>
#include <elbo/core/text.h>

#include <iostream>
#include <new>

#include "commands.h"
#include "streams.h"

namespace {

constexpr int bad_input = 2, fault = 1;

int complain(const CLI::App* command, const std::string& message, int status) {
  std::cerr << (command ? "elbo " + command->get_name() : "elbo") << ": " << elbo::printable(message) << "\n";
  return status;
}

/// The subcommand that was given, for messages.
const CLI::App* given(const CLI::App& app) {
  auto commands = app.get_subcommands();
  return commands.empty() ? nullptr : commands.front();
}

bool has_command(const CLI::App& app, const std::string& name) {
  auto commands = app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  return !commands.empty();
}

/// "train, eval or doctor".
std::string commands_of(const CLI::App& app) {
  std::string out;
  auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (i > 0) out += i + 1 < commands.size() ? ", " : " or ";
    out += commands[i]->get_name();
  }
  return out;
}

/// One line for an option that could not be parsed.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) {
    std::string text = error.what();
    std::size_t colon = text.find(": ");
    return "unknown option or argument" + (colon == std::string::npos ? "" : ": " + text.substr(colon + 2)) +
           " (--help lists what there is)";
  }
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
    return complain(nullptr, "unknown command " + elbo::in_quotes(argv[1]) + ": expected " + commands_of(app),
                    bad_input);
  }
  try {
    app.parse(argc, argv);
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
