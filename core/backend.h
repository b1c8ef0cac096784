#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>

#include "api.h"
#include "backend_types.h"
#include "dtype.h"
#include "functors.h"
#include "optimizer_math.h"
#include "precision.h"
#include "random_kinds.h"
#include "shape.h"

/// What a device must be able to do. A backend sees plain views of memory, never arrays, tensors or graphs; a call
/// returns a status and throws nothing, so that a backend may live in a plugin that shares no symbol with libelbo.
/// The caller (kernels.h) has checked shapes, dtypes and devices.
///
/// Unless a kernel says otherwise: outputs are assigned (never added to), may not overlap inputs, and are row-major and
/// contiguous like all operands; `float32` and `float64` are accepted, all floating operands of a call being of one
/// type; a view of 0 elements is legal and does nothing.
///
/// Calls are carried out in the order in which they were made: a GPU has one stream.
///
/// A device that works by itself may find an index outside its range, or a fault, after the call that caused it has
/// returned: the next call that waits for it, a copy to the host or synchronize, then returns that status. Such a
/// kernel has read and written nothing outside its operands.
namespace ELBO_API elbo {

enum class StatusCode : int {
  ok,
  out_of_memory,
  device_fault,
  unsupported,
  value,   ///< a number outside its range
  index,   ///< an index outside its range
  capture  ///< not possible while a graph is recorded, or no graph could be made
};

/// The result of a backend call. `message` belongs to the backend and lives until its next call on this thread.
struct [[nodiscard]] Status {
  StatusCode code = StatusCode::ok;
  const char* message = "";
  bool ok() const { return code == StatusCode::ok; }
};

enum class CopyKind : int { host_to_device, device_to_host, device_to_device };
enum class ReduceOp : int { sum, max, min, sum_squares };
enum class SoftmaxKind : int { softmax, log_softmax };

/// out[i] = act(op(a[i]) op(b[i]) + bias) for i < batch, op(a) [m, k], op(b) [k, n], out [m, n].
struct MatmulArgs {
  const void* a;
  const void* b;
  void* out;
  const void* bias;  ///< [n], added to each row, or null
  DType dtype;
  Activation activation;
  bool transpose_a;  ///< a is stored as [k, m]
  bool transpose_b;  ///< b is stored as [n, k]
  std::int64_t m, n, k, batch;
  std::int64_t stride_a, stride_b, stride_out;  ///< elements from one matrix to the next; 0 shares a or b
  Precision precision;                          ///< of float32 products
};

/// A 2-D convolution x [n, c_in, h, w], weight [c_out, c_in, kh, kw] -> y [n, c_out, out_h, out_w] (correlation, as in
/// PyTorch). A transposed convolution is its data gradient, with x and y changing places.
struct Conv2dArgs {
  DType dtype;
  std::int64_t n, c_in, h, w, c_out, kh, kw, out_h, out_w;
  std::int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  Precision precision;    ///< of float32 convolutions
  Activation activation;  ///< of the result with its bias, of a convolution and of a data gradient
  bool x_last, y_last;    ///< x is [n, h, w, c_in], y [n, out_h, out_w, c_out]: on the CPU, of at least 4 channels
};

/// A layer y = x weight^T + bias on x [m, k], or several that share x: each is a head.
struct LinearArgs {
  const void* x;
  DType dtype;
  std::int64_t m, k;
  Precision precision;  ///< of float32 products
};
struct LinearHead {
  const void* weight;  ///< [n, k]
  const void* bias;    ///< [n] or null
  void* y;             ///< [m, n]
  std::int64_t n;
};
struct LinearGradHead {
  const void* gy;      ///< [m, n], the gradient of y
  const void* y;       ///< null, or what a ReLU made of the layer's result: gy is then the gradient of that
  const void* weight;  ///< [n, k]; not read where nobody wants gx
  void* gweight;       ///< these two null where nobody wants them
  void* gbias;
  std::int64_t n;
};

/// What the gradients of a convolution are computed from, and where they go: null where nobody wants them. Of a
/// transposed one, x, y and the bias are its own.
struct ConvGradArgs {
  const void* gy = nullptr;
  const void* y = nullptr;  ///< as in LinearGradHead
  const void* x = nullptr;
  const void* weight = nullptr;
  void* gx = nullptr;
  void* gweight = nullptr;
  void* gbias = nullptr;
};

/// Where random numbers come from. A call that draws adds one to *offset, an int64 on the device.
struct RandomArgs {
  std::uint64_t seed;
  std::uint32_t stream;
  std::int64_t* offset;
};

/// How a batch is picked: rows at indices[*first + i], 0 for a null `first`.
struct BatchArgs {
  const std::int64_t* first;  ///< on the device
  double scale, shift;        ///< of pictures: byte * scale + shift
  const RandomArgs* draws;    ///< of pictures, null for none: see gather_pictures
  std::span<const Errand> errands;
};

/// Rows x [rows, n] whose elements are normalised, and then scaled and shifted by weight and bias [n], which are 1 and
/// 0 where they are absent.
struct LayerNormArgs {
  ConstView x, weight, bias;
  double eps;  ///< added to the variance
};

/// A box of elements inside a larger row-major array: the first element and the step of each dimension, in elements.
struct Strided {
  void* data;
  std::int64_t steps[Shape::max_rank];
};
struct ConstStrided {
  const void* data;
  std::int64_t steps[Shape::max_rank];
};

/// One of the index kernels: core/index_kernels.h lists them, and says what each makes of its operands.
enum class IndexOp : int;

/// What an index kernel works on. The work items [i, j, k] are independent of each other: each writes elements of the
/// output that are its own.
struct IndexArgs {
  std::int64_t items[3];     ///< how many there are, along i, j and k
  const void* in[3];         ///< the operands; null where one is not there
  std::int64_t numbers[12];  ///< the kernel's own, such as a window's size
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"  // what a kernel would take is named where none is
/// Every backend has memory. The kernels, all that follows below, it may have or not: one that it does not override
/// answers StatusCode::unsupported and names itself.
class Backend {
 public:
  virtual ~Backend() = default;

  /// What is computing, for people: the CPU variant (`v3`), or the GPU's name.
  virtual const char* description() const = 0;

  // ---- memory. Blocks are 64-byte aligned at least, and come from a caching pool.
  virtual Status allocate(std::size_t bytes, void** block) = 0;
  virtual void release(void* block, std::size_t bytes) noexcept = 0;
  virtual MemoryStats memory() const = 0;
  /// Gives cached blocks back to the system.
  virtual void trim() = 0;
  virtual Status copy(void* to, const void* from, std::size_t bytes, CopyKind kind) = 0;
  virtual Status synchronize() = 0;

  // ---- graphs: calls, recorded once and replayed at the cost of one. The CPU has none.
  /// From here on calls are recorded and do nothing yet; those that wait for the device or touch the host's memory
  /// return StatusCode::capture. Memory that is taken meanwhile, whoever gives it back, goes to nothing but further
  /// graphs until the last graph is released: kernels write there at every replay.
  virtual Status begin_capture() { return unsupported("begin_capture"); }
  /// Ends the recording; *nodes is how many kernels, copies and fills there are in it. Where it failed, *graph is null,
  /// the status says why, and nothing is left of it.
  virtual Status end_capture(void** graph, std::int64_t* nodes) { return unsupported("end_capture"); }
  /// Queues what was recorded, with the same addresses and numbers.
  virtual Status replay(void* graph) { return unsupported("replay"); }
  virtual void release_graph(void* graph) noexcept {}

  // ---- elementwise
  /// out[...] = value, any dtype.
  virtual Status fill(View out, double value) { return unsupported("fill"); }
  /// out = f(x), with the op's parameters p0 and p1 where it has them. out may be x.
  virtual Status unary(UnaryOp op, View out, ConstView x, double p0, double p1) { return unsupported("unary"); }
  /// gx = f.grad(x, y, g). x or y is absent where the list in functors.h says that the gradient does not read it. gx
  /// may be g.
  virtual Status unary_grad(UnaryOp op, View gx, ConstView x, ConstView y, ConstView g, double p0, double p1) {
    return unsupported("unary_grad");
  }
  /// out = f(a, b); a and b broadcast to out's shape. out may be an operand of its own shape. add, sub, mul, maximum
  /// and minimum take integers too, and wrap around.
  virtual Status binary(BinaryOp op, View out, ConstView a, ConstView b) { return unsupported("binary"); }
  /// out = f.grad_a(a, b, g) for side 0, f.grad_b for side 1; a, b and g broadcast to out's shape.
  virtual Status binary_grad(BinaryOp op, int side, View out, ConstView a, ConstView b, ConstView g) {
    return unsupported("binary_grad");
  }
  /// out, one element, = the sum of f(a, b) over all elements, a and b of one shape: a loss. The same bits every time.
  /// ga, absent where nobody wants it, = f.grad_a(a, b, *g), g being one element on this device; for f of
  /// ELBO_LOSS_OPS.
  virtual Status binary_sum(BinaryOp op, View out, ConstView a, ConstView b, View ga, const void* g) {
    return unsupported("binary_sum");
  }
  /// total (float64) += x (floating), of one shape.
  virtual Status accumulate(View total, ConstView x) { return unsupported("accumulate"); }
  /// out (uint8) = f(a, b), a and b of one dtype, any; they broadcast to out's shape.
  virtual Status compare(CompareOp op, View out, ConstView a, ConstView b) { return unsupported("compare"); }
  /// out = condition ? a : b; condition is uint8; out, a and b of one dtype, any; all broadcast to out's shape.
  virtual Status where(View out, ConstView condition, ConstView a, ConstView b) { return unsupported("where"); }
  /// out = x in out's dtype: C++'s conversion, any two dtypes.
  virtual Status cast(View out, ConstView x) { return unsupported("cast"); }
  /// StatusCode::value unless all elements of x, any dtype, are in [least, most]; NaN is not.
  virtual Status check_range(ConstView x, double least, double most) { return unsupported("check_range"); }

  // ---- along one axis: x is [outer, n, inner]
  /// out [outer, inner] = the sum, maximum or minimum over n. With n = 0: 0, -inf, +inf. NaN wins a maximum or minimum.
  /// Integers too: their sum is int64 and wraps around; for inf read the last integer. Or the sum of the squares of
  /// floating numbers.
  virtual Status reduce(ReduceOp op, View out, ConstView x) { return unsupported("reduce"); }
  /// out [groups] = the sum of x [a, groups, b] over the first and the last dimension.
  virtual Status sum_groups(View out, ConstView x) { return unsupported("sum_groups"); }
  /// out (int64) [outer, inner] = the first index of the maximum over n, any dtype; NaN counts as the largest. n > 0.
  virtual Status argmax(View out, ConstView x) { return unsupported("argmax"); }
  virtual Status softmax(SoftmaxKind kind, View out, ConstView x) { return unsupported("softmax"); }
  /// gx from the output y and its gradient g.
  virtual Status softmax_grad(SoftmaxKind kind, View gx, ConstView y, ConstView g) {
    return unsupported("softmax_grad");
  }
  /// out [outer, inner] = log(sum over n of exp(x)), shifted by the maximum.
  virtual Status logsumexp(View out, ConstView x) { return unsupported("logsumexp"); }

  // ---- statistics and normalisation over the first and last dimension of x [a, groups, b]
  /// mean and var (biased) [groups].
  virtual Status moments(View mean, View var, ConstView x) { return unsupported("moments"); }
  /// out = (x - mean) / sqrt(var + eps).
  virtual Status normalize(View out, ConstView x, ConstView mean, ConstView var, double eps) {
    return unsupported("normalize");
  }
  /// gx where xhat is normalize's output with x's own moments, var those moments and g the gradient of xhat.
  virtual Status normalize_grad(View gx, ConstView xhat, ConstView var, ConstView g, double eps) {
    return unsupported("normalize_grad");
  }
  /// out = (x - mean) / sqrt(var + eps) * weight + bias; mean and var (biased) [rows], each row's own, are results too.
  virtual Status layer_norm(View out, View mean, View var, const LayerNormArgs& args) {
    return unsupported("layer_norm");
  }
  /// The gradients of x, weight and bias, absent where nobody wants them: mean and var are layer_norm's, g is the
  /// gradient of its output. The bias is not read.
  virtual Status layer_norm_grad(View gx, View gweight, View gbias, const LayerNormArgs& args, ConstView mean,
                                 ConstView var, ConstView g) {
    return unsupported("layer_norm_grad");
  }

  // ---- contractions
  virtual Status matmul(const MatmulArgs& args) { return unsupported("matmul"); }
  /// y = x weight^T + bias for each head.
  virtual Status linear(const LinearArgs& args, std::span<const LinearHead> heads) { return unsupported("linear"); }
  /// The gradients of a layer, or of heads on one x, whose gradient gx [m, k], null where nobody wants it, is the sum
  /// of theirs.
  virtual Status linear_grad(const LinearArgs& args, void* gx, std::span<const LinearGradHead> heads) {
    return unsupported("linear_grad");
  }
  /// y = conv(x, weight) + bias; bias [c_out] or null.
  virtual Status conv2d(const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias) {
    return unsupported("conv2d");
  }
  /// gx = the gradient of x, + bias; bias [c_in] or null (for a transposed convolution).
  virtual Status conv2d_grad_data(const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
                                  const void* bias) {
    return unsupported("conv2d_grad_data");
  }
  virtual Status conv2d_grad_weight(const Conv2dArgs& args, void* gw, const void* gy, const void* x) {
    return unsupported("conv2d_grad_weight");
  }
  /// The gradients of conv2d, or with `transposed` those of conv2d_grad_data, whose x is the convolution's y.
  virtual Status conv2d_grad(const Conv2dArgs& args, bool transposed, const ConvGradArgs& grads) {
    return unsupported("conv2d_grad");
  }

  // ---- moving elements, any dtype
  /// Copies a box of `box` elements between two arrays with steps of their own: transpose, slice, pad, concatenate.
  virtual Status copy_strided(DType dtype, const Shape& box, Strided to, ConstStrided from) {
    return unsupported("copy_strided");
  }
  /// out [outer, k, inner] = x [outer, n, inner] at indices (int64) [k]; an index outside [0, n) is StatusCode::index.
  /// With `first`, an int64 on this device, at k of [more] indices, from *first on; more - k >= *first >= 0 or
  /// StatusCode::index.
  virtual Status gather(View out, ConstView x, ConstView indices, const std::int64_t* first) {
    return unsupported("gather");
  }
  /// gx [outer, n, inner] = 0, then += g [outer, k, inner] at indices, in the order of k (same bits every time).
  virtual Status scatter_add(View gx, ConstView g, ConstView indices) { return unsupported("scatter_add"); }
  /// out [k, ...] (floating) = pictures [n, ...] (uint8) at indices (int64), as gather picks them, times scale plus
  /// shift. With `draws` a byte first becomes 255 with probability byte / 255, else 0: where element i of a uniform
  /// draw is below byte / 255, i being its place in out.
  virtual Status gather_pictures(View out, ConstView pictures, ConstView indices, const BatchArgs& args) {
    return unsupported("gather_pictures");
  }

  // ---- index kernels: most ops that move, collect or spread elements
  /// Runs `op` for every work item. Where an operand holds an index outside its range that is StatusCode::index, and
  /// nobody knows what is in `out`.
  virtual Status index(IndexOp op, View out, const IndexArgs& args) { return unsupported("index"); }

  // ---- random numbers: element i is a function of (seed, stream, *offset, i) alone; see philox.h
  /// Fills out. `p` is the probability of 1 for bernoulli.
  virtual Status random(RandomKind kind, View out, const RandomArgs& args, double p) { return unsupported("random"); }
  /// noise = exp(logvar / 2) eps with eps standard normal, and z = mu + noise; all of one shape.
  virtual Status reparameterize(View z, View noise, ConstView mu, ConstView logvar, const RandomArgs& args) {
    return unsupported("reparameterize");
  }
  /// The same, and kl, one element, = the sum of KL(N(mu, exp(logvar)) || N(0, 1)) over all elements.
  virtual Status reparameterize_kl(View z, View noise, View kl, ConstView mu, ConstView logvar,
                                   const RandomArgs& args) {
    return unsupported("reparameterize_kl");
  }
  /// The gradients of mu and logvar, absent where nobody wants them, from those of z and kl, absent where there are
  /// none: gmu = gz + gkl mu, glogvar = gz noise / 2 + gkl (exp(logvar) - 1) / 2.
  virtual Status reparameterize_kl_grad(View gmu, View glogvar, ConstView mu, ConstView logvar, ConstView noise,
                                        ConstView gz, ConstView gkl) {
    return unsupported("reparameterize_kl_grad");
  }

  /// Errands that no other call takes along.
  virtual Status run_errands(std::span<const Errand> errands) { return unsupported("run_errands"); }

  // ---- optimisers: all parameters in one call. `lr` (float64) is a scalar on this device.
  virtual Status sgd(std::span<const OptimizerSlot> slots, const SgdArgs& args, const double* lr) {
    return unsupported("sgd");
  }
  /// One step with the factors that an errand has written (errands.h).
  virtual Status adam(std::span<const OptimizerSlot> slots, const AdamScales* scales, std::span<const Errand> errands) {
    return unsupported("adam");
  }

 private:
  static Status unsupported(const char* kernel) {
    thread_local char message[64];
    std::snprintf(message, sizeof message, "its backend has no kernel '%s'", kernel);
    return {StatusCode::unsupported, message};
  }
};
#pragma GCC diagnostic pop

}  // namespace elbo
