#pragma once
#include "../../nn/sequential.h"
#include "../latent_model.h"

/// Internal to models: what the objectives with a discriminator of codes have in common.
namespace elbo::models::internal {

/// An objective whose second player tells codes of one kind from codes of another: an MLP of
/// ModelConfig::discriminator, with leaky ReLUs of slope 0.2.
class WithDiscriminator : public Objective {
 public:
  /// `model_loss` for the model, `discriminator_loss` for the discriminator.
  Terms loss(LatentModel& model, const StepInput& in, int player) override;
  /// The model's parameters are the first player's, the discriminator's its own.
  std::vector<Player> players(const LatentModel& model) override;

 protected:
  explicit WithDiscriminator(const ModelConfig& c);

  virtual Terms model_loss(LatentModel& model, const StepInput& in) = 0;
  virtual Terms discriminator_loss(LatentModel& model, const StepInput& in) = 0;

  /// log D(z) / (1 - D(z)) for the discriminator's probability D: z [B, latent] -> [B].
  Tensor logit(const Tensor& z);
  /// The discriminator's binary cross entropy over `ones`, of which D should be 1, and `zeros`: nats, the mean of the
  /// two kinds, so that log 2 a picture is a guess. Both [B, latent]; summed, [], or for each pair, [B].
  Tensor told_apart(const Tensor& ones, const Tensor& zeros, bool per_picture);

 private:
  nn::Sequential discriminator_;
};

/// z [B, latent] with each dimension in an order of its own over the batch, so that the dimensions are independent of
/// one another and each has the values that it had (Kim and Mnih 2018, algorithm 1). All on z's device; one draw.
Tensor permute_dims(const Tensor& z, Generator* noise);

}  // namespace elbo::models::internal
