#include "../parts_detail.h"
#include "discriminator_detail.h"

namespace elbo::models::internal {
namespace {

/// The reconstruction, and codes that a discriminator takes for the prior's (Makhzani et al. 2016, section 2). D is the
/// probability that a code comes from the prior; the encoder, its generator, minimises -log D(z) (Goodfellow et al.
/// 2014, section 3). The paper takes the two in turn, here they are one step.
class Adversarial : public WithDiscriminator {
 public:
  explicit Adversarial(const ModelConfig& c) : WithDiscriminator(c), weight_(kl_weight(c)) {}

 private:
  Terms model_loss(LatentModel& model, const StepInput& in) override {
    const Prediction p = model.forward(in);
    const Tensor found_out = softplus(-logit(p.z));
    Terms out;
    out.add("reconstruction", model.nll(p, in));
    out.add("adversarial", in.per_picture ? found_out : sum(found_out), weight_);
    if (model.posterior().is_random()) {
      const NoGradGuard no_grad;
      out.report("kl", model.kl(p, in));
    }
    model.remember(p, out);
    return out;
  }
  Terms discriminator_loss(LatentModel& model, const StepInput& in) override {
    const Tensor z = model.code(in.x, in.labels, in.codes, in.noise);  // the encoder is the other player's
    Terms out;
    out.add("discriminator",
            told_apart(model.draw_codes(in.size(), in.labels, in.noise).to(z.dtype()), z, in.per_picture));
    return out;
  }

  Weight weight_;
};

}  // namespace

ObjectiveRow adversarial_objective() {
  ObjectiveRow row;
  row.name = "adversarial";
  row.what = "codes that a discriminator takes for the prior's, which itself stays as it is (Makhzani et al. 2016)";
  row.fields = kl_fields({"discriminator"});
  row.check = check_kl_weight;
  row.matches_prior = true;
  row.make = [](const ModelConfig& c) { return std::make_unique<Adversarial>(c); };
  return row;
}

}  // namespace elbo::models::internal
