#pragma once
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "../../cuda/launch.h"
#include "../catch.h"
#include "emulator/control.h"

/// What the emulator's own tests share.
namespace emulator_support {

/// Leaves the emulator as it was for the next test.
struct Emulator {
  Emulator() { settings(); }
  ~Emulator() {
    settings();
    elbo_emulator_revive();
  }
  static void settings() {
    elbo_emulator_set_memory(std::size_t{1} << 30);
    elbo_emulator_set_devices(1);
    elbo_emulator_set_driver(CUDART_VERSION);
    elbo_emulator_set_order(0);
    elbo_emulator_fail_launch(-1);
    cudaSetDevice(0);
  }
};

/// What is written to stderr while `fn` runs.
template <class Fn>
std::string stderr_of(const Fn& fn) {
  std::fflush(stderr);
  const int kept = dup(2);
  std::FILE* file = std::tmpfile();
  dup2(fileno(file), 2);
  fn();
  std::fflush(stderr);
  dup2(kept, 2);
  close(kept);
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

template <class T>
class Device {
 public:
  explicit Device(std::size_t count) : count_(count) { REQUIRE(cudaMalloc(&data_, count * sizeof(T)) == cudaSuccess); }
  explicit Device(const std::vector<T>& values) : Device(values.size()) {
    REQUIRE(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  ~Device() { cudaFree(data_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  T* data() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(count_);
    REQUIRE(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

class Stream {
 public:
  explicit Stream(unsigned flags = cudaStreamNonBlocking) {
    REQUIRE(cudaStreamCreateWithFlags(&stream_, flags) == cudaSuccess);
  }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

template <class... Params, class... Args>
cudaError_t start(cudaStream_t stream, void (*kernel)(Params...), dim3 grid, dim3 block, const Args&... args) {
  return emulator::launch(stream, grid, block, [=] { kernel(static_cast<Params>(args)...); });
}

/// A kernel on the null stream that must work.
template <class... Params, class... Args>
void run(void (*kernel)(Params...), dim3 grid, dim3 block, const Args&... args) {
  REQUIRE(start(nullptr, kernel, grid, block, args...) == cudaSuccess);
  REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
}

/// A kernel that must stop the device, and what is said of it.
template <class... Params, class... Args>
std::string fault_of(void (*kernel)(Params...), dim3 grid, dim3 block, const Args&... args) {
  REQUIRE(start(nullptr, kernel, grid, block, args...) == cudaSuccess);
  const std::string text = stderr_of([] { CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure); });
  elbo_emulator_revive();
  return text;
}

}  // namespace emulator_support
