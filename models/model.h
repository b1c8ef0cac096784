#pragma once
#include <memory>

#include "../core/api.h"
#include "../core/ops.h"
#include "../nn/module.h"
#include "config.h"

namespace ELBO_API elbo {
namespace models {

/// The encoder's answer for a batch: a diagonal Gaussian q(z|x), mu and logvar [B, latent]. An autoencoder gives the
/// code itself as mu and leaves logvar undefined.
struct Posterior {
  Tensor mu = {};
  Tensor logvar = {};
};

/// What a pass through the whole model yields.
struct Prediction {
  Tensor logits = {};  ///< [B, channels, height, width]
  Posterior posterior = {};
};

/// An autoencoder. Pictures go in as float32 [B, channels, height, width], bytes scaled to config().pixels, and come
/// out as logits. The zoo's state dict names are `encoder.N`, `fc_mu`, `fc_logvar`, `decoder.N`. For a model of your
/// own, derive from this class, register its layers and override the two private functions: objective, trainer,
/// evaluation and pictures then work with it.
class Model : public nn::Module {
 public:
  explicit Model(ModelConfig config);

  /// What rebuilds this model through `make`.
  const ModelConfig& config() const { return config_; }
  /// Whether encode and decode take labels.
  bool is_conditional() const { return config_.classes > 0; }
  /// Where its parameters lie: what goes in, and generators, must lie there too, and what comes out does.
  Device device() const;

  /// q(z|x), or q(z|x, label) for labels int64 [B]. Throws ShapeError unless x is [B, channels, height, width] of the
  /// config's sizes; ValueError for labels given to a model without, or missing for a model with them, and IndexError
  /// for one that is out of range.
  Posterior encode(const Tensor& x, const Tensor& labels = {});
  /// The logits for codes z [B, latent], with labels as above.
  Tensor decode(const Tensor& z, const Tensor& labels = {});
  /// encode, draw z ~ q(z|x) with noise from `generator` (or the device's default one), decode.
  Prediction forward(const Tensor& x, const Tensor& labels = {}, Generator* generator = nullptr);

  /// The pictures that logits stand for: sigmoid(logits).
  Tensor mean(const Tensor& logits) const { return sigmoid(logits); }
  /// The mean picture of the posterior mean: encode, decode mu. Records no gradient.
  Tensor reconstruct(const Tensor& x, const Tensor& labels = {});
  /// n mean pictures of codes z ~ N(0, 1) from the prior. Records no gradient.
  Tensor sample(std::int64_t n, const Tensor& labels = {}, Generator* generator = nullptr);

 protected:
  Model(Model&&) = default;  // not public: a model of one kind is not to be assigned to one of another
  Model& operator=(Model&&) = default;

 private:
  /// What encode and decode do, their arguments checked. Without labels, `labels` is undefined.
  virtual Posterior encode_pictures(const Tensor& x, const Tensor& labels) = 0;
  virtual Tensor decode_codes(const Tensor& z, const Tensor& labels) = 0;

  void check_labels(const Tensor& labels, std::int64_t batch, const char* op) const;

  ModelConfig config_;
};

/// The code to decode: a draw from q(z|x) with noise from `generator`, or mu where there is no logvar.
Tensor draw(const Posterior& posterior, Generator* generator = nullptr);

/// The names that `make` takes.
std::vector<std::string> known_models();

/// Throws ValueError for a model that `make` does not know, and classes for one that takes no labels, or none for one
/// that does.
void check_known(const ModelConfig& config);

/// A fresh model on the CPU, its parameters drawn from `init`, or the CPU's default generator if null, by PyTorch's
/// default rules. Throws ValueError for a config that makes no sense.
std::unique_ptr<Model> make(const ModelConfig& config, Generator* init = nullptr);

/// The trained model of a run folder, ready to encode, decode and score: on `device`, wherever it was trained, and in
/// evaluation mode. Throws IoError or FormatError naming the file, DeviceError for a device that cannot be used.
std::unique_ptr<Model> load(const std::filesystem::path& run, Device device = cpu);
/// The same from a file of weights, as safetensors, for the model that `config` describes. Throws ValueError for a
/// config that makes no sense, IoError or FormatError naming the file, DeviceError.
std::unique_ptr<Model> load_weights(const std::filesystem::path& weights, const ModelConfig& config,
                                    Device device = cpu);

}  // namespace models
}  // namespace elbo
