#pragma once
#include "../core/api.h"
#include "../core/ops.h"
#include "module.h"

/// Layers without parameters.
namespace ELBO_API elbo {
namespace nn {

/// x itself: in place of a layer that is left out.
class Identity : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return x; }
};

/// max(x, 0).
class ReLU : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return relu(x); }
};

/// x where x > 0, negative_slope x elsewhere.
class LeakyReLU : public Layer {
 public:
  explicit LeakyReLU(double slope = 0.01) : negative_slope(slope) {}
  Tensor forward(const Tensor& x) override { return leaky_relu(x, negative_slope); }
  double negative_slope;
};

/// x where x > 0, alpha (exp(x) - 1) elsewhere.
class ELU : public Layer {
 public:
  explicit ELU(double alpha_ = 1) : alpha(alpha_) {}
  Tensor forward(const Tensor& x) override { return elu(x, alpha); }
  double alpha;
};

/// x sigmoid(x).
class SiLU : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return silu(x); }
};

/// x Phi(x), with the normal distribution function itself.
class GELU : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return gelu(x); }
};

class Sigmoid : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return sigmoid(x); }
};

class Tanh : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return tanh(x); }
};

/// log(1 + exp(x)).
class Softplus : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return softplus(x); }
};

/// In training, zeroes elements with probability p and divides the others by 1 - p; in evaluation, x itself.
/// `generator` must outlive the layer; null means the device's default one.
class Dropout : public Layer {
 public:
  /// Throws ValueError unless 0 <= probability < 1.
  explicit Dropout(double probability = 0.5, Generator* generator = nullptr);
  Tensor forward(const Tensor& x) override { return dropout(x, p, is_training(), generator_); }
  double p;

 private:
  Generator* generator_;
};

/// Dimensions from `start_dim` on become one.
class Flatten : public Layer {
 public:
  explicit Flatten(int start = 1) : start_dim(start) {}
  Tensor forward(const Tensor& x) override { return flatten(x, start_dim); }
  int start_dim;
};

/// Dimension `dim` becomes several: Unflatten(1, {32, 7, 7}) takes [N, 1568] to [N, 32, 7, 7].
class Unflatten : public Layer {
 public:
  /// Throws ValueError for no sizes, or one below 1.
  Unflatten(int dimension, const Shape& into);
  /// Throws ShapeError unless dimension `dim` of x is the product of the sizes.
  Tensor forward(const Tensor& x) override;
  int dim;
  Shape sizes;
};

}  // namespace nn
}  // namespace elbo
