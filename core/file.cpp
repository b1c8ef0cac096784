#include "file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "errors.h"
#include "input_detail.h"

namespace elbo {
namespace {

/// A name beside `path` that no other writer of this machine uses at the same time.
std::string temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> count{0};
  return detail::concat(path.string(), ".tmp", getpid(), "-", count++);
}

/// Writes all of it, in as many pieces as the system takes.
bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)), temporary_(temporary_name(path_)) {
  errno = 0;
  file_.reset(std::fopen(temporary_.c_str(), "wb"));
  if (!file_) fail_now();
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) std::remove(temporary_.c_str());
}

void AtomicFile::fail_now() const {
  const int reason = errno;
  fail<IoError>("cannot write ", path_.string(), ": ", reason ? std::strerror(reason) : "unknown reason");
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  ELBO_CHECK(file_, IoError, "cannot write ", path_.string(), ": already committed");
  errno = 0;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail_now();
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::commit() {
  ELBO_CHECK(file_, IoError, "cannot write ", path_.string(), ": already committed");
  errno = 0;
  // A full disk may only show when the file is closed.
  if (std::fclose(file_.release()) != 0) fail_now();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail_now();
  temporary_.clear();
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

void append_to_file(const std::filesystem::path& path, std::string_view text) {
  const auto fail_now = [&] { fail<IoError>("cannot write ", path.string(), ": ", std::strerror(errno)); };
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) fail_now();
  const off_t before = lseek(file, 0, SEEK_END);
  const bool good = write_all(file, text) && fsync(file) == 0;
  const int reason = errno;
  const bool taken_back = good || ftruncate(file, before) == 0;
  close(file);
  errno = reason;
  if (!good || !taken_back) fail_now();
}

std::string read_whole_file(const std::filesystem::path& path) {
  detail::InputFile file = detail::open_input(path);
  std::string content;
  for (std::size_t step = 1 << 16, got = step; got == step;) {
    const std::size_t before = content.size();
    content.resize(before + step);
    got = file.read_some({reinterpret_cast<std::uint8_t*>(content.data()) + before, step});
    content.resize(before + got);
  }
  return content;
}

}  // namespace elbo
