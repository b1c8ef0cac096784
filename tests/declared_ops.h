#pragma once
#include <fstream>
#include <regex>
#include <set>
#include <string>

/// The names of the ops that core/ops.h declares.
inline std::set<std::string> declared_ops() {
  std::ifstream header(ELBO_SOURCE_DIR "/core/ops.h");
  const std::regex declaration("^[A-Za-z:<>]+ ([a-z0-9_]+)\\(.*");
  std::set<std::string> names;
  std::smatch match;
  for (std::string line; std::getline(header, line);)
    if (std::regex_match(line, match, declaration)) names.insert(match[1]);
  return names;
}
