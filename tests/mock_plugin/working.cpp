// Three GPUs, whose memory is the host's: they copy, fill, and record the two in graphs. The third cannot be used.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "mock.h"

namespace mock {
namespace {

using Calls = std::vector<std::function<void()>>;

template <class T>
void fill_with(View out, double value) {
  std::fill_n(static_cast<T*>(out.data), out.shape.numel(), static_cast<T>(value));
}

void fill_any(View out, double value) {
  if (out.dtype == DType::float32) fill_with<float>(out, value);
  if (out.dtype == DType::float64) fill_with<double>(out, value);
  if (out.dtype == DType::uint8) fill_with<std::uint8_t>(out, value);
  if (out.dtype == DType::int64) fill_with<std::int64_t>(out, value);
}

class WorkingBackend final : public Backend {
 public:
  const char* description() const override { return "Mock GPU"; }

  Status allocate(std::size_t bytes, void** block) override {
    *block = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!*block) return {StatusCode::out_of_memory, "the mock GPU has no memory left"};
    stats_.active += static_cast<std::int64_t>(bytes);
    return {};
  }
  void release(void* block, std::size_t bytes) noexcept override {
    stats_.active -= static_cast<std::int64_t>(bytes);
    std::free(block);
  }
  MemoryStats memory() const override { return stats_; }
  void trim() override {}

  Status copy(void* to, const void* from, std::size_t bytes, CopyKind kind) override {
    if (kind == CopyKind::device_to_device) return submit([=] { std::memcpy(to, from, bytes); });
    if (capturing_) return spoil();
    std::memcpy(to, from, bytes);
    return {};
  }
  Status synchronize() override { return capturing_ ? spoil() : Status{}; }
  Status fill(View out, double value) override {
    return submit([=] { fill_any(out, value); });
  }

  Status begin_capture() override {
    capturing_ = std::make_unique<Calls>();
    spoiled_ = false;
    return {};
  }
  Status end_capture(void** graph, std::int64_t* nodes) override {
    std::unique_ptr<Calls> calls = std::move(capturing_);
    *graph = nullptr;
    if (spoiled_) return {StatusCode::capture, "the mock GPU could not record that"};
    ++stats_.cached;  // counts the graphs that live, for the tests
    *nodes = static_cast<std::int64_t>(calls->size());
    *graph = calls.release();
    return {};
  }
  Status replay(void* graph) override {
    for (const auto& call : *static_cast<Calls*>(graph)) call();
    return {};
  }
  void release_graph(void* graph) noexcept override {
    --stats_.cached;
    const std::unique_ptr<Calls> dropped(static_cast<Calls*>(graph));
  }

 private:
  Status submit(std::function<void()> call) {
    if (capturing_)
      capturing_->push_back(std::move(call));
    else
      call();
    return {};
  }
  Status spoil() {
    spoiled_ = true;
    return {StatusCode::capture, "the mock GPU cannot record this"};
  }

  std::unique_ptr<Calls> capturing_;
  bool spoiled_ = false;
  MemoryStats stats_;
};

Status describe(int index, CudaDeviceInfo* info) {
  if (index == 2) return {StatusCode::device_fault, "the mock GPU has fallen off the bus"};
  std::snprintf(info->name, sizeof info->name, "Mock GPU %d", index);
  info->major = 9;
  info->multiprocessors = 132;
  info->total_memory = std::int64_t{80} << 30;
  return {};
}

Status free_memory(int index, std::int64_t* bytes) {
  if (index == 1) return {StatusCode::out_of_memory, "the mock GPU is full"};
  *bytes = std::int64_t{60} << 30;
  return {};
}

Status open(int index, Backend** backend) {
  static WorkingBackend backends[2];
  if (index == 2) return {StatusCode::device_fault, "the mock GPU has fallen off the bus"};
  *backend = &backends[index];
  return {};
}

constexpr CudaPlugin plugin{cuda_plugin_abi,
                            "mock CUDA 13.0 for sm_90",
                            [](CudaSystem* system) {
                              system->driver = 13010;
                              system->runtime = 13000;
                              system->devices = 3;
                            },
                            describe,
                            free_memory,
                            open,
                            [](int, std::int64_t) {},
                            [](int) {}};

}  // namespace
}  // namespace mock

const elbo::CudaPlugin* elbo_cuda_plugin(int abi, int* found) { return mock::checked(mock::plugin, abi, found); }
