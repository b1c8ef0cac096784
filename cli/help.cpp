#include "help.h"

#include <elbo/core/errors.h>
#include <elbo/core/file.h>
#include <elbo/core/text.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "arguments.h"
#include "commands.h"
#include "progress.h"

namespace elbo::cli {
namespace {

/// Appends `text`, broken between words, to a line that is `column` wide already; further lines are indented.
void append_wrapped(std::string& out, const std::string& text, std::size_t column, std::size_t indent,
                    std::size_t width) {
  std::istringstream words(text);
  bool first = true;
  for (std::string word; words >> word; first = false) {
    if (!first && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!first) {
      out += " ";
      ++column;
    }
    out += word;
    column += word.size();
  }
  out += "\n";
}

/// An option or a command and what it means.
void append_row(std::string& out, const std::string& name, const std::string& text, std::size_t width) {
  out += row("  " + name, text, width < 60 ? 6 : 26, static_cast<int>(width));
}

std::string sentence(const OptionFacts& option) {
  const std::string notes = notes_of(option);
  return option.description + (notes.empty() ? "" : " [" + notes + "]");
}

std::string title_of(const OptionFacts& option) {
  std::string name = option.short_name.empty() ? option.name : option.short_name + ", " + option.name;
  for (const std::string& other : option.other_names) name += ", " + other;
  return option.positional ? option.type : option_title(name, option.type);
}

}  // namespace

std::string wrapped(const std::string& text, std::size_t indent, int width) {
  std::string out;
  append_wrapped(out, text, 0, indent, static_cast<std::size_t>(width));
  return out;
}

std::string row(const std::string& name, const std::string& text, std::size_t column, int width) {
  std::string out = name;
  if (name.size() + 1 <= column)
    out += std::string(column - name.size(), ' ');
  else
    out += "\n" + std::string(column, ' ');
  append_wrapped(out, text, column, column, static_cast<std::size_t>(width));
  return out;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

const CLI::App& command_named(const CLI::App& app, const std::string& name) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) {
    if (command->get_name() == name) return *command;
    names.push_back(command->get_name());
  }
  const std::string close = suggestion(name, names);
  fail<ValueError>("unknown command ", in_quotes(name), close.empty() ? ": expected " + either(names) : close);
}

std::string full_name(const CLI::App& command) {
  return command.get_parent() ? command.get_parent()->get_name() + " " + command.get_name() : command.get_name();
}

std::string option_title(const std::string& name, const std::string& type) {
  return type.empty() ? name : name + " " + type;
}

std::string notes_of(const OptionFacts& option) {
  std::string out = option.choices_apart ? either(option.choices) : "";
  if (!option.default_text.empty() && !option.flag())
    out += (out.empty() ? "" : "; ") + ("default: " + option.default_text);
  for (const Condition& condition : option.conditions) out += (out.empty() ? "" : "; ") + condition.text();
  return out;
}

std::string usage_of(const CLI::App& command) {
  std::string out = full_name(command);
  if (!commands_of(command).empty()) return out + " COMMAND [options]";
  out += " [options]";
  for (const OptionFacts& option : options_of(command)) {
    if (!option.required && !option.positional) continue;
    out += " " + (option.required ? title_of(option) : "[" + title_of(option) + "]");
  }
  return out;
}

std::vector<std::string> headings_of(const std::vector<OptionFacts>& options) {
  std::vector<std::string> out;
  for (const OptionFacts& option : options)
    if (!option.positional && std::find(out.begin(), out.end(), option.heading) == out.end())
      out.push_back(option.heading);
  return out;
}

std::string help_text(const CLI::App& command, int width) {
  const auto columns = static_cast<std::size_t>(std::max(width, 40));
  std::string out;
  append_wrapped(out, command.get_description(), 0, 0, columns);
  out += "\n";
  append_wrapped(out, "Usage: " + usage_of(command), 0, 7, columns);
  if (!commands_of(command).empty()) out += "\nCommands:\n";
  for (const CLI::App* one : commands_of(command)) append_row(out, one->get_name(), one->get_description(), columns);
  const std::vector<OptionFacts> options = options_of(command);
  const auto append = [&](bool positional, const std::string& heading) {
    for (const OptionFacts& option : options)
      if (option.positional == positional && (positional || option.heading == heading))
        append_row(out, title_of(option), sentence(option), columns);
  };
  const bool has_arguments =
      std::any_of(options.begin(), options.end(), [](const OptionFacts& option) { return option.positional; });
  if (has_arguments) out += "\nArguments:\n";
  append(true, "");
  for (const std::string& heading : headings_of(options)) {
    out += "\n";
    append_wrapped(out, heading + ":", 0, 2, columns);
    append(false, heading);
  }
  if (command.get_footer().empty()) return out;
  // Indented lines are commands to copy, which stay whole.
  out += "\n";
  std::istringstream lines(command.get_footer());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(' '))
      out += line + "\n";
    else
      append_wrapped(out, line, 0, 0, columns);
  }
  return out;
}

int help_width() {
  const char* value = std::getenv("COLUMNS");
  const std::string_view text = value ? value : "";
  int width = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), width);
  const bool valid = !text.empty() && error == std::errc() && end == text.data() + text.size() && width > 0;
  return valid ? width : progress_options(1).width();
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  return help_text(*app, help_width());
}

void add_help(CLI::App& app, Command& run) {
  auto name = std::make_shared<std::string>();
  CLI::App* help = app.add_subcommand("help", "Say what a command does and which options it takes");
  help->footer("Example:\n  elbo help train");
  help->add_option("command", *name, "The command (default: a list of them all)")->type_name("COMMAND");
  help->final_callback([name, &app, &run] {
    run = [name, &app] {
      std::cout << help_text(name->empty() ? app : command_named(app, *name), help_width());
      return 0;
    };
  });
  CLI::App* version = app.add_subcommand("version", "Say which version of elbo this is");
  version->footer("Example:\n  elbo version");
  version->final_callback([&run] {
    run = [] {
      std::cout << "elbo " ELBO_VERSION "\n";
      return 0;
    };
  });
}

void add_completion(CLI::App& app, Command& run) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print the completions of commands and options for a shell");
  command->footer(
      "Example, for the shell that runs, and for those to come:\n  source <(elbo completion bash)\n"
      "  elbo completion fish > ~/.config/fish/completions/elbo.fish");
  command->add_option("shell", *shell, "Which")->required()->check(one_of({"bash", "zsh", "fish"}))->type_name("SHELL");
  command->final_callback([shell, &app, &run] {
    run = [shell, &app] {
      std::cout << completion_of(app, *shell);
      return 0;
    };
  });
}

void add_man(CLI::App& app, Command& run) {
  struct ManArgs {
    std::string command;
    std::filesystem::path out;
  };
  auto args = std::make_shared<ManArgs>();
  CLI::App* man = app.add_subcommand("man", "Print the manual page of a command, for man");
  man->footer("Example:\n  elbo man train | man -l -");
  man->add_option("command", args->command, "The command (default: elbo itself)")->type_name("COMMAND");
  man->add_option("--out", args->out, "Write all pages into this folder instead")->type_name("DIR");
  man->final_callback([args, &app, &run] {
    run = [args, &app] {
      if (args->out.empty()) {
        std::cout << man_page(args->command.empty() ? app : command_named(app, args->command));
        return 0;
      }
      ELBO_CHECK(args->command.empty(), ValueError, "--out: not with a command, found ", args->command);
      write_file_atomically(args->out / "elbo.1", man_page(app));
      for (const CLI::App* one : commands_of(app))
        write_file_atomically(args->out / ("elbo-" + one->get_name() + ".1"), man_page(*one));
      return 0;
    };
  });
}

}  // namespace elbo::cli
