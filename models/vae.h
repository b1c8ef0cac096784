#pragma once
#include "../core/api.h"
#include "../nn/layers.h"
#include "../nn/sequential.h"
#include "model.h"

namespace ELBO_API elbo {
namespace models {

/// The variational autoencoder of Kingma and Welling (2014) with fully connected layers: d - hidden - (mu, logvar), and
/// the mirror image back to d logits, with ReLU between. With classes in its config it is conditional: see CVAE.
class VAE : public Model {
 public:
  explicit VAE(ModelConfig config);

  nn::Sequential encoder;
  nn::Linear fc_mu;
  nn::Linear fc_logvar;
  nn::Sequential decoder;

 private:
  Posterior encode_pictures(const Tensor& x, const Tensor& labels) override;
  Tensor decode_codes(const Tensor& z, const Tensor& labels) override;
  /// x [B, d] with the one-hot labels behind it, where there are any.
  Tensor with_labels(const Tensor& x, const Tensor& labels) const;
};

}  // namespace models
}  // namespace elbo
