#pragma once
#include <elbo/core/errors.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

/// What libFuzzer calls with each input.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// A reader may give what it has read or throw an error of ours; all else is a finding.
template <class Read>
int survive(Read read) {
  try {
    read();
  } catch (const elbo::Error&) {
  }
  return 0;
}

/// A folder of this process, for readers that take a path; scripts/fuzz puts it into memory.
inline const std::filesystem::path& own_folder() {
  static const std::filesystem::path folder = [] {
    const std::filesystem::path made =
        std::filesystem::temp_directory_path() / ("elbo-fuzz-" + std::to_string(getpid()));
    std::filesystem::create_directories(made);
    return made;
  }();
  return folder;
}
inline void write_input(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}
