#pragma once
#include <atomic>
#include <span>

#include "../backend.h"
#include "isa.h"
#include "pool.h"
#include "variant/elementwise.h"
#include "variant/move.h"
#include "variant/normalize.h"
#include "variant/optimizers.h"
#include "variant/random.h"
#include "variant/reduce.h"
#include "variant/softmax.h"

/// The CPU's kernels as free functions: what they compute stands at Backend's functions of the same names. They may
/// throw std::bad_alloc, and IndexError or ValueError where StatusCode::index or value is spoken of; outputs are then
/// untouched, but for those of index() and of layers.cpp.
///
/// Contract: no bit of a result depends on the number of threads. Work is cut by output, or into pieces whose size
/// depends on the shape alone, and the pieces' results are combined in order.
namespace elbo::cpu_kernels {

/// The tables of a variant.
struct Tables {
  const ElementwiseTable& elementwise;
  const ReduceTable& reduce;
  const SoftmaxTable& softmax;
  const NormalizeTable& normalize;
  const OptimizerTable& optimizers;
  const RandomTable& random;
  const MoveTable& move;
};
/// `isa` is one of available_isas().
const Tables& tables(Isa isa);

struct Context {
  const Tables& tables;
  Pool& pool;
  Isa isa;
};

/// Where a call draws from: each takes an offset of its own, whatever threads draw at once.
inline std::int64_t take_offset(const RandomArgs& args) {
  return std::atomic_ref<std::int64_t>(*args.offset).fetch_add(1, std::memory_order_relaxed);
}

// elementwise.cpp
void fill(const Context&, View out, double value);
void unary(const Context&, UnaryOp op, View out, ConstView x, double p0, double p1);
void unary_grad(const Context&, UnaryOp op, View gx, ConstView x, ConstView y, ConstView g, double p0, double p1);
void binary(const Context&, BinaryOp op, View out, ConstView a, ConstView b);
void binary_grad(const Context&, BinaryOp op, int side, View out, ConstView a, ConstView b, ConstView g);
void compare(const Context&, CompareOp op, View out, ConstView a, ConstView b);
void where(const Context&, View out, ConstView condition, ConstView a, ConstView b);
void cast(const Context&, View out, ConstView x);
void check_range(ConstView x, double least, double most);
void accumulate(const Context&, View total, ConstView x);

// reduce.cpp
void reduce(const Context&, ReduceOp op, View out, ConstView x);
/// The bits of binary and then reduce over all elements, without the array in between, and of binary_grad.
void binary_sum(const Context&, BinaryOp op, View out, ConstView a, ConstView b, View ga, const void* g);
void sum_groups(const Context&, View out, ConstView x);
void argmax(const Context&, View out, ConstView x);
void softmax(const Context&, SoftmaxKind kind, View out, ConstView x);
void softmax_grad(const Context&, SoftmaxKind kind, View gx, ConstView y, ConstView g);
void logsumexp(const Context&, View out, ConstView x);

// normalize.cpp
void moments(const Context&, View mean, View var, ConstView x);
void normalize(const Context&, View out, ConstView x, ConstView mean, ConstView var, double eps);
void normalize_grad(const Context&, View gx, ConstView xhat, ConstView var, ConstView g, double eps);
void layer_norm(const Context&, View out, View mean, View var, const LayerNormArgs& args);
void layer_norm_grad(const Context&, View gx, View gweight, View gbias, const LayerNormArgs& args, ConstView mean,
                     ConstView var, ConstView g);

// move.cpp
void copy_strided(const Context&, DType dtype, const Shape& box, Strided to, ConstStrided from);
void gather(const Context&, View out, ConstView x, ConstView indices, const std::int64_t* first);
void scatter_add(const Context&, View gx, ConstView g, ConstView indices);
void gather_pictures(const Context&, View out, ConstView pictures, ConstView indices, const BatchArgs& args);

// index.cpp
void index(IndexOp op, View out, const IndexArgs& args);

// random.cpp
void random(const Context&, RandomKind kind, View out, const RandomArgs& args, double p);
void reparameterize(const Context&, View z, View noise, ConstView mu, ConstView logvar, const RandomArgs& args);
void reparameterize_kl(const Context&, View z, View noise, View kl, ConstView mu, ConstView logvar,
                       const RandomArgs& args);
void reparameterize_kl_grad(const Context&, View gmu, View glogvar, ConstView mu, ConstView logvar, ConstView noise,
                            ConstView gz, ConstView gkl);

// optimizers.cpp
/// g += weight_decay * param; buffer = momentum * buffer + g; param -= lr * buffer (PyTorch's SGD, dampening 0).
/// Without a buffer: param -= lr * g. A slot without a gradient is passed over.
void sgd(const Context&, std::span<const OptimizerSlot> slots, const SgdArgs& args, const double* lr);
/// Kingma and Ba 2015, as PyTorch computes it: m += (g - m)(1 - beta1); v = beta2 v + (1 - beta2) g^2; param -=
/// lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps). Adam adds weight_decay * param to g; AdamW (Loshchilov
/// and Hutter 2019) first multiplies param by 1 - lr * weight_decay. A slot without a gradient is passed over.
void adam(const Context&, std::span<const OptimizerSlot> slots, const AdamScales& scales);

// layers.cpp: calls of the kernels below and above, one after the other.
void linear(const Context&, const LinearArgs& args, std::span<const LinearHead> heads);
void linear_grad(const Context&, const LinearArgs& args, void* gx, std::span<const LinearGradHead> heads);
void conv2d_grad(const Context&, const Conv2dArgs& args, bool transposed, const ConvGradArgs& grads);

// conv.cpp
void conv2d(const Context&, const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias);
void conv2d_grad_data(const Context&, const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
                      const void* bias);
void conv2d_grad_weight(const Context&, const Conv2dArgs& args, void* gw, const void* gy, const void* x);
/// out [channels] = the sums over pictures g [n, channels, size], or with `last` [n, size, channels], of each channel;
/// the bits are the same both ways.
void channel_sums(const Context&, void* out, const void* g, DType dtype, std::int64_t n, std::int64_t channels,
                  std::int64_t size, bool last);

/// Sums are cut into pieces of about this many elements, and columns into strips (variant/reduce.h).
inline constexpr std::int64_t chunk_elements = 16384;

/// Elements of plain work that are worth a thread's while.
inline constexpr std::int64_t element_grain = 8192;

/// Items of `elements` elements each that are worth a thread's while.
inline std::int64_t grain_of(std::int64_t elements) {
  return elements < 1 ? element_grain : elements > element_grain ? 1 : element_grain / elements;
}
inline std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The index of float32 and float64 in a table.
inline int floating(DType dtype) { return static_cast<int>(dtype); }
/// The index of elements of 1, 4 or 8 bytes in a table.
constexpr int size_index(std::size_t size) { return size == 1 ? 0 : size == 4 ? 1 : 2; }

/// From this many bytes on, an output is written past the cache (MoveTable::stream), where it would not stay.
inline constexpr std::int64_t stream_bytes = std::int64_t{32} << 20;
/// After the last of some calls of stream(), before another thread is told of them.
inline void end_stream() {
#if defined(__SSE__)
  __builtin_ia32_sfence();
#endif
}

/// p, `elements` elements of `dtype` further.
inline void* at(void* p, std::int64_t elements, DType dtype) {
  return static_cast<std::byte*>(p) + elements * static_cast<std::int64_t>(size_of(dtype));
}
inline const void* at(const void* p, std::int64_t elements, DType dtype) {
  return static_cast<const std::byte*>(p) + elements * static_cast<std::int64_t>(size_of(dtype));
}

/// Element i of a floating view.
inline double load(const ConstView& x, std::int64_t i) {
  return x.dtype == DType::float32 ? static_cast<double>(static_cast<const float*>(x.data)[i])
                                   : static_cast<const double*>(x.data)[i];
}
inline void store(const View& out, std::int64_t i, double value) {
  if (out.dtype == DType::float32)
    static_cast<float*>(out.data)[i] = static_cast<float>(value);
  else
    static_cast<double*>(out.data)[i] = value;
}

}  // namespace elbo::cpu_kernels
