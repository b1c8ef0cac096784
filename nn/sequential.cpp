#include "sequential.h"

#include <algorithm>
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

/// Whether a layer makes each element of the one in its place, so that it asks for no layout.
bool is_elementwise(const Layer& layer) {
  const std::type_info& type = typeid(layer);
  return type == typeid(ReLU) || type == typeid(LeakyReLU) || type == typeid(ELU) || type == typeid(SiLU) ||
         type == typeid(GELU) || type == typeid(Sigmoid) || type == typeid(Tanh) || type == typeid(Softplus) ||
         type == typeid(Identity);
}

/// The channels that come out of a convolution, if the layer is one that takes layouts; otherwise 0.
std::int64_t convolved_channels(const Layer& layer) {
  if (typeid(layer) == typeid(Conv2d)) {
    const auto& conv = static_cast<const Conv2d&>(layer);
    return conv.options().groups == 1 ? conv.weight.size(0) : 0;
  }
  if (typeid(layer) == typeid(ConvTranspose2d)) {
    const auto& conv = static_cast<const ConvTranspose2d&>(layer);
    return conv.options().groups == 1 ? conv.weight.size(1) : 0;
  }
  return 0;
}

/// Of what layer i, if it is a convolution, gives to the next ones. Few channels stay in planes, for which there are
/// kernels of their own.
Layout layout_after(const detail::OwnedLayers& layers, std::size_t i, Device device) {
  if (device.type != DeviceType::cpu || convolved_channels(layers[i]) < 4) return Layout::channels_first;
  for (++i; i < layers.size() && is_elementwise(layers[i]); ++i) {
  }
  return i < layers.size() && convolved_channels(layers[i]) > 0 ? Layout::channels_last : Layout::channels_first;
}

/// Makes of x the layer's output with the activation, in one pass, if the layer is exactly a One: a derived class may
/// do something else in its forward().
template <class One, class... More>
bool applied(Layer& layer, Tensor& x, Activation activation, More... more) {
  if (typeid(layer) != typeid(One)) return false;
  const elbo::detail::ProfiledLayer running(&layer);
  x = static_cast<One&>(layer).forward(x, activation, more...);
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
  if (ForwardHook::any()) {  // hooks see what each layer gives
    for (Layer& layer : layers_) y = layer(y);
    return y;
  }
  Layout layout = Layout::channels_first;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    const Activation next = i + 1 < layers_.size() ? activation_of(layers_[i + 1]) : Activation::none;
    const ConvLayouts layouts{layout, layout_after(layers_, i, y.device())};
    if (applied<Conv2d>(layer, y, next, layouts) || applied<ConvTranspose2d>(layer, y, next, layouts))
      layout = layouts.out;
    else if (next == Activation::none || !applied<Linear>(layer, y, next)) {
      y = layer(y);
      continue;
    }
    if (next != Activation::none) ++i;
  }
  return y;
}

Tensor Residual::forward(const Tensor& x) { return x + (*layer_)(x); }

}  // namespace elbo::nn
