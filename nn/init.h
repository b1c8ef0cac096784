#pragma once
#include <cstdint>

#include "../core/api.h"
#include "../core/generator.h"
#include "../core/tensor.h"

/// Initial values of parameters. Each writes in place and, where it draws, draws from `generator`, or the device's
/// default one if null. Those that draw throw DTypeError unless the tensor is float32 or float64, and ValueError for a
/// range or deviation that is not finite in its type. A tensor on meta stays as it is, and nothing is drawn for it.
namespace ELBO_API elbo {
namespace nn::init {

/// How many inputs and outputs an element of a weight sees: for [a, b, ...] the product of the sizes after the second,
/// times b (in) or a (out). So a transposed convolution's `in` counts its output channels, as in PyTorch.
struct Fans {
  std::int64_t in = 0, out = 0;
};
/// Throws ShapeError for fewer than two dimensions.
Fans fans(const Shape& weight);

void constant_(Tensor& tensor, double value);
/// Uniform between lo and hi.
void uniform_(Tensor& tensor, double lo, double hi, Generator* generator = nullptr);
void normal_(Tensor& tensor, double mean = 0, double std = 1, Generator* generator = nullptr);
/// Uniform with bound sqrt(6 / ((1 + a^2) fan_in)), for layers followed by a leaky ReLU of slope a (He et al. 2015).
void kaiming_uniform_(Tensor& weight, double a = 0, Generator* generator = nullptr);
/// Uniform with bound gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).
void xavier_uniform_(Tensor& weight, double gain = 1, Generator* generator = nullptr);

/// PyTorch's defaults for Linear and the convolutions: weight and bias uniform within 1 / sqrt(fan_in), the weight
/// first (kaiming_uniform_ with a = sqrt(5) is that). Without inputs the bias is 0. The bias may be undefined.
void default_(Tensor& weight, Tensor& bias, Generator* generator = nullptr);

}  // namespace nn::init
}  // namespace elbo
