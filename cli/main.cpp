#include <elbo/core/errors.h>

#include <iostream>

#include "commands.h"

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

/// One line for an option that could not be parsed.
std::string explain(const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) {
    std::string text = error.what();
    std::size_t colon = text.find(": ");
    return "unknown option or argument" + (colon == std::string::npos ? "" : ": " + text.substr(colon + 2)) +
           " (--help lists what there is)";
  }
  std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Trains, evaluates and explains variational autoencoders.", "elbo"};
  app.set_version_flag("--version", "elbo " ELBO_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  elbo::cli::Command run;
  elbo::cli::add_train(app, run);
  elbo::cli::add_eval(app, run);
  elbo::cli::add_doctor(app, run);
  try {
    app.parse(argc, argv);
    return run();
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return complain(given(app), explain(error), bad_input);
  } catch (const elbo::cli::Fault& error) {
    return complain(given(app), error.what(), fault);
  } catch (const elbo::OutOfMemory& error) {
    return complain(given(app), error.what(), fault);
  } catch (const elbo::CudaError& error) {
    return complain(given(app), error.what(), fault);
  } catch (const elbo::Error& error) {
    return complain(given(app), error.what(), bad_input);
  } catch (const std::exception& error) {
    return complain(given(app), error.what(), fault);
  }
}
