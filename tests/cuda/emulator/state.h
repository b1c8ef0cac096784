#pragma once
#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "emulator.h"

/// What the parts of the emulator share: the devices, their memory and handles, and what went wrong.
namespace emulator {

using Work = std::function<void()>;

struct Capture {
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  bool invalid = false;
  std::vector<Work> work = {};
};

}  // namespace emulator

struct CUstream_st {
  int device;
  bool blocking;  // waits for the null stream's work, as that for its
  std::unique_ptr<emulator::Capture> capture = nullptr;
};
struct CUgraph_st {
  std::vector<emulator::Work> work;
};
struct CUgraphExec_st {
  std::vector<emulator::Work> work;
};

namespace emulator {

struct FreeBytes {
  void operator()(void* block) const;
};
struct MemoryBlock {
  std::unique_ptr<void, FreeBytes> data;
  std::size_t bytes;
  int device;
};
/// Live blocks by address.
class Blocks {
 public:
  MemoryBlock* find(const void* data);  // the block that `data` lies in
  bool holds(const void* data, std::size_t bytes);
  void* add(std::size_t bytes, int device);
  bool remove(const void* data);         // false unless a block begins there
  std::size_t in_use(int device) const;  // of all devices if negative

 private:
  std::map<const char*, MemoryBlock> blocks_;
};

enum class Order { forward, reverse, shuffle };

template <class Handle>
using Live = std::map<Handle*, std::unique_ptr<Handle>>;

struct State {
  std::recursive_mutex mutex;
  int devices, driver;
  std::size_t memory;  // of each device
  Order order;
  Blocks device_blocks, host_blocks;
  Live<CUstream_st> streams;
  Live<CUgraph_st> graphs;
  Live<CUgraphExec_st> execs;
  std::vector<std::unique_ptr<CUstream_st>> null_streams;  // one a device
  cudaError_t fault = cudaSuccess;
  bool fault_seen = false;
  long long launches = 0, fail_launch = -1, fault_launch, fail_graph = -1;
  cudaError_t graph_error = cudaSuccess;
  bool no_kernel_image;
  std::vector<Work> queued;  // of all streams, in the order of submission

  State();
};
/// Made at the first use and never destroyed: the plugin's own statics may free memory when the process ends.
State& state();

/// The device of this host thread.
int& current_device();
/// The error that cudaGetLastError gives this host thread.
cudaError_t& last_error();

/// The capture mode of this host thread.
cudaStreamCaptureMode& thread_mode();

/// What a call of the runtime does to a stream that is being captured.
enum class Call {
  plain,   ///< nothing
  unsafe,  ///< it is forbidden, unless the thread's mode allows it: it might wait, or allocate
  waits    ///< it waits for the device: faults come to light here
};

/// What every call of the runtime begins with: cudaSuccess if it may go on. Invalidates captures that it breaks.
cudaError_t begin_call(State& s, Call call);

/// The frame of a call: one at a time, refused where there is no device or it is at fault, errors remembered.
template <class Fn>
cudaError_t runtime_call(Call call, const Fn& fn) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  cudaError_t error = begin_call(s, call);
  if (error == cudaSuccess) error = fn(s);
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error() = error;
  return error;
}

/// cudaSuccess, or what a test wants the next call that has to do with a graph to return.
cudaError_t graph_call(State& s);

/// The stream behind a handle, null for the current device's null stream; null if it is none.
CUstream_st* find_stream(State& s, cudaStream_t stream);

/// Queues `work`, or records it in the stream's capture. `s` is locked, the stream exists.
///
/// What is queued is done as late as a GPU may: when somebody waits for the device. So whoever reads a result without
/// waiting, or changes memory on the host that a copy still has to read, sees wrong numbers.
cudaError_t submit(State& s, CUstream_st& stream, Work work);
void run_queued(State& s);

/// Runs the grid now. On a fault the device has failed.
void run_grid(const dim3& grid, const dim3& block, const Work& thread_body);

}  // namespace emulator
