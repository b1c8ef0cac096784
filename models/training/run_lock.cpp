#include "run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "../../core/errors.h"
#include "../../core/input_detail.h"
#include "../../core/io_errors_detail.h"

namespace elbo::models {

namespace fs = std::filesystem;

namespace {

/// What the file says of its holder.
std::string text_in(int file) {
  std::array<char, 300> text{};
  const ssize_t size = pread(file, text.data(), text.size(), 0);
  std::string out(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  out = out.substr(0, out.find('\n'));
  return out.empty() ? "another process" : out;
}

std::string own_text() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return detail::concat("process ", getpid(), " on host ", host.data());
}

/// Opens the file itself, never what a link of that name leads to, since it is emptied, nor a FIFO, which would wait.
/// -1 and errno, ELOOP for what is no regular file, where that cannot be.
int open_lock(const fs::path& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
  struct stat info {};
  if (file < 0 || (fstat(file, &info) == 0 && S_ISREG(info.st_mode))) return file;
  ::close(file);
  errno = ELOOP;
  return -1;
}

/// A reader that asks for the holder has the lock for an instant: so a few tries.
bool lock_patiently(int file) {
  for (int tries = 0; tries < 10; ++tries) {
    if (flock(file, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  errno = EWOULDBLOCK;
  return false;
}

}  // namespace

RunLock::RunLock(const fs::path& folder) : path_(folder / "lock") {
  while (true) {
    file_ = open_lock(path_, O_RDWR | O_CREAT);
    ELBO_CHECK(file_ >= 0 || errno != ELOOP, IoError, "cannot write ", path_.string(), ": expected a regular file");
    if (file_ < 0) detail::fail_io("cannot write " + path_.string(), errno);
    if (!lock_patiently(file_)) {
      const int reason = errno;
      const std::string who = reason == EWOULDBLOCK ? text_in(file_) : "";
      if (!who.empty()) {
        ::close(file_);
        fail<IoError>(folder.string(), ": expected a run that nobody trains, found ", who, " training it");
      }
      note_ = detail::concat("nothing keeps a second training away from ", folder.string(),
                             ": its file system knows no locks (", std::strerror(reason), ")");
      break;
    }
    if (detail::has_name(file_, path_)) break;  // a holder removes it before it lets go
    ::close(file_);
  }
  const std::string text = own_text() + "\n";
  // What it says is for messages alone: a full disk does not keep anybody from training.
  if (ftruncate(file_, 0) != 0 || pwrite(file_, text.data(), text.size(), 0) < 0) return;
}

bool RunLock::holds() const { return detail::has_name(file_, path_); }

RunLock::~RunLock() {
  // Removed first: whoever opened it meanwhile sees that it has lost its name.
  if (holds()) ::unlink(path_.c_str());
  ::close(file_);
}

std::optional<std::string> RunLock::holder(const fs::path& folder) {
  const int file = open_lock(folder / "lock", O_RDONLY);
  if (file < 0) return std::nullopt;
  std::optional<std::string> out;
  if (flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) out = text_in(file);
  ::close(file);
  return out;
}

}  // namespace elbo::models
