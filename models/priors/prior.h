#pragma once
#include <functional>
#include <memory>

#include "../posteriors/posterior.h"

namespace ELBO_API elbo {
namespace models {

/// Encodes pictures [K, channels, height, width] with labels that are shares of each class, [K, classes] (undefined
/// without labels): what a VampPrior asks of its model.
using EncodePictures = std::function<Encoded(const Tensor& x, const Tensor& shares)>;

/// p(z).
class Prior : public nn::Module {
 public:
  /// log p(z), nats: z [B, latent] -> [B].
  virtual Tensor log_prob(const Tensor& z, const EncodePictures& encode) = 0;
  /// n codes [n, latent], on the generator's device.
  virtual Tensor sample(std::int64_t n, Generator& noise, const EncodePictures& encode) = 0;
  /// N(0, 1), for which closed forms hold.
  virtual bool is_standard_normal() const { return false; }

 protected:
  Prior() = default;
};

struct PriorRow : Entry {
  std::function<std::unique_ptr<Prior>(const ModelConfig&)> make = {};
};

Registry<PriorRow>& priors();

}  // namespace models
}  // namespace elbo
