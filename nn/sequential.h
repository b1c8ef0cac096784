#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "module.h"

namespace elbo::nn {

/// Layers one after the other, named `0`, `1`, ... It owns them.
///
///     nn::Sequential net;
///     net.add<nn::Linear>(784, 400).add<nn::ReLU>().add<nn::Linear>(400, 10);
///
/// A Linear followed by ReLU, Sigmoid or Tanh runs as one op, with the activation in the matrix product's pass over its
/// output; the bits are those of the two layers one after the other. A class derived from any of them is left alone.
class Sequential : public Layer {
 public:
  Sequential() { register_elements(&Sequential::layers_); }
  /// From a list: Sequential(std::make_unique<Linear>(2, 3), std::make_unique<ReLU>()).
  template <class... Layers>
  explicit Sequential(std::unique_ptr<Layers>... layers) : Sequential() {
    (push_back(std::move(layers)), ...);
  }

  /// Makes a layer of type L at the end. Option structs are named here: add<Linear>(2, 3, LinearOptions{.bias =
  /// false}).
  template <class L, class... Args>
  Sequential& add(Args&&... args) {
    return push_back(std::make_unique<L>(std::forward<Args>(args)...));
  }
  /// Throws ValueError for null.
  Sequential& push_back(std::unique_ptr<Layer> layer);

  std::size_t size() const { return layers_.size(); }
  /// Throws IndexError outside [0, size).
  Layer& operator[](std::size_t i) const;

  /// Without layers, x itself.
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace elbo::nn
