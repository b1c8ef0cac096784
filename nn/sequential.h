#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "module.h"

namespace elbo::nn {

/// Layers one after the other, named `0`, `1`, ... It owns them.
///
///     nn::Sequential net{nn::Linear(784, 400), nn::ReLU(), nn::Linear(400, 10)};
///     net.add(nn::Sigmoid());
///
/// A Linear followed by ReLU, Sigmoid or Tanh runs as one op, with the activation in the matrix product's pass over its
/// output; the bits are those of the two layers one after the other. A class derived from any of them is left alone.
class Sequential : public Layer {
 public:
  Sequential() { register_elements(&Sequential::layers_); }
  /// From layers, which move in. In braces they are made, and their weights drawn, from the first to the last; in
  /// parentheses C++ leaves the order open. A single Sequential is moved, not nested.
  template <std::derived_from<Layer>... Layers>
  requires(sizeof...(Layers) != 1 ||
           (!std::derived_from<Layers, Sequential> && ...)) explicit Sequential(Layers... layers)
      : Sequential() {
    (add(std::move(layers)), ...);
  }

  /// Moves a layer to the end.
  template <std::derived_from<Layer> L>
  Sequential& add(L layer) {
    auto owned = std::make_unique<L>(std::move(layer));
    declare_type(*owned);
    return push_back(std::move(owned));
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
