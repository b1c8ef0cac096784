#include "sequential.h"

#include <typeinfo>

#include "../core/ops.h"
#include "../core/profile_detail.h"
#include "layers.h"

namespace elbo::nn {
namespace {

/// The activation that a layer is, of those that a product or a convolution can apply; none for other layers.
Activation activation_of(const Layer& layer) {
  if (typeid(layer) == typeid(ReLU)) return Activation::relu;
  if (typeid(layer) == typeid(Sigmoid)) return Activation::sigmoid;
  if (typeid(layer) == typeid(Tanh)) return Activation::tanh;
  return Activation::none;
}

/// Makes of x the layer's output with the activation, in one pass, if the layer is exactly a One: a derived class may
/// do something else in its forward().
template <class One>
bool applied(Layer& layer, Activation activation, Tensor& x) {
  if (typeid(layer) != typeid(One)) return false;
  const elbo::detail::ProfiledLayer running(&layer);
  x = static_cast<One&>(layer).forward(x, activation);
  return true;
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
    Layer& layer = layers_[i];
    const Activation next = !watched && i + 1 < layers_.size() ? activation_of(layers_[i + 1]) : Activation::none;
    if (next != Activation::none && (applied<Linear>(layer, next, y) || applied<Conv2d>(layer, next, y) ||
                                     applied<ConvTranspose2d>(layer, next, y)))
      ++i;
    else
      y = layer(y);
  }
  return y;
}

Tensor Residual::forward(const Tensor& x) { return x + (*layer_)(x); }

}  // namespace elbo::nn
