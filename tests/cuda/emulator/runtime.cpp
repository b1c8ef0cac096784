#include <algorithm>
#include <cstring>

#include "state.h"

// Errors, devices, memory and launches; streams and graphs are in graphs.cpp.

using emulator::Call;
using emulator::runtime_call;
using emulator::State;
using emulator::state;

namespace emulator {
namespace {

constexpr std::size_t shared_default = 48 * 1024, shared_most = 227 * 1024;

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr ErrorText error_texts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorCudartUnloading, "cudaErrorCudartUnloading", "driver shutting down"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver", "the driver is older than the CUDA runtime"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice", "no kernel image for this device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources", "too many resources requested for launch"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "not permitted while a stream captures"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated", "the capture failed before"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched", "the capture was not begun in this stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit", "would depend on a stream that captures"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread", "the capture began in another thread"},
};

const ErrorText& text_of(cudaError_t error) {
  static constexpr ErrorText unknown{cudaErrorUnknown, "cudaErrorUnknown", "unknown error"};
  for (const ErrorText& text : error_texts) {
    if (text.error == error) return text;
  }
  return unknown;
}

cudaError_t check_limits(const dim3& grid, const dim3& block) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || block.x == 0 || block.y == 0 || block.z == 0 ||
      grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535 || block.x > 1024 || block.y > 1024 || block.z > 64 ||
      block.x * block.y * block.z > 1024) {
    return cudaErrorInvalidConfiguration;
  }
  return cudaSuccess;
}

/// What launch() and enqueue() have in common.
cudaError_t start(State& s, cudaStream_t handle, Work work) {
  CUstream_st* stream = find_stream(s, handle);
  if (!stream || stream->device != current_device()) return cudaErrorInvalidResourceHandle;
  if (s.no_kernel_image) return cudaErrorNoKernelImageForDevice;
  if (s.fail_launch >= 0 && s.fail_launch-- == 0) return cudaErrorLaunchOutOfResources;
  if (const cudaError_t error = stream->capture ? graph_call(s) : cudaSuccess; error != cudaSuccess) return error;
  if (s.fault_launch >= 0 && s.fault_launch-- == 0) work = [] { fail_device(cudaErrorIllegalAddress); };
  ++s.launches;
  return submit(s, *stream, std::move(work));
}

enum class Place { device, pinned, pageable };
Place place_of(State& s, const void* data) {
  if (s.device_blocks.find(data)) return Place::device;
  return s.host_blocks.find(data) ? Place::pinned : Place::pageable;
}

/// Whether a side of a copy that should be on the device or not is there, and whole.
bool right_place(State& s, const void* data, std::size_t bytes, bool device) {
  if (!data) return false;
  if (device) return s.device_blocks.holds(data, bytes);
  const Place place = place_of(s, data);
  return place == Place::pageable || (place == Place::pinned && s.host_blocks.holds(data, bytes));
}

cudaError_t check_copy(State& s, const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind == cudaMemcpyDefault) {
    to_device = place_of(s, to) == Place::device;
    from_device = place_of(s, from) == Place::device;
  }
  const bool right = right_place(s, to, bytes, to_device) && right_place(s, from, bytes, from_device);
  return right ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t allocate_host(State& s, void** block, std::size_t bytes) {
  *block = bytes > 0 ? s.host_blocks.add(bytes, current_device()) : nullptr;
  return bytes > 0 && !*block ? cudaErrorMemoryAllocation : cudaSuccess;
}

}  // namespace

cudaError_t launch(cudaStream_t stream, dim3 grid, dim3 block, std::function<void()> thread_body) {
  return runtime_call(Call::plain, [&](State& s) {
    const cudaError_t error = check_limits(grid, block);
    if (error != cudaSuccess) return error;
    return start(s, stream, [=, body = std::move(thread_body)] { run_grid(grid, block, body); });
  });
}

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work) {
  return runtime_call(Call::plain, [&](State& s) { return start(s, stream, std::move(work)); });
}

}  // namespace emulator

// ---- errors --------------------------------------------------------------------------------------------------------

const char* cudaGetErrorName(cudaError_t error) { return emulator::text_of(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return emulator::text_of(error).text; }

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard lock(state().mutex);
  return state().fault_seen ? state().fault : emulator::last_error();
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  emulator::last_error() = cudaSuccess;
  return error;
}

// ---- devices -------------------------------------------------------------------------------------------------------

cudaError_t cudaDriverGetVersion(int* version) {
  const std::lock_guard lock(state().mutex);
  *version = state().driver;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  return runtime_call(Call::plain, [&](State& s) {
    *count = s.devices;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return runtime_call(Call::plain, [&](State& s) {
    if (device < 0 || device >= s.devices) return cudaErrorInvalidDevice;
    *properties = {.name = "CUDA emulator",
                   .totalGlobalMem = s.memory,
                   .sharedMemPerBlock = emulator::shared_default,
                   .regsPerBlock = 65536,
                   .warpSize = warpSize,
                   .maxThreadsPerBlock = 1024,
                   .maxThreadsDim = {1024, 1024, 64},
                   .maxGridSize = {0x7fffffff, 65535, 65535},
                   .major = 9,
                   .minor = 0,
                   .multiProcessorCount = 8,
                   .canMapHostMemory = 1,
                   .concurrentKernels = 1,
                   .unifiedAddressing = 1,
                   .l2CacheSize = 32 << 20,
                   .maxThreadsPerMultiProcessor = 2048,
                   .sharedMemPerMultiprocessor = emulator::shared_most + 1024,
                   .sharedMemPerBlockOptin = emulator::shared_most};
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return runtime_call(Call::plain, [&](State& s) {
    if (device < 0 || device >= s.devices) return cudaErrorInvalidDevice;
    emulator::current_device() = device;
    return cudaSuccess;
  });
}

// ---- memory --------------------------------------------------------------------------------------------------------

cudaError_t cudaMalloc(void** block, std::size_t bytes) {
  return runtime_call(Call::unsafe, [&](State& s) {
    *block = nullptr;
    if (bytes == 0) return cudaSuccess;
    const int device = emulator::current_device();
    const std::size_t used = s.device_blocks.in_use(device);
    if (used <= s.memory && bytes <= s.memory - used) *block = s.device_blocks.add(bytes, device);
    return *block ? cudaSuccess : cudaErrorMemoryAllocation;
  });
}

cudaError_t cudaFree(void* block) {
  return runtime_call(block ? Call::waits : Call::plain, [&](State& s) {
    return !block || s.device_blocks.remove(block) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return runtime_call(Call::plain, [&](State& s) {
    const std::size_t used = s.device_blocks.in_use(emulator::current_device());
    *total = s.memory;
    *free = used < s.memory ? s.memory - used : 0;
    return cudaSuccess;
  });
}

cudaError_t cudaHostAlloc(void** block, std::size_t bytes, unsigned flags) {
  return runtime_call(Call::unsafe, [&](State& s) {
    constexpr unsigned known = cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined;
    return flags & ~known ? cudaErrorInvalidValue : emulator::allocate_host(s, block, bytes);
  });
}

cudaError_t cudaFreeHost(void* block) {
  return runtime_call(block ? Call::waits : Call::plain, [&](State& s) {
    return !block || s.host_blocks.remove(block) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return runtime_call(Call::waits, [&](State& s) {
    if (bytes == 0) return cudaSuccess;
    const cudaError_t error = emulator::check_copy(s, to, from, bytes, kind);
    if (error != cudaSuccess) return error;
    const cudaError_t refused =
        emulator::submit(s, *emulator::find_stream(s, nullptr), [=] { std::memmove(to, from, bytes); });
    if (refused == cudaSuccess) emulator::run_queued(s);
    return refused;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  return runtime_call(Call::plain, [&](State& s) {
    CUstream_st* stream = emulator::find_stream(s, handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (bytes == 0) return cudaSuccess;
    const cudaError_t error = emulator::check_copy(s, to, from, bytes, kind);
    if (error != cudaSuccess) return error;
    const bool pageable = emulator::place_of(s, to) == emulator::Place::pageable ||
                          emulator::place_of(s, from) == emulator::Place::pageable;
    if (stream->capture && pageable) {
      stream->capture->invalid = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    return emulator::submit(s, *stream, [=] { std::memmove(to, from, bytes); });
  });
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t handle) {
  return runtime_call(Call::plain, [&](State& s) {
    CUstream_st* stream = emulator::find_stream(s, handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    if (bytes == 0) return cudaSuccess;
    if (!emulator::on_device(to, bytes)) return cudaErrorInvalidValue;
    return emulator::submit(s, *stream, [=] { std::memset(to, value, bytes); });
  });
}
