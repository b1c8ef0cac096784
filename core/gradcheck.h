#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "api.h"
#include "tensor.h"

namespace ELBO_API elbo {

struct GradcheckOptions {
  double eps = 1e-6;
  double rtol = 1e-4;
  double atol = 1e-7;
};

/// What gradcheck found: true if every derivative agrees, else the first disagreement in words.
struct GradcheckResult {
  bool ok = true;
  std::string message = {};
  explicit operator bool() const { return ok; }
};

/// Compares the gradients of `fn` with central differences, for every element of every input. The output's gradient is
/// drawn at random, so that symmetry hides nothing, and the gradients are accumulated onto a known start, so that a
/// rule which adds is told from one which assigns. `fn` must be deterministic and is called about twice per element.
/// Throws DTypeError unless all inputs are float64; inputs that do not require a gradient are left alone.
GradcheckResult gradcheck(const std::function<Tensor(std::span<const Tensor>)>& fn, std::span<const Tensor> inputs,
                          const GradcheckOptions& options = {});
GradcheckResult gradcheck(const std::function<Tensor(std::span<const Tensor>)>& fn,
                          std::initializer_list<Tensor> inputs, const GradcheckOptions& options = {});

}  // namespace elbo
