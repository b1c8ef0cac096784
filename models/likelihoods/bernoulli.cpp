#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// -log p(x|z) is the binary cross entropy. For grey pixels that is its mean over black and white pixels drawn with the
/// probability x, as is usual.
class Bernoulli : public Likelihood {
 public:
  Tensor nll(const Tensor& decoded, const Tensor& x, bool per_picture) override {
    if (!per_picture) return binary_cross_entropy_with_logits(decoded, x, Reduction::sum);
    return sum(flatten(binary_cross_entropy_with_logits(decoded, x, Reduction::none)), {1});
  }
  Tensor seeded_nll(const Tensor& decoded, const Tensor& x, const Array& seed) override {
    return binary_cross_entropy_with_logits_sum(decoded, x, seed);
  }
  Tensor mean(const Tensor& decoded) const override { return sigmoid(decoded); }
  Tensor sample(const Tensor& decoded, Generator* noise) const override { return bernoulli(sigmoid(decoded), noise); }
};

}  // namespace

LikelihoodRow bernoulli_likelihood() {
  LikelihoodRow row;
  row.name = "bernoulli";
  row.what = "black or white pixels; of grey ones the binary cross entropy";
  row.make = [](const ModelConfig&) { return std::make_unique<Bernoulli>(); };
  return row;
}

}  // namespace elbo::models::internal
