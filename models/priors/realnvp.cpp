#include "../../nn/init.h"
#include "../../nn/layers.h"
#include "../../nn/sequential.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// N(0, 1) through affine coupling layers, each of which moves one half of the dimensions by what the other half says,
/// in turn (Dinh et al. 2017, equations 4 to 8): y = x exp(s) + t, |s| < 1 by a tanh. The last layer of each network
/// begins as 0, and so p(z) as N(0, 1).
class RealNvp : public Prior {
 public:
  explicit RealNvp(const ModelConfig& c) : first_(c.latent / 2), second_(c.latent - first_) {
    for (std::int64_t i = 0; i < c.prior_flows; ++i) {
      const std::int64_t kept = i % 2 == 0 ? first_ : second_;
      nn::Linear last(c.prior_hidden, 2 * (c.latent - kept));
      nn::init::constant_(last.weight, 0);
      nn::init::constant_(last.bias, 0);
      layers_.push_back(nn::Sequential{nn::Linear(kept, c.prior_hidden), nn::ReLU(),
                                       nn::Linear(c.prior_hidden, c.prior_hidden), nn::ReLU(), std::move(last)});
    }
    register_module("layers", &RealNvp::layers_);
  }

  /// By the inverse pass.
  Tensor log_prob(const Tensor& z, const EncodePictures&) override {
    std::vector<Tensor> halves = split(z, {first_, second_}, 1);
    const Tensor zero = zeros({}, z.array().options());
    Tensor log_determinant = zero;
    for (std::size_t i = layers_.size(); i-- > 0;) {
      const auto [s, t] = scale_and_shift(i, halves[i % 2]);
      Tensor& moved = halves[1 - i % 2];
      moved = (moved - t) * exp(-s);
      log_determinant = log_determinant + sum(s, {1});
    }
    return sum(gaussian_log_prob(concatenate(halves, 1), zero, zero), {1}) - log_determinant;
  }

  /// By the forward pass.
  Tensor sample(std::int64_t n, Generator& noise, const EncodePictures&) override {
    const DType dtype = parameters().front().dtype();
    const Tensor start = randn({n, first_ + second_}, {.dtype = dtype, .device = noise.device()}, &noise);
    std::vector<Tensor> halves = split(start, {first_, second_}, 1);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const auto [s, t] = scale_and_shift(i, halves[i % 2]);
      Tensor& moved = halves[1 - i % 2];
      moved = moved * exp(s) + t;
    }
    return concatenate(halves, 1);
  }

 private:
  std::pair<Tensor, Tensor> scale_and_shift(std::size_t layer, const Tensor& kept) {
    const std::vector<Tensor> both = chunk(layers_[layer](kept), 2, 1);
    return {tanh(both[0]), both[1]};
  }

  std::int64_t first_, second_;  // sizes of the halves
  std::vector<nn::Sequential> layers_;
};

}  // namespace

PriorRow realnvp_prior() {
  PriorRow row;
  row.name = "realnvp";
  row.what = "N(0, 1) through affine coupling layers (Dinh et al. 2017)";
  row.fields = {"prior_flows", "prior_hidden"};
  row.make = [](const ModelConfig& c) { return std::make_unique<RealNvp>(c); };
  row.check = [](const ModelConfig& c) {
    ELBO_CHECK(c.latent >= 2, ValueError, "prior realnvp: expected at least 2 latent dimensions, found ", c.latent);
  };
  return row;
}

}  // namespace elbo::models::internal
