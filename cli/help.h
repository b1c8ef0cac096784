#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "options.h"

/// What is said about commands and options, from the table in options.h.
namespace elbo::cli {

/// The commands in the order in which they were added.
std::vector<const CLI::App*> commands_of(const CLI::App& app);
/// The command of that name. Throws ValueError, with a suggestion, where there is none.
const CLI::App& command_named(const CLI::App& app, const std::string& name);
/// "elbo train".
std::string full_name(const CLI::App& command);
/// "elbo train [options] --out RUN".
std::string usage_of(const CLI::App& command);
/// "--model ae|vae", as the help and the man pages write an option.
std::string option_title(const std::string& name, const std::string& type);
/// "default: 3; only for --model conv-vae", empty where there is neither.
std::string notes_of(const OptionFacts& option);

/// A line of at most `width` columns or, broken between words, several, those after the first indented.
std::string wrapped(const std::string& text, std::size_t indent, int width);
/// A name and, from `column` on, what is said of it, in such lines; where the name leaves no room for that, below it.
std::string row(const std::string& name, const std::string& text, std::size_t column, int width);

/// The headings that its options come under, in order.
std::vector<std::string> headings_of(const std::vector<OptionFacts>& options);

/// The help of a command, or of the program, in lines of at most `width` columns.
std::string help_text(const CLI::App& command, int width);
/// COLUMNS, the terminal's width, or 80 where standard output is none.
int help_width();

/// Lets CLI11 print that.
class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

/// The page for man(1), in roff.
std::string man_page(const CLI::App& command);
/// The completions for a shell: bash, zsh or fish.
std::string completion_of(const CLI::App& app, const std::string& shell);

}  // namespace elbo::cli
