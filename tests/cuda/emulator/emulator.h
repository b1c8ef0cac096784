#pragma once
#include <cstddef>
#include <functional>

#include "cuda_runtime.h"

/// How kernels run without a GPU: the blocks of a grid one after the other, the threads of a block as fibers on the
/// calling host thread, each until it returns or waits. Nothing runs at the same time as anything else, so what depends
/// on the order of threads is found by changing that order (ELBO_EMULATOR_ORDER, see control.h), not by chance.
///
/// A block in which no thread can go on (a barrier that not all reach, a vote that not all lanes of its mask come to)
/// is reported on stderr and is then a fault of the device like __trap(): every later call fails.
namespace emulator {

/// Starts `thread_body` for each thread of the grid, or records that in the graph being captured from `stream`. Limits
/// are those of the hardware: 1024 threads a block, 65535 blocks in y and z. Each block finds its shared memory full of
/// 0xff bytes.
cudaError_t launch(cudaStream_t stream, dim3 grid, dim3 block, std::function<void()> thread_body);

/// That a kernel waits for those ahead of it, once, and before it waits for anything else: made where a thread of it
/// begins, and asked when it is over. A kernel that does not is a fault of the device.
class Waits {
 public:
  Waits();
  ~Waits();
  Waits(const Waits&) = delete;
  Waits& operator=(const Waits&) = delete;
  /// The thread that runs waits.
  static void now();

 private:
  bool done_ = false;
};

/// Device work that is no kernel of ours, such as a product of cuBLASLt: runs it, or records it where the stream is
/// being captured. It captures its arguments by value, calls nothing of the CUDA runtime, and counts as one launch.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);

/// For the work in enqueue() and for checks before it: whether [data, data + bytes) lies in one live block of device
/// memory or of cudaHostAlloc's. Work that meets other memory calls fail_device().
bool on_device(const void* data, std::size_t bytes);

/// The device stops, as for an illegal access: the next call that waits for it returns `error`, and all after that do.
void fail_device(cudaError_t error);

}  // namespace emulator
