#include "sequential.h"

#include <typeinfo>

#include "../core/ops.h"
#include "../core/profile_detail.h"
#include "layers.h"

namespace elbo::nn {
namespace {

/// The layer as a Linear, if it is exactly that: a derived class may do something else in its forward().
Linear* as_linear(Layer& layer) { return typeid(layer) == typeid(Linear) ? static_cast<Linear*>(&layer) : nullptr; }

/// The activation that a layer is, of those that a matrix product can apply; none for other layers.
Activation activation_of(const Layer& layer) {
  if (typeid(layer) == typeid(ReLU)) return Activation::relu;
  if (typeid(layer) == typeid(Sigmoid)) return Activation::sigmoid;
  if (typeid(layer) == typeid(Tanh)) return Activation::tanh;
  return Activation::none;
}

}  // namespace

void detail::OwnedLayers::push_back(std::unique_ptr<Layer> layer) {
  ELBO_CHECK(layer, ValueError, "[", owner_, "] expected a layer, found null");
  layers_.push_back(std::move(layer));
}

Layer& detail::OwnedLayers::operator[](std::size_t i) const {
  ELBO_CHECK(i < layers_.size(), IndexError, "[", owner_, "] expected an index below ", layers_.size(), ", found ", i);
  return *layers_[i];
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  const bool watched = ForwardHook::any();  // hooks see what each layer gives
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Linear* linear = watched ? nullptr : as_linear(layers_[i]);
    const Activation next = linear && i + 1 < layers_.size() ? activation_of(layers_[i + 1]) : Activation::none;
    if (next == Activation::none) {
      y = layers_[i](y);
    } else {
      const elbo::detail::ProfiledLayer running(linear);
      y = linear->forward(y, next);
      ++i;
    }
  }
  return y;
}

Tensor Residual::forward(const Tensor& x) { return x + (*layer_)(x); }

}  // namespace elbo::nn
