#include "../parts_detail.h"
#include "discriminator_detail.h"

namespace elbo::models::internal {
namespace {

/// The negative ELBO and gamma TC(z) (Kim and Mnih 2018, equation 2). The total correlation, the KL divergence of q(z)
/// from the product of its marginals, is estimated by the mean of log D(z) / (1 - D(z)) (equation 3); D tells codes
/// from codes whose dimensions are permuted over the batch, and is trained in turn (algorithm 2). The permuted codes
/// are of the same batch; the paper draws another one for them.
class Factor : public WithDiscriminator {
 public:
  explicit Factor(const ModelConfig& c) : WithDiscriminator(c), weight_(c.tc_weight) {}

 private:
  Terms model_loss(LatentModel& model, const StepInput& in) override {
    const Prediction p = model.forward(in);
    const Tensor density_ratio = logit(p.z);
    Terms out;
    out.add("reconstruction", model.nll(p, in));
    out.add("kl", model.kl(p, in));
    out.add("total_correlation", in.per_picture ? density_ratio : sum(density_ratio), weight_);
    model.remember(p, out);
    return out;
  }
  Terms discriminator_loss(LatentModel& model, const StepInput& in) override {
    const Tensor z = model.code(in.x, in.labels, in.codes, in.noise);  // the encoder is the other player's
    Terms out;
    out.add("discriminator", told_apart(z, permute_dims(z, in.noise), in.per_picture));
    return out;
  }

  double weight_;
};

}  // namespace

ObjectiveRow factor_objective() {
  ObjectiveRow row;
  row.name = "factor";
  row.what = "the ELBO and the total correlation, by a discriminator (Kim and Mnih 2018)";
  row.fields = {"tc_weight", "discriminator"};
  row.check = [](const ModelConfig& c) {
    ELBO_CHECK(c.latent >= 2, ValueError,
               "latent: expected at least 2, whose total correlation the objective factor "
               "takes, found ",
               c.latent);
    ELBO_CHECK(c.posterior != "point", ValueError,
               "posterior: expected a distribution for the objective factor, "
               "found 'point'");
  };
  row.make = [](const ModelConfig& c) { return std::make_unique<Factor>(c); };
  return row;
}

}  // namespace elbo::models::internal
