#pragma once
#include "likelihood.h"

/// Internal to models: what several likelihoods are made of.
namespace elbo::models::internal {

/// What each pixel costs, [B, channels, height, width], summed as Likelihood::nll has it: over all, or for each
/// picture.
inline Tensor summed(const Tensor& nats, bool per_picture) { return per_picture ? sum(flatten(nats), {1}) : sum(nats); }

/// log(exp(x) + exp(least)): x where it is well above `least`, and never below that.
inline Tensor softly_at_least(double least, const Tensor& x) { return softplus(x - least) + least; }

/// What ModelConfig::output makes of a decoder's number.
inline Tensor output_of(const ModelConfig& c, const Tensor& x) { return c.output == "sigmoid" ? sigmoid(x) : x; }

}  // namespace elbo::models::internal
