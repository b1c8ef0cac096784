#include "storage.h"

#include <array>
#include <mutex>

#include "called_op_detail.h"
#include "cpu/cpu_backend.h"
#include "cuda_loader_detail.h"
#include "errors.h"
#include "profile_detail.h"

namespace elbo {
namespace {

// The backend registry: one backend a device, made at first use and never destroyed. A tensor may be a global variable,
// which goes after all that was made later than itself.

Backend& cpu_backend() {
  static Backend& instance = *cpu_kernels::make_cpu_backend().release();
  return instance;
}

/// No memory and no kernels.
class MetaBackend final : public Backend {
 public:
  const char* description() const override { return "shapes alone"; }
  Status allocate(std::size_t, void** block) override { return *block = nullptr, Status{}; }
  void release(void*, std::size_t) noexcept override {}
  MemoryStats memory() const override { return {}; }
  void trim() override {}
  Status copy(void*, const void*, std::size_t, CopyKind) override { return {StatusCode::unsupported, ""}; }
  Status synchronize() override { return {}; }
};

Backend& meta_backend() {
  static Backend& instance = *std::make_unique<MetaBackend>().release();
  return instance;
}

/// The plugin owns its backends, and the driver may be gone before the program's last objects.
Backend& cuda_backend(int index) {
  static std::array<std::atomic<Backend*>, detail::max_cuda_devices> opened{};
  static std::mutex opening;
  const CudaPlugin& plugin = detail::cuda_plugin(index);
  std::atomic<Backend*>& slot = opened[static_cast<std::size_t>(index)];
  if (Backend* found = slot.load(std::memory_order_acquire)) return *found;
  const std::lock_guard lock(opening);
  if (Backend* found = slot.load(std::memory_order_acquire)) return *found;
  Backend* made = nullptr;
  const Status status = plugin.open(index, &made);
  ELBO_CHECK(status.ok() && made, DeviceError, "device cuda:", index, " cannot be used: ", status.message);
  slot.store(made, std::memory_order_release);
  return *made;
}

Backend& own_backend(Device device) {
  if (device.type == DeviceType::cuda) return cuda_backend(device.index);
  ELBO_CHECK(device.index == 0, DeviceError, "device ", device, ":", device.index, " cannot be used: there is one ",
             device.type == DeviceType::cpu ? "CPU" : "meta", ", index 0");
  return device.type == DeviceType::meta ? meta_backend() : cpu_backend();
}

}  // namespace

Backend& backend(Device device) {
  Backend& own = own_backend(device);
  return detail::listening.profiler ? detail::profiled(own, device) : own;
}

MemoryStats memory_stats(Device device) { return backend(device).memory(); }

void synchronize(Device device) { detail::check(backend(device).synchronize(), "synchronize", device); }

namespace detail {

void check(Status status, const char* op, Device device) {
  if (status.ok()) return;
  op = CalledOp::name_or(op);
  switch (status.code) {
    case StatusCode::ok:
      return;
    case StatusCode::out_of_memory:
      fail<OutOfMemory>("[", op, "] ", status.message);
    case StatusCode::index:
      fail<IndexError>("[", op, "] ", status.message);
    case StatusCode::value:
      fail<ValueError>("[", op, "] ", status.message);
    case StatusCode::unsupported:
      ELBO_CHECK(device != meta, DeviceError, "[", op, "] device ", device, " holds no numbers");
      fail<DeviceError>("[", op, "] not supported on ", device, ": ", status.message);
    case StatusCode::device_fault:
      fail<CudaError>("[", op, "] ", status.message);
    case StatusCode::capture:
      fail<CaptureError>("[", op, "] ", status.message);
  }
}

}  // namespace detail

Storage::Storage(Device device, std::size_t bytes) : device_(device), backend_(&own_backend(device)), bytes_(bytes) {
  if (bytes > 0) detail::check(backend_->allocate(bytes, &data_), "allocate", device);
}

Storage::~Storage() {
  if (data_) backend_->release(data_, bytes_);
}

}  // namespace elbo
