// A backend whose kernels tell a profile what they do.
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>

#include "backend.h"
#include "device.h"
#include "profile_detail.h"
#include "profiler_detail.h"

namespace elbo::detail {
namespace {

double bytes_of(const ConstView& view) {
  return view ? static_cast<double>(view.shape.numel()) * static_cast<double>(size_of(view.dtype)) : 0;
}

double bytes_of(std::initializer_list<ConstView> views) {
  double out = 0;
  for (const ConstView& view : views) out += bytes_of(view);
  return out;
}

double product(std::initializer_list<std::int64_t> sizes) {
  double out = 1;
  for (std::int64_t size : sizes) out *= static_cast<double>(size);
  return out;
}

double flop_of(const MatmulArgs& a) { return 2 * product({a.batch, a.m, a.n, a.k}); }

double bytes_of(const MatmulArgs& a) {
  const double elements = product({a.stride_a == 0 ? 1 : a.batch, a.m, a.k}) +
                          product({a.stride_b == 0 ? 1 : a.batch, a.k, a.n}) + product({a.batch, a.m, a.n}) +
                          (a.bias ? static_cast<double>(a.n) : 0);
  return elements * static_cast<double>(size_of(a.dtype));
}

/// A layer's product, as far as it is counted.
MatmulArgs product_of(const LinearArgs& args, std::int64_t n) {
  MatmulArgs out{};
  out.m = args.m, out.n = n, out.k = args.k, out.batch = 1, out.dtype = args.dtype;
  return out;
}

double flop_of(const Conv2dArgs& a) { return 2 * product({a.n, a.c_out, a.out_h, a.out_w, a.c_in, a.kh, a.kw}); }

double bytes_of(const Conv2dArgs& a, const void* bias, std::int64_t biases) {
  const double elements = product({a.n, a.c_in, a.h, a.w}) + product({a.c_out, a.c_in, a.kh, a.kw}) +
                          product({a.n, a.c_out, a.out_h, a.out_w}) + (bias ? static_cast<double>(biases) : 0);
  return elements * static_cast<double>(size_of(a.dtype));
}

/// Each parameter read and written, its gradient read, and so many moments read and written.
double bytes_of(std::span<const OptimizerSlot> slots) {
  double out = 0;
  for (const OptimizerSlot& slot : slots)
    out += product({slot.count, 3 + 2 * (slot.first != nullptr) + 2 * (slot.second != nullptr)}) *
           static_cast<double>(size_of(slot.dtype));
  return out;
}

class ProfiledBackend final : public Backend {
 public:
  ProfiledBackend(Backend& own, bool gpu) : own_(own), gpu_(gpu) {}

  const char* description() const override { return own_.description(); }
  Status allocate(std::size_t bytes, void** block) override { return own_.allocate(bytes, block); }
  void release(void* block, std::size_t bytes) noexcept override { own_.release(block, bytes); }
  MemoryStats memory() const override { return own_.memory(); }
  void trim() override { own_.trim(); }
  Status synchronize() override { return own_.synchronize(); }
  Status begin_capture() override { return {StatusCode::capture, "no graph can be recorded within a ProfileGuard"}; }
  Status end_capture(void** graph, std::int64_t* nodes) override { return own_.end_capture(graph, nodes); }
  void release_graph(void* graph) noexcept override { own_.release_graph(graph); }
  Status replay(void* graph) override {
    return told("replay", 0, 0, [&] { return own_.replay(graph); });
  }
  Status copy(void* to, const void* from, std::size_t bytes, CopyKind kind) override {
    return told("copy", 0, 2 * static_cast<double>(bytes), [&] { return own_.copy(to, from, bytes, kind); });
  }

  Status fill(View out, double value) override {
    return moved("fill", {out}, [&] { return own_.fill(out, value); });
  }
  Status unary(UnaryOp op, View out, ConstView x, double p0, double p1) override {
    return moved("unary", {out, x}, [&] { return own_.unary(op, out, x, p0, p1); });
  }
  Status unary_grad(UnaryOp op, View gx, ConstView x, ConstView y, ConstView g, double p0, double p1) override {
    return moved("unary_grad", {gx, x, y, g}, [&] { return own_.unary_grad(op, gx, x, y, g, p0, p1); });
  }
  Status binary(BinaryOp op, View out, ConstView a, ConstView b) override {
    return moved("binary", {out, a, b}, [&] { return own_.binary(op, out, a, b); });
  }
  Status binary_grad(BinaryOp op, int side, View out, ConstView a, ConstView b, ConstView g) override {
    return moved("binary_grad", {out, a, b, g}, [&] { return own_.binary_grad(op, side, out, a, b, g); });
  }
  Status binary_sum(BinaryOp op, View out, ConstView a, ConstView b, View ga, const void* g) override {
    return moved("binary_sum", {out, a, b, ga}, [&] { return own_.binary_sum(op, out, a, b, ga, g); });
  }
  Status accumulate(View total, ConstView x) override {
    return moved("accumulate", {total, total, x}, [&] { return own_.accumulate(total, x); });
  }
  Status compare(CompareOp op, View out, ConstView a, ConstView b) override {
    return moved("compare", {out, a, b}, [&] { return own_.compare(op, out, a, b); });
  }
  Status where(View out, ConstView condition, ConstView a, ConstView b) override {
    return moved("where", {out, condition, a, b}, [&] { return own_.where(out, condition, a, b); });
  }
  Status cast(View out, ConstView x) override {
    return moved("cast", {out, x}, [&] { return own_.cast(out, x); });
  }
  Status check_range(ConstView x, double least, double most) override {
    return moved("check_range", {x}, [&] { return own_.check_range(x, least, most); });
  }

  Status reduce(ReduceOp op, View out, ConstView x) override {
    return moved("reduce", {out, x}, [&] { return own_.reduce(op, out, x); });
  }
  Status sum_groups(View out, ConstView x) override {
    return moved("sum_groups", {out, x}, [&] { return own_.sum_groups(out, x); });
  }
  Status argmax(View out, ConstView x) override {
    return moved("argmax", {out, x}, [&] { return own_.argmax(out, x); });
  }
  Status softmax(SoftmaxKind kind, View out, ConstView x) override {
    return moved("softmax", {out, x}, [&] { return own_.softmax(kind, out, x); });
  }
  Status softmax_grad(SoftmaxKind kind, View gx, ConstView y, ConstView g) override {
    return moved("softmax_grad", {gx, y, g}, [&] { return own_.softmax_grad(kind, gx, y, g); });
  }
  Status logsumexp(View out, ConstView x) override {
    return moved("logsumexp", {out, x}, [&] { return own_.logsumexp(out, x); });
  }

  Status moments(View mean, View var, ConstView x) override {
    return moved("moments", {mean, var, x}, [&] { return own_.moments(mean, var, x); });
  }
  Status normalize(View out, ConstView x, ConstView mean, ConstView var, double eps) override {
    return moved("normalize", {out, x, mean, var}, [&] { return own_.normalize(out, x, mean, var, eps); });
  }
  Status normalize_grad(View gx, ConstView xhat, ConstView var, ConstView g, double eps) override {
    return moved("normalize_grad", {gx, xhat, var, g}, [&] { return own_.normalize_grad(gx, xhat, var, g, eps); });
  }
  Status layer_norm(View out, View mean, View var, const LayerNormArgs& args) override {
    return moved("layer_norm", {out, mean, var, args.x, args.weight, args.bias},
                 [&] { return own_.layer_norm(out, mean, var, args); });
  }
  Status layer_norm_grad(View gx, View gweight, View gbias, const LayerNormArgs& args, ConstView mean, ConstView var,
                         ConstView g) override {
    return moved("layer_norm_grad", {gx, gweight, gbias, args.x, args.weight, mean, var, g},
                 [&] { return own_.layer_norm_grad(gx, gweight, gbias, args, mean, var, g); });
  }

  Status matmul(const MatmulArgs& args) override {
    return told("matmul", flop_of(args), bytes_of(args), [&] { return own_.matmul(args); });
  }
  Status linear(const LinearArgs& args, std::span<const LinearHead> heads) override {
    double flop = 0, bytes = 0;
    for (const LinearHead& head : heads) {
      const MatmulArgs product = product_of(args, head.n);
      flop += flop_of(product), bytes += bytes_of(product);
    }
    return told("linear", flop, bytes, [&] { return own_.linear(args, heads); });
  }
  Status linear_grad(const LinearArgs& args, void* gx, std::span<const LinearGradHead> heads) override {
    double flop = 0, bytes = 0;
    for (const LinearGradHead& head : heads) {
      const MatmulArgs product = product_of(args, head.n);
      const int products = (gx != nullptr) + (head.gweight != nullptr);
      flop += products * flop_of(product), bytes += products * bytes_of(product);
    }
    return told("linear_grad", flop, bytes, [&] { return own_.linear_grad(args, gx, heads); });
  }
  Status conv2d(const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias) override {
    return told("conv2d", flop_of(args), bytes_of(args, bias, args.c_out),
                [&] { return own_.conv2d(args, y, x, weight, bias); });
  }
  Status conv2d_grad_data(const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
                          const void* bias) override {
    return told("conv2d_grad_data", flop_of(args), bytes_of(args, bias, args.c_in),
                [&] { return own_.conv2d_grad_data(args, gx, gy, weight, bias); });
  }
  Status conv2d_grad_weight(const Conv2dArgs& args, void* gw, const void* gy, const void* x) override {
    return told("conv2d_grad_weight", flop_of(args), bytes_of(args, nullptr, 0),
                [&] { return own_.conv2d_grad_weight(args, gw, gy, x); });
  }
  Status conv2d_grad(const Conv2dArgs& args, bool transposed, const ConvGradArgs& grads) override {
    const int products = (grads.gx != nullptr) + (grads.gweight != nullptr);
    return told("conv2d_grad", products * flop_of(args), products * bytes_of(args, nullptr, 0),
                [&] { return own_.conv2d_grad(args, transposed, grads); });
  }

  Status copy_strided(DType dtype, const Shape& box, Strided to, ConstStrided from) override {
    const double bytes = 2 * static_cast<double>(box.numel()) * static_cast<double>(size_of(dtype));
    return told("copy_strided", 0, bytes, [&] { return own_.copy_strided(dtype, box, to, from); });
  }
  Status gather(View out, ConstView x, ConstView indices, const std::int64_t* first) override {
    return moved("gather", {out, out, indices}, [&] { return own_.gather(out, x, indices, first); });
  }
  Status scatter_add(View gx, ConstView g, ConstView indices) override {
    return moved("scatter_add", {gx, g, indices}, [&] { return own_.scatter_add(gx, g, indices); });
  }
  Status gather_pictures(View out, ConstView pictures, ConstView indices, const BatchArgs& args) override {
    const double bytes = static_cast<double>(out.shape.numel()) + bytes_of({out, indices});
    return told("gather_pictures", 0, bytes, [&] { return own_.gather_pictures(out, pictures, indices, args); });
  }
  Status index(IndexOp op, View out, const IndexArgs& args) override {
    return moved("index", {out}, [&] { return own_.index(op, out, args); });
  }

  Status random(RandomKind kind, View out, const RandomArgs& args, double p) override {
    return moved("random", {out}, [&] { return own_.random(kind, out, args, p); });
  }
  Status reparameterize(View z, View noise, ConstView mu, ConstView logvar, const RandomArgs& args) override {
    return moved("reparameterize", {z, noise, mu, logvar},
                 [&] { return own_.reparameterize(z, noise, mu, logvar, args); });
  }
  Status reparameterize_kl(View z, View noise, View kl, ConstView mu, ConstView logvar,
                           const RandomArgs& args) override {
    return moved("reparameterize_kl", {z, noise, mu, logvar},
                 [&] { return own_.reparameterize_kl(z, noise, kl, mu, logvar, args); });
  }
  Status reparameterize_kl_grad(View gmu, View glogvar, ConstView mu, ConstView logvar, ConstView noise, ConstView gz,
                                ConstView gkl) override {
    return moved("reparameterize_kl_grad", {gmu, glogvar, mu, logvar, noise, gz},
                 [&] { return own_.reparameterize_kl_grad(gmu, glogvar, mu, logvar, noise, gz, gkl); });
  }

  Status run_errands(std::span<const Errand> errands) override {
    return told("run_errands", 0, 0, [&] { return own_.run_errands(errands); });
  }

  Status sgd(std::span<const OptimizerSlot> slots, const SgdArgs& args, const double* lr) override {
    return told("sgd", 0, bytes_of(slots), [&] { return own_.sgd(slots, args, lr); });
  }
  Status adam(std::span<const OptimizerSlot> slots, const AdamScales* scales,
              std::span<const Errand> errands) override {
    return told("adam", 0, bytes_of(slots), [&] { return own_.adam(slots, scales, errands); });
  }

 private:
  template <class Call>
  Status moved(const char* kernel, std::initializer_list<ConstView> views, Call call) {
    return told(kernel, 0, bytes_of(views), call);
  }

  /// A kernel that no op called is a row of its own.
  template <class Call>
  Status told(const char* kernel, double flop, double bytes, Call call) {
    Profiler* profiler = listening.profiler;
    if (!profiler) return call();  // of a Storage that outlives the guard, or on another thread
    const ProfiledOp op(kernel, profiler->between_ops());
    profiler->add_kernel(flop, bytes);
    const Status status = call();
    if (!gpu_) return status;
    profiler->on_gpu = true;
    return status.ok() ? own_.synchronize() : status;
  }

  Backend& own_;
  bool gpu_;
};

}  // namespace

Backend& profiled(Backend& backend, const Device& device) {
  // Never destroyed, as backends are not.
  static std::mutex mutex;
  static auto& made = *std::make_unique<std::map<Backend*, std::unique_ptr<ProfiledBackend>>>().release();
  const std::lock_guard lock(mutex);
  std::unique_ptr<ProfiledBackend>& one = made[&backend];
  if (!one) one = std::make_unique<ProfiledBackend>(backend, device.type == DeviceType::cuda);
  return *one;
}

}  // namespace elbo::detail
