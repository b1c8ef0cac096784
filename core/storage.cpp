#include "storage.h"

#include "cpu/cpu_backend.h"
#include "errors.h"

namespace elbo {
namespace {

/// The backend registry: one backend a device, living as long as the program.
Backend& cpu_backend() {
  static const std::unique_ptr<Backend> instance = cpu_kernels::make_cpu_backend();
  return *instance;
}

}  // namespace

Backend& backend(Device device) {
  ELBO_CHECK(device.type == DeviceType::cpu, DeviceError, "device ", device,
             " cannot be used: this build has no CUDA backend");
  return cpu_backend();
}

Queue queue(Device) { return nullptr; }

MemoryStats memory_stats(Device device) { return backend(device).memory(); }

void synchronize(Device device) { detail::check(backend(device).synchronize(queue(device)), "synchronize"); }

namespace detail {

void check(Status status, const char* op) {
  switch (status.code) {
    case StatusCode::ok:
      return;
    case StatusCode::out_of_memory:
      fail<OutOfMemory>("[", op, "] ", status.message);
    case StatusCode::index:
      fail<IndexError>("[", op, "] ", status.message);
    case StatusCode::unsupported:
      fail<DeviceError>("[", op, "] ", status.message);
    case StatusCode::device_fault:
      fail<CudaError>("[", op, "] ", status.message);
  }
}

}  // namespace detail

Storage::Storage(Device device, std::size_t bytes) : device_(device), backend_(&backend(device)), bytes_(bytes) {
  if (bytes > 0) detail::check(backend_->allocate(bytes, &data_), "allocate");
}

Storage::~Storage() {
  if (data_) backend_->release(data_, bytes_);
}

}  // namespace elbo
