#include "../../core/checked_size_detail.h"
#include "../parts_detail.h"
#include "gaussian_heads_detail.h"

namespace elbo::models::internal {
namespace {

/// A Gaussian that planar flows bend, f(z) = z + u tanh(w^T z + b) (Rezende and Mohamed 2015, equations 10 to 13). The
/// encoder gives u, w and b of each flow for each picture: `more` is [B, flows * (2 d + 1)].
class Planar : public GaussianHeads {
 public:
  Planar(const ModelConfig& c, std::int64_t features)
      : GaussianHeads(c, features, "fc_flows",
                      detail::checked_mul(c.flows, detail::checked_add(c.latent, detail::checked_add(c.latent, 1)))),
        latent_(c.latent) {}

  Tensor sample(const Encoded& q, Codes codes, Generator* noise) override { return draw(q, codes, noise).z; }

  Draw draw(const Encoded& q, Codes codes, Generator* noise) override {
    Draw out = start(q, draw_eps(q, codes, noise));
    for (const Tensor& flow : split(q.more, 2 * latent_ + 1, 1)) bend(out, flow);
    return out;
  }

 private:
  static constexpr double tiny = 1e-12;  // |w|^2 is at least that where it divides

  /// u, w and b of one flow are the columns of `flow`.
  void bend(Draw& at, const Tensor& flow) const {
    const std::int64_t d = latent_;
    const Tensor u = slice(flow, 1, 0, d), w = slice(flow, 1, d, 2 * d), b = slice(flow, 1, 2 * d, 2 * d + 1);
    // Appendix A.1: u moves along w until w^T u = m(w^T u) with m(a) = -1 + log(1 + exp(a)) > -1, where f is
    // invertible.
    const Tensor wu = sum(w * u, {1}, true), ww = sum(square(w), {1}, true) + tiny;
    const Tensor gate = softplus(wu);
    const Tensor moved = u + (gate - 1 - wu) / ww * w;
    const Tensor h = tanh(sum(w * at.z, {1}, true) + b);
    at.z = at.z + moved * h;
    // Equation 12, the determinant 1 + h' w^T u, h' = 1 - h^2, written as a sum of what is not negative: no digits
    // cancel where w^T u is close to -1.
    const Tensor gain = gate - (gate - 1 - wu) * (tiny / ww);  // 1 + w^T u of the moved u
    const Tensor determinant = square(h) + (1 - square(h)) * gain;
    at.log_q = at.log_q - sum(log(clamp(determinant, 1e-30, {})), {1});  // equation 13
  }

  std::int64_t latent_;
};

}  // namespace

PosteriorRow planar_posterior() {
  PosteriorRow row;
  row.name = "planar";
  row.what = "planar flows on a Gaussian (Rezende and Mohamed 2015)";
  row.fields = {"flows"};
  row.make = [](const ModelConfig& c, std::int64_t features) { return std::make_unique<Planar>(c, features); };
  return row;
}

}  // namespace elbo::models::internal
