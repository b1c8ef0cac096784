#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "../../core/api.h"
#include "../../core/ops.h"
#include "../../nn/module.h"
#include "../config.h"
#include "../parts.h"

namespace ELBO_API elbo {
namespace models {

/// p(x|z): what the decoder's numbers say of a picture.
class Likelihood : public nn::Module {
 public:
  /// How many numbers the decoder gives for each channel of a pixel. They come as planes: [B, n * channels, height,
  /// width], first all channels of the first number.
  virtual std::int64_t numbers() const { return 1; }
  /// -log p(x|z) without `constant()`, nats, summed over the batch, [], or for each picture, [B].
  virtual Tensor nll(const Tensor& decoded, const Tensor& x, bool per_picture) = 0;
  /// The same summed over the batch, for a step that knows which gradient it will get (StepInput::seed).
  virtual Tensor seeded_nll(const Tensor& decoded, const Tensor& x, const Array& /*seed*/) {
    return nll(decoded, x, false);
  }
  /// The mean picture [B, channels, height, width].
  virtual Tensor mean(const Tensor& decoded) const = 0;
  /// A picture drawn from p(x|z).
  virtual Tensor sample(const Tensor& decoded, Generator* noise) const = 0;
  /// Nats per picture that `nll` leaves out.
  virtual double constant() const { return 0; }
  /// The variance, where it is one number for all pixels that training finds.
  virtual std::optional<double> learned_variance() const { return {}; }
  /// Whether it is a probability of bytes, so that there are bits per dimension.
  virtual bool is_of_bytes() const { return false; }

  /// nll, or seeded_nll where there is a seed and the sum is asked for.
  Tensor step_nll(const Tensor& decoded, const Tensor& x, bool per_picture, const Array& seed) {
    return seed.defined() && !per_picture ? seeded_nll(decoded, x, seed) : nll(decoded, x, per_picture);
  }

 protected:
  Likelihood() = default;
};

struct LikelihoodRow : Entry {
  std::function<std::unique_ptr<Likelihood>(const ModelConfig&)> make = {};
  /// Whether pixels outside [0, 1] have a density.
  bool takes_any_pixel = false;
};

Registry<LikelihoodRow>& likelihoods();

}  // namespace models
}  // namespace elbo
