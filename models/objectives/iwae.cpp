#include <algorithm>
#include <cmath>

#include "../../core/autograd.h"
#include "../latent_model.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// Which of the bounds that importance weights w = p(x, z) / q(z|x) make.
struct Kind {
  std::int64_t samples, groups;
  double mix = 0;        ///< ciwae: the share of the ELBO
  bool partial = false;  ///< piwae: all samples make one bound for the generative network
  bool dreg = false;

  std::int64_t draws() const { return samples * groups; }
};

/// d bound / d log p(x, z) and -d bound / d log q(z|x), [groups, samples, B].
struct Shares {
  Tensor p, q;
};

/// -log of the mean weight of `samples` codes, a picture's (IWAE: Burda et al. 2016, equation 8), from log w [groups,
/// samples, B], averaged over groups (MIWAE) or mixed with the ELBO (CIWAE; Rainforth et al. 2018, section 5): [B].
Tensor negative_bound(const Tensor& log_w, const Kind& kind) {
  const double averaged = static_cast<double>(kind.partial ? kind.draws() : kind.samples);
  const Tensor log_sums = kind.partial ? logsumexp(log_w, {0, 1}) : mean(logsumexp(log_w, {1}), {0});
  const Tensor bound = std::log(averaged) - log_sums;
  return kind.mix == 0 ? bound : (1 - kind.mix) * bound - kind.mix * mean(log_w, {0, 1});
}

/// The gradient of the bound has each sample by its share of the weights. With PIWAE (Rainforth et al. 2018, section 5)
/// the inference network has MIWAE's and the generative one that of a single group. The doubly reparameterised gradient
/// of the inference network has the share squared (Tucker et al. 2019); for the ELBO's part the score is left out
/// (Roeder et al. 2017).
Shares shares(const Tensor& log_w, const Kind& kind) {
  const Tensor within = softmax(log_w, 1);
  const double even = kind.mix / static_cast<double>(kind.draws());
  const auto mixed = [&](const Tensor& s) {
    const Tensor each = s * ((1 - kind.mix) / static_cast<double>(kind.groups));
    return kind.mix == 0 ? each : each + even;
  };
  Shares out{mixed(within), mixed(kind.dreg ? square(within) : within)};
  if (kind.partial) {
    const Shape all{kind.draws(), log_w.shape()[2]};
    out.p = reshape(softmax(reshape(log_w, all), 0), log_w.shape());
    // What comes back to a code is divided by p: of a group that has next to no share for the generative network too.
    out.p = maximum(out.p, out.q * 0x1p-24);
  }
  return out;
}

/// The bound with the gradient that `s` says in place of its own.
Tensor with_gradient(const Tensor& bound, const Tensor& log_p, const Tensor& log_q, const Shares& s) {
  return record("importance_weighted", {log_p, log_q}, bound.array(),
                [P = save(s.p), Q = save(s.q)](const Array& g, const Needs& need) {
                  Grads grads(2);
                  if (need[0]) grads[0] = (Tensor(P()) * -Tensor(g)).array();
                  if (need[1]) grads[1] = (Tensor(Q()) * Tensor(g)).array();
                  return grads;
                });
}

/// Bounds of log p(x) by several codes a picture, each picture encoded once.
class ImportanceWeighted : public Objective {
 public:
  explicit ImportanceWeighted(Kind kind) : kind_(kind) {}

  Terms loss(LatentModel& model, const StepInput& in, int) override {
    const std::int64_t n = kind_.draws(), batch = in.size();
    const Encoded once = model.encode(in.x, in.labels);
    const Draw draw = drawn(model.posterior(), once.repeat(n), in);
    // The same codes, as the generative network has them: their gradient is weighed anew on its way to the encoder.
    const Tensor z = reshape(draw.z, draw.z.shape());
    const Tensor logits = model.decode(z, in.labels.defined() ? repeat(in.labels, {n}) : Tensor());
    const Tensor nll = model.likelihood().nll(logits, repeat(in.x, {n, 1, 1, 1}), true);
    const Tensor log_prior = model.log_prior(z);

    const Shape each{kind_.groups, kind_.samples, batch};
    const Tensor log_p = reshape(log_prior - nll, each), log_q = reshape(draw.log_q, each);
    const Tensor log_w = log_p.detach() - log_q.detach();
    Tensor bound = negative_bound(log_w, kind_);
    if (log_p.requires_grad() || log_q.requires_grad()) {
      const Shares s = shares(log_w, kind_);
      bound = with_gradient(bound, log_p, log_q, s);
      if (kind_.partial || kind_.dreg) weigh_gradient(z, s);
    }
    Terms out;
    out.add("iwae", in.per_picture ? bound : sum(bound));
    out.report("reconstruction", mean_of_draws(nll, in));
    out.report("kl", mean_of_draws(draw.log_q - log_prior, in));
    model.remember({.posterior = once, .z = z, .log_q = {}, .logits = slice(logits, 0, 0, batch)}, out);
    return out;
  }

 private:
  Draw drawn(Posterior& posterior, const Encoded& q, const StepInput& in) const {
    if (!kind_.dreg) return posterior.draw(q, in.codes, in.noise);
    // Without the score of log q, whose part the squared shares take.
    const Tensor z = posterior.sample(q, in.codes, in.noise);
    return {z, posterior.log_prob(q.detach(), z)};
  }
  /// What comes back to z from log p(x, z) has the share p; the encoder is to have it with q.
  static void weigh_gradient(const Tensor& z, const Shares& s) {
    if (!z.requires_grad()) return;
    const Tensor factor = reshape(s.q / maximum(s.p, 1e-37), {z.shape()[0], 1});
    z.register_hook([factor](const Tensor& g) { return g * factor; });
  }
  Tensor mean_of_draws(const Tensor& nats, const StepInput& in) const {
    const Tensor constant = nats.detach();
    if (!in.per_picture) return sum(constant) / static_cast<double>(kind_.draws());
    return mean(reshape(constant, {kind_.draws(), in.size()}), {0});
  }

  Kind kind_;
};

ObjectiveRow row_of(const char* name, const char* what, std::vector<std::string> fields,
                    const std::function<Kind(const ModelConfig&)>& kind) {
  ObjectiveRow row;
  row.name = name;
  row.what = what;
  const bool grouped = std::find(fields.begin(), fields.end(), "groups") != fields.end();
  row.fields = std::move(fields);
  row.check = [objective = row.name, grouped](const ModelConfig& c) {
    ELBO_CHECK(!grouped || c.groups >= 2, ValueError, "groups: expected at least 2 for the objective ", objective,
               ", which with one is iwae, found ", c.groups);
    ELBO_CHECK(c.posterior != "point", ValueError, "posterior: expected a distribution for the objective ", objective,
               ", found 'point'");
    ELBO_CHECK(c.likelihood != "gaussian-optimal", ValueError, "likelihood: the objective ", objective,
               " weighs one sample against another, expected a likelihood of each, found 'gaussian-optimal'");
    ELBO_CHECK(!c.dreg || c.posterior.empty() || has_density(c), ValueError,
               "dreg: expected a posterior whose density is known for any code, such as diagonal, found ",
               in_quotes(c.posterior));
  };
  row.make = [kind](const ModelConfig& c) { return std::make_unique<ImportanceWeighted>(kind(c)); };
  return row;
}

}  // namespace

ObjectiveRow iwae_objective() {
  return row_of("iwae", "the importance-weighted bound (Burda et al. 2016)", {"samples", "dreg"},
                [](const ModelConfig& c) { return Kind{.samples = c.samples, .groups = 1, .dreg = c.dreg}; });
}

ObjectiveRow miwae_objective() {
  return row_of("miwae", "the mean of several importance-weighted bounds (Rainforth et al. 2018)",
                {"samples", "groups", "dreg"},
                [](const ModelConfig& c) { return Kind{.samples = c.samples, .groups = c.groups, .dreg = c.dreg}; });
}

ObjectiveRow piwae_objective() {
  return row_of("piwae", "miwae for the encoder, iwae of all samples for the decoder (Rainforth et al. 2018)",
                {"samples", "groups", "dreg"}, [](const ModelConfig& c) {
                  return Kind{.samples = c.samples, .groups = c.groups, .partial = true, .dreg = c.dreg};
                });
}

ObjectiveRow ciwae_objective() {
  return row_of(
      "ciwae", "the importance-weighted bound mixed with the ELBO (Rainforth et al. 2018)", {"samples", "mix", "dreg"},
      [](const ModelConfig& c) { return Kind{.samples = c.samples, .groups = 1, .mix = c.mix, .dreg = c.dreg}; });
}

}  // namespace elbo::models::internal
