// The emulator's runtime keeps CUDA's rules: whose memory is whose, what can be captured, which handles are valid.
#include <array>
#include <string>
#include <thread>

#include "emulator_support.h"

using namespace emulator_support;

namespace {

__global__ void nothing() {}
__global__ void add(int* to, int value) { *to += value; }

}  // namespace

// ---- memory --------------------------------------------------------------------------------------------------------

TEST_CASE("emulator: device memory has a limit, and no values at first", "[emulator]") {
  Emulator reset;
  const std::size_t before = elbo_emulator_memory_in_use();
  elbo_emulator_set_memory(before + 1000);
  {
    const Device<unsigned char> first(600);
    CHECK(first.host() == std::vector<unsigned char>(600, 0xff));
    void* second = &second;
    CHECK(cudaMalloc(&second, 401) == cudaErrorMemoryAllocation);
    CHECK(second == nullptr);
    CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError() == cudaSuccess);
    const Device<unsigned char> third(400);
    CHECK(reinterpret_cast<std::uintptr_t>(third.data()) % 256 == 0);
    std::size_t free = 1, total = 0;
    CHECK(cudaMemGetInfo(&free, &total) == cudaSuccess);
    CHECK(free == 0);
    CHECK(total == before + 1000);
    CHECK(elbo_emulator_memory_in_use() == before + 1000);
  }
  CHECK(elbo_emulator_memory_in_use() == before);
  std::array<int, 2> host{};
  CHECK(cudaFree(nullptr) == cudaSuccess);
  CHECK(cudaFree(host.data()) == cudaErrorInvalidValue);
}

TEST_CASE("emulator: copies know whose memory is whose", "[emulator]") {
  Emulator reset;
  const Device<int> a(std::vector<int>{1, 2, 3, 4}), b(std::vector<int>{5, 6, 7, 8});
  std::vector<int> host(8, 9);
  const auto copy = [](void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    CHECK(cudaMemcpy(to, from, bytes, kind) == error);
    return error;
  };
  CHECK(copy(a.data(), host.data(), 16, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(copy(a.data() + 1, b.data() + 1, 12, cudaMemcpyDeviceToDevice) == cudaSuccess);
  CHECK(a.host() == std::vector<int>{9, 6, 7, 8});
  CHECK(copy(host.data(), b.data(), 16, cudaMemcpyDefault) == cudaSuccess);
  CHECK(host == std::vector<int>{5, 6, 7, 8, 9, 9, 9, 9});
  CHECK(copy(host.data(), host.data() + 4, 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(copy(a.data(), b.data(), 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(copy(a.data(), b.data(), 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(copy(a.data(), host.data(), 16, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue);
  CHECK(copy(a.data() + 1, host.data(), 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);  // past its end
  CHECK(copy(host.data(), b.data(), 20, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(copy(nullptr, nullptr, 0, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaMemsetAsync(a.data(), 0, 8) == cudaSuccess);
  CHECK(a.host() == std::vector<int>{0, 0, 7, 8});
  CHECK(cudaMemsetAsync(host.data(), 0, 8) == cudaErrorInvalidValue);
  CHECK(cudaMemsetAsync(a.data(), 0, 20) == cudaErrorInvalidValue);
  void* freed = nullptr;
  REQUIRE(cudaMalloc(&freed, 16) == cudaSuccess);
  REQUIRE(cudaFree(freed) == cudaSuccess);
  CHECK(copy(freed, b.data(), 16, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue);
  CHECK(cudaFree(freed) == cudaErrorInvalidValue);
}

TEST_CASE("emulator: what is queued is done when somebody waits, and not before", "[emulator]") {
  Emulator reset;
  const Device<int> a(std::vector<int>{1, 2});
  std::vector<int> host{3, 4}, found(2, 0);
  CHECK(cudaMemcpyAsync(a.data(), host.data(), 8, cudaMemcpyHostToDevice, nullptr) == cudaSuccess);
  host[0] = 5;  // too early: the copy may still have to read it
  CHECK(start(nullptr, add, 1, 1, a.data(), 10) == cudaSuccess);
  CHECK(cudaMemcpyAsync(found.data(), a.data(), 8, cudaMemcpyDeviceToHost, nullptr) == cudaSuccess);
  CHECK(found == std::vector<int>{0, 0});
  CHECK(cudaStreamSynchronize(nullptr) == cudaSuccess);
  CHECK(found == std::vector<int>{15, 4});
}

TEST_CASE("emulator: host memory that kernels can reach", "[emulator]") {
  Emulator reset;
  int* host = nullptr;
  REQUIRE(cudaHostAlloc(&host, sizeof(int), cudaHostAllocMapped) == cudaSuccess);
  *host = 4;
  run(add, 1, 1, host, 3);
  CHECK(*host == 7);
  CHECK(cudaFreeHost(host) == cudaSuccess);
  CHECK(cudaFreeHost(host) == cudaErrorInvalidValue);
}

// ---- capture and graphs --------------------------------------------------------------------------------------------

TEST_CASE("emulator: what is captured runs at each replay, with the arguments of then", "[emulator]") {
  Emulator reset;
  const Stream stream;
  const Device<int> value(std::vector<int>{1}), copied(std::vector<int>{0});
  int more = 10;
  const long long before = elbo_emulator_launches();
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  cudaStreamCaptureStatus status{};
  CHECK(cudaStreamIsCapturing(stream, &status) == cudaSuccess);
  CHECK(status == cudaStreamCaptureStatusActive);
  CHECK(start(stream, add, 1, 1, value.data(), more) == cudaSuccess);
  int* const place = value.data();
  CHECK(emulator::enqueue(stream, [place] { *place *= 2; }) == cudaSuccess);
  CHECK(cudaMemcpyAsync(copied.data(), value.data(), sizeof(int), cudaMemcpyDeviceToDevice, stream) == cudaSuccess);
  CHECK(cudaMemsetAsync(value.data(), 0, 1, stream) == cudaSuccess);
  more = 1000;
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(cudaStreamIsCapturing(stream, &status) == cudaSuccess);
  CHECK(status == cudaStreamCaptureStatusNone);
  CHECK(value.host()[0] == 1);  // nothing has run

  std::size_t nodes = 0;
  CHECK(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
  CHECK(nodes == 4);
  cudaGraphExec_t exec = nullptr;
  REQUIRE(cudaGraphInstantiate(&exec, graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaGraphLaunch(exec, stream) == cudaSuccess);
  CHECK(copied.host()[0] == 22);
  CHECK(value.host()[0] == 0);
  CHECK(cudaGraphLaunch(exec, stream) == cudaSuccess);
  CHECK(copied.host()[0] == 20);
  CHECK(elbo_emulator_launches() == before + 4);  // two recorded, two replays
  CHECK(cudaGraphExecDestroy(exec) == cudaSuccess);
  CHECK(cudaGraphLaunch(exec, stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaGraphDestroy(graph) == cudaErrorInvalidResourceHandle);
}

TEST_CASE("emulator: what cannot be captured breaks the capture", "[emulator]") {
  Emulator reset;
  const Stream stream;
  const Device<int> value(std::vector<int>{1});
  std::vector<int> host(1);
  void* block = nullptr;
  const auto broken_by = [&](cudaStreamCaptureMode mode, const auto& call) {
    REQUIRE(cudaStreamBeginCapture(stream, mode) == cudaSuccess);
    CHECK(call() == cudaErrorStreamCaptureUnsupported);
    CHECK(start(stream, add, 1, 1, value.data(), 1) == cudaErrorStreamCaptureInvalidated);
    cudaGraph_t graph = nullptr;
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
    CHECK(graph == nullptr);
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureUnmatched);
  };
  for (const auto mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal}) {
    broken_by(mode, [&] { return cudaMalloc(&block, 16); });
    broken_by(mode, [&] { return cudaFree(value.data()); });
    broken_by(mode, [&] { return cudaMemcpy(host.data(), value.data(), 4, cudaMemcpyDeviceToHost); });
  }
  for (const auto mode :
       {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed}) {
    broken_by(mode, [&] { return cudaStreamSynchronize(stream); });
    broken_by(mode, [&] { return cudaDeviceSynchronize(); });
    broken_by(mode, [&] { return cudaMemcpyAsync(host.data(), value.data(), 4, cudaMemcpyDeviceToHost, stream); });
    broken_by(mode, [&] { return cudaMemcpyAsync(value.data(), host.data(), 4, cudaMemcpyHostToDevice, stream); });
    broken_by(mode, [&] { return cudaStreamBeginCapture(stream, mode); });
  }
  CHECK(value.host()[0] == 1);
}

TEST_CASE("emulator: a relaxed thread may allocate while it captures", "[emulator]") {
  Emulator reset;
  const Stream stream;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  REQUIRE(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess);
  CHECK(mode == cudaStreamCaptureModeGlobal);
  void* block = nullptr;
  CHECK(cudaMalloc(&block, 16) == cudaSuccess);
  CHECK(cudaFree(block) == cudaSuccess);
  REQUIRE(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess);
  CHECK(mode == cudaStreamCaptureModeRelaxed);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
}

TEST_CASE("emulator: captures and other threads and streams", "[emulator]") {
  Emulator reset;
  const Stream stream, blocking(cudaStreamDefault), other;
  const Device<int> value(std::vector<int>{1});
  const auto allocation_elsewhere = [] {
    cudaError_t error = cudaSuccess;
    std::thread([&] {
      void* block = nullptr;
      error = cudaMalloc(&block, 16);
      cudaFree(block);
    }).join();
    return error;
  };
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  CHECK(allocation_elsewhere() == cudaSuccess);
  CHECK(start(other, add, 1, 1, value.data(), 1) == cudaSuccess);    // runs at once
  CHECK(start(nullptr, add, 1, 1, value.data(), 1) == cudaSuccess);  // does not wait for non-blocking streams
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(value.host()[0] == 3);

  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
  CHECK(allocation_elsewhere() == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);

  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  cudaError_t error = cudaSuccess;
  std::thread([&] { error = cudaStreamEndCapture(stream, &graph); }).join();
  CHECK(error == cudaErrorStreamCaptureWrongThread);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);

  REQUIRE(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed) == cudaSuccess);
  CHECK(start(nullptr, add, 1, 1, value.data(), 1) == cudaErrorStreamCaptureImplicit);
  CHECK(cudaStreamEndCapture(blocking, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeRelaxed) == cudaErrorStreamCaptureUnsupported);
}

// ---- streams and devices ---------------------------------------------------------------------------------------

TEST_CASE("emulator: handles", "[emulator]") {
  Emulator reset;
  cudaStream_t gone = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&gone, cudaStreamNonBlocking) == cudaSuccess);
  REQUIRE(cudaStreamDestroy(gone) == cudaSuccess);
  CHECK(cudaStreamSynchronize(gone) == cudaErrorInvalidResourceHandle);
  CHECK(start(gone, nothing, 1, 1) == cudaErrorInvalidResourceHandle);
}

TEST_CASE("emulator: devices and drivers that tests ask for", "[emulator]") {
  Emulator reset;
  int count = -1, value = -1;
  cudaDeviceProp properties{};
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == 1);
  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(std::string(properties.name) == "CUDA emulator");
  CHECK(cudaGetDeviceProperties(&properties, 1) == cudaErrorInvalidDevice);
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);

  elbo_emulator_set_devices(2);
  const Stream of_first;
  CHECK(cudaSetDevice(1) == cudaSuccess);
  CHECK(start(of_first, nothing, 1, 1) == cudaErrorInvalidResourceHandle);  // the other device's
  CHECK(cudaSetDevice(0) == cudaSuccess);
  CHECK(start(of_first, nothing, 1, 1) == cudaSuccess);

  elbo_emulator_set_devices(0);
  CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice);
  CHECK(count == 0);
  elbo_emulator_set_driver(12080);
  CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
  CHECK(cudaDriverGetVersion(&value) == cudaSuccess);
  CHECK(value == 12080);
  elbo_emulator_set_driver(0);
  CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
}

TEST_CASE("emulator: a launch that fails when asked to", "[emulator]") {
  Emulator reset;
  const Device<int> value(std::vector<int>{0});
  elbo_emulator_fail_launch(1);
  CHECK(start(nullptr, add, 1, 1, value.data(), 1) == cudaSuccess);
  CHECK(start(nullptr, add, 1, 1, value.data(), 10) == cudaErrorLaunchOutOfResources);
  CHECK(start(nullptr, add, 1, 1, value.data(), 100) == cudaSuccess);
  CHECK(value.host()[0] == 101);
}
