#pragma once
// What oracles wrote for tests to compare with, and the formulas that both sides go by.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "catch.h"

/// A file of tests/: on each line a name, and the numbers that belong to it.
inline std::map<std::string, std::vector<double>> read_golden(const std::string& name) {
  std::ifstream file(ELBO_SOURCE_DIR "/tests/" + name);
  REQUIRE(file);
  std::map<std::string, std::vector<double>> out;
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string key, word;
    in >> key;
    while (in >> word) out[key].push_back(std::strtod(word.c_str(), nullptr));
  }
  return out;
}

/// What parameter number `k` of a model is filled with, by `fill` of tests/oracle/noise.py: multiples of 1 / scale from
/// -16 / scale to 16 / scale.
inline std::vector<double> filling(std::int64_t count, std::uint64_t k, double scale) {
  std::vector<double> out;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(count); ++i) {
    const std::uint64_t mixed = ((i * 2654435761u + k * 40503u) & 0xffffffffu) >> 16;
    out.push_back((static_cast<double>(mixed % 33) - 16) / scale);
  }
  return out;
}

/// The pixels of pictures.
inline std::vector<double> pixels(std::int64_t count) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(static_cast<double>(i * 5 % 13) / 16);
  return out;
}
