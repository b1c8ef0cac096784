#pragma once
#include <stdio.h>

#include <array>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

/// Some things are decided once per process, from the environment. A test for them has a hidden test case (its tag
/// begins with a dot) print the outcome with print_result, and runs it with run_self in a process of its own.
template <class T>
void print_result(const T& result) {
  std::cout << "result: " << result << std::endl;
}

/// What `command` prints on standard output.
inline std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot run " + command);
  std::string output;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) output.append(buffer.data(), n);
  pclose(pipe);
  return output;
}

/// What the hidden test cases with this tag print with print_result, run under `environment` (`NAME=value ...`).
inline std::string run_self(const std::string& environment, const std::string& tag) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::istringstream lines(output_of("env " + environment + " '" + self + "' '" + tag + "' 2>/dev/null"));
  const std::string mark = "result: ";
  for (std::string line; std::getline(lines, line);)
    if (line.rfind(mark, 0) == 0) return line.substr(mark.size());
  return "(nothing)";
}
