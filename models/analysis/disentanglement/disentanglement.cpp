#include "disentanglement.h"

#include "../../../core/errors.h"
#include "../codes.h"

namespace elbo::models {

std::vector<FactorKind> factor_kinds(const datasets::Dataset& dataset) {
  std::vector<FactorKind> out;
  for (const std::string& name : dataset.factor_names)
    out.push_back(name == "shape" || name == "color" ? FactorKind::categorical : FactorKind::ordinal);
  return out;
}

Disentanglement disentanglement(Model& model, const datasets::Dataset& dataset, const DisentanglementOptions& options) {
  ELBO_CHECK(model.code_size() > 0, ValueError, "disentanglement: expected a model with a code a picture, found ",
             model.config().model);
  ELBO_CHECK(!dataset.factor_names.empty(), ValueError,
             "disentanglement: expected pictures whose factors are known, as those of shapes and npz are, found ",
             dataset.name);
  const std::int64_t n = dataset.size(), some = n - n / 3;
  ELBO_CHECK(n >= 3, ValueError, "disentanglement: expected at least 3 pictures, found ", n);
  const Array codes = encode_means(model, dataset).to(cpu), factors = dataset.factors_array();
  const std::vector<FactorKind> kinds = factor_kinds(dataset);
  const auto say = [&](const char* measure) {
    if (options.before_measure) options.before_measure(measure);
  };
  Disentanglement out{.pictures = n, .factors = dataset.factor_names};
  say("MIG");
  out.mig = mig(codes, factors);
  say("FactorVAE");
  out.factor_vae = factor_vae_score(codes, factors, {.seed = options.seed});
  say("SAP");
  out.sap = sap(codes, factors, kinds);
  say("DCI");
  out.dci =
      dci(codes.slice(0, some), factors.slice(0, some), codes.slice(some, n), factors.slice(some, n), {.kinds = kinds});
  return out;
}

}  // namespace elbo::models
