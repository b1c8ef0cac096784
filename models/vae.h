#pragma once
#include "../nn/layers.h"
#include "../nn/sequential.h"
#include "model.h"

namespace elbo::models {

/// The variational autoencoder of Kingma and Welling (2014) with fully connected layers: d - hidden - (mu, logvar), and
/// the mirror image back to d logits, with ReLU between.
class VAE : public Model {
 public:
  explicit VAE(ModelConfig config, Generator* init = nullptr);

  nn::Sequential encoder;
  nn::Linear fc_mu;
  nn::Linear fc_logvar;
  nn::Sequential decoder;

 private:
  Posterior encode_pictures(const Tensor& x, const Tensor& labels) override;
  Tensor decode_codes(const Tensor& z, const Tensor& labels) override;
};

}  // namespace elbo::models
