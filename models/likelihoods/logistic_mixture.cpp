#include "../parts_detail.h"
#include "logistic_detail.h"

namespace elbo::models::internal {
namespace {

/// A mixture of discretised logistic distributions for each channel of each pixel (Salimans et al. 2017, equations 1
/// and 2). Unlike there (equation 3), channels are independent given the code: none sees the pixel's others.
class LogisticMixture : public Likelihood {
 public:
  explicit LogisticMixture(const ModelConfig& c) : config_(c), bins_(c) {}

  std::int64_t numbers() const override { return 3 * config_.mixtures; }
  Tensor nll(const Tensor& decoded, const Tensor& x, bool per_picture) override {
    const Components parts = components(decoded);
    const Tensor each = parts.log_weight + bins_.log_prob(unsqueeze(x, 1), parts.location, parts.log_scale);
    return summed(-logsumexp(each, {1}), per_picture);
  }
  Tensor mean(const Tensor& decoded) const override {
    const Components parts = components(decoded);
    return sum(exp(parts.log_weight) * bins_.mean(parts.location, parts.log_scale), {1});
  }
  Tensor sample(const Tensor& decoded, Generator* noise) const override {
    const Components parts = components(decoded);
    // The greatest of log weight - log(-log u) is each component with its weight's probability (Gumbel 1954).
    const Tensor keys = parts.log_weight - log(-log(rand_like(parts.log_weight, noise)));
    const Tensor chosen = argmax(keys, 1, true);
    const auto of_chosen = [&](const Tensor& x) { return squeeze(gather(x, 1, chosen), {1}); };
    return bins_.sample(of_chosen(parts.location), of_chosen(parts.log_scale), noise);
  }
  bool is_of_bytes() const override { return true; }

 private:
  /// Each [B, mixtures, channels, height, width].
  struct Components {
    Tensor log_weight, location, log_scale;
  };
  Components components(const Tensor& decoded) const {
    const std::vector<Tensor> parts = chunk(decoded, 3, 1);
    const Shape shape = config_.picture.insert(0, config_.mixtures).insert(0, decoded.shape()[0]);
    const auto part = [&](std::size_t i) { return reshape(parts[i], shape); };
    return {log_softmax(part(0), 1), output_of(config_, part(1)), bins_.log_scale(part(2))};
  }

  ModelConfig config_;
  Bins bins_;
};

}  // namespace

LikelihoodRow logistic_mixture_likelihood() {
  LikelihoodRow row;
  row.name = "logistic-mixture";
  row.what = "bytes, by a mixture of discretised logistics, channels apart (Salimans et al. 2017)";
  row.fields = {"mixtures", "output"};
  row.takes_any_pixel = true;
  row.make = [](const ModelConfig& c) { return std::make_unique<LogisticMixture>(c); };
  return row;
}

}  // namespace elbo::models::internal
