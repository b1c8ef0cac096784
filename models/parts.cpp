#include "parts_detail.h"

namespace elbo::models {

Registry<Architecture>& architectures() {
  static Registry<Architecture> all("architecture", {internal::mlp(), internal::conv()});
  return all;
}

Registry<PosteriorRow>& posteriors() {
  static Registry<PosteriorRow> all(
      "posterior", {internal::diagonal_posterior(), internal::point_posterior(), internal::full_posterior(),
                    internal::planar_posterior(), internal::iaf_posterior()});
  return all;
}

Registry<PriorRow>& priors() {
  static Registry<PriorRow> all("prior", {internal::normal_prior(), internal::mixture_prior(), internal::vamp_prior(),
                                          internal::realnvp_prior()});
  return all;
}

Registry<LikelihoodRow>& likelihoods() {
  static Registry<LikelihoodRow> all(
      "likelihood", {internal::bernoulli_likelihood(), internal::gaussian_likelihood(),
                     internal::gaussian_learned_likelihood(), internal::gaussian_optimal_likelihood(),
                     internal::gaussian_pixel_likelihood(), internal::continuous_bernoulli_likelihood(),
                     internal::logistic_likelihood(), internal::logistic_mixture_likelihood()});
  return all;
}

Registry<ObjectiveRow>& objectives() {
  static Registry<ObjectiveRow> all(
      "objective",
      {internal::elbo_objective(), internal::iwae_objective(), internal::miwae_objective(), internal::piwae_objective(),
       internal::ciwae_objective(), internal::beta_tc_objective(), internal::dip_objective(), internal::mmd_objective(),
       internal::rae_objective(), internal::factor_objective(), internal::adversarial_objective()});
  return all;
}

Encoded Encoded::repeat(std::int64_t samples) const {
  const auto often = [&](const Tensor& x) {
    if (!x.defined() || samples == 1) return x;
    std::vector<std::int64_t> times(static_cast<std::size_t>(x.shape().rank()), 1);
    times[0] = samples;
    return elbo::repeat(x, times);
  };
  return {often(mu), often(logvar), often(more)};
}

Encoded Encoded::detach() const {
  const auto constant = [](const Tensor& x) { return x.defined() ? x.detach() : x; };
  return {constant(mu), constant(logvar), constant(more)};
}

Tensor Posterior::log_prob(const Encoded&, const Tensor&) {
  fail<ValueError>("[log_prob] ", class_name(), ": the density of a code that it did not draw cannot be told");
}

}  // namespace elbo::models
