#include "state.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "control.h"

namespace emulator {
namespace {

long long from_environment(const char* name, long long otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? std::atoll(value) : otherwise;
}

Order order_from_environment() {
  const char* value = std::getenv("ELBO_EMULATOR_ORDER");
  const std::string_view order = value ? value : "";
  return order == "reverse" ? Order::reverse : order == "shuffle" ? Order::shuffle : Order::forward;
}

/// Whether `capture` forbids this thread calls that are unsafe while one captures.
bool forbids(const Capture& capture, cudaStreamCaptureMode mode) {
  if (mode == cudaStreamCaptureModeRelaxed || capture.mode == cudaStreamCaptureModeRelaxed) return false;
  if (capture.thread == std::this_thread::get_id()) return true;
  return mode == cudaStreamCaptureModeGlobal && capture.mode == cudaStreamCaptureModeGlobal;
}

}  // namespace

void FreeBytes::operator()(void* block) const { std::free(block); }

MemoryBlock* Blocks::find(const void* data) {
  const auto at = static_cast<const char*>(data);
  auto next = blocks_.upper_bound(at);
  if (next == blocks_.begin()) return nullptr;
  auto& [begin, block] = *std::prev(next);
  return at < begin + block.bytes ? &block : nullptr;
}

bool Blocks::holds(const void* data, std::size_t bytes) {
  const MemoryBlock* block = find(data);
  if (!block) return false;
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(data) - static_cast<char*>(block->data.get()));
  return bytes <= block->bytes - offset;
}

void* Blocks::add(std::size_t bytes, int device) {
  constexpr std::size_t alignment = 512;
  void* data = nullptr;
  if (posix_memalign(&data, alignment, bytes) != 0) return nullptr;
  std::memset(data, 0xff, bytes);  // NaN in every floating type: whoever reads before he writes will see
  blocks_.emplace(static_cast<const char*>(data), MemoryBlock{std::unique_ptr<void, FreeBytes>(data), bytes, device});
  return data;
}

bool Blocks::remove(const void* data) { return blocks_.erase(static_cast<const char*>(data)) > 0; }

std::size_t Blocks::in_use(int device) const {
  std::size_t bytes = 0;
  for (const auto& [begin, block] : blocks_) {
    if (device < 0 || block.device == device) bytes += block.bytes;
  }
  return bytes;
}

State::State()
    : devices(static_cast<int>(from_environment("ELBO_EMULATOR_DEVICES", 1))),
      driver(static_cast<int>(from_environment("ELBO_EMULATOR_DRIVER", CUDART_VERSION))),
      memory(static_cast<std::size_t>(from_environment("ELBO_EMULATOR_MEMORY", 2ll << 30))),
      order(order_from_environment()),
      fault_launch(from_environment("ELBO_EMULATOR_FAULT", -1)),
      no_kernel_image(from_environment("ELBO_EMULATOR_OLD_GPU", 0) != 0) {}

State& state() {
  static State& instance = *std::make_unique<State>().release();
  return instance;
}

int& current_device() {
  static thread_local int device = 0;
  return device;
}

cudaError_t& last_error() {
  static thread_local cudaError_t error = cudaSuccess;
  return error;
}

cudaStreamCaptureMode& thread_mode() {
  static thread_local cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  return mode;
}

cudaError_t begin_call(State& s, Call call) {
  if (s.driver < CUDART_VERSION) return cudaErrorInsufficientDriver;
  if (s.devices <= 0) return cudaErrorNoDevice;
  if (call == Call::waits) run_queued(s);
  if (s.fault != cudaSuccess && (s.fault_seen || call == Call::waits)) {
    s.fault_seen = true;
    return s.fault;
  }
  if (call == Call::plain) return cudaSuccess;
  bool forbidden = false;
  for (const auto& [handle, stream] : s.streams) {
    if (!stream->capture || !forbids(*stream->capture, thread_mode())) continue;
    stream->capture->invalid = true;
    forbidden = true;
  }
  return forbidden ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

cudaError_t graph_call(State& s) { return s.fail_graph >= 0 && s.fail_graph-- == 0 ? s.graph_error : cudaSuccess; }

CUstream_st* find_stream(State& s, cudaStream_t stream) {
  if (stream) return s.streams.contains(stream) ? stream : nullptr;
  const auto device = static_cast<std::size_t>(current_device());
  while (s.null_streams.size() <= device) {
    s.null_streams.push_back(std::make_unique<CUstream_st>(CUstream_st{static_cast<int>(s.null_streams.size()), true}));
  }
  return s.null_streams[device].get();
}

cudaError_t submit(State& s, CUstream_st& stream, Work work) {
  if (stream.capture) {
    if (stream.capture->invalid) return cudaErrorStreamCaptureInvalidated;
    stream.capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  const bool null_stream = !s.streams.contains(&stream);
  for (const auto& [handle, other] : s.streams) {
    // The null stream would wait for that one, and what waits cannot be recorded.
    if (!null_stream || !other->blocking || !other->capture) continue;
    other->capture->invalid = true;
    return cudaErrorStreamCaptureImplicit;
  }
  s.queued.push_back(std::move(work));
  return cudaSuccess;
}

void run_queued(State& s) {
  for (const Work& work : std::exchange(s.queued, {})) {
    if (s.fault == cudaSuccess) work();
  }
}

void fail_device(cudaError_t error) {
  if (state().fault == cudaSuccess) state().fault = error;
}

bool on_device(const void* data, std::size_t bytes) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  return bytes == 0 || s.device_blocks.holds(data, bytes) || s.host_blocks.holds(data, bytes);
}

}  // namespace emulator

using emulator::state;

extern "C" {

void elbo_emulator_set_memory(std::size_t bytes) {
  const std::lock_guard lock(state().mutex);
  state().memory = bytes;
}

void elbo_emulator_set_devices(int count) {
  const std::lock_guard lock(state().mutex);
  state().devices = count;
}

void elbo_emulator_set_driver(int version) {
  const std::lock_guard lock(state().mutex);
  state().driver = version;
}

void elbo_emulator_set_order(int order) {
  const std::lock_guard lock(state().mutex);
  emulator::run_queued(state());
  state().order = static_cast<emulator::Order>(order);
}

long long elbo_emulator_launches() {
  const std::lock_guard lock(state().mutex);
  return state().launches;
}

void elbo_emulator_fail_launch(long long more) {
  const std::lock_guard lock(state().mutex);
  state().fail_launch = more;
}

void elbo_emulator_fail_graph(long long more, int error) {
  const std::lock_guard lock(state().mutex);
  state().fail_graph = more;
  state().graph_error = static_cast<cudaError_t>(error);
}

std::size_t elbo_emulator_memory_in_use() {
  const std::lock_guard lock(state().mutex);
  return state().device_blocks.in_use(-1);
}

void elbo_emulator_revive() {
  const std::lock_guard lock(state().mutex);
  state().queued.clear();
  state().fault = cudaSuccess;
  state().fault_seen = false;
  emulator::last_error() = cudaSuccess;
}

}  // extern "C"
