#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "api.h"
#include "backend_types.h"
#include "device.h"

namespace ELBO_API elbo {

class Backend;
struct Status;

/// The backend of a device, made at first use. Throws DeviceError where the device does not exist or cannot be used,
/// saying why.
Backend& backend(Device device);
/// The counters of a device's memory pool.
MemoryStats memory_stats(Device device);
/// Waits for all work queued on a device; a fault that it met is thrown here.
void synchronize(Device device);

namespace detail {
/// Throws the error that a status of `device` stands for, the message beginning with `[op]`; returns if it is ok.
void check(Status status, const char* op, Device device);
}  // namespace detail

/// A block of a device's memory, on meta null, given back to the pool at the end. Its version counts the writes in
/// place, so that a gradient rule can tell that a value it saved has changed since.
class Storage {
 public:
  Storage(Device device, std::size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device device() const { return device_; }
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  /// No two threads write at once, so that adding one need not be atomic: it would cost as much as a small kernel.
  void bump_version() { version_.store(version() + 1, std::memory_order_relaxed); }

 private:
  Device device_;
  Backend* backend_;
  void* data_ = nullptr;
  std::size_t bytes_;
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace elbo
