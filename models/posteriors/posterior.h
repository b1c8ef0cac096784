#pragma once
#include <functional>
#include <memory>

#include "../../core/api.h"
#include "../model.h"
#include "../parts.h"

namespace ELBO_API elbo {
namespace models {

/// What an encoder says of a batch: the parameters of q(z|x).
struct Encoded {
  Tensor mu = {};      ///< [B, latent]: the mean, or where the flow begins; the code itself where nothing is drawn
  Tensor logvar = {};  ///< [B, latent]; undefined where nothing is drawn
  Tensor more = {};    ///< [B, ...]: what else this kind of posterior has, such as the rest of a covariance

  /// Each picture's `samples` times: the rows are those of all pictures, then all once more, [samples * B, ...].
  Encoded repeat(std::int64_t samples) const;
  /// The same without a gradient to the encoder.
  Encoded detach() const;
};

/// Codes, and how probable they are.
struct Draw {
  Tensor z = {};      ///< [B, latent]
  Tensor log_q = {};  ///< log q(z|x), nats, [B]
};

/// q(z|x): its layers on the encoder's features, and how to draw from it.
class Posterior : public nn::Module {
 public:
  /// h: [B, features].
  virtual Encoded encode(const Tensor& h) = 0;
  /// One code for each picture, [B, latent]: drawn, reparameterised, or with Codes::mean the one that stands for it.
  virtual Tensor sample(const Encoded& q, Codes codes, Generator* noise) = 0;
  /// The same with its density. Throws ValueError where nothing is drawn.
  virtual Draw draw(const Encoded& q, Codes codes, Generator* noise) = 0;
  /// Whether there is something to draw.
  virtual bool is_random() const { return true; }
  /// Whether log_prob can tell.
  virtual bool has_density() const { return false; }
  /// log q(z|x) of any codes, [B]. Throws ValueError where it cannot tell.
  virtual Tensor log_prob(const Encoded& q, const Tensor& z);
  /// Whether kl_to_normal has a closed form.
  virtual bool has_kl_to_normal() const { return false; }
  /// KL(q(z|x) || N(0, 1)) in closed form, summed over the batch, [], or for each picture, [B]. Undefined where there
  /// is none.
  virtual Tensor kl_to_normal(const Encoded&, bool /*per_picture*/) { return {}; }
  /// A code for each picture, drawn, and that KL summed over the batch.
  virtual DrawnCode sample_with_kl(const Encoded& q, Generator* noise) {
    return {sample(q, Codes::sampled, noise), kl_to_normal(q, false)};
  }

 protected:
  Posterior() = default;
};

struct PosteriorRow : Entry {
  /// It has no layers of its own, and the code is what the encoder gives: that has a last layer for it.
  bool in_encoder = false;
  /// `features` are those of the encoder; 0 for a model that computes Encoded itself, whose posterior has no layers.
  std::function<std::unique_ptr<Posterior>(const ModelConfig&, std::int64_t features)> make = {};
};

Registry<PosteriorRow>& posteriors();

}  // namespace models
}  // namespace elbo
