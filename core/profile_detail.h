#pragma once

// How ops, layers and backends tell a profile what they do; not part of the interface.
namespace elbo {

class Backend;
struct Device;

namespace detail {

class Profiler;

/// Whom this thread tells; null where nobody listens, which is all that an op looks at then.
struct Listening {
  Profiler* profiler = nullptr;
  const void* layer = nullptr;  ///< that runs
};
inline constinit thread_local Listening listening;

/// An op, for as long as it lives.
class ProfiledOp {
 public:
  /// Called by the layer that runs. One that does not count is a part of another.
  explicit ProfiledOp(const char* name, bool counts = true) {
    if (counts && listening.profiler) begin(name);
  }
  /// The gradient rule of an op that `layer` called.
  ProfiledOp(const char* name, const void* layer) {
    if (listening.profiler) begin_backward(name, layer);
  }
  ~ProfiledOp() {
    if (profiler_) end();
  }
  ProfiledOp(const ProfiledOp&) = delete;
  ProfiledOp& operator=(const ProfiledOp&) = delete;

 private:
  void begin(const char* name);
  void begin_backward(const char* name, const void* layer);
  void end();
  Profiler* profiler_ = nullptr;
};

/// A layer that runs, for as long as it lives.
class ProfiledLayer {
 public:
  explicit ProfiledLayer(const void* layer) {
    if (listening.profiler) begin(layer);
  }
  ~ProfiledLayer() {
    if (profiler_) end();
  }
  ProfiledLayer(const ProfiledLayer&) = delete;
  ProfiledLayer& operator=(const ProfiledLayer&) = delete;

 private:
  void begin(const void* layer);
  void end();
  Profiler* profiler_ = nullptr;
  const void* outer_ = nullptr;
};

/// The same backend, but its kernels tell the calling thread's profile what they do. It lives as long as the program.
Backend& profiled(Backend& backend, const Device& device);

}  // namespace detail
}  // namespace elbo
