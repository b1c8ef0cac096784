#include <cerrno>
#include <cstring>

#include "errors.h"
#include "io_errors_detail.h"

namespace elbo::detail {

void fail_io(const std::string& message, int reason, const std::string& after) {
  const std::string text = message + ": " + (reason != 0 ? std::strerror(reason) : "unknown reason") + after;
  switch (reason) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ENOTEMPTY:
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:
    case ENODEV:
      fail<IoError>(text);
    default:
      fail<SystemFault>(text);
  }
}

}  // namespace elbo::detail
