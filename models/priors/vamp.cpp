#include <algorithm>
#include <cmath>

#include "../../nn/init.h"
#include "../../nn/meta.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// p(z) = 1/K sum of q(z|u_k) (Tomczak and Welling 2018). The pseudo-inputs u are learned pictures, clamped to the
/// range of pixels, and begin as grey with a little noise: N(the middle, a tenth of the range). Where the model takes
/// labels each has shares of the classes, the softmax of logits that begin as N(0, 1).
class Vamp : public Prior {
 public:
  explicit Vamp(const ModelConfig& c)
      : low_(std::min(c.pixels[0], c.pixels[1])),
        high_(std::max(c.pixels[0], c.pixels[1])),
        pictures_(nn::parameter(c.picture.insert(0, c.components))) {
    nn::init::normal_(pictures_, (low_ + high_) / 2, (high_ - low_) / 10);
    register_parameter("pseudo_inputs", &Vamp::pictures_);
    if (c.classes == 0) return;
    logits_ = nn::parameter({c.components, c.classes});
    nn::init::normal_(logits_);
    register_parameter("pseudo_labels", &Vamp::logits_);
  }

  Tensor log_prob(const Tensor& z, const EncodePictures& encode) override {
    const Encoded q = components(encode);
    const auto k = static_cast<double>(q.mu.shape()[0]);
    return logsumexp(pairwise_log_prob(z, q.mu, q.logvar), {1}) - std::log(k);
  }

  Tensor sample(std::int64_t n, Generator& noise, const EncodePictures& encode) override {
    const Encoded q = components(encode);
    const Tensor k = randint(0, q.mu.shape()[0], {n}, noise.device(), &noise);
    return reparameterize(index_select(q.mu, 0, k), index_select(q.logvar, 0, k), &noise);
  }

 private:
  Encoded components(const EncodePictures& encode) const {
    return encode(clamp(pictures_, low_, high_), logits_.defined() ? softmax(logits_, 1) : Tensor());
  }

  double low_, high_;
  Tensor pictures_;  ///< [K, channels, height, width]
  Tensor logits_;    ///< [K, classes]; undefined without labels
};

/// Its density is that of the encoder's diagonal Gaussians.
void check_vamp(const ModelConfig& c) {
  // A model with its own, such as hvae, names none of these.
  ELBO_CHECK(c.posterior.empty() || c.posterior == "diagonal", ValueError,
             "prior vamp: expected the posterior diagonal, found ", c.posterior,
             ", whose density at the codes of other pictures it cannot tell");
  if (c.architecture.empty()) return;
  const std::vector<std::string>& used = architectures().at(c.architecture).fields;
  const bool normalises = std::find(used.begin(), used.end(), "norm") != used.end() && c.norm == "batch";
  ELBO_CHECK(!normalises, ValueError,
             "prior vamp: expected the norm none or group, found batch, whose statistics would mix pictures and ",
             "pseudo-inputs");
}

}  // namespace

PriorRow vamp_prior() {
  PriorRow row;
  row.name = "vamp";
  row.what = "the mean of q(z|u) over learned pseudo-inputs u (Tomczak and Welling 2018)";
  row.fields = {"components"};
  row.check = check_vamp;
  row.make = [](const ModelConfig& c) { return std::make_unique<Vamp>(c); };
  return row;
}

}  // namespace elbo::models::internal
