#include "cpu_backend.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include "../errands.h"
#include "../errors.h"
#include "cpu_kernels.h"
#include "gemm.h"

namespace elbo::cpu_kernels {
namespace {

/// Keeps a message for this thread until its next failure.
Status failure(StatusCode code, const char* message) noexcept {
  // Bytes, since an object would be gone before a tensor that is a global variable, whose end may fail too.
  thread_local char kept[1024];
  std::snprintf(kept, sizeof kept, "%s", message);
  return {code, kept};
}

/// Turns what a kernel throws into a status.
template <class Fn>
Status run(const Fn& fn) noexcept {
  try {
    fn();
    return {};
  } catch (const std::bad_alloc&) {
    return failure(StatusCode::out_of_memory, "no memory left on the CPU for scratch space");
  } catch (const ValueError& error) {
    return failure(StatusCode::value, error.what());
  } catch (const IndexError& error) {
    return failure(StatusCode::index, error.what());
  } catch (const std::exception& error) {
    return failure(StatusCode::unsupported, error.what());
  }
}

/// The same for a matrix product or a convolution, of which the CPU has but one precision.
template <class Args, class Fn>
Status run_product(const Args& args, const Fn& fn) noexcept {
  if (args.dtype != DType::float32 || args.precision == Precision::float32) return run(fn);
  return {StatusCode::unsupported,
          args.precision == Precision::tf32 ? "tf32 products need a GPU" : "bf16 products need a GPU"};
}

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(Isa isa) : isa_(isa), context_{tables(isa), pool_, isa} {}

  const char* description() const override { return name(isa_); }

  Status allocate(std::size_t bytes, void** block) override {
    try {
      *block = pool_.take(bytes);
      return {};
    } catch (const std::bad_alloc&) {
      *block = nullptr;
      char message[96];
      std::snprintf(message, sizeof message, "no memory left on the CPU for a block of %zu bytes", bytes);
      return failure(StatusCode::out_of_memory, message);
    }
  }
  void release(void* block, std::size_t bytes) noexcept override { pool_.give(block, bytes); }
  MemoryStats memory() const override { return pool_.stats(); }
  void trim() override { pool_.trim(); }

  Status copy(void* to, const void* from, std::size_t bytes, CopyKind) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return {};
  }
  Status synchronize() override { return {}; }

  Status fill(View out, double value) override {
    return run([&] { cpu_kernels::fill(context_, out, value); });
  }
  Status unary(UnaryOp op, View out, ConstView x, double p0, double p1) override {
    return run([&] { cpu_kernels::unary(context_, op, out, x, p0, p1); });
  }
  Status unary_grad(UnaryOp op, View gx, ConstView x, ConstView y, ConstView g, double p0, double p1) override {
    return run([&] { cpu_kernels::unary_grad(context_, op, gx, x, y, g, p0, p1); });
  }
  Status binary(BinaryOp op, View out, ConstView a, ConstView b) override {
    return run([&] { cpu_kernels::binary(context_, op, out, a, b); });
  }
  Status binary_grad(BinaryOp op, int side, View out, ConstView a, ConstView b, ConstView g) override {
    return run([&] { cpu_kernels::binary_grad(context_, op, side, out, a, b, g); });
  }
  Status binary_sum(BinaryOp op, View out, ConstView a, ConstView b, View ga, const void* g) override {
    return run([&] { cpu_kernels::binary_sum(context_, op, out, a, b, ga, g); });
  }
  Status accumulate(View total, ConstView x) override {
    return run([&] { cpu_kernels::accumulate(context_, total, x); });
  }
  Status compare(CompareOp op, View out, ConstView a, ConstView b) override {
    return run([&] { cpu_kernels::compare(context_, op, out, a, b); });
  }
  Status where(View out, ConstView condition, ConstView a, ConstView b) override {
    return run([&] { cpu_kernels::where(context_, out, condition, a, b); });
  }
  Status cast(View out, ConstView x) override {
    return run([&] { cpu_kernels::cast(context_, out, x); });
  }

  Status check_range(ConstView x, double least, double most) override {
    return run([&] { cpu_kernels::check_range(x, least, most); });
  }

  Status reduce(ReduceOp op, View out, ConstView x) override {
    return run([&] { cpu_kernels::reduce(context_, op, out, x); });
  }
  Status sum_groups(View out, ConstView x) override {
    return run([&] { cpu_kernels::sum_groups(context_, out, x); });
  }
  Status argmax(View out, ConstView x) override {
    return run([&] { cpu_kernels::argmax(context_, out, x); });
  }
  Status softmax(SoftmaxKind kind, View out, ConstView x) override {
    return run([&] { cpu_kernels::softmax(context_, kind, out, x); });
  }
  Status softmax_grad(SoftmaxKind kind, View gx, ConstView y, ConstView g) override {
    return run([&] { cpu_kernels::softmax_grad(context_, kind, gx, y, g); });
  }
  Status logsumexp(View out, ConstView x) override {
    return run([&] { cpu_kernels::logsumexp(context_, out, x); });
  }

  Status moments(View mean, View var, ConstView x) override {
    return run([&] { cpu_kernels::moments(context_, mean, var, x); });
  }
  Status normalize(View out, ConstView x, ConstView mean, ConstView var, double eps) override {
    return run([&] { cpu_kernels::normalize(context_, out, x, mean, var, eps); });
  }
  Status normalize_grad(View gx, ConstView xhat, ConstView var, ConstView g, double eps) override {
    return run([&] { cpu_kernels::normalize_grad(context_, gx, xhat, var, g, eps); });
  }
  Status layer_norm(View out, View mean, View var, const LayerNormArgs& args) override {
    return run([&] { cpu_kernels::layer_norm(context_, out, mean, var, args); });
  }
  Status layer_norm_grad(View gx, View gweight, View gbias, const LayerNormArgs& args, ConstView mean, ConstView var,
                         ConstView g) override {
    return run([&] { cpu_kernels::layer_norm_grad(context_, gx, gweight, gbias, args, mean, var, g); });
  }

  Status matmul(const MatmulArgs& args) override {
    return run_product(args, [&] { gemm(args, pool_, isa_); });
  }
  Status linear(const LinearArgs& args, std::span<const LinearHead> heads) override {
    return run_product(args, [&] { cpu_kernels::linear(context_, args, heads); });
  }
  Status linear_grad(const LinearArgs& args, void* gx, std::span<const LinearGradHead> heads) override {
    return run_product(args, [&] { cpu_kernels::linear_grad(context_, args, gx, heads); });
  }
  Status conv2d(const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias) override {
    return run_product(args, [&] { cpu_kernels::conv2d(context_, args, y, x, weight, bias); });
  }
  Status conv2d_grad_data(const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
                          const void* bias) override {
    return run_product(args, [&] { cpu_kernels::conv2d_grad_data(context_, args, gx, gy, weight, bias); });
  }
  Status conv2d_grad_weight(const Conv2dArgs& args, void* gw, const void* gy, const void* x) override {
    return run_product(args, [&] { cpu_kernels::conv2d_grad_weight(context_, args, gw, gy, x); });
  }
  Status conv2d_grad(const Conv2dArgs& args, bool transposed, const ConvGradArgs& grads) override {
    return run_product(args, [&] { cpu_kernels::conv2d_grad(context_, args, transposed, grads); });
  }

  Status copy_strided(DType dtype, const Shape& box, Strided to, ConstStrided from) override {
    return run([&] { cpu_kernels::copy_strided(context_, dtype, box, to, from); });
  }
  Status gather(View out, ConstView x, ConstView indices, const std::int64_t* first) override {
    return run([&] { cpu_kernels::gather(context_, out, x, indices, first); });
  }
  Status scatter_add(View gx, ConstView g, ConstView indices) override {
    return run([&] { cpu_kernels::scatter_add(context_, gx, g, indices); });
  }
  Status gather_pictures(View out, ConstView pictures, ConstView indices, const BatchArgs& args) override {
    return run([&] {
      cpu_kernels::gather_pictures(context_, out, pictures, indices, args);
      for (const Errand& errand : args.errands) optimizer::run_errand(errand);
    });
  }

  Status index(IndexOp op, View out, const IndexArgs& args) override {
    return run([&] { cpu_kernels::index(op, out, args); });
  }

  Status random(RandomKind kind, View out, const RandomArgs& args, double p) override {
    return run([&] { cpu_kernels::random(context_, kind, out, args, p); });
  }
  Status reparameterize(View z, View noise, ConstView mu, ConstView logvar, const RandomArgs& args) override {
    return run([&] { cpu_kernels::reparameterize(context_, z, noise, mu, logvar, args); });
  }
  Status reparameterize_kl(View z, View noise, View kl, ConstView mu, ConstView logvar,
                           const RandomArgs& args) override {
    return run([&] { cpu_kernels::reparameterize_kl(context_, z, noise, kl, mu, logvar, args); });
  }
  Status reparameterize_kl_grad(View gmu, View glogvar, ConstView mu, ConstView logvar, ConstView noise, ConstView gz,
                                ConstView gkl) override {
    return run([&] { cpu_kernels::reparameterize_kl_grad(context_, gmu, glogvar, mu, logvar, noise, gz, gkl); });
  }

  Status run_errands(std::span<const Errand> errands) override {
    for (const Errand& errand : errands) optimizer::run_errand(errand);
    return {};
  }

  Status sgd(std::span<const OptimizerSlot> slots, const SgdArgs& args, const double* lr) override {
    return run([&] { cpu_kernels::sgd(context_, slots, args, lr); });
  }
  Status adam(std::span<const OptimizerSlot> slots, const AdamScales* scales,
              std::span<const Errand> errands) override {
    return run([&] {
      cpu_kernels::adam(context_, slots, *scales);
      for (const Errand& errand : errands) optimizer::run_errand(errand);
    });
  }

 private:
  Isa isa_;
  Pool pool_;
  Context context_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() { return make_cpu_backend(active_isa()); }
std::unique_ptr<Backend> make_cpu_backend(Isa isa) { return std::make_unique<CpuBackend>(isa); }

}  // namespace elbo::cpu_kernels
