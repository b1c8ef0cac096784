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
/// numbers. It reads arrays that `work` used and did not make; keep them alive, and write in them, not over them. What
/// `work` made and left somewhere holds the last replay's results, until it is dropped: then the next capture may use
/// its memory, where this graph goes on writing. So drop no result of one graph while another's still count.
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
