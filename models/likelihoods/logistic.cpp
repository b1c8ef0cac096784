#include "../../nn/init.h"
#include "../../nn/meta.h"
#include "../parts_detail.h"
#include "logistic_detail.h"

namespace elbo::models::internal {
namespace {

/// A logistic distribution, its mass gathered in 256 bins (Kingma et al. 2016, appendix, "likelihood function";
/// Salimans et al. 2017, equations 1 and 2): the decoder gives the location of each pixel. A scale is learned for each
/// channel, since a decoder that gives one for each pixel is logistic-mixture with one component.
class Logistic : public Likelihood {
 public:
  explicit Logistic(const ModelConfig& c) : config_(c), bins_(c), log_scale_(nn::parameter({c.picture[0], 1, 1})) {
    nn::init::constant_(log_scale_, -2);  // a deviation of an eighth of the range
    register_parameter("log_scale", &Logistic::log_scale_);
  }

  Tensor nll(const Tensor& decoded, const Tensor& x, bool per_picture) override {
    return summed(-bins_.log_prob(x, location(decoded), bins_.log_scale(log_scale_)), per_picture);
  }
  Tensor mean(const Tensor& decoded) const override {
    return bins_.mean(location(decoded), bins_.log_scale(log_scale_));
  }
  Tensor sample(const Tensor& decoded, Generator* noise) const override {
    return bins_.sample(location(decoded), bins_.log_scale(log_scale_), noise);
  }
  bool is_of_bytes() const override { return true; }

 private:
  Tensor location(const Tensor& decoded) const { return output_of(config_, decoded); }

  ModelConfig config_;
  Bins bins_;
  Tensor log_scale_;  ///< [channels, 1, 1]
};

}  // namespace

LikelihoodRow logistic_likelihood() {
  LikelihoodRow row;
  row.name = "logistic";
  row.what = "bytes, by a discretised logistic distribution (Kingma et al. 2016)";
  row.fields = {"output"};
  row.takes_any_pixel = true;
  row.make = [](const ModelConfig& c) { return std::make_unique<Logistic>(c); };
  return row;
}

}  // namespace elbo::models::internal
