#include "state.h"

// Streams, capture and graphs.

using emulator::Call;
using emulator::Capture;
using emulator::find_stream;
using emulator::runtime_call;
using emulator::State;

namespace emulator {
namespace {

/// Waiting for a stream that captures is an error whatever the thread's mode: what it waits for does not happen.
cudaError_t refuse_capture(CUstream_st& stream) {
  if (!stream.capture) return cudaSuccess;
  stream.capture->invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

template <class Handle>
Handle* add(Live<Handle>& live, std::unique_ptr<Handle> made) {
  Handle* handle = made.get();
  live.emplace(handle, std::move(made));
  return handle;
}

/// The frame of calls with the handle of a thing that must be there.
template <class Handle, class Fn>
cudaError_t with(Call call, Live<Handle> State::*live, Handle* handle, const Fn& fn) {
  return runtime_call(
      call, [&](State& s) { return (s.*live).contains(handle) ? fn(s, *handle) : cudaErrorInvalidResourceHandle; });
}
template <class Fn>
cudaError_t with_stream(Call call, cudaStream_t handle, const Fn& fn) {
  return runtime_call(call, [&](State& s) {
    CUstream_st* stream = find_stream(s, handle);
    return stream ? fn(s, *stream) : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t wait_for(cudaStream_t handle) {
  return with_stream(Call::plain, handle, [&](State& s, CUstream_st& stream) {
    const cudaError_t error = refuse_capture(stream);
    if (error != cudaSuccess) return error;
    emulator::run_queued(s);
    if (s.fault != cudaSuccess) s.fault_seen = true;
    return s.fault;
  });
}

}  // namespace
}  // namespace emulator

// ---- streams -------------------------------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return runtime_call(Call::plain, [&](State& s) {
    if (flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
    *stream = emulator::add(s.streams, std::make_unique<CUstream_st>(CUstream_st{
                                           emulator::current_device(), (flags & cudaStreamNonBlocking) == 0}));
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return emulator::with(Call::plain, &State::streams, stream, [&](State& s, CUstream_st&) {
    s.streams.erase(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return emulator::wait_for(stream); }

cudaError_t cudaDeviceSynchronize() {
  return runtime_call(Call::waits, [&](State& s) {
    for (const auto& [handle, stream] : s.streams) {
      const cudaError_t error = emulator::refuse_capture(*stream);
      if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
  });
}

// ---- capture -------------------------------------------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return emulator::with_stream(Call::plain, stream, [&](State& s, CUstream_st& captured) {
    if (!stream) return cudaErrorStreamCaptureUnsupported;  // the null stream cannot
    if (captured.capture) {
      captured.capture->invalid = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    if (const cudaError_t error = emulator::graph_call(s); error != cudaSuccess) return error;
    captured.capture = std::make_unique<Capture>(Capture{mode, std::this_thread::get_id()});
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  return emulator::with_stream(Call::plain, stream, [&](State& s, CUstream_st& captured) {
    if (!captured.capture) return cudaErrorStreamCaptureUnmatched;
    if (captured.capture->mode != cudaStreamCaptureModeRelaxed &&
        captured.capture->thread != std::this_thread::get_id()) {
      captured.capture->invalid = true;
      return cudaErrorStreamCaptureWrongThread;
    }
    const std::unique_ptr<Capture> capture = std::move(captured.capture);
    if (const cudaError_t error = emulator::graph_call(s); error != cudaSuccess) return error;
    if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
    *graph = emulator::add(s.graphs, std::make_unique<CUgraph_st>(CUgraph_st{std::move(capture->work)}));
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return emulator::with_stream(Call::plain, stream, [&](State&, CUstream_st& at) {
    *status = !at.capture           ? cudaStreamCaptureStatusNone
              : at.capture->invalid ? cudaStreamCaptureStatusInvalidated
                                    : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return runtime_call(Call::plain, [&](State&) {
    std::swap(*mode, emulator::thread_mode());
    return cudaSuccess;
  });
}

// ---- graphs --------------------------------------------------------------------------------------------------------

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags) {
  return emulator::with(Call::plain, &State::graphs, graph, [&](State& s, CUgraph_st& recorded) {
    if (const cudaError_t error = emulator::graph_call(s); error != cudaSuccess) return error;
    if (flags != 0) return cudaErrorInvalidValue;
    *exec = emulator::add(s.execs, std::make_unique<CUgraphExec_st>(CUgraphExec_st{recorded.work}));
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return emulator::with(Call::plain, &State::execs, exec, [&](State& s, CUgraphExec_st& graph) {
    CUstream_st* at = find_stream(s, stream);
    if (!at) return cudaErrorInvalidResourceHandle;
    const cudaError_t error = emulator::refuse_capture(*at);
    if (error != cudaSuccess) return error;
    if (const cudaError_t wanted = emulator::graph_call(s); wanted != cudaSuccess) return wanted;
    ++s.launches;
    for (const emulator::Work& work : graph.work) {
      const cudaError_t failed = emulator::submit(s, *at, work);
      if (failed != cudaSuccess) return failed;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return emulator::with(Call::plain, &State::execs, exec, [&](State& s, CUgraphExec_st&) {
    s.execs.erase(exec);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return emulator::with(Call::plain, &State::graphs, graph, [&](State& s, CUgraph_st&) {
    s.graphs.erase(graph);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  return emulator::with(Call::plain, &State::graphs, graph, [&](State&, CUgraph_st& recorded) {
    if (nodes) return cudaErrorNotSupported;
    *count = recorded.work.size();
    return cudaSuccess;
  });
}
