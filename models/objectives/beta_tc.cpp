#include <algorithm>
#include <cmath>

#include "../latent_model.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// log of what each picture of a batch counts in log q(z), where z was drawn for the picture of the row: [B, B]. Of n
/// pictures z's own counts 1 / n, and the others, which stand for all the rest, share what is left: the stratified
/// weights of Chen et al. 2018, appendix C.2, averaged over which picture is taken for the last.
Tensor log_shares(std::int64_t batch, std::int64_t train_size, const TensorOptions& options) {
  if (batch == 1) return zeros({1, 1}, options);
  const auto n = static_cast<double>(std::max(train_size, batch)), others = static_cast<double>(batch - 1);
  const Tensor rest = full({batch, batch}, std::log((n - 1) / (n * others)), options);
  return masked_fill(rest, diagonal_mask(batch, options.device), -std::log(n));
}

/// -log p(x|z) + I(z; x) + beta TC(z) + sum_j KL(q(z_j) || p(z_j)) (Chen et al. 2018, equation 4, alpha = gamma = 1):
/// the KL in its parts, of which the total correlation weighs more.
class BetaTc : public Objective {
 public:
  explicit BetaTc(const ModelConfig& c) : weight_(kl_weight(c)) {}

  Terms loss(LatentModel& model, const StepInput& in, int) override {
    const Prediction p = model.forward(in);
    Terms out;
    out.add("reconstruction", model.nll(p, in));
    if (!in.per_picture) add_parts(model, p, in.train_size, out);
    out.report("kl", model.kl(p, in));
    model.remember(p, out);
    return out;
  }

 private:
  void add_parts(LatentModel& model, const Prediction& p, std::int64_t train_size, Terms& out) const {
    const Encoded& q = p.posterior;
    const Tensor shares = log_shares(p.z.shape()[0], train_size, p.z.array().options());
    const auto columns = [](const Tensor& x) { return transpose(x, 0, 1); };
    // log q(z_j|x) for the codes of the rows and the pictures of the columns, [latent, B, B]: in this order the sums
    // run over neighbours, which is faster.
    const Tensor each =
        gaussian_log_prob(unsqueeze(columns(p.z), 2), unsqueeze(columns(q.mu), 1), unsqueeze(columns(q.logvar), 1));
    const Tensor log_q_given_x = sum(gaussian_log_prob(p.z, q.mu, q.logvar));
    const Tensor log_q = sum(logsumexp(sum(each, {0}) + shares, {1}));
    const Tensor log_marginals = sum(logsumexp(each + shares, {2}));
    out.add("mutual_information", log_q_given_x - log_q);
    out.add("total_correlation", log_q - log_marginals, weight_);
    out.add("dimension_kl", log_marginals - sum(model.log_prior(p.z)));
  }

  Weight weight_;
};

}  // namespace

ObjectiveRow beta_tc_objective() {
  ObjectiveRow row;
  row.name = "beta-tc";
  row.what = "the ELBO, the KL's total correlation weighed by --beta (Chen et al. 2018)";
  row.fields = kl_fields();
  row.check = [](const ModelConfig& c) {
    check_kl_weight(c);
    check_gaussian(c, "objective beta-tc");
  };
  row.make = [](const ModelConfig& c) { return std::make_unique<BetaTc>(c); };
  return row;
}

}  // namespace elbo::models::internal
