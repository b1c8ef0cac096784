// The measures of disentanglement of a model on a dataset.
#include <elbo/core/errors.h>
#include <elbo/core/ops.h>
#include <elbo/models/analysis/codes.h>
#include <elbo/models/analysis/disentanglement/disentanglement.h>
#include <elbo/models/registry.h>

#include "catch.h"
#include "datasets_support.h"

using namespace elbo;
using namespace elbo::models;

namespace {

/// 256 pictures of two pixels, each of 8 levels, which are their factors, in an order that has nothing to do with them.
datasets::Dataset two_levels() {
  datasets::Dataset out;
  out.name = "levels";
  out.factor_names = {"left", "right"};
  std::vector<std::uint8_t> pixels;
  for (std::int64_t i = 0; i < 256; ++i) {
    const std::int64_t at = i * 77 % 256;
    for (const std::int64_t level : {at % 8, at / 8 % 8}) {
      out.factors.push_back(level);
      pixels.push_back(static_cast<std::uint8_t>(level * 36));
    }
  }
  out.features = Array::from(pixels, {256, 1, 1, 2});
  return out;
}

/// A linear VAE whose means are the pixels times `weights` [2, 2].
std::unique_ptr<Model> linear(const std::vector<float>& weights) {
  ModelConfig config{.picture = {1, 1, 2}, .hidden = {}, .latent = 2};
  std::unique_ptr<Model> out = make(config);
  const Array zeros = Array::zeros({2}), square = Array::zeros({2, 2});
  out->load_state_dict({{"fc_mu.weight", Array::from(weights, {2, 2})},
                        {"fc_mu.bias", zeros},
                        {"fc_logvar.weight", square},
                        {"fc_logvar.bias", zeros},
                        {"decoder.0.weight", square},
                        {"decoder.0.bias", zeros}});
  return out;
}

}  // namespace

TEST_CASE("disentanglement: a model with a dimension for each factor scores best, one that mixes them does not") {
  const datasets::Dataset data = two_levels();
  std::vector<std::string> said;
  DisentanglementOptions options{.seed = 3};
  options.before_measure = [&](const std::string& measure) { said.push_back(measure); };
  const Disentanglement apart = disentanglement(*linear({2, 0, 0, 3}), data, options);
  CHECK(said == std::vector<std::string>{"MIG", "FactorVAE", "SAP", "DCI"});
  CHECK(apart.pictures == 256);
  CHECK(apart.mig.score == Approx(1).margin(1e-6));
  CHECK(apart.factor_vae.score == 1);
  CHECK(apart.sap.score == Approx(1).margin(1e-6));
  CHECK(apart.dci.disentanglement > 0.95);
  CHECK(apart.dci.completeness > 0.95);
  CHECK(apart.dci.informativeness > 0.95);
  const Disentanglement mixed = disentanglement(*linear({2, 2, 2, -2}), data, options);
  CHECK(mixed.mig.score < 0.1);
  CHECK(mixed.factor_vae.score < 0.8);
  CHECK(mixed.sap.score < 0.1);
  CHECK(mixed.dci.disentanglement < 0.1);
  CHECK(mixed.dci.completeness < 0.1);
  // The same as of the arrays, and by the seed.
  const Array codes = encode_means(*linear({2, 2, 2, -2}), data), factors = data.factors_array();
  CHECK(mixed.mig.score == mig(codes, factors).score);
  CHECK(mixed.sap.score == sap(codes, factors).score);
  CHECK(mixed.factor_vae.votes == factor_vae_score(codes, factors, {.seed = 3}).votes);
  CHECK(mixed.factor_vae.votes != factor_vae_score(codes, factors, {.seed = 4}).votes);
}

TEST_CASE("disentanglement: shapes and colours are names, all other factors numbers") {
  datasets::Dataset data;
  data.factor_names = {"color", "shape", "scale", "factor 0"};
  CHECK(factor_kinds(data) == std::vector<FactorKind>{FactorKind::categorical, FactorKind::categorical,
                                                      FactorKind::ordinal, FactorKind::ordinal});
}

TEST_CASE("disentanglement: a model without codes and pictures without factors are refused") {
  datasets::Dataset data = two_levels();
  const std::unique_ptr<Model> model = linear({1, 0, 0, 1});
  CHECK(error_of<ValueError>([&] { disentanglement(*model, data.first(2)); }) ==
        "disentanglement: expected at least 3 pictures, found 2");
  data.factor_names.clear();
  data.factors.clear();
  CHECK(error_of<ValueError>([&] { disentanglement(*model, data); }) ==
        "disentanglement: expected pictures whose factors are known, as those of shapes and npz are, found levels");
  ModelConfig grid = preset("vq-vae");
  grid.picture = {1, 8, 8};
  grid.channels = {2, 2};
  CHECK(error_of<ValueError>([&] { disentanglement(*make(grid), two_levels()); }) ==
        "disentanglement: expected a model with a code a picture, found vq-vae");
}
