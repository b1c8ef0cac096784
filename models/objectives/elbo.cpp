#include <algorithm>

#include "../../nn/meta.h"
#include "../latent_model.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// The negative evidence lower bound, -E_q log p(x|z) + beta KL(q(z|x) || p(z)) (Kingma and Welling 2014, equation 3;
/// with beta, Higgins et al. 2017, equation 4), the expectation over one draw a picture. Two others may count in place
/// of the KL, both of the batch's mean:
/// - free bits: the sum over dimensions of max(free_bits, KL of the dimension) (Kingma et al. 2016, equation 15);
/// - a capacity C: |KL - C|, C growing over some epochs (Burgess et al. 2018).
class Elbo : public Objective {
 public:
  explicit Elbo(const ModelConfig& c)
      : weight_(kl_weight(c)), free_bits_(c.free_bits), capacity_(c.capacity), capacity_epochs_(c.capacity_epochs) {
    if (capacity_ == 0) return;
    capacity_now_ = nn::buffer({}, capacity_epochs_ > 0 ? 0 : capacity_);
    register_buffer("capacity", &Elbo::capacity_now_);
  }

  Terms loss(LatentModel& model, const StepInput& in, int) override {
    const Prediction p = model.forward(in);
    const Tensor kl = model.kl(p, in);
    Terms out;
    out.add("reconstruction", model.nll(p, in));
    if (free_bits_ == 0 && capacity_ == 0) {
      out.add("kl", kl, weight_);
    } else {
      out.report("kl", kl);
      const auto batch = static_cast<double>(in.size());
      if (free_bits_ > 0 && !in.per_picture) out.add("free_bits", batch * cost_above_free_bits(p.posterior), weight_);
      if (capacity_ > 0 && !in.per_picture) out.add("capacity", distance_from_capacity(kl, batch), weight_);
    }
    model.remember(p, out);
    return out;
  }
  bool advance(const Progress& at) override {
    const bool grows = capacity_ > 0 && capacity_epochs_ > 0;
    if (grows) capacity_now_.fill_(capacity_ * std::min(1.0, at.epochs / capacity_epochs_));
    return grows;
  }

 private:
  Tensor cost_above_free_bits(const Encoded& q) const {
    return sum(maximum(mean(gaussian_kl(q.mu, q.logvar), {0}), free_bits_));
  }
  /// Of the whole batch. Outside training the capacity is the last one, so that epochs compare.
  Tensor distance_from_capacity(const Tensor& kl, double batch) const {
    return abs(is_training() ? kl - batch * capacity_now_ : kl - batch * capacity_);
  }

  Weight weight_;
  double free_bits_, capacity_, capacity_epochs_;
  Tensor capacity_now_;
};

void check(const ModelConfig& c) {
  check_kl_weight(c);
  if (c.free_bits > 0) check_gaussian(c, "free_bits");
  ELBO_CHECK(c.free_bits == 0 || c.capacity == 0, ValueError,
             "capacity: expected 0 with free bits, each of which stands for the KL, found ", c.capacity);
}

}  // namespace

ObjectiveRow elbo_objective() {
  ObjectiveRow row;
  row.name = "elbo";
  row.what = "the evidence lower bound (Kingma and Welling 2014; with --beta, Higgins et al. 2017)";
  row.fields = kl_fields({"free_bits", "capacity", "capacity_epochs"});
  row.check = check;
  // The KL of a point is 0, and with it all that is made of it.
  row.idle_with = [](const ModelConfig& c, const std::string&) {
    return std::string(c.posterior == "point" ? "--posterior point" : "");
  };
  row.make = [](const ModelConfig& c) { return std::make_unique<Elbo>(c); };
  return row;
}

}  // namespace elbo::models::internal
