#pragma once
#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

/// The shape of a command line, checked before CLI11 parses it: that takes an option's value from whatever follows, be
/// it the next option, and names what it does not know in any order.
namespace elbo::cli {

/// What is wrong with the arguments of a command, in one line: an option that does not exist, is given twice, has no
/// value or an empty one, or an argument too many.
std::optional<std::string> argument_problem(const CLI::App& command, const std::vector<std::string>& words);

/// ": did you mean train?" where one of the words is close to `word`, else nothing.
std::string suggestion(const std::string& word, const std::vector<std::string>& words);

}  // namespace elbo::cli
