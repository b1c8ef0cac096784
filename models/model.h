#pragma once
#include <memory>

#include "../core/ops.h"
#include "../nn/module.h"
#include "config.h"

namespace elbo::models {

/// The encoder's answer for a batch: a diagonal Gaussian q(z|x), mu and logvar [B, latent].
struct Posterior {
  Tensor mu;
  Tensor logvar;
};

/// What a pass through the whole model yields.
struct Prediction {
  Tensor logits;  ///< [B, channels, height, width]
  Posterior posterior;
};

/// An autoencoder of the zoo. Pictures go in and out as float32 [B, channels, height, width], pixels in [0, 1] on the
/// way in and logits on the way out. State dict names are `encoder.N`, `fc_mu`, `fc_logvar`, `decoder.N`.
class Model : public nn::Module {
 public:
  explicit Model(ModelConfig config);

  /// What rebuilds this model through `make`.
  const ModelConfig& config() const { return config_; }

  /// q(z|x). Throws ShapeError unless x is [B, channels, height, width] of the config's sizes.
  virtual Posterior encode(const Tensor& x) = 0;
  /// The logits for codes z [B, latent].
  virtual Tensor decode(const Tensor& z) = 0;
  /// encode, draw z ~ q(z|x) with noise from `generator` (or the device's default one), decode.
  Prediction forward(const Tensor& x, Generator* generator = nullptr);

  /// The pictures that logits stand for: sigmoid(logits).
  Tensor mean(const Tensor& logits) const { return sigmoid(logits); }
  /// The mean picture of the posterior mean: encode, decode mu. Records no gradient.
  Tensor reconstruct(const Tensor& x);
  /// n mean pictures of codes z ~ N(0, 1) from the prior. Records no gradient.
  Tensor sample(std::int64_t n, Generator* generator = nullptr);

 protected:
  /// Throws ShapeError, naming `op`, unless x is a batch of the config's pictures / codes of its latent size.
  void check_pictures(const Tensor& x, const char* op) const;
  void check_codes(const Tensor& z, const char* op) const;

 private:
  ModelConfig config_;
};

/// A fresh model, its parameters drawn from `init` by PyTorch's default rules. Throws ValueError for a config that
/// makes no sense.
std::unique_ptr<Model> make(const ModelConfig& config, Generator* init = nullptr);

/// The trained model of a run folder, ready to encode, decode and score: on the CPU and in evaluation mode. Throws
/// IoError or FormatError naming the file.
std::unique_ptr<Model> load(const std::filesystem::path& run);

}  // namespace elbo::models
