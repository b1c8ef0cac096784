#include "../parts_detail.h"
#include "gaussian_detail.h"

namespace elbo::models::internal {
namespace {

/// N(mean, variance), both of each pixel: of the decoder's two numbers the second is log variance, bounded as
/// gaussian_detail.h says (Kingma and Welling 2014, appendix C.2).
class GaussianPixel : public Likelihood {
 public:
  explicit GaussianPixel(const ModelConfig& c) : config_(c) {}

  std::int64_t numbers() const override { return 2; }
  Tensor nll(const Tensor& decoded, const Tensor& x, bool per_picture) override {
    return summed(-gaussian_log_prob(x, mean(decoded), logvar(decoded)), per_picture);
  }
  Tensor mean(const Tensor& decoded) const override { return output_of(config_, chunk(decoded, 2, 1)[0]); }
  Tensor sample(const Tensor& decoded, Generator* noise) const override {
    const Tensor middle = mean(decoded);
    return middle + randn_like(middle, noise) * exp(0.5 * logvar(decoded));
  }

 private:
  static Tensor logvar(const Tensor& decoded) { return softly_at_least(least_logvar, chunk(decoded, 2, 1)[1]); }

  ModelConfig config_;
};

}  // namespace

LikelihoodRow gaussian_pixel_likelihood() {
  LikelihoodRow row;
  row.name = "gaussian-pixel";
  row.what = "a Gaussian, mean and variance of each pixel (Kingma and Welling 2014)";
  row.fields = {"output"};
  row.takes_any_pixel = true;
  row.make = [](const ModelConfig& c) { return std::make_unique<GaussianPixel>(c); };
  return row;
}

}  // namespace elbo::models::internal
