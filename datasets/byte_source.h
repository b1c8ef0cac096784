#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

/// Internal to the readers of this folder; nothing here is part of the interface.
namespace elbo::datasets {

/// The bytes of a file, inflated on the way where its content (not its name) is gzip.
class ByteSource {
 public:
  /// Throws IoError when the file does not exist, is no regular file or cannot be opened, FormatError when it is empty.
  static std::unique_ptr<ByteSource> open(const std::filesystem::path& path);
  /// The same over the bytes of a file, which must outlive it; `name` stands in the messages.
  static std::unique_ptr<ByteSource> over(std::span<const std::uint8_t> bytes, const std::string& name);
  virtual ~ByteSource() = default;

  /// Fills `to` and returns its size, or less at the end of the data: at a proper end, or where the file was cut off
  /// (then cut_off() is true). Throws IoError when reading fails, FormatError for damaged gzip data.
  virtual std::size_t read(std::span<std::uint8_t> to) = 0;
  /// True when read() met the end of the file inside a gzip stream.
  virtual bool cut_off() const = 0;
  virtual bool compressed() const = 0;
  /// The most bytes that read() can give in all: the file's size, or the most that gzip can pack into it.
  virtual std::uint64_t limit() const = 0;
  /// The size of the file itself.
  virtual std::uint64_t file_size() const = 0;
};

}  // namespace elbo::datasets
