#include "../../core/checked_size_detail.h"
#include "../../nn/meta.h"
#include "../parts_detail.h"
#include "gaussian_heads_detail.h"

namespace elbo::models::internal {
namespace {

/// q(z|x) = N(mu, L L^T), z = mu + L eps, log q(z|x) = -sum(eps^2 + log(2 pi)) / 2 - sum(log diag L) (Kingma and
/// Welling 2019, section 2.5.1). The diagonal of L is exp(logvar / 2); what is below it are the numbers of `more`,
/// column by column, d (d - 1) / 2 of them.
class Full : public GaussianHeads {
 public:
  Full(const ModelConfig& c, std::int64_t features)
      : GaussianHeads(c, features, "fc_tril", detail::checked_mul(c.latent, c.latent - 1) / 2), latent_(c.latent) {
    const std::int64_t behind = latent_ * (latent_ - 1) / 2;
    places_ = nn::buffer({latent_ * latent_}, static_cast<double>(behind), DType::int64);
    if (places_.device() == cpu) {
      const std::span<std::int64_t> places = places_.mutable_array().mutable_values<std::int64_t>();
      std::int64_t next = 0;
      for (std::int64_t j = 0; j < latent_; ++j)
        for (std::int64_t i = j + 1; i < latent_; ++i) places[static_cast<std::size_t>(i * latent_ + j)] = next++;
    }
    register_buffer("tril_places", &Full::places_);
  }

  Tensor sample(const Encoded& q, Codes codes, Generator* noise) override {
    return codes == Codes::mean ? q.mu : draw(q, codes, noise).z;
  }

  Draw draw(const Encoded& q, Codes codes, Generator* noise) override {
    const Tensor eps = draw_eps(q, codes, noise);
    Draw out = start(q, eps);
    // No matrix product: it may be set to fewer digits than log q is told with.
    out.z = out.z + sum(below_diagonal(q) * unsqueeze(eps, 1), {2});
    return out;
  }

  bool has_density() const override { return true; }

  /// Of eps in L eps = z - mu, by forward substitution.
  Tensor log_prob(const Encoded& q, const Tensor& z) override {
    const Tensor precision = exp(q.logvar * -0.5);
    Tensor rest = z - q.mu;
    std::vector<Tensor> eps;
    for (std::int64_t j = 0, at = 0; j < latent_; ++j) {
      const std::int64_t below = latent_ - 1 - j;
      eps.push_back(slice(rest, 1, 0, 1) * slice(precision, 1, j, j + 1));
      rest = slice(rest, 1, 1, below + 1) - slice(q.more, 1, at, at + below) * eps.back();
      at += below;
    }
    const Tensor zero = zeros({}, z.array().options());
    return sum(gaussian_log_prob(concatenate(eps, 1), zero, zero) - q.logvar * 0.5, {1});
  }

  bool has_kl_to_normal() const override { return true; }

  /// (tr(L L^T) + mu^T mu - d - log det(L L^T)) / 2: that of the diagonal, and half the squares below it.
  Tensor kl_to_normal(const Encoded& q, bool per_picture) override {
    if (!per_picture) return gaussian_kl(q.mu, q.logvar, Reduction::sum) + sum(square(q.more)) * 0.5;
    return sum(gaussian_kl(q.mu, q.logvar), {1}) + sum(square(q.more), {1}) * 0.5;
  }

 private:
  /// [B, d, d], 0 on the diagonal and above.
  Tensor below_diagonal(const Encoded& q) const {
    const std::int64_t batch = q.mu.shape()[0];
    const Tensor numbers = concatenate({q.more, zeros({batch, 1}, q.more.array().options())}, 1);
    return reshape(index_select(numbers, 1, places_), {batch, latent_, latent_});
  }

  std::int64_t latent_;
  Tensor places_;  ///< [d * d]: where each element of L lies in `more`, or behind its end, where a 0 is put
};

}  // namespace

PosteriorRow full_posterior() {
  PosteriorRow row;
  row.name = "full";
  row.what = "a Gaussian with a full covariance (Kingma and Welling 2019)";
  row.make = [](const ModelConfig& c, std::int64_t features) { return std::make_unique<Full>(c, features); };
  row.check = [](const ModelConfig& c) {
    ELBO_CHECK(c.latent >= 2, ValueError, "posterior full: expected at least 2 latent dimensions, found ", c.latent,
               ": with one it is diagonal");
  };
  return row;
}

}  // namespace elbo::models::internal
