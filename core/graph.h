#pragma once
#include <cstdint>
#include <functional>

#include "api.h"
#include "device.h"

namespace ELBO_API elbo {

class Backend;

/// Work of a GPU that was recorded once and is replayed at the cost of one call: a CUDA graph. A replay does the same
/// calls with the same numbers at the same addresses: what changes from one to the next lies in arrays on the device,
/// such as the batch's indices, the learning rate, and the offset of a generator, which makes each replay draw new
/// numbers.
///
/// Arrays that `work` reads and did not make must stay alive. New values are copied into them (Array::assign); another
/// array in the same variable is not seen.
///
/// An array that `work` made and kept holds the results of the last replay. Its memory belongs to the graphs of the
/// device, and these share it: what one capture has given back, a temporary or a result that was dropped, may serve the
/// next one, although each replay of the first graph still writes there. So copy or read the results of a replay before
/// another graph is replayed:
///
///     first = capture    takes blocks 1 and 2, keeps its result in 1, gives 2 back
///     second = capture   takes block 2, keeps its result there
///     second.replay()
///     first.replay()     passes through block 2: the second graph's result is gone
///
/// Do the work once before it is captured: what a first call sets up cannot all be recorded.
class Graph {
 public:
  /// A graph that is not there: it cannot be replayed.
  Graph() = default;
  /// Records what `work` queues on `device`, which does not run yet. Throws CaptureError where the device has no graphs
  /// (the CPU), is recording already, or `work` does what cannot be recorded: item(), to_vector(), copies from or to
  /// the host, synchronize(). Where `work` throws, that error goes on, and nothing is left of the graph. While it
  /// records, no other thread may use the device.
  static Graph capture(Device device, const std::function<void()>& work);

  Graph(Graph&& other) noexcept;
  Graph& operator=(Graph&& other) noexcept;
  ~Graph();

  explicit operator bool() const { return graph_ != nullptr; }
  /// How many kernels, copies and fills it has; 0 for a graph that is not there.
  std::int64_t nodes() const { return nodes_; }
  /// Queues the recorded work. It does not count as a write in place for gradients: what a recorded call wrote, no rule
  /// outside the graph may have saved. Throws CaptureError for a graph that is not there, and while the device records.
  void replay();

 private:
  Graph(Device device, Backend& backend, void* graph, std::int64_t nodes);

  Device device_;
  Backend* backend_ = nullptr;
  void* graph_ = nullptr;  // the backend's
  std::int64_t nodes_ = 0;
};

/// Whether a graph is being recorded on `device`.
bool is_capturing(Device device);

}  // namespace elbo
