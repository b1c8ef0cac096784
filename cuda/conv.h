#pragma once
#include "context.h"

/// The two ways to compute a convolution; conv.cpp chooses. What the functions compute stands at Backend's conv2d,
/// conv2d_grad_data and conv2d_grad_weight.
namespace elbo::cuda {

/// As products whose operands are gathered on the way into shared memory: nothing is written but the result (and, for
/// grad_weight, partial sums; for grad_data, the weights in another order). In full float32 or float64.
namespace implicit {
/// Whether all sizes are within what the kernels' indices and bits hold.
bool fits(const Conv2dArgs& args);
void forward(const Context&, const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias);
void grad_data(const Context&, const Conv2dArgs& args, void* gx, const void* gy, const void* weight, const void* bias);
void grad_weight(const Context&, const Conv2dArgs& args, void* gw, const void* gy, const void* x);
}  // namespace implicit

/// As cuBLASLt's products with matrices of columns in memory (see index_kernels.h), some pictures at a time. Knows all
/// precisions. n, the channels, and the outputs are at least 1.
namespace im2col {
void forward(const Context&, const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias);
void grad_data(const Context&, const Conv2dArgs& args, void* gx, const void* gy, const void* weight, const void* bias);
void grad_weight(const Context&, const Conv2dArgs& args, void* gw, const void* gy, const void* x);
}  // namespace im2col

}  // namespace elbo::cuda
