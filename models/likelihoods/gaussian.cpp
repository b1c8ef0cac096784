#include <cmath>
#include <numbers>

#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// -log p(x|z) is the sum of (x - mean)^2 / (2 variance) over pixels, so with variance 1/2 the squared error. The
/// constant log(2 pi variance) / 2 of each pixel is left out.
class Gaussian : public Likelihood {
 public:
  explicit Gaussian(const ModelConfig& c)
      : variance_(c.variance),
        constant_(static_cast<double>(c.picture.numel()) * std::log(2 * std::numbers::pi * c.variance) / 2),
        sigmoid_(c.output == "sigmoid") {}

  Tensor nll(const Tensor& decoded, const Tensor& x, bool per_picture) override {
    const double scale = 0.5 / variance_;
    if (!per_picture && scale == 1) return mse_loss(mean(decoded), x, Reduction::sum);
    if (!per_picture) return mse_loss(mean(decoded), x, Reduction::sum) * scale;
    return sum(flatten(mse_loss(mean(decoded), x, Reduction::none)), {1}) * scale;
  }
  Tensor seeded_nll(const Tensor& decoded, const Tensor& x, const Array& seed) override {
    return variance_ == 0.5 ? mse_loss_sum(mean(decoded), x, seed) : nll(decoded, x, false);
  }
  Tensor mean(const Tensor& decoded) const override { return sigmoid_ ? sigmoid(decoded) : decoded; }
  Tensor sample(const Tensor& decoded, Generator* noise) const override {
    return mean(decoded) + randn_like(decoded, noise) * std::sqrt(variance_);
  }
  double constant() const override { return constant_; }

 private:
  double variance_, constant_;
  bool sigmoid_;
};

}  // namespace

LikelihoodRow gaussian_likelihood() {
  LikelihoodRow row;
  row.name = "gaussian";
  row.what = "a Gaussian of fixed variance";
  row.fields = {"variance", "output"};
  row.takes_any_pixel = true;
  row.make = [](const ModelConfig& c) { return std::make_unique<Gaussian>(c); };
  return row;
}

}  // namespace elbo::models::internal
