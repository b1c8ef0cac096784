#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../core/api.h"
#include "../core/ops.h"
#include "../nn/module.h"
#include "config.h"

namespace ELBO_API elbo {
namespace models {

/// How far a training has come.
struct Progress {
  double epochs = 0;       ///< with the part of the one that is not over
  std::int64_t steps = 0;  ///< that are over
};

/// What a term of the objective counts with: a number, or one that moves with the training. It is a function of the
/// progress alone, so that a training that goes on has the same.
class Weight {
 public:
  Weight(double value = 1) : last_(value) {}  // NOLINT(google-explicit-constructor)
  /// Moves from step to step; `last` is where it ends.
  Weight(double last, std::function<double(const Progress&)> at) : last_(last), at_(std::move(at)) {}

  double at(const Progress& progress) const { return at_ ? at_(progress) : last_; }
  /// When all warming up is over: what validation and evaluation have, so that epochs compare.
  double last() const { return last_; }
  bool moves() const { return static_cast<bool>(at_); }

 private:
  double last_;
  std::function<double(const Progress&)> at_;
};

/// One term of what is minimised.
struct Term {
  std::string name = {};
  Tensor nats = {};  ///< summed over the batch, [], or for each picture, [B]: as StepInput asks
  Weight weight = 1;
  bool counts = true;  ///< false: reported, and no part of the loss
};

/// What a model makes of a batch: loss = sum of weight * nats. The same model gives the same terms in the same order.
struct Terms {
  std::vector<Term> list = {};
  /// By-products, for those who measure, under a NoGradGuard: what the decoder gave, for Model::mean, and the codes [B,
  /// latent] that stand for the pictures. Undefined where there are none.
  Tensor decoded = {}, codes = {};

  /// Adds a term in nats. Its name is a word such as `reconstruction`, `kl`, `kl_1`, `total_correlation`.
  void add(std::string name, Tensor nats, Weight weight = 1) {
    list.push_back({std::move(name), std::move(nats), std::move(weight)});
  }
  /// Adds what is only reported. Its gradient is not asked for. What is no nats, such as a perplexity, comes times the
  /// batch: what is told of it is a mean over pictures.
  void report(std::string name, Tensor nats) { list.push_back({std::move(name), std::move(nats), 1, false}); }
  /// The term of that name, or null.
  const Term* find(std::string_view name) const;
};

/// How a picture's code is chosen.
enum class Codes {
  sampled,  ///< z ~ q(z|x), one draw a picture: an unbiased estimate of the negative ELBO
  mean      ///< the posterior mean
};

/// A batch, and how it is to be looked at.
struct StepInput {
  Tensor x = {};                ///< float32 [B, channels, height, width]
  Tensor labels = {};           ///< int64 [B]; undefined for a model that takes none
  Generator* noise = nullptr;   ///< null for the device's default generator
  std::int64_t train_size = 0;  ///< how many pictures there are to train on
  /// Terms are to be given for each picture, [B]; what only a whole batch has, such as an MMD, is left out.
  bool per_picture = false;
  Codes codes = Codes::sampled;
  /// float32 [], on x's device: the gradient that terms of weight 1, summed over the batch, will get, where that is
  /// known: see mse_loss_sum.
  Array seed = {};

  std::int64_t size() const { return x.shape()[0]; }
};

/// One of those who train the same model, each with an optimiser of its own: a single one, unless it is adversarial.
struct Player {
  std::string name = {};  ///< empty for the first; a word for the others, such as `discriminator`
  nn::NamedTensors parameters = {};
  double lr = 1;  ///< times the training's learning rate
};

/// A model that can be trained, measured and looked at. Pictures go in as float32 [B, channels, height, width], bytes
/// scaled to config().pixels. Trainer, evaluation and figures ask a model for nothing but this. Most models derive from
/// LatentModel, which needs far less; derive from this for one that is no single encoder and decoder.
class Model : public nn::Module {
 public:
  /// Throws ValueError for a config that makes no sense.
  explicit Model(ModelConfig config);

  /// What rebuilds this model through `make`.
  const ModelConfig& config() const { return config_; }
  /// Whether it takes labels.
  bool is_conditional() const { return config_.classes > 0; }
  /// Where its parameters lie: what goes in, and generators, must lie there too, and what comes out does.
  Device device() const;

  /// What is minimised for that batch, for one of the players. Its gradient is taken unless a NoGradGuard lives.
  virtual Terms loss(const StepInput& in, int player = 0) = 0;
  /// The negative evidence lower bound in its parts, whatever is minimised: what a score is made of.
  virtual Terms elbo(const StepInput& in) { return loss(in); }
  /// Called before each step of a training: for what moves with it, beside the weights of terms, and lies on the
  /// device. Whether there is anything of that kind: then each step of a training on a GPU is a graph of its own.
  virtual bool advance(const Progress&) { return false; }
  /// All who train it.
  virtual std::vector<Player> players();

  /// Mean pictures of what the decoder gave (Terms::decoded): [B, channels, height, width].
  virtual Tensor mean(const Tensor& decoded) const = 0;
  /// The mean pictures that stand for x, nothing drawn. Records no gradient.
  virtual Tensor reconstruct(const Tensor& x, const Tensor& labels = {}) = 0;
  /// n mean pictures of new codes. Records no gradient. Throws ValueError for a model without a distribution of codes.
  virtual Tensor sample(std::int64_t n, const Tensor& labels = {}, Generator* generator = nullptr) = 0;
  /// Whether `sample` has a distribution to draw from. An autoencoder has none.
  virtual bool has_prior() const { return true; }
  /// Whether that is N(0, 1).
  virtual bool has_normal_prior() const { return false; }

  /// Numbers of a code, [latent], of which there is one a picture. 0 for a model without such codes: `embed`,
  /// `traverse` and the like then say so.
  virtual std::int64_t code_size() const { return 0; }
  /// Whether something is drawn where a picture is measured. An autoencoder has its encoder's code.
  virtual bool draws_codes() const { return true; }
  /// A code for each picture, [B, latent]: the posterior mean, or drawn from q(z|x). Records no gradient. These two
  /// throw ValueError for a model without codes.
  virtual Tensor code(const Tensor& x, const Tensor& labels = {}, Codes codes = Codes::mean,
                      Generator* generator = nullptr);
  /// The mean pictures of codes [B, latent]. Records no gradient.
  virtual Tensor picture(const Tensor& z, const Tensor& labels = {});
  /// The same for samples: where codes lie between z and the picture, they are drawn, not their means taken.
  virtual Tensor drawn_picture(const Tensor& z, const Tensor& labels, Generator& generator);
  /// n codes from the prior, [n, latent].
  virtual Tensor draw_codes(std::int64_t n, const Tensor& labels = {}, Generator* generator = nullptr);

  /// log p(x, z) - log q(z|x) for `samples` draws of z for each picture: [samples, B], nats. Undefined for a model that
  /// cannot tell. Records no gradient.
  virtual Tensor log_weights(const StepInput& in, std::int64_t samples);
  /// Nats per picture that the reconstruction leaves out: likelihood_constant.
  virtual double constant() const { return 0; }
  /// The variance of p(x|z), where training finds one for all pixels: Likelihood::learned_variance.
  virtual std::optional<double> learned_variance() const { return {}; }

 protected:
  Model(Model&&) = default;  // not public: a model of one kind is not to be assigned to one of another
  Model& operator=(Model&&) = default;

  /// Throws ShapeError unless x is [B, channels, height, width] of the config's sizes.
  void check_pictures(const Tensor& x, const char* op) const;
  /// Throws ShapeError unless z is [B, code_size()].
  void check_codes(const Tensor& z, const char* op) const;
  /// Throws ValueError for labels given to a model without, or missing for a model with them, ShapeError unless they
  /// are [batch].
  void check_labels(const Tensor& labels, std::int64_t batch, const char* op) const;

 private:
  ModelConfig config_;
};

/// A fresh model on the CPU, its parameters drawn from `init`, or the CPU's default generator if null. Throws
/// ValueError for a config that makes no sense.
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
