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

  Posterior encode(const Tensor& x) override;
  Tensor decode(const Tensor& z) override;

  nn::Sequential encoder;
  nn::Linear fc_mu;
  nn::Linear fc_logvar;
  nn::Sequential decoder;
};

}  // namespace elbo::models
