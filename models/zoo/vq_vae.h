#pragma once
#include <memory>

#include "../../core/api.h"
#include "../../nn/sequential.h"
#include "../likelihoods/likelihood.h"
#include "../model.h"

namespace ELBO_API elbo {
namespace models {

/// An autoencoder whose code is a grid of entries of a codebook (van den Oord et al. 2017). Its encoder halves the
/// picture once for each of config.channels, then come config.blocks residual blocks; the decoder is its mirror image.
/// Each position of the grid [height, width] has config.code_channels numbers, which give way to the nearest of
/// config.codebook entries.
///
/// The codebook is not trained by gradients: it is the running means of what each entry stood for (appendix A.1), and
/// moves in `loss` while the model is in training. It lies in buffers: `codebook` [entries, code_channels], `uses`
/// [entries] and `sums` [entries, code_channels], the running means of how many numbers of a batch an entry stands for,
/// and of their sum.
class VQVAE : public Model {
 public:
  explicit VQVAE(ModelConfig config);

  /// What the encoder gives: x [B, channels, height, width] -> [B, code_channels, rows, columns]. Throws ShapeError
  /// unless x is of the config's sizes.
  Tensor encode(const Tensor& x);
  /// The number (int64) of the entry nearest to each position (equation 1): z [B, code_channels, rows, columns] -> [B,
  /// rows, columns]. No gradient.
  Tensor nearest(const Tensor& z);
  /// The entries of those numbers, [B, code_channels, rows, columns]. No gradient.
  Tensor entries(const Tensor& numbers);
  /// entries(nearest(z)), whose gradient is z's (the straight-through estimate, section 3.2).
  Tensor quantize(const Tensor& z);
  /// What the decoder gives for [B, code_channels, rows, columns].
  Tensor decode(const Tensor& z);

  /// `reconstruction` and `commitment`, the squared distance of the encoder's numbers from their entry, a mean over the
  /// positions (equation 3). Reported, unless per_picture, is `perplexity`, e to the power of the entropy of how often
  /// the batch uses each entry: how many entries it would need if it used them equally.
  Terms loss(const StepInput& in, int player = 0) override;
  /// `reconstruction`, and `kl` from a prior that has all entries alike: log(entries) for each position.
  Terms elbo(const StepInput& in) override;
  Tensor mean(const Tensor& decoded) const override { return likelihood_->mean(decoded); }
  Tensor reconstruct(const Tensor& x, const Tensor& labels = {}) override;
  /// Throws ValueError: it has no distribution of grids.
  Tensor sample(std::int64_t n, const Tensor& labels = {}, Generator* generator = nullptr) override;
  bool has_prior() const override { return false; }
  bool draws_codes() const override { return false; }
  double constant() const override { return likelihood_->constant(); }
  std::optional<double> learned_variance() const override { return likelihood_->learned_variance(); }

  Tensor codebook;    ///< [entries, code_channels]
  Tensor uses, sums;  ///< [entries], [entries, code_channels]

 private:
  /// Moves the codebook: z [positions, code_channels], and which entry each has, one-hot [positions, entries].
  void move_codebook(const Tensor& z, const Tensor& used, Generator* noise);

  std::unique_ptr<Likelihood> likelihood_;
  nn::Sequential encoder_, decoder_;
};

}  // namespace models
}  // namespace elbo
