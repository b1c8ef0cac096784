#include "../latent_model.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// The regularised autoencoder with L2: -log p(x|z) + beta |z|^2 / 2 + lambda |theta|^2, theta the decoder's parameters
/// (Ghosh et al. 2020). Nothing is drawn.
class Rae : public Objective {
 public:
  explicit Rae(const ModelConfig& c) : code_weight_(c.code_weight), decoder_weight_(c.decoder_weight) {}

  Terms loss(LatentModel& model, const StepInput& in, int) override {
    const Prediction p = model.forward(in);
    const Tensor lengths = 0.5 * square(p.z);
    Terms out;
    out.add("reconstruction", model.nll(p, in));
    out.add("code_norm", in.per_picture ? sum(lengths, {1}) : sum(lengths), code_weight_);
    // No picture's own: once for the mean over a batch.
    if (!in.per_picture) out.add("decoder_norm", static_cast<double>(in.size()) * decoder_norm(model), decoder_weight_);
    model.remember(p, out);
    return out;
  }

 private:
  static Tensor decoder_norm(const LatentModel& model) {
    Tensor out;
    for (const auto& [name, parameter] : model.named_parameters()) {
      if (!name.starts_with("decoder.")) continue;
      const Tensor squares = sum(square(parameter));
      out = out.defined() ? out + squares : squares;
    }
    ELBO_CHECK(out.defined(), ValueError, "[rae] expected parameters called 'decoder.', found none in the model ",
               model.config().model);
    return out;
  }

  double code_weight_, decoder_weight_;
};

}  // namespace

ObjectiveRow rae_objective() {
  ObjectiveRow row;
  row.name = "rae";
  row.what = "an autoencoder's, its codes and its decoder's weights kept small (Ghosh et al. 2020)";
  row.fields = {"code_weight", "decoder_weight"};
  row.check = [](const ModelConfig& c) {
    ELBO_CHECK(c.posterior == "point", ValueError, "posterior: expected point for the objective rae, found ",
               in_quotes(c.posterior));
  };
  row.make = [](const ModelConfig& c) { return std::make_unique<Rae>(c); };
  return row;
}

}  // namespace elbo::models::internal
