#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

/// What options are beyond what CLI11 keeps: strict checks of their values, and when they have an effect. The help, the
/// completions and the man pages are made from the same table.
namespace elbo::cli {

/// Checks of a value, whose messages say what was expected and what was found. Numbers are written in decimal, whole.
CLI::Validator at_least(std::int64_t least);
CLI::Validator between(std::int64_t least, std::int64_t most);
CLI::Validator any_seed();
CLI::Validator any_number();
/// A number that float32, in which all is computed, can hold.
CLI::Validator float32_number();
/// At least `least`, or above it, and at most `most`, or below it; either may be infinite.
CLI::Validator number_between(double least, double most, bool above = false, bool below = false);
CLI::Validator positive();
CLI::Validator not_negative();
/// One of these words.
CLI::Validator one_of(const std::vector<std::string>& choices);

/// Whole numbers of at least `least`, separated by commas, in one argument.
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<std::int64_t>& values,
                      const std::string& what, std::int64_t least = 0);

/// When an option has an effect, for `option->check(...)`: only where a setting, such as `--model`, has one of these
/// values, or only where it has none of them. A setting is another option, or what a run was trained with.
CLI::Validator only_for(const std::string& setting, const std::vector<std::string>& values);
CLI::Validator not_for(const std::string& setting, const std::vector<std::string>& values);
/// Only beside another option, or only without it.
CLI::Validator only_with(const std::string& option);
CLI::Validator not_with(const std::string& option);

/// The word as a shell reads it: itself, or in single quotes where it must be; what `printable` would not show comes in
/// `$'...'`, which bash, zsh and ksh read.
std::string shell_word(const std::string& word);

/// "a, b or c".
std::string either(const std::vector<std::string>& words);

/// One of those, as a line of the table.
struct Condition {
  bool only = true;
  std::string setting;
  std::vector<std::string> values;  ///< empty: that the option is given
  std::string shown;                ///< the setting in messages: "--model", or "model" of a run

  /// "only for --model conv-vae", "not with --input".
  std::string text() const;
};

/// An option as the table has it.
struct OptionFacts {
  std::string name;                      ///< "--size", or a positional argument's name
  std::vector<std::string> other_names;  ///< "--no-graph" beside "--graph"
  std::string short_name;                ///< "-n", or empty
  std::string type;                      ///< what stands for its value; empty for a flag
  std::string description, default_text;
  std::string heading;  ///< of the help, that it comes under
  std::vector<std::string> choices;
  bool choices_apart = false;  ///< there are too many for `type`
  std::vector<Condition> conditions;
  bool positional = false, required = false;
  bool many = false;  ///< takes several arguments
  bool list = false;  ///< takes several values in one argument, separated by commas
  std::size_t given = 0;

  bool flag() const { return type.empty(); }
};

/// A command's options in the order in which they were added, `--help` first.
std::vector<OptionFacts> options_of(const CLI::App& command);

/// An option as it was given: `--no-graph` for a flag `--graph` that was given as that.
std::string as_given(const CLI::App& command, const std::string& option);

/// What settings are known to be; several values where several runs are looked at.
using Settings = std::map<std::string, std::vector<std::string>>;

/// Throws ValueError for the first option that was given and has no effect, by name: with the values that the command
/// line has, and with what is `found` beside it. A setting that is known to neither is not looked at. An option has an
/// effect where it has one for any of several values. A command with `--resume` finds its settings itself: nothing is
/// looked at before; and with `--resume` what is given only beside other options may be given again without them.
void check_effects(const CLI::App& command, const Settings& found = {});

}  // namespace elbo::cli
