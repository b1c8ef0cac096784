#pragma once
#include <concepts>
#include <functional>
#include <iosfwd>
#include <string>

#include "../core/api.h"
#include "../core/errors.h"
#include "module.h"

namespace ELBO_API elbo {
namespace nn {

/// The module and all that it has as a tree, each with its class and the shapes of its own parameters and buffers, as
/// `print(model)` in PyTorch.
std::ostream& operator<<(std::ostream& out, const Module& module);

/// A table of the module and all that it has: dotted name, class, shape of the output, parameters; and their number in
/// all. A parameter that is shared counts where it comes first. Shapes are those of the layers that `forward` runs, by
/// operator(), at their last run; without `forward` there are none. It runs in evaluation, without gradients, and draws
/// from no generator of yours.
std::string summary(const Module& module, const std::function<void()>& forward = {});

/// The same of a forward pass with zeros [input], of the parameters' dtype and on their device:
/// `std::cout << nn::summary(net, {1, 784})`. Throws DTypeError for a module that takes others, such as an Embedding.
template <class M>
std::string summary(M& module, const Shape& input) {
  TensorOptions options;
  if (const auto parameters = module.parameters(); !parameters.empty()) options = parameters[0].array().options();
  try {
    return summary(module, [&] {
      if constexpr (std::derived_from<M, Layer>)
        module(zeros(input, options));
      else
        module.forward(zeros(input, options));
    });
  } catch (const DTypeError& error) {
    fail<DTypeError>(error.what(), ": for zeros of another dtype, summary(net, [&] { net(zeros(...)); })");
  }
}

}  // namespace nn
}  // namespace elbo
