#pragma once
#include <cstdint>

#include "api.h"

namespace ELBO_API elbo {

/// uniform in [0, 1); standard normal (Box and Muller 1958); 1 with probability p, else 0.
enum class RandomKind : int { uniform, normal, bernoulli };

/// Independent uses of one seed. Drawing from one never moves another: a picture drawn during training, or one more
/// validation, changes no bit of the run.
enum class Stream : std::uint32_t {
  user,
  init,
  split,
  shuffle,
  noise,
  dropout,
  validation,
  pictures,
  binarize,
  augment
};

}  // namespace elbo
