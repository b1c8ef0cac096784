#include "graph.h"

#include <array>
#include <atomic>
#include <utility>

#include "cuda_loader_detail.h"
#include "errors.h"
#include "storage.h"

namespace elbo {
namespace {

/// Whether GPU `index` is recording.
std::atomic<bool>& capturing(int index) {
  static std::array<std::atomic<bool>, detail::max_cuda_devices> flags{};
  return flags.at(static_cast<std::size_t>(index));
}

/// A device that is recording, for a scope.
class Recording {
 public:
  explicit Recording(Device device) : backend_(backend(device)), flag_(claim(device)) {
    const Status status = backend_.begin_capture();
    if (status.ok()) return;
    flag_ = false;
    detail::check(status, "capture", device);
  }
  /// Where it was not ended: what was recorded is dropped.
  ~Recording() {
    if (ended_) return;
    void* graph = nullptr;
    std::int64_t nodes = 0;
    const Status status = end(&graph, &nodes);
    if (status.ok()) backend_.release_graph(graph);
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  Status end(void** graph, std::int64_t* nodes) {
    ended_ = true;
    const Status status = backend_.end_capture(graph, nodes);
    flag_ = false;
    return status;
  }

 private:
  static std::atomic<bool>& claim(Device device) {
    ELBO_CHECK(!capturing(device.index).exchange(true), CaptureError, "[capture] expected one graph at a time on ",
               device, ", found another being recorded");
    return capturing(device.index);
  }

  Backend& backend_;
  std::atomic<bool>& flag_;
  bool ended_ = false;
};

}  // namespace

Graph Graph::capture(Device device, const std::function<void()>& work) {
  ELBO_CHECK(device.type == DeviceType::cuda, CaptureError, "[capture] expected a GPU, found ", device,
             ": it records no graphs");
  Recording record(device);
  work();
  void* graph = nullptr;
  std::int64_t nodes = 0;
  detail::check(record.end(&graph, &nodes), "capture", device);
  return {device, backend(device), graph, nodes};
}

Graph::Graph(Device device, Backend& backend, void* graph, std::int64_t nodes)
    : device_(device), backend_(&backend), graph_(graph), nodes_(nodes) {}

Graph::Graph(Graph&& other) noexcept
    : device_(other.device_),
      backend_(other.backend_),
      graph_(std::exchange(other.graph_, nullptr)),
      nodes_(std::exchange(other.nodes_, 0)) {}

Graph& Graph::operator=(Graph&& other) noexcept {
  Graph taken(std::move(other));
  std::swap(device_, taken.device_);
  std::swap(backend_, taken.backend_);
  std::swap(graph_, taken.graph_);
  std::swap(nodes_, taken.nodes_);
  return *this;
}

Graph::~Graph() {
  if (graph_) backend_->release_graph(graph_);
}

void Graph::replay() {
  ELBO_CHECK(graph_, CaptureError, "[replay] expected a graph, found one that was never captured");
  ELBO_CHECK(!is_capturing(device_), CaptureError, "[replay] not possible while ", device_, " records a graph");
  detail::check(backend_->replay(graph_), "replay", device_);
}

bool is_capturing(Device device) {
  return device.type == DeviceType::cuda && device.index >= 0 && device.index < detail::max_cuda_devices &&
         capturing(device.index);
}

}  // namespace elbo
