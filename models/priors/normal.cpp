#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

class Normal : public Prior {
 public:
  explicit Normal(const ModelConfig& c) : latent_(c.latent) {}

  Tensor log_prob(const Tensor& z, const EncodePictures&) override {
    const Tensor zero = zeros({}, z.array().options());
    return sum(gaussian_log_prob(z, zero, zero), {1});
  }
  Tensor sample(std::int64_t n, Generator& noise, const EncodePictures&) override {
    return randn({n, latent_}, {.device = noise.device()}, &noise);
  }
  bool is_standard_normal() const override { return true; }

 private:
  std::int64_t latent_;
};

}  // namespace

PriorRow normal_prior() {
  PriorRow row;
  row.name = "normal";
  row.what = "N(0, 1) (Kingma and Welling 2014)";
  row.make = [](const ModelConfig& c) { return std::make_unique<Normal>(c); };
  return row;
}

}  // namespace elbo::models::internal
