#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "../core/api.h"
#include "module.h"

namespace ELBO_API elbo {
namespace nn {

namespace detail {

/// Layers that a container owns, in order.
class OwnedLayers {
 public:
  /// `owner` is the container's class, for messages.
  explicit OwnedLayers(const char* owner) : owner_(owner) {}
  /// Throws ValueError for null.
  void push_back(std::unique_ptr<Layer> layer);
  std::size_t size() const { return layers_.size(); }
  /// Throws IndexError outside [0, size).
  Layer& operator[](std::size_t i) const;

  /// What a range-based for needs.
  struct Iterator {
    const std::unique_ptr<Layer>* at;
    Layer& operator*() const { return **at; }
    Iterator& operator++() { return ++at, *this; }
    bool operator==(const Iterator&) const = default;
  };
  Iterator begin() const { return {layers_.data()}; }
  Iterator end() const { return {layers_.data() + layers_.size()}; }

 private:
  const char* owner_;
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace detail

/// Layers one after the other, named `0`, `1`, ... It owns them.
///
///     nn::Sequential net{nn::Linear(784, 400), nn::ReLU(), nn::Linear(400, 10)};
///     net.add(nn::Sigmoid());
///
/// A Linear, Conv2d or ConvTranspose2d followed by ReLU, Sigmoid or Tanh runs as one op, with the activation in the
/// same pass over its output. On the CPU, what passes from one convolution to another, activations between them, has
/// its channels last (see Layout). The bits are those of the layers one after the other. A class derived from any of
/// them is left alone.
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
  /// The same of one that is owned already. Throws ValueError for null.
  Sequential& push_back(std::unique_ptr<Layer> layer) { return layers_.push_back(std::move(layer)), *this; }

  std::size_t size() const { return layers_.size(); }
  /// Throws IndexError outside [0, size).
  Layer& operator[](std::size_t i) const { return layers_[i]; }
  /// `for (nn::Layer& layer : net)`.
  auto begin() const { return layers_.begin(); }
  auto end() const { return layers_.end(); }

  /// Without layers, x itself.
  Tensor forward(const Tensor& x) override;

 private:
  detail::OwnedLayers layers_{"Sequential"};
};

/// Layers named `0`, `1`, ... that it owns, for a module that calls them as it likes; registered under a name of its
/// own, so that they are `blocks.0`, `blocks.1`, ... Layers of one class can as well be a std::vector that is
/// registered.
class ModuleList : public Module {
 public:
  ModuleList() { register_elements(&ModuleList::layers_); }

  /// Moves a layer to the end.
  template <std::derived_from<Layer> L>
  ModuleList& add(L layer) {
    auto owned = std::make_unique<L>(std::move(layer));
    declare_type(*owned);
    return push_back(std::move(owned));
  }
  /// The same of one that is owned already. Throws ValueError for null.
  ModuleList& push_back(std::unique_ptr<Layer> layer) { return layers_.push_back(std::move(layer)), *this; }

  std::size_t size() const { return layers_.size(); }
  /// Throws IndexError outside [0, size).
  Layer& operator[](std::size_t i) const { return layers_[i]; }
  /// `for (nn::Layer& layer : blocks)`.
  auto begin() const { return layers_.begin(); }
  auto end() const { return layers_.end(); }

 private:
  detail::OwnedLayers layers_{"ModuleList"};
};

/// x + layer(x) (He et al. 2016); the layer's name in it is `layer`. What it gives must have the shape of x, or one
/// that is broadcast with it. `Residual(residual)` moves; it does not put one into another.
class Residual : public Layer {
 public:
  template <std::derived_from<Layer> L>
  requires(!std::derived_from<L, Residual>) explicit Residual(L layer) : layer_(std::make_unique<L>(std::move(layer))) {
    declare_type(static_cast<L&>(*layer_));
    register_module("layer", &Residual::layer_);
  }
  Tensor forward(const Tensor& x) override;

 private:
  std::unique_ptr<Layer> layer_;
};

}  // namespace nn
}  // namespace elbo
