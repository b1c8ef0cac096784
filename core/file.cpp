#include "file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

#include "errors.h"
#include "input_detail.h"
#include "io_errors_detail.h"

namespace elbo {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view marker = ".elbo-tmp-";

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

/// 0, or the system's reason. Some file systems know of no sync.
int sync(int file) {
  if (fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP) return 0;
  return errno;
}

/// A name in a folder lasts once the folder is written too. A folder that may not be read cannot be synced.
int sync_folder(const fs::path& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return errno == EACCES ? 0 : errno;
  const int reason = sync(file);
  close(file);
  return reason;
}

/// Writes all of it, in as many pieces as the system takes, and counts. 0, or the system's reason.
int write_all(int file, std::span<const std::byte> bytes, std::uint64_t& written) {
  while (!bytes.empty()) {
    const ssize_t step = write(file, bytes.data(), bytes.size());
    if (step < 0 && errno == EINTR) continue;
    if (step <= 0) return step < 0 ? errno : EIO;
    bytes = bytes.subspan(static_cast<std::size_t>(step));
    written += static_cast<std::uint64_t>(step);
  }
  return 0;
}

/// The number that is all of `text`, or -1.
int number_in(std::string_view text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0 ? number : -1;
}

/// The descriptor that `path` names in so many words.
int named_descriptor(const fs::path& path) {
  const std::string text = path.lexically_normal().string();
  if (text == "/dev/stdin") return 0;
  if (text == "/dev/stdout") return 1;
  if (text == "/dev/stderr") return 2;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"})
    if (text.starts_with(folder)) return number_in(std::string_view(text).substr(folder.size()));
  return -1;
}

/// Follows links from `path` to what is none: a file, or nothing yet. Stops at the name of a descriptor, of which a
/// link's target could be opened a second time, but not be written to where the first stands.
fs::path followed(fs::path path) {
  constexpr int most = 40;  // the system's own bound
  std::error_code error;
  for (int links = 0; named_descriptor(path) < 0 && fs::is_symlink(path, error); ++links) {
    if (links == most) detail::fail_io("cannot write " + path.string(), ELOOP);
    const fs::path target = fs::read_symlink(path, error);
    if (error) break;
    path = folder_of(path) / target;  // which is `target` where that is absolute
  }
  return path;
}

}  // namespace

int descriptor_of(const fs::path& path) { return named_descriptor(followed(path)); }

bool is_temporary_name(std::string_view name) {
  const std::size_t at = name.rfind(marker);
  if (!name.starts_with('.') || at == std::string_view::npos) return false;
  const std::string_view numbers = name.substr(at + marker.size());
  return !numbers.empty() && numbers.find_first_not_of("0123456789-") == std::string_view::npos;
}

void remove_dead_temporaries(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    if (!is_temporary_name(path.filename().string())) continue;
    // NFS wants a file open for writing before it locks it for one alone.
    const int file = open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) continue;
    if (flock(file, LOCK_EX | LOCK_NB) == 0 && detail::has_name(file, path)) unlink(path.c_str());
    close(file);
  }
}

AtomicFile::AtomicFile(fs::path path, std::uint64_t expected) : path_(std::move(path)), expected_(expected) {
  target_ = followed(path_);
  struct stat there {};
  if (const int descriptor = named_descriptor(target_); descriptor >= 0) {
    file_ = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    ELBO_CHECK(file_ >= 0, IoError, "cannot write ", path_.string(), ": no such descriptor is open");
  } else if (stat(target_.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    file_ = S_ISDIR(there.st_mode) ? (errno = EISDIR, -1) : open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (file_ < 0) fail_now(errno);
  } else {
    open_beside(target_);
  }
}

void AtomicFile::open_beside(const fs::path& target) {
  static std::atomic<unsigned> count{0};
  constexpr std::size_t most_of_name = 200;  // a name may have 255 bytes
  struct stat there {};
  const bool replaces = stat(target.c_str(), &there) == 0;
  // Renaming would take no notice of a file that is protected from writing.
  if (replaces && faccessat(AT_FDCWD, target.c_str(), W_OK, AT_EACCESS) != 0) fail_now(errno);
  remove_dead_temporaries(folder_of(target));
  const std::string name = "." + target.filename().string().substr(0, most_of_name) + std::string(marker);
  while (file_ < 0) {
    temporary_ = (folder_of(target) / detail::concat(name, getpid(), "-", count++)).string();
    file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && errno == EEXIST) continue;  // a process of another machine has the same number
    if (file_ < 0) {
      const int reason = errno;
      temporary_.clear();
      fail_now(reason);
    }
    // Nobody takes away what is locked. Somebody who came before the lock may be about to: the lock waits for that.
    struct stat own {};
    flock(file_, LOCK_EX);
    if (fstat(file_, &own) == 0 && own.st_nlink > 0) break;
    close(file_);
    file_ = -1;
  }
  if (!replaces) return;
  // Only root can give a file away; for others it is their own already, or becomes so.
  if (there.st_uid != geteuid() || there.st_gid != getegid()) (void)!fchown(file_, there.st_uid, there.st_gid);
  fchmod(file_, there.st_mode & 07777);
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
  if (file_ >= 0) close(file_);
}

void AtomicFile::fail_now(int reason) const {
  std::string after;
  if (expected_ > 0 && written_ <= expected_)
    after = detail::concat(" (after ", written_, " of ", expected_, " bytes)");
  else if (file_ >= 0)
    after = detail::concat(" (after ", written_, " bytes)");
  detail::fail_io("cannot write " + path_.string(), reason, after);
}

void AtomicFile::put(std::span<const std::byte> bytes) {
  if (const int reason = write_all(file_, bytes, written_)) fail_now(reason);
}

void AtomicFile::flush() {
  put(buffer_);
  buffer_.clear();
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t buffer_bytes = 1 << 16;
  ELBO_CHECK(file_ >= 0, IoError, "cannot write ", path_.string(), ": already committed");
  if (buffer_.size() + bytes.size() > buffer_bytes) flush();
  if (bytes.size() > buffer_bytes)
    put(bytes);
  else
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::commit() {
  ELBO_CHECK(file_ >= 0, IoError, "cannot write ", path_.string(), ": already committed");
  flush();
  const bool renames = !temporary_.empty();
  // The name must not come before the bytes, or a loss of power could leave it without them.
  if (const int reason = renames ? sync(file_) : 0) fail_now(reason);
  if (renames && std::rename(temporary_.c_str(), target_.c_str()) != 0) fail_now(errno);
  temporary_.clear();
  const int closed = close(file_) == 0 ? 0 : errno;
  file_ = -1;
  if (!renames && closed != 0) fail_now(closed);  // what is synced needs no more
  if (const int reason = renames ? sync_folder(folder_of(target_)) : 0) fail_now(reason);
}

void write_file_atomically(const fs::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path, bytes.size());
  file.write(bytes);
  file.commit();
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

void append_to_file(const fs::path& path, std::string_view text) {
  std::uint64_t written = 0;
  const auto fail_now = [&](int reason) {
    detail::fail_io("cannot write " + path.string(), reason,
                    detail::concat(" (after ", written, " of ", text.size(), " bytes)"));
  };
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) fail_now(errno);
  const off_t before = lseek(file, 0, SEEK_END);
  int reason = write_all(file, std::as_bytes(std::span(text)), written);
  if (reason == 0) reason = sync(file);
  if (reason == 0 && before == 0) reason = sync_folder(folder_of(path));  // it may be new
  if (reason != 0) (void)!ftruncate(file, before);
  close(file);
  if (reason != 0) fail_now(reason);
}

void make_folders(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return;
  make_folders(folder.parent_path());
  // Another process may have been faster; `name/.` is there once `name` is.
  if (mkdir(folder.c_str(), 0777) != 0) {
    const int reason = errno;
    if (fs::is_directory(folder, error)) return;
    ELBO_CHECK(!fs::is_symlink(folder, error) || fs::exists(folder, error), IoError, "cannot make the folder ",
               folder.string(), ": found a link to nothing");
    detail::fail_io("cannot make the folder " + folder.string(), reason);
  }
  if (const int reason = sync_folder(folder_of(folder)))
    detail::fail_io("cannot make the folder " + folder.string(), reason);
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
