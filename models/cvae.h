#pragma once
#include "../core/api.h"
#include "vae.h"

namespace ELBO_API elbo {
namespace models {

/// The conditional VAE (Sohn et al. 2015): the VAE with the label, one-hot, joined to the input of the encoder and to
/// that of the decoder.
class CVAE : public VAE {
 public:
  /// Throws ValueError where config.classes is 0.
  explicit CVAE(ModelConfig config);
};

}  // namespace models
}  // namespace elbo
