#include <algorithm>

#include "../latent_model.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// The distance of each row of a [A, d] from each of b [B, d], squared: [A, B].
Tensor squared_distances(const Tensor& a, const Tensor& b) {
  const Tensor lengths = sum(square(a), {1}, true) + unsqueeze(sum(square(b), {1}), 0);
  return clamp(lengths - 2 * matmul(a, transpose(b, 0, 1)), 0, {});  // rounding may give less than 0
}

/// -log p(x|z) + beta KL(q(z|x) || p(z)) + lambda MMD(q(z), p(z)), the maximum mean discrepancy between the batch's
/// codes and as many from the prior. With beta = 0 and codes that are points it is the Wasserstein autoencoder
/// (Tolstikhin et al. 2018, algorithm 2); with beta = 1 - alpha, and lambda for alpha + lambda - 1, InfoVAE (Zhao et
/// al. 2019).
class Mmd : public Objective {
 public:
  explicit Mmd(const ModelConfig& c)
      : kl_weight_(kl_weight(c)), weight_(c.mmd_weight), inverse_(c.mmd_kernel == "imq") {}

  Terms loss(LatentModel& model, const StepInput& in, int) override {
    const Prediction p = model.forward(in);
    Terms out;
    out.add("reconstruction", model.nll(p, in));
    out.add("kl", model.kl(p, in), kl_weight_);
    if (!in.per_picture) {
      const Tensor prior = model.draw_codes(in.size(), in.labels, in.noise);
      out.add("mmd", static_cast<double>(in.size()) * mmd(p.z, prior.to(p.z.dtype())), weight_);
    }
    model.remember(p, out);
    return out;
  }

 private:
  /// The estimate without bias: a code is not compared with itself.
  Tensor mmd(const Tensor& a, const Tensor& b) const {
    const auto n = static_cast<double>(a.shape()[0]);
    const double pairs = std::max(n * (n - 1), 1.0);  // k(z, z) = 1
    return (sum(kernel(a, a)) - n) / pairs + (sum(kernel(b, b)) - n) / pairs - 2 / (n * n) * sum(kernel(a, b));
  }
  /// C / (C + |a - b|^2), or exp(-|a - b|^2 / C), with C = 2 d, the mean squared distance of two codes from N(0, 1)
  /// (Tolstikhin et al. 2018, section 4).
  Tensor kernel(const Tensor& a, const Tensor& b) const {
    const double c = 2 * static_cast<double>(a.shape()[1]);
    const Tensor distances = squared_distances(a, b);
    return inverse_ ? c / (c + distances) : exp(distances / -c);
  }

  Weight kl_weight_;
  double weight_;
  bool inverse_;
};

}  // namespace

ObjectiveRow mmd_objective() {
  ObjectiveRow row;
  row.name = "mmd";
  row.what = "the distance of codes from the prior by a kernel (Tolstikhin et al. 2018; Zhao et al. 2019)";
  row.fields = kl_fields({"mmd_weight", "mmd_kernel"});
  row.check = check_kl_weight;
  row.idle_with = idle_kl;
  row.matches_prior = true;
  row.make = [](const ModelConfig& c) { return std::make_unique<Mmd>(c); };
  return row;
}

}  // namespace elbo::models::internal
