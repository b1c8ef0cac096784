#include "../../core/kernels.h"
#include "../../nn/meta.h"
#include "../parts_detail.h"
#include "gaussian_detail.h"

namespace elbo::models::internal {
namespace {

/// N(mean, sigma^2) with the sigma that is best for a batch: sigma*^2 = argmax N(x | mean, sigma^2), the mean squared
/// error over its pixels (Rybkin, Daniilidis and Levine 2021). In evaluation a picture's likelihood must not hang on
/// those beside it: there it is the running mean of these, which training moves by a tenth at each step.
class GaussianOptimal : public Likelihood {
 public:
  explicit GaussianOptimal(const ModelConfig& c) : config_(c), running_variance_(nn::buffer({}, 1)) {
    register_buffer("running_variance", &GaussianOptimal::running_variance_);
  }

  Tensor nll(const Tensor& decoded, const Tensor& x, bool per_picture) override {
    const Tensor squares = squared_errors(mean(decoded), x, per_picture);
    Tensor variance = running_variance_;
    if (is_training()) {
      variance = sum(squares) / pixels_in(x, false) + std::exp(least_logvar);
      move_towards(variance.array());
    }
    return gaussian_nats(squares, pixels_in(x, per_picture), log(variance));
  }
  Tensor mean(const Tensor& decoded) const override { return output_of(config_, decoded); }
  Tensor sample(const Tensor& decoded, Generator* noise) const override {
    return mean(decoded) + randn_like(decoded, noise) * sqrt(running_variance_);
  }
  /// The running mean.
  std::optional<double> learned_variance() const override { return running_variance_.item(); }

 private:
  /// In place, on the device.
  void move_towards(const Array& variance) {
    constexpr double momentum = 0.1;
    Array moved = kernels::scale(running_variance_.array(), 1 - momentum);
    kernels::add_(moved, kernels::scale(variance, momentum));
    running_variance_.mutable_array().assign(moved);
  }

  ModelConfig config_;
  Tensor running_variance_;  ///< [], a buffer
};

}  // namespace

LikelihoodRow gaussian_optimal_likelihood() {
  LikelihoodRow row;
  row.name = "gaussian-optimal";
  row.what = "a Gaussian, its variance each batch's mean squared error (Rybkin et al. 2021)";
  row.fields = {"output"};
  row.takes_any_pixel = true;
  row.make = [](const ModelConfig& c) { return std::make_unique<GaussianOptimal>(c); };
  return row;
}

}  // namespace elbo::models::internal
