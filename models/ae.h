#pragma once
#include "../core/api.h"
#include "../nn/sequential.h"
#include "model.h"

namespace ELBO_API elbo {
namespace models {

/// The plain autoencoder: d - hidden - z - hidden - d with ReLU between, no distribution over codes and no KL.
class AE : public Model {
 public:
  explicit AE(ModelConfig config);

  nn::Sequential encoder;
  nn::Sequential decoder;

 private:
  Posterior encode_pictures(const Tensor& x, const Tensor& labels) override;
  Tensor decode_codes(const Tensor& z, const Tensor& labels) override;
};

}  // namespace models
}  // namespace elbo
