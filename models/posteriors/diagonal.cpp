#include "../parts_detail.h"
#include "gaussian_heads_detail.h"

namespace elbo::models::internal {
namespace {

/// q(z|x) = N(mu, diag(exp(logvar))), z = mu + exp(logvar / 2) eps (Kingma and Welling 2014, section 2.4).
class Diagonal : public GaussianHeads {
 public:
  Diagonal(const ModelConfig& c, std::int64_t features) : GaussianHeads(c, features) {}

  Tensor sample(const Encoded& q, Codes codes, Generator* noise) override {
    return codes == Codes::mean ? q.mu : reparameterize(q.mu, q.logvar, noise);
  }
  Draw draw(const Encoded& q, Codes codes, Generator* noise) override {
    const Tensor z = sample(q, codes, noise);
    return {z, log_prob(q, z)};
  }
  bool has_density() const override { return true; }
  Tensor log_prob(const Encoded& q, const Tensor& z) override { return sum(gaussian_log_prob(z, q.mu, q.logvar), {1}); }
  bool has_kl_to_normal() const override { return true; }
  DrawnCode sample_with_kl(const Encoded& q, Generator* noise) override {
    return reparameterize_kl(q.mu, q.logvar, noise);
  }
  Tensor kl_to_normal(const Encoded& q, bool per_picture) override {
    return per_picture ? sum(gaussian_kl(q.mu, q.logvar), {1}) : gaussian_kl(q.mu, q.logvar, Reduction::sum);
  }
};

}  // namespace

PosteriorRow diagonal_posterior() {
  PosteriorRow row;
  row.name = "diagonal";
  row.what = "a Gaussian with independent dimensions (Kingma and Welling 2014)";
  row.make = [](const ModelConfig& c, std::int64_t features) { return std::make_unique<Diagonal>(c, features); };
  return row;
}

}  // namespace elbo::models::internal
