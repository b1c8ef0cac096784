// Loaded before the C library by tests (LD_PRELOAD): makes a call that writes fail, as a full or a broken disk would.
// Counted together are the opens for writing, mkdir, write, fsync and rename of the program itself; what the C library
// does inside printf is not among them.
//
//   ELBO_FAIL_AT=N      the Nth such call fails; 0: none
//   ELBO_FAIL_WITH=28   its errno. With ENOSPC all that need room fail from there on, after half of the first write
//   ELBO_FAIL_LOG=FILE  a line for each call: its name
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace {

long number(const char* name) {
  const char* text = std::getenv(name);
  return text ? std::atol(text) : 0;
}

void log(const char* call) {
  const char* path = std::getenv("ELBO_FAIL_LOG");
  if (!path) return;
  const int file = static_cast<int>(syscall(SYS_open, path, O_WRONLY | O_CREAT | O_APPEND, 0600));
  syscall(SYS_write, file, call, std::strlen(call));
  syscall(SYS_write, file, "\n", 1);
  syscall(SYS_close, file);
}

enum class Fate { good, half, fails };

/// What becomes of the next call.
Fate next(const char* call) {
  static std::atomic<long> calls{0};
  const long at = number("ELBO_FAIL_AT"), now = ++calls;
  log(call);
  if (at == 0 || now < at) return Fate::good;
  const bool full = number("ELBO_FAIL_WITH") == ENOSPC;
  if (now > at && (!full || std::strcmp(call, "rename") == 0)) return Fate::good;
  if (now == at && full && std::strcmp(call, "write") == 0) return Fate::half;
  errno = static_cast<int>(number("ELBO_FAIL_WITH"));
  return Fate::fails;
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

int open_as(const char* name, const char* path, int flags, mode_t mode) {
  if ((flags & O_ACCMODE) != O_RDONLY && next("open") == Fate::fails) return -1;
  return real<int(const char*, int, ...)>(name)(path, flags, mode);
}

mode_t mode_of(int flags, va_list arguments) { return flags & O_CREAT ? va_arg(arguments, mode_t) : 0; }

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_as("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_as("open64", path, flags, mode);
}

ssize_t write(int file, const void* bytes, size_t count) {
  const Fate fate = next("write");
  if (fate == Fate::fails) return -1;
  return real<ssize_t(int, const void*, size_t)>("write")(file, bytes, fate == Fate::half ? (count + 1) / 2 : count);
}

int fsync(int file) { return next("fsync") == Fate::fails ? -1 : real<int(int)>("fsync")(file); }

int rename(const char* from, const char* to) {
  return next("rename") == Fate::fails ? -1 : real<int(const char*, const char*)>("rename")(from, to);
}

int mkdir(const char* path, mode_t mode) {
  return next("mkdir") == Fate::fails ? -1 : real<int(const char*, mode_t)>("mkdir")(path, mode);
}

}  // extern "C"
