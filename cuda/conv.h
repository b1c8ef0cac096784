#pragma once
#include "context.h"

/// The two ways to compute a convolution; conv.cpp chooses. What the functions compute stands at Backend's conv2d,
/// conv2d_grad_data and conv2d_grad_weight.
namespace elbo::cuda {

/// As products whose operands are gathered on the way into shared memory: nothing is written but the result (and, for
/// grad_weight, partial sums). float32 in the precision asked for: in full by the multiprocessors' own arithmetic, tf32
/// and bf16 by tensor cores. The activation of the result is done too. `relu`, null for
/// none, is what the ReLU gave whose gradient x, or gy, is.
namespace implicit {
/// Whether all sizes are within what the kernels' indices and bits hold.
bool fits(const Conv2dArgs& args);
void forward(const Context&, const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias,
             const void* relu);
void grad_data(const Context&, const Conv2dArgs& args, void* gx, const void* gy, const void* weight, const void* bias,
               const void* relu);
/// `transposed`: it is x, not gy, that is a gradient, and that `relu` is for. sums, null for none, become the sums over
/// that gradient's pictures, of each channel.
void grad_weight(const Context&, const Conv2dArgs& args, bool transposed, void* gw, void* sums, const void* gy,
                 const void* x, const void* relu);
}  // namespace implicit

/// Element by element, without tiles: of any size, and slow.
namespace direct {
void forward(const Context&, const Conv2dArgs& args, void* y, const void* x, const void* weight, const void* bias);
void grad_data(const Context&, const Conv2dArgs& args, void* gx, const void* gy, const void* weight, const void* bias);
void grad_weight(const Context&, const Conv2dArgs& args, void* gw, const void* gy, const void* x);
}  // namespace direct

}  // namespace elbo::cuda
