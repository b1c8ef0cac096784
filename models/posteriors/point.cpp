#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// No distribution: an autoencoder's code.
class Point : public Posterior {
 public:
  Encoded encode(const Tensor& h) override { return {h}; }
  Tensor sample(const Encoded& q, Codes, Generator*) override { return q.mu; }
  Draw draw(const Encoded&, Codes, Generator*) override {
    fail<ValueError>("[draw] the posterior point has nothing to draw");
  }
  bool is_random() const override { return false; }
};

}  // namespace

PosteriorRow point_posterior() {
  PosteriorRow row;
  row.name = "point";
  row.what = "a code instead of a distribution";
  row.in_encoder = true;
  row.make = [](const ModelConfig&, std::int64_t) { return std::make_unique<Point>(); };
  return row;
}

}  // namespace elbo::models::internal
