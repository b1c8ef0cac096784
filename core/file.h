#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api.h"

/// Files that are read and written whole.
namespace ELBO_API elbo {

/// A file that appears whole or not at all: what is written goes to a temporary file in the same folder, which takes
/// the name at `commit()`. Without that it is removed and what stood under the name stays. `commit()` returns when the
/// disk has the file, and its name. A symbolic link is followed: its target is replaced, in the target's folder. An
/// existing file's permissions are kept.
///
/// A device, a pipe, or a descriptor of this process (`/dev/stdout`, `/dev/fd/3`) is written to directly.
///
/// All throw IoError naming the path, the system's reason and how many bytes had been written; SystemFault where the
/// path is not to blame.
class AtomicFile {
 public:
  /// The folder must exist. `expected` is the size it will have, for messages; 0 where nobody knows.
  explicit AtomicFile(std::filesystem::path path, std::uint64_t expected = 0);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// Closes the file and gives it its name. Nothing may be written after that.
  void commit();

 private:
  void open_beside(const std::filesystem::path& target);
  void flush();
  void put(std::span<const std::byte> bytes);
  [[noreturn]] void fail_now(int reason) const;

  std::filesystem::path path_, target_;
  std::string temporary_;  ///< empty once it has been renamed, and for what is written directly
  int file_ = -1;          ///< closed at -1
  std::vector<std::byte> buffer_;
  std::uint64_t expected_, written_ = 0;
};

/// Writes `bytes` to `path`, or leaves what was there; see AtomicFile.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Appends `text` to a file, which is made where there is none, and returns when the disk has it. What cannot be
/// written whole is taken back. Only a kill of the process or a loss of power in between can leave a part: the reader
/// must know a whole piece from one. Throws as AtomicFile does.
void append_to_file(const std::filesystem::path& path, std::string_view text);

/// Makes a folder and those above it where they are missing, and returns when the disk has them. Throws IoError naming
/// the path, SystemFault where the path is not to blame.
void make_folders(const std::filesystem::path& folder);

/// Takes away the temporary files of an AtomicFile whose process died. Those of living ones, on other machines too, are
/// locked and stay. An AtomicFile does so in its own folder. Throws nothing.
void remove_dead_temporaries(const std::filesystem::path& folder);
/// Whether a file of this name is such a temporary file.
bool is_temporary_name(std::string_view name);

/// What a path names of this process's own open files: 1 for `/dev/stdout`, or a link to it; -1 for all else.
int descriptor_of(const std::filesystem::path& path);

/// The whole content of a regular file. Throws IoError naming the path and the system's reason, or what was found there
/// (a folder, a FIFO, a device), for which it never waits.
std::string read_whole_file(const std::filesystem::path& path);

}  // namespace elbo
