#pragma once
#include "../nn/layers.h"
#include "../nn/sequential.h"
#include "model.h"

namespace elbo::models {

/// The conditional VAE (Sohn et al. 2015): the VAE with the label, one-hot, joined to the input of the encoder and to
/// that of the decoder.
class CVAE : public Model {
 public:
  /// Throws ValueError where config.classes is 0.
  explicit CVAE(ModelConfig config, Generator* init = nullptr);

  nn::Sequential encoder;
  nn::Linear fc_mu;
  nn::Linear fc_logvar;
  nn::Sequential decoder;

 private:
  Posterior encode_pictures(const Tensor& x, const Tensor& labels) override;
  Tensor decode_codes(const Tensor& z, const Tensor& labels) override;
};

}  // namespace elbo::models
