#pragma once
#include "vae.h"

namespace elbo::models {

/// The conditional VAE (Sohn et al. 2015): the VAE with the label, one-hot, joined to the input of the encoder and to
/// that of the decoder.
class CVAE : public VAE {
 public:
  /// Throws ValueError where config.classes is 0.
  explicit CVAE(ModelConfig config);
};

}  // namespace elbo::models
