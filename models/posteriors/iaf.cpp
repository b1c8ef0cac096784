#include "../../nn/blocks.h"
#include "../../nn/init.h"
#include "../parts_detail.h"
#include "gaussian_heads_detail.h"

namespace elbo::models::internal {
namespace {

/// The autoregressive network of one step: a masked layer, elu, and a masked layer for each of m and s (Germain et al.
/// 2015). Hidden unit k sees the context and the first k mod d dimensions of z, dimension i of m and s the units that
/// see none but those before i: the first dimension goes by the context alone.
class IafStep : public nn::Module {
 public:
  IafStep(std::int64_t latent, std::int64_t hidden)
      : z_(latent, hidden, [=](std::int64_t k, std::int64_t i) { return i < k % latent; }),
        context_(hidden, hidden, {.bias = false}),
        m_(hidden, latent, [=](std::int64_t i, std::int64_t k) { return k % latent <= i; }),
        s_(hidden, latent, [=](std::int64_t i, std::int64_t k) { return k % latent <= i; }) {
    // Gates begin half open or more, so that a step begins as one that changes little (Kingma et al. 2016, section 4).
    nn::init::constant_(s_.bias, 1.5);
    register_module("z", &IafStep::z_);
    register_module("context", &IafStep::context_);
    register_module("m", &IafStep::m_);
    register_module("s", &IafStep::s_);
  }

  /// Equations 12 to 14, with log q less the log determinant.
  void take(Draw& at, const Tensor& context) {
    const Tensor hidden = elu(z_(at.z) + context_(context));
    const Tensor s = s_(hidden), gate = sigmoid(s);
    at.z = gate * at.z + (1 - gate) * m_(hidden);
    at.log_q = at.log_q - sum(log_sigmoid(s), {1});
  }

 private:
  nn::MaskedLinear z_;
  nn::Linear context_;
  nn::MaskedLinear m_, s_;
};

/// Inverse autoregressive flows on a Gaussian (Kingma et al. 2016, equations 9 to 14, algorithm 1). `more` is the
/// context, [B, flow_hidden], from the encoder.
class Iaf : public GaussianHeads {
 public:
  Iaf(const ModelConfig& c, std::int64_t features) : GaussianHeads(c, features, "fc_context", c.flow_hidden) {
    for (std::int64_t i = 0; i < c.flows; ++i) steps_.push_back(std::make_unique<IafStep>(c.latent, c.flow_hidden));
    register_module("steps", &Iaf::steps_);
  }

  Tensor sample(const Encoded& q, Codes codes, Generator* noise) override { return draw(q, codes, noise).z; }

  Draw draw(const Encoded& q, Codes codes, Generator* noise) override {
    Draw out = start(q, draw_eps(q, codes, noise));
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (i > 0) out.z = flip(out.z, {1});  // what came last comes first
      steps_[i]->take(out, q.more);
    }
    return out;
  }

 private:
  std::vector<std::unique_ptr<IafStep>> steps_;
};

}  // namespace

PosteriorRow iaf_posterior() {
  PosteriorRow row;
  row.name = "iaf";
  row.what = "inverse autoregressive flows on a Gaussian (Kingma et al. 2016)";
  row.fields = {"flows", "flow_hidden"};
  row.make = [](const ModelConfig& c, std::int64_t features) { return std::make_unique<Iaf>(c, features); };
  return row;
}

}  // namespace elbo::models::internal
