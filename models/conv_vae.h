#pragma once
#include "../core/api.h"
#include "../nn/layers.h"
#include "../nn/sequential.h"
#include "model.h"

namespace ELBO_API elbo {
namespace models {

/// The VAE with convolutions: each of the encoder's (stride 2, padding 1, ReLU) halves height and width; then mu and
/// logvar. The decoder goes from z by a linear layer to the same smallest size and doubles it by transposed
/// convolutions (kernel 4, stride 2, padding 1), with ReLU between.
class ConvVAE : public Model {
 public:
  /// Throws ValueError where the picture's height or width cannot be halved as often as there are channels, and unless
  /// the decoder has as many channels as the encoder. What the config leaves empty is filled in: see config().
  explicit ConvVAE(ModelConfig config);

  nn::Sequential encoder;
  nn::Linear fc_mu;
  nn::Linear fc_logvar;
  nn::Sequential decoder;

 private:
  Posterior encode_pictures(const Tensor& x, const Tensor& labels) override;
  Tensor decode_codes(const Tensor& z, const Tensor& labels) override;
};

}  // namespace models
}  // namespace elbo
