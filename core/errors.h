#pragma once
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>

#include "api.h"

/// Every error the library throws is one of these types. A message names the op or the file, what was
/// expected and what was found: `[matmul] inner dimensions differ: a [2, 3], b [4, 5]`.
namespace ELBO_API elbo {

/// Base of all elbo errors.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Shapes that do not fit an op, or each other.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// An element type that an op does not take, or two that differ.
class DTypeError : public Error {
 public:
  using Error::Error;
};

/// A device that does not exist, cannot be used, or differs between operands.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// An index, axis or label outside its range.
class IndexError : public Error {
 public:
  using Error::Error;
};

/// A misuse of the graph: a second backward, a write in place over a saved value, an op without a gradient.
class AutogradError : public Error {
 public:
  using Error::Error;
};

/// An argument or option whose value makes no sense: a learning rate of NaN, a batch size of 0.
class ValueError : public Error {
 public:
  using Error::Error;
};

/// A file whose content is not what its format says.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// A file that cannot be opened, read or written.
class IoError : public Error {
 public:
  using Error::Error;
};

/// An IoError that other arguments would not mend: no room on the disk, a quota, an I/O error, too many open files.
class SystemFault : public IoError {
 public:
  using IoError::IoError;
};

/// No memory left on a device.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

/// Something that cannot be recorded, such as `item()`, during the capture of a training step.
class CaptureError : public Error {
 public:
  using Error::Error;
};

/// A fault reported by the CUDA runtime or one of its libraries.
class CudaError : public Error {
 public:
  using Error::Error;
};

}  // namespace elbo

namespace elbo {  // unmarked: each library has its own copies of what these templates become
namespace detail {

/// Joins its arguments into one string, each printed by `operator<<`. Numbers are written as in C++ code, whatever the
/// program's locale says: they go into files too.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (out << ... << parts);
  return out.str();
}

}  // namespace detail

/// Throws an error of type E whose message is `parts` printed one after the other.
template <class E = Error, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw E(detail::concat(parts...));
}

}  // namespace elbo

/// Throws `E` with a message joined from the remaining arguments unless `condition` holds. The message is
/// only built on failure.
#define ELBO_CHECK(condition, E, ...)                       \
  do {                                                      \
    if (!(condition)) ::elbo::fail<::elbo::E>(__VA_ARGS__); \
  } while (false)
