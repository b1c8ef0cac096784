#pragma once
#include <memory>
#include <vector>

#include "../core/api.h"
#include "../nn/sequential.h"
#include "architectures/architecture.h"
#include "likelihoods/likelihood.h"
#include "model.h"
#include "objectives/objective.h"
#include "posteriors/posterior.h"
#include "priors/prior.h"

namespace ELBO_API elbo {
namespace models {

/// What a pass through the whole model yields.
struct Prediction {
  Encoded posterior = {};  ///< q(z|x)
  Tensor z = {};           ///< [B, latent], drawn from it
  Tensor log_q = {};       ///< log q(z|x), [B]; undefined where the KL has a closed form
  Tensor kl = {};          ///< summed over the batch, []; undefined where it did not come with the code
  Tensor logits = {};      ///< what the decoder gave: [B, numbers * channels, height, width]
};

/// An encoder and a decoder around one code a picture, made of parts: architecture x posterior x prior x likelihood x
/// objective, which the config names. Its state dict has `encoder.N`, the posterior's layers (`fc_mu`, `fc_logvar`),
/// `decoder.N`, and `prior`, `likelihood`, `objective` where these have parameters.
///
/// For networks of your own, derive from it, register their layers and override encode_pictures and decode_codes.
class LatentModel : public Model {
 public:
  /// All parts by the config. Throws ValueError for one that makes no sense.
  explicit LatentModel(ModelConfig config);

  /// q(z|x), or q(z|x, label) for labels int64 [B]. Throws ShapeError unless x is [B, channels, height, width] of the
  /// config's sizes; ValueError for labels given to a model without, or missing for a model with them, and IndexError
  /// for one that is out of range.
  Encoded encode(const Tensor& x, const Tensor& labels = {});
  /// What the decoder gives for codes z [B, latent], with labels as above: the parameters of p(x|z), for most
  /// likelihoods logits.
  Tensor decode(const Tensor& z, const Tensor& labels = {});
  /// encode, draw z ~ q(z|x) with noise from `generator` (or the device's default one), decode.
  Prediction forward(const Tensor& x, const Tensor& labels = {}, Generator* generator = nullptr);
  /// The same as a step asks for it.
  Prediction forward(const StepInput& in);

  /// -log p(x|z) as the likelihood has it, and KL(q(z|x) || p(z)), summed over the batch, [], or for each picture, [B].
  /// The KL is a closed form where there is one, else log q(z|x) - log p(z) of the code drawn; 0 where nothing is
  /// drawn.
  Tensor nll(const Prediction& p, const StepInput& in);
  Tensor kl(const Prediction& p, const StepInput& in);
  /// Gives the terms their by-products where no gradient is asked for.
  void remember(const Prediction& p, Terms& terms);
  /// log p(z), [B].
  Tensor log_prior(const Tensor& z);

  Posterior& posterior() const { return *posterior_; }
  Prior& prior() const { return *prior_; }
  Likelihood& likelihood() const { return *likelihood_; }
  Objective& objective() const { return *objective_; }

  Terms loss(const StepInput& in, int player = 0) override;
  Terms elbo(const StepInput& in) override;
  bool advance(const Progress& progress) override;
  std::vector<Player> players() override;
  Tensor mean(const Tensor& decoded) const override;
  Tensor reconstruct(const Tensor& x, const Tensor& labels = {}) override;
  Tensor sample(std::int64_t n, const Tensor& labels = {}, Generator* generator = nullptr) override;
  bool has_prior() const override;
  bool has_normal_prior() const override { return has_prior() && prior_->is_standard_normal(); }
  std::int64_t code_size() const override { return config().latent; }
  bool draws_codes() const override { return posterior_->is_random(); }
  Tensor code(const Tensor& x, const Tensor& labels = {}, Codes codes = Codes::mean,
              Generator* generator = nullptr) override;
  Tensor picture(const Tensor& z, const Tensor& labels = {}) override;
  Tensor draw_codes(std::int64_t n, const Tensor& labels = {}, Generator* generator = nullptr) override;
  Tensor log_weights(const StepInput& in, std::int64_t samples) override;
  double constant() const override;
  std::optional<double> learned_variance() const override;

 protected:
  /// For a model with networks of its own: no encoder, no decoder, and a posterior without layers, which is `diagonal`
  /// or `point` (ValueError for another: it has layers of its own).
  struct OwnNetworks {};
  LatentModel(ModelConfig config, OwnNetworks);

 private:
  /// What encode and decode do, their arguments checked, and what they give: mu and logvar [B, latent], and what the
  /// likelihood asks of a decoder, [B, numbers * channels, height, width] (ValueError for anything else). `labels` are
  /// one-hot, or shares of the classes: [B, classes], undefined without labels.
  virtual Encoded encode_pictures(const Tensor& x, const Tensor& labels);
  virtual Tensor decode_codes(const Tensor& z, const Tensor& labels);

  void make_parts();
  void check_encoded(const Encoded& q, std::int64_t batch) const;
  void check_decoded(const Tensor& decoded, std::int64_t batch) const;
  /// One-hot; undefined without labels.
  Tensor shares_of(const Tensor& labels, DType dtype) const;
  EncodePictures encoder();

  std::unique_ptr<nn::Sequential> encoder_, decoder_;  // empty where the networks are a derived class's
  std::unique_ptr<Posterior> posterior_;
  std::unique_ptr<Prior> prior_;
  std::unique_ptr<Likelihood> likelihood_;
  std::unique_ptr<Objective> objective_;
};

/// The model as one that has encoder and decoder around a code. Throws ValueError for another kind.
LatentModel& as_latent(Model& model);

}  // namespace models
}  // namespace elbo
