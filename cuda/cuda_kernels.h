#pragma once
#include <span>

#include "context.h"

/// The GPU's kernels as free functions: what they compute stands at Backend's functions of the same names. They queue
/// work on the context's stream, wait for nothing, read nothing back, and throw Failure. What they pass to the device
/// by value is all that a captured graph needs to run again.
///
/// Contract: the same bits every time. Sums are cut by shape alone and added in a fixed order, never by atomics.
/// float32 elementwise results are the CPU's, bit for bit.
namespace elbo::cuda {

// elementwise.cu
void fill(const Context&, View out, double value);
void unary(const Context&, UnaryOp op, View out, ConstView x, double p0, double p1);
void unary_grad(const Context&, UnaryOp op, View gx, ConstView x, ConstView y, ConstView g, double p0, double p1);
void cast(const Context&, View out, ConstView x);
void check_range(const Context&, ConstView x, double least, double most);
void accumulate(const Context&, View total, ConstView x);
/// unary_grad of the ReLU whose output is y, and sum += x, of n elements.
void relu_grad(const Context&, DType dtype, void* gx, const void* y, const void* g, std::int64_t n);
void add(const Context&, DType dtype, void* sum, const void* x, std::int64_t n);

// broadcast.cu
void binary(const Context&, BinaryOp op, View out, ConstView a, ConstView b);
void binary_grad(const Context&, BinaryOp op, int side, View out, ConstView a, ConstView b, ConstView g);
void compare(const Context&, CompareOp op, View out, ConstView a, ConstView b);
void where(const Context&, View out, ConstView condition, ConstView a, ConstView b);

// reduce.cu
void reduce(const Context&, ReduceOp op, View out, ConstView x);
void binary_sum(const Context&, BinaryOp op, View out, ConstView a, ConstView b, View ga, const void* g);
void sum_groups(const Context&, View out, ConstView x);
void sum_groups(const Context&, DType dtype, void* out, const void* x, std::int64_t a, std::int64_t groups,
                std::int64_t b);
void argmax(const Context&, View out, ConstView x);

// softmax.cu
void softmax(const Context&, SoftmaxKind kind, View out, ConstView x);
void softmax_grad(const Context&, SoftmaxKind kind, View gx, ConstView y, ConstView g);
void logsumexp(const Context&, View out, ConstView x);

// normalize.cu
void moments(const Context&, View mean, View var, ConstView x);
void normalize(const Context&, View out, ConstView x, ConstView mean, ConstView var, double eps);
void normalize_grad(const Context&, View gx, ConstView xhat, ConstView var, ConstView g, double eps);
void layer_norm(const Context&, View out, View mean, View var, const LayerNormArgs& args);
void layer_norm_grad(const Context&, View gx, View gweight, View gbias, const LayerNormArgs& args, ConstView mean,
                     ConstView var, ConstView g);

// gemm.cu
void matmul(const Context&, const MatmulArgs& args);
/// In place.
void activate(const Context&, Activation activation, DType dtype, void* out, std::int64_t count);

// conv.cpp
void conv2d(const Context&, const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias);
void conv2d_grad_data(const Context&, const Conv2dArgs& args, void* gx, const void* gy, const void* weight,
                      const void* bias);
void conv2d_grad_weight(const Context&, const Conv2dArgs& args, void* gw, const void* gy, const void* x);
void conv2d_grad(const Context&, const Conv2dArgs& args, bool transposed, const ConvGradArgs& grads);

// move.cu
void copy_strided(const Context&, DType dtype, const Shape& box, Strided to, ConstStrided from);
void gather(const Context&, View out, ConstView x, ConstView indices, const std::int64_t* first);
void scatter_add(const Context&, View gx, ConstView g, ConstView indices);
void gather_pictures(const Context&, View out, ConstView pictures, ConstView indices, const BatchArgs& args);

// linear.cu
void linear(const Context&, const LinearArgs& args, std::span<const LinearHead> heads);
void linear_grad(const Context&, const LinearArgs& args, void* gx, std::span<const LinearGradHead> heads);

// index.cu
void index(const Context&, IndexOp op, View out, const IndexArgs& args);

// random.cu
void random(const Context&, RandomKind kind, View out, const RandomArgs& args, double p);
void reparameterize(const Context&, View z, View noise, ConstView mu, ConstView logvar, const RandomArgs& args);
void reparameterize_kl(const Context&, View z, View noise, View kl, ConstView mu, ConstView logvar,
                       const RandomArgs& args);
void reparameterize_kl_grad(const Context&, View gmu, View glogvar, ConstView mu, ConstView logvar, ConstView noise,
                            ConstView gz, ConstView gkl);

// optimizers.cu
void sgd(const Context&, std::span<const OptimizerSlot> slots, const SgdArgs& args, const double* lr);
void adam(const Context&, std::span<const OptimizerSlot> slots, const AdamScales* scales,
          std::span<const Errand> errands);
void run_errands(const Context&, std::span<const Errand> errands);

// fault.cu
/// Stops with an error on the device: for tests.
void trap(const Context&);

}  // namespace elbo::cuda
