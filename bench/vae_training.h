#pragma once
#include <elbo/core/generator.h>
#include <elbo/datasets/dataset.h>
#include <elbo/models/latent_model.h>
#include <elbo/nn/optim.h>

#include <filesystem>
#include <vector>

/// The training step that all figures are about: the VAE 784-400-20 with Bernoulli likelihood, batch 128, Adam with a
/// learning rate of 1e-3.
namespace elbo::bench {

constexpr std::int64_t batch_size = 128;
/// Floating-point operations of one sample, forward and backward: 2 for each weight and pass, three passes (the
/// gradient of the pictures themselves is not asked for): 3.28 MFLOP.
constexpr double flops_per_sample = 2.0 * (3 * (784 * 400 + 2 * 400 * 20 + 20 * 400 + 400 * 784) - 784 * 400);

models::ModelConfig vae_config();
/// That VAE with the weights of seed 0.
std::unique_ptr<models::Model> fresh_vae();

/// Pictures of noise, uint8 [count, channels, height, width], the same every time: no speed depends on what they show.
datasets::Dataset made_up_pictures(const Shape& shape);

/// The training pictures of Fashion-MNIST in `folder`, or where find_data_dir looks. Without them, and where no folder
/// is named, 60,000 made-up ones.
datasets::Dataset training_pictures(const std::filesystem::path& folder = {});

/// The first `count` batches of the pictures, as float32 in memory.
std::vector<Array> first_batches(const datasets::Dataset& dataset, std::int64_t count);

/// A model under training, a step at a time, on batches that lie in memory.
class VaeTraining {
 public:
  VaeTraining();
  /// One step on x [batch, 1, 28, 28]: forward, backward, Adam. Returns the loss in nats per sample, on the device.
  Tensor step(const Array& x);

 private:
  Generator noise_;
  std::unique_ptr<models::Model> model_;
  nn::Adam optimizer_;
  Tensor beta_;
};

}  // namespace elbo::bench
