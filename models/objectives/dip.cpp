#include "../latent_model.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// The negative ELBO and the distance of the codes' covariance from 1 (Kumar et al. 2018): the sum of (C_ii - 1)^2 and
/// that of C_ij^2 for i != j, each with a weight of its own. C is that of the means, Cov mu(x), in DIP-VAE I (equation
/// 6), and that of the codes, E Sigma(x) + Cov mu(x), in DIP-VAE II (equation 7), both over the batch. Sigma(x) is
/// diagonal.
class Dip : public Objective {
 public:
  explicit Dip(const ModelConfig& c)
      : weight_(kl_weight(c)), diagonal_(c.dip_diagonal), off_diagonal_(c.dip_off_diagonal), of_codes_(c.dip == "ii") {}

  Terms loss(LatentModel& model, const StepInput& in, int) override {
    const Prediction p = model.forward(in);
    Terms out;
    out.add("reconstruction", model.nll(p, in));
    out.add("kl", model.kl(p, in), weight_);
    if (!in.per_picture) add_covariance(p.posterior, out);
    model.remember(p, out);
    return out;
  }

 private:
  void add_covariance(const Encoded& q, Terms& out) const {
    const auto batch = static_cast<double>(q.mu.shape()[0]);
    const Tensor centred = q.mu - mean(q.mu, {0}, true);
    const Tensor covariance = matmul(transpose(centred, 0, 1), centred) / batch;
    Tensor variance = mean(square(centred), {0});
    if (of_codes_) variance = variance + mean(exp(q.logvar), {0});
    const Tensor others = masked_fill(covariance, diagonal_mask(q.mu.shape()[1], q.mu.device()), 0);
    out.add("dip_diagonal", batch * sum(square(variance - 1)), diagonal_);
    out.add("dip_off_diagonal", batch * sum(square(others)), off_diagonal_);
  }

  Weight weight_;
  double diagonal_, off_diagonal_;
  bool of_codes_;
};

}  // namespace

ObjectiveRow dip_objective() {
  ObjectiveRow row;
  row.name = "dip";
  row.what = "the ELBO and the distance of the codes' covariance from 1, DIP-VAE (Kumar et al. 2018)";
  row.fields = kl_fields({"dip", "dip_diagonal", "dip_off_diagonal"});
  row.check = [](const ModelConfig& c) {
    check_kl_weight(c);
    check_gaussian(c, "objective dip");
  };
  row.make = [](const ModelConfig& c) { return std::make_unique<Dip>(c); };
  return row;
}

}  // namespace elbo::models::internal
