#include "presets_detail.h"

namespace elbo::models::internal {
namespace {

using Preset = std::function<void(ModelConfig&)>;

/// A LatentModel: what its paper says, and which parts and settings that is.
ModelRow latent(const char* name, const char* what, Preset preset) {
  ModelRow row;
  row.name = name;
  row.what = what;
  row.takes_labels = true;
  row.preset = std::move(preset);
  return row;
}

/// The networks of the paper's experiments: 300 - 300 - 40, gated.
void vamp_vae(ModelConfig& c) {
  c.prior = "vamp";
  c.components = 500;
  c.hidden = {300, 300};
  c.activation = "gated";
  c.latent = 40;
}

}  // namespace

std::vector<ModelRow> presets() {
  return {
      latent("ae", "autoencoder: a code instead of a distribution, no KL",
             [](ModelConfig& c) { c.posterior = "point"; }),
      latent("vae", "variational autoencoder (Kingma and Welling 2014)", {}),
      latent("cvae", "the VAE with labels (Sohn et al. 2015)", [](ModelConfig& c) { c.labels = true; }),
      latent("conv-vae", "the VAE with convolutions", [](ModelConfig& c) { c.architecture = "conv"; }),
      latent("beta-vae", "a KL that weighs more (Higgins et al. 2017)", [](ModelConfig& c) { c.beta = 4; }),
      latent("annealed-vae", "a KL drawn to a capacity that grows (Burgess et al. 2018)",
             [](ModelConfig& c) { c.beta = 1000, c.capacity = 25, c.capacity_epochs = 10; }),
      latent("beta-tc-vae", "a total correlation that weighs more (Chen et al. 2018)",
             [](ModelConfig& c) { c.objective = "beta-tc", c.beta = 6; }),
      latent("dip-vae", "codes without covariance (Kumar et al. 2018)", [](ModelConfig& c) { c.objective = "dip"; }),
      latent("iwae", "the importance-weighted bound (Burda et al. 2016)", [](ModelConfig& c) { c.objective = "iwae"; }),
      latent("miwae", "the mean of several importance-weighted bounds (Rainforth et al. 2018)",
             [](ModelConfig& c) { c.objective = "miwae", c.samples = 8; }),
      latent("piwae", "miwae for the encoder, iwae for the decoder (Rainforth et al. 2018)",
             [](ModelConfig& c) { c.objective = "piwae", c.samples = 8; }),
      latent("ciwae", "the importance-weighted bound mixed with the ELBO (Rainforth et al. 2018)",
             [](ModelConfig& c) { c.objective = "ciwae"; }),
      latent("info-vae", "the codes' distance from the prior in place of the KL (Zhao et al. 2019)",
             [](ModelConfig& c) { c.objective = "mmd", c.beta = 0, c.mmd_weight = 1000; }),
      latent("wae-mmd", "Wasserstein autoencoder (Tolstikhin et al. 2018)",
             [](ModelConfig& c) { c.posterior = "point", c.likelihood = "gaussian", c.objective = "mmd", c.beta = 0; }),
      latent("rae", "regularised autoencoder (Ghosh et al. 2020)",
             [](ModelConfig& c) { c.posterior = "point", c.likelihood = "gaussian", c.objective = "rae"; }),
      latent("factor-vae", "a VAE of little total correlation (Kim and Mnih 2018)",
             [](ModelConfig& c) { c.objective = "factor"; }),
      latent("aae", "adversarial autoencoder (Makhzani et al. 2016)",
             [](ModelConfig& c) { c.posterior = "point", c.objective = "adversarial"; }),
      latent("sigma-vae", "a Gaussian decoder of the best variance (Rybkin et al. 2021)",
             [](ModelConfig& c) { c.likelihood = "gaussian-optimal"; }),
      latent("planar-vae", "planar flows for q(z|x) (Rezende and Mohamed 2015)",
             [](ModelConfig& c) { c.posterior = "planar"; }),
      latent("iaf-vae", "inverse autoregressive flows for q(z|x) (Kingma et al. 2016)",
             [](ModelConfig& c) { c.posterior = "iaf"; }),
      latent("vamp-vae", "a prior of learned pseudo-inputs (Tomczak and Welling 2018)", vamp_vae),
      latent("flow-prior-vae", "a prior of coupling layers (Dinh et al. 2017)",
             [](ModelConfig& c) { c.prior = "realnvp"; }),
      hvae(),
      vq_vae(),
  };
}

}  // namespace elbo::models::internal
