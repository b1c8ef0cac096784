#pragma once
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

/// Internal: how files that others made or may take away are opened, and what is said of those that are something else.
namespace elbo::detail {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// A file open for reading, by the name that its messages have.
struct InputFile {
  std::unique_ptr<std::FILE, CloseFile> file;
  std::string name;
  std::uint64_t size = 0;

  /// Fills `to` and returns its size, or less at the end of the file. Throws IoError.
  std::size_t read_some(std::span<std::uint8_t> to);
  /// Goes to a byte of the file. Throws IoError.
  void seek(std::uint64_t position);
};

/// Opens a regular file. It never waits: what is a folder, a FIFO, a socket or a device is refused. Throws IoError with
/// the path and what was found there, or the system's reason.
InputFile open_input(const std::filesystem::path& path);
/// The same over bytes, which must outlive it.
InputFile memory_input(std::span<const std::uint8_t> bytes, std::string name);

/// Whether `file`, an open descriptor, still has that name, links aside: another process may have removed or replaced
/// it.
bool has_name(int file, const std::filesystem::path& path);

/// What a file seems to be by its first bytes (some 300 of them tell the most), with what to do about it where that is
/// known, for the end of a message: `a NumPy array`, `a PyTorch checkpoint: convert it with ...`, `an HTML page: ...`,
/// `nothing`, or `something else (first bytes 01 02 03 04)`.
std::string describe_content(std::span<const std::uint8_t> start);

}  // namespace elbo::detail
