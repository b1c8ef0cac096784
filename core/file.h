#pragma once
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

/// Files that are read and written whole.
namespace elbo {

/// A file that appears whole or not at all: what is written goes to a temporary file in the same folder, which takes
/// the name at `commit()`. Without that it is removed and what stood under the name stays. All throw IoError naming the
/// path and the system's reason.
class AtomicFile {
 public:
  /// The folder must exist.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// Closes the file and gives it its name. Nothing may be written after that.
  void commit();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void fail_now() const;

  std::filesystem::path path_;
  std::string temporary_;  ///< empty once it has been renamed
  std::unique_ptr<std::FILE, Close> file_;
};

/// Writes `bytes` to `path`, or leaves what was there; see AtomicFile.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Appends `text` to a file, which is made where there is none. What cannot be written whole is taken back. Only a
/// kill of the process or a loss of power in between can leave a part: the reader must know a whole piece from one.
void append_to_file(const std::filesystem::path& path, std::string_view text);

/// The whole content of a regular file. Throws IoError naming the path and the system's reason, or what was found there
/// (a folder, a FIFO, a device), for which it never waits.
std::string read_whole_file(const std::filesystem::path& path);

}  // namespace elbo
