#include "cuda_backend.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "blas.h"
#include "cuda_kernels.h"

namespace elbo::cuda {
namespace {

/// A stream of the current device, for as long as this lives.
class OwnStream {
 public:
  OwnStream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
  ~OwnStream() { cudaStreamDestroy(stream_); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// What kernels report to the host: pinned memory, which both see at one address.
class Mailbox {
 public:
  Mailbox() {
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, sizeof(DataFault), cudaHostAllocMapped), "cudaHostAlloc");
    fault_ = ::new (memory) DataFault{};
  }
  ~Mailbox() { cudaFreeHost(fault_); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  DataFault* get() const { return fault_; }

 private:
  DataFault* fault_ = nullptr;
};

/// A zero on the device, for last_block().
class Ticket {
 public:
  Ticket(Pool& pool, cudaStream_t stream) : pool_(pool), data_(pool.take(sizeof(unsigned))) {
    const cudaError_t error = cudaMemsetAsync(data_, 0, sizeof(unsigned), stream);
    if (error != cudaSuccess) pool_.give(data_, sizeof(unsigned));
    check(error, "cudaMemsetAsync");
  }
  ~Ticket() { pool_.give(data_, sizeof(unsigned)); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  unsigned* get() const { return static_cast<unsigned*>(data_); }

 private:
  Pool& pool_;
  void* data_;
};

/// ELBO_CUDA_EARLY=off, for measurements: no kernel is started before those ahead of it are over.
bool may_start_early() {
  const char* value = std::getenv("ELBO_CUDA_EARLY");
  const std::string_view name = value ? value : "";
  if (name.empty() || name == "on") return true;
  if (name == "off") return false;
  throw Failure(StatusCode::unsupported, "expected ELBO_CUDA_EARLY to be on or off, found " + std::string(name));
}

/// Makes a device the current one of this thread.
int use_device(int index) {
  check(cudaSetDevice(index), "cudaSetDevice");
  return index;
}

class Implementation final : public CudaBackend {
 public:
  explicit Implementation(int index)
      : index_(use_device(index)), ticket_(pool_, stream_.get()), context_{{stream_.get()}, pool_,         blas_,
                                                                           mailbox_.get(),  ticket_.get(), 0} {
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
    name_ = std::string(properties.name) + ", cuBLASLt " + Blas::version();
    context_.multiprocessors = properties.multiProcessorCount;
    context_.stream.starts_early = properties.major >= 9 && may_start_early();
    check_that_it_computes();
  }
  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;

  const char* description() const override { return name_.c_str(); }

  Status allocate(std::size_t bytes, void** block) override {
    *block = nullptr;
    return run([&] { *block = pool_.take(bytes); });
  }
  void release(void* block, std::size_t bytes) noexcept override { pool_.give(block, bytes); }
  MemoryStats memory() const override { return pool_.stats(); }
  void trim() override {
    (void)run([&] { pool_.trim(); });
  }

  Status copy(void* to, const void* from, std::size_t bytes, CopyKind kind) override {
    return run([&] {
      if (bytes == 0) return;
      if (kind == CopyKind::device_to_device) {
        check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, context_.stream), "cudaMemcpyAsync");
        return;
      }
      refuse_in_capture("a copy between host and device");
      const cudaMemcpyKind way = kind == CopyKind::host_to_device ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost;
      check(cudaMemcpyAsync(to, from, bytes, way, context_.stream), "cudaMemcpyAsync");
      // In both directions: CUDA does not promise that pageable memory has been read when the call returns.
      wait();
    });
  }
  Status synchronize() override {
    return run([&] {
      refuse_in_capture("waiting for the device");
      wait();
    });
  }

  Status begin_capture() override;
  Status end_capture(void** graph, std::int64_t* nodes) override;
  Status replay(void* graph) override {
    return run_for_graph(
        [&] { check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), context_.stream), "cudaGraphLaunch"); });
  }
  void release_graph(void* graph) noexcept override {
    (void)run([&] {
      cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
      if (--graphs_ == 0) pool_.release_graph_blocks();
    });
  }

  Status fill(View out, double value) override {
    return run([&] { cuda::fill(context_, out, value); });
  }
  Status unary(UnaryOp op, View out, ConstView x, double p0, double p1) override {
    return run([&] { cuda::unary(context_, op, out, x, p0, p1); });
  }
  Status unary_grad(UnaryOp op, View gx, ConstView x, ConstView y, ConstView g, double p0, double p1) override {
    return run([&] { cuda::unary_grad(context_, op, gx, x, y, g, p0, p1); });
  }
  Status binary(BinaryOp op, View out, ConstView a, ConstView b) override {
    return run([&] { cuda::binary(context_, op, out, a, b); });
  }
  Status binary_grad(BinaryOp op, int side, View out, ConstView a, ConstView b, ConstView g) override {
    return run([&] { cuda::binary_grad(context_, op, side, out, a, b, g); });
  }
  Status binary_sum(BinaryOp op, View out, ConstView a, ConstView b, View ga, const void* g) override {
    return run([&] { cuda::binary_sum(context_, op, out, a, b, ga, g); });
  }
  Status accumulate(View total, ConstView x) override {
    return run([&] { cuda::accumulate(context_, total, x); });
  }
  Status compare(CompareOp op, View out, ConstView a, ConstView b) override {
    return run([&] { cuda::compare(context_, op, out, a, b); });
  }
  Status where(View out, ConstView condition, ConstView a, ConstView b) override {
    return run([&] { cuda::where(context_, out, condition, a, b); });
  }
  Status cast(View out, ConstView x) override {
    return run([&] { cuda::cast(context_, out, x); });
  }
  Status check_range(ConstView x, double least, double most) override {
    return run([&] { cuda::check_range(context_, x, least, most); });
  }

  Status reduce(ReduceOp op, View out, ConstView x) override {
    return run([&] { cuda::reduce(context_, op, out, x); });
  }
  Status sum_groups(View out, ConstView x) override {
    return run([&] { cuda::sum_groups(context_, out, x); });
  }
  Status argmax(View out, ConstView x) override {
    return run([&] { cuda::argmax(context_, out, x); });
  }
  Status softmax(SoftmaxKind kind, View out, ConstView x) override {
    return run([&] { cuda::softmax(context_, kind, out, x); });
  }
  Status softmax_grad(SoftmaxKind kind, View gx, ConstView y, ConstView g) override {
    return run([&] { cuda::softmax_grad(context_, kind, gx, y, g); });
  }
  Status logsumexp(View out, ConstView x) override {
    return run([&] { cuda::logsumexp(context_, out, x); });
  }

  Status moments(View mean, View var, ConstView x) override {
    return run([&] { cuda::moments(context_, mean, var, x); });
  }
  Status normalize(View out, ConstView x, ConstView mean, ConstView var, double eps) override {
    return run([&] { cuda::normalize(context_, out, x, mean, var, eps); });
  }
  Status normalize_grad(View gx, ConstView xhat, ConstView var, ConstView g, double eps) override {
    return run([&] { cuda::normalize_grad(context_, gx, xhat, var, g, eps); });
  }
  Status layer_norm(View out, View mean, View var, const LayerNormArgs& args) override {
    return run([&] { cuda::layer_norm(context_, out, mean, var, args); });
  }
  Status layer_norm_grad(View gx, View gweight, View gbias, const LayerNormArgs& args, ConstView mean, ConstView var,
                         ConstView g) override {
    return run([&] { cuda::layer_norm_grad(context_, gx, gweight, gbias, args, mean, var, g); });
  }

  Status matmul(const MatmulArgs& args) override {
    return run([&] { cuda::matmul(context_, args); });
  }
  Status linear(const LinearArgs& args, std::span<const LinearHead> heads) override {
    return run([&] { cuda::linear(context_, args, heads); });
  }
  Status linear_grad(const LinearArgs& args, void* gx, std::span<const LinearGradHead> heads) override {
    return run([&] { cuda::linear_grad(context_, args, gx, heads); });
  }
  Status conv2d(const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias) override {
    return run([&] { cuda::conv2d(context_, args, y, x, weight, bias); });
  }
  Status conv2d_grad_data(const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
                          const void* bias) override {
    return run([&] { cuda::conv2d_grad_data(context_, args, gx, gy, weight, bias); });
  }
  Status conv2d_grad_weight(const Conv2dArgs& args, void* gw, const void* gy, const void* x) override {
    return run([&] { cuda::conv2d_grad_weight(context_, args, gw, gy, x); });
  }
  Status conv2d_grad(const Conv2dArgs& args, bool transposed, const ConvGradArgs& grads) override {
    return run([&] { cuda::conv2d_grad(context_, args, transposed, grads); });
  }

  Status copy_strided(DType dtype, const Shape& box, Strided to, ConstStrided from) override {
    return run([&] { cuda::copy_strided(context_, dtype, box, to, from); });
  }
  Status gather(View out, ConstView x, ConstView indices, const std::int64_t* first) override {
    return run([&] { cuda::gather(context_, out, x, indices, first); });
  }
  Status scatter_add(View gx, ConstView g, ConstView indices) override {
    return run([&] { cuda::scatter_add(context_, gx, g, indices); });
  }
  Status gather_pictures(View out, ConstView pictures, ConstView indices, const BatchArgs& args) override {
    return run([&] { cuda::gather_pictures(context_, out, pictures, indices, args); });
  }

  Status index(IndexOp op, View out, const IndexArgs& args) override {
    return run([&] { cuda::index(context_, op, out, args); });
  }

  Status random(RandomKind kind, View out, const RandomArgs& args, double p) override {
    return run([&] { cuda::random(context_, kind, out, args, p); });
  }
  Status reparameterize(View z, View noise, ConstView mu, ConstView logvar, const RandomArgs& args) override {
    return run([&] { cuda::reparameterize(context_, z, noise, mu, logvar, args); });
  }
  Status reparameterize_kl(View z, View noise, View kl, ConstView mu, ConstView logvar,
                           const RandomArgs& args) override {
    return run([&] { cuda::reparameterize_kl(context_, z, noise, kl, mu, logvar, args); });
  }
  Status reparameterize_kl_grad(View gmu, View glogvar, ConstView mu, ConstView logvar, ConstView noise, ConstView gz,
                                ConstView gkl) override {
    return run([&] { cuda::reparameterize_kl_grad(context_, gmu, glogvar, mu, logvar, noise, gz, gkl); });
  }

  Status run_errands(std::span<const Errand> errands) override {
    return run([&] { cuda::run_errands(context_, errands); });
  }

  Status sgd(std::span<const OptimizerSlot> slots, const SgdArgs& args, const double* lr) override {
    return run([&] { cuda::sgd(context_, slots, args, lr); });
  }
  Status adam(std::span<const OptimizerSlot> slots, const AdamScales* scales,
              std::span<const Errand> errands) override {
    return run([&] { cuda::adam(context_, slots, scales, errands); });
  }

  void fail_allocation(std::int64_t after) override { pool_.fail_after(after); }
  Status inject_fault() override {
    return run([&] { cuda::trap(context_); });
  }

 private:
  /// Kernels that were not compiled for this GPU, and a library that is not there or does not fit, are found here, and
  /// not in the middle of something: by a product of ones.
  void check_that_it_computes() {
    constexpr std::int64_t n = 16;
    const std::vector<float> ones(n * n, 1);
    const std::size_t bytes = ones.size() * sizeof(float);
    const Workspace a(context_, bytes), b(context_, bytes);
    cuda::fill(context_, View{b.as<void>(), Shape{}, DType::float32}, 0);
    check(cudaMemcpyAsync(a.as<void>(), ones.data(), bytes, cudaMemcpyHostToDevice, context_.stream),
          "cudaMemcpyAsync");
    Product product{};  // the library's, small as it is
    product.a = product.b = a.as<void>(), product.out = b.as<void>();
    product.m = product.n = product.k = n, product.batch = 1;
    product.row_a = product.row_b = product.row_out = n;
    product.arithmetic = Arithmetic::float32;
    (void)blas_.multiply(stream_.get(), product);
    float found = 0;
    check(cudaMemcpyAsync(&found, b.as<float>() + n * n - 1, sizeof found, cudaMemcpyDeviceToHost, context_.stream),
          "cudaMemcpyAsync");
    check(cudaStreamSynchronize(context_.stream), "cudaStreamSynchronize");
    if (found != n)
      throw Failure(StatusCode::device_fault,
                    "a product of ones is wrong: expected 16, found " + std::to_string(found));
  }

  /// The current device is a thread's own, so each call says which.
  template <class Fn>
  Status run(const Fn& fn) noexcept {
    if (capturing_) return run_for_graph(fn);
    return status_of([&] {
      use_device(index_);
      fn();
    });
  }
  /// The same for what records, makes or replays a graph. Whatever fails there is the end of that graph alone, unless
  /// the device is lost: without graphs all goes on.
  template <class Fn>
  Status run_for_graph(const Fn& fn) noexcept {
    return status_of([&] {
      try {
        use_device(index_);
        fn();
      } catch (const Failure& error) {
        refused_ = true;  // whoever hides the error gets no graph either: something would be missing in it
        if (error.code() == StatusCode::out_of_memory || is_lost()) throw;
        throw Failure(StatusCode::capture, error.what());
      }
    });
  }
  /// Whether every call fails from now on. Waits for nothing, so that it can be asked while a graph is recorded.
  bool is_lost() const {
    cudaStreamCaptureStatus status;
    return cudaStreamIsCapturing(context_.stream, &status) != cudaSuccess;
  }

  void refuse_in_capture(const char* what) {
    if (!capturing_) return;
    throw Failure(StatusCode::capture, std::string(what) + " cannot be recorded in a graph");
  }
  void wait() {
    check(cudaStreamSynchronize(context_.stream), "cudaStreamSynchronize");
    check_data_fault(context_);
  }

  int index_;
  OwnStream stream_;
  Pool pool_;
  Blas blas_;
  Mailbox mailbox_;
  Ticket ticket_;
  Context context_;
  std::string name_;
  bool capturing_ = false;
  bool refused_ = false;
  int graphs_ = 0;
};

Status Implementation::begin_capture() {
  return run_for_graph([&] {
    refuse_in_capture("another graph");
    if (pool_.is_exact())
      throw Failure(StatusCode::capture, "ELBO_CUDA_POOL=exact gives back at once what a graph would have to keep");
    // ThreadLocal: calls of this thread that might wait for the device are refused, those of others are their affair.
    check(cudaStreamBeginCapture(context_.stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    pool_.begin_capture();
    capturing_ = true;
    refused_ = false;
  });
}

Status Implementation::end_capture(void** graph, std::int64_t* nodes) {
  *graph = nullptr;
  if (!capturing_) return failure(StatusCode::capture, "no graph is being recorded");
  capturing_ = false;
  pool_.end_capture();
  const bool refused = refused_;
  Status status = run_for_graph([&] {
    cudaGraph_t recorded = nullptr;
    check(cudaStreamEndCapture(context_.stream, &recorded), "cudaStreamEndCapture");
    cudaGraphExec_t ready = nullptr;
    std::size_t count = 0;
    const cudaError_t counted = cudaGraphGetNodes(recorded, nullptr, &count);
    const cudaError_t made = counted == cudaSuccess ? cudaGraphInstantiate(&ready, recorded, 0) : counted;
    cudaGraphDestroy(recorded);
    check(counted, "cudaGraphGetNodes");
    check(made, "cudaGraphInstantiate");
    if (refused) {
      cudaGraphExecDestroy(ready);
      throw Failure(StatusCode::capture, "something in it could not be recorded");
    }
    *graph = ready;
    *nodes = static_cast<std::int64_t>(count);
    ++graphs_;
  });
  if (graphs_ == 0) pool_.release_graph_blocks();
  return status;
}

}  // namespace

void check_data_fault(const Context& context) {
  DataFault& fault = *context.data_fault;
  if (fault.found == 0) return;
  const DataFault seen = fault;
  fault = {};
  std::ostringstream message;
  if (seen.found == 1) {
    message << "index " << seen.index << " at position " << seen.place << " is outside [0, " << seen.limit << ")";
    throw Failure(StatusCode::index, message.str());
  }
  message << "expected numbers in [" << seen.least << ", " << seen.most << "], found " << seen.value << " at position "
          << seen.place;
  throw Failure(StatusCode::value, message.str());
}

std::unique_ptr<CudaBackend> make_cuda_backend(int index) { return std::make_unique<Implementation>(index); }

Status failure(StatusCode code, const char* message) noexcept {
  // Bytes, since an object would be gone before a graph that is a global variable, whose end may fail too.
  thread_local char kept[1024];
  std::snprintf(kept, sizeof kept, "%s", message);
  return {code, kept};
}

}  // namespace elbo::cuda
