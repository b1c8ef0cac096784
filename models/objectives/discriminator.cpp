#include "discriminator_detail.h"

#include "../../nn/layers.h"

namespace elbo::models::internal {

WithDiscriminator::WithDiscriminator(const ModelConfig& c) {
  std::int64_t in = c.latent;
  for (const std::int64_t out : c.discriminator) {
    discriminator_.add(nn::Linear(in, out));
    discriminator_.add(nn::LeakyReLU(0.2));
    in = out;
  }
  discriminator_.add(nn::Linear(in, 1));
  register_module("discriminator", &WithDiscriminator::discriminator_);
}

Terms WithDiscriminator::loss(LatentModel& model, const StepInput& in, int player) {
  return player == 0 ? model_loss(model, in) : discriminator_loss(model, in);
}

std::vector<Player> WithDiscriminator::players(const LatentModel& model) {
  Player first, second{.name = "discriminator"};
  for (const auto& one : model.named_parameters())
    (one.first.starts_with("objective.") ? second : first).parameters.push_back(one);
  return {first, second};
}

Tensor WithDiscriminator::logit(const Tensor& z) { return squeeze(discriminator_(z), {1}); }

Tensor WithDiscriminator::told_apart(const Tensor& ones, const Tensor& zeros, bool per_picture) {
  // -log D = softplus(-logit) and -log(1 - D) = softplus(logit).
  const Tensor nats = (softplus(-logit(ones)) + softplus(logit(zeros))) / 2;
  return per_picture ? nats : sum(nats);
}

Tensor permute_dims(const Tensor& z, Generator* noise) {
  // The places of random keys in order are a random order.
  const Tensor keys = rand(z.shape(), {.device = z.device()}, noise);
  return gather(z, 0, topk(keys, z.shape()[0], 0).indices);
}

}  // namespace elbo::models::internal
