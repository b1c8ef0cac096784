#pragma once
#include "architectures/architecture.h"
#include "likelihoods/likelihood.h"
#include "objectives/objective.h"
#include "posteriors/posterior.h"
#include "priors/prior.h"

/// Internal to models: the rows that the registries of parts begin with, each made in a file of its own.
namespace elbo::models::internal {

Architecture mlp();
Architecture conv();

PosteriorRow diagonal_posterior();
PosteriorRow point_posterior();
PosteriorRow full_posterior();
PosteriorRow planar_posterior();
PosteriorRow iaf_posterior();

PriorRow normal_prior();
PriorRow mixture_prior();
PriorRow vamp_prior();
PriorRow realnvp_prior();

LikelihoodRow bernoulli_likelihood();
LikelihoodRow gaussian_likelihood();
LikelihoodRow gaussian_learned_likelihood();
LikelihoodRow gaussian_optimal_likelihood();
LikelihoodRow gaussian_pixel_likelihood();
LikelihoodRow continuous_bernoulli_likelihood();
LikelihoodRow logistic_likelihood();
LikelihoodRow logistic_mixture_likelihood();

ObjectiveRow elbo_objective();
ObjectiveRow factor_objective();
ObjectiveRow adversarial_objective();
ObjectiveRow iwae_objective();
ObjectiveRow miwae_objective();
ObjectiveRow piwae_objective();
ObjectiveRow ciwae_objective();
ObjectiveRow beta_tc_objective();
ObjectiveRow dip_objective();
ObjectiveRow mmd_objective();
ObjectiveRow rae_objective();

/// beta, grown over the epochs of `warmup` (Bowman et al. 2016), or in cycles (Fu et al. 2019).
Weight kl_weight(const ModelConfig& config);
/// The fields of kl_weight, and others.
std::vector<std::string> kl_fields(std::vector<std::string> others = {});
/// Throws ValueError where the fields of kl_weight do not fit together.
void check_kl_weight(const ModelConfig& config);
/// Throws ValueError unless q(z|x) has independent Gaussian dimensions and p(z) is N(0, 1). `who` needs that.
void check_gaussian(const ModelConfig& config, const std::string& who);
/// Beside what the fields of kl_weight have no effect: a posterior that draws nothing has no KL. See Entry::idle_with.
std::string idle_kl(const ModelConfig& config, const std::string& field);
/// Whether the posterior knows the density of any code.
bool has_density(const ModelConfig& config);
/// 1 on the diagonal of [n, n], else 0: uint8, made on the device, so that a step with it can be captured.
Tensor diagonal_mask(std::int64_t n, Device device);

/// log N(z; mu_k, diag(exp(logvar_k))), nats, of each code under each component: z [B, d], mu and logvar [K, d] -> [B,
/// K].
Tensor pairwise_log_prob(const Tensor& z, const Tensor& mu, const Tensor& logvar);

/// The layer of ModelConfig::activation; for `gated` none, since it belongs to the layer before.
void add_activation(nn::Sequential& layers, const std::string& activation);
/// Fully connected layers of these sizes, each with its activation; how many numbers the last gives.
std::int64_t add_hidden(nn::Sequential& layers, std::int64_t inputs, const std::vector<std::int64_t>& sizes,
                        const std::string& activation);

}  // namespace elbo::models::internal
