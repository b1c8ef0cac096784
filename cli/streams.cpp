#include "streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>

namespace elbo::cli {

void prepare_streams() {
  // The lowest number that is free is the one that an open gets. Standard output still says that it is closed: its
  // stand-in takes no writing.
  for (const int file : {0, 1, 2})
    if (fcntl(file, F_GETFD) < 0 && open("/dev/null", file == 2 ? O_WRONLY : O_RDONLY) < 0) return;
  std::signal(SIGPIPE, SIG_DFL);
  std::signal(SIGXFSZ, SIG_IGN);
}

std::string output_problem() {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  int reason = errno;
  if (flushed && !std::ferror(stdout) && std::cout) return "";
  // It failed earlier, and the reason is gone: it will fail again.
  if (flushed && write(STDOUT_FILENO, "\n", 1) < 0) reason = errno;
  if (reason == EBADF) return "it is closed";
  return reason != 0 ? std::strerror(reason) : "not all of it arrived";
}

}  // namespace elbo::cli
