#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "../../../core/api.h"
#include "../../../datasets/dataset.h"
#include "../../model.h"
#include "dci.h"
#include "factor_vae.h"
#include "factors.h"
#include "mig.h"
#include "sap.h"

namespace ELBO_API elbo {
namespace models {

struct DisentanglementOptions {
  std::uint64_t seed = 0;                                               ///< of FactorVAE's votes, the only draws
  std::function<void(const std::string& measure)> before_measure = {};  ///< called with `MIG`, `FactorVAE` and so on
};

/// All measures of one model's codes, each with its default options.
struct Disentanglement {
  std::int64_t pictures = 0;
  std::vector<std::string> factors = {};  ///< their names
  Mig mig = {};
  FactorVaeScore factor_vae = {};
  Sap sap = {};
  Dci dci = {};
};

/// Measures the codes (posterior means) of all pictures of a dataset, one after the other, by the factors that they
/// were drawn from. FactorVAE's votes are of pictures of the dataset that share a value. DCI's regressors are made from
/// the first two thirds of the pictures, and how well they tell others is seen on the last third: their order is to be
/// random, as it is in `shapes` and `npz`. Throws ValueError for a model without codes, a dataset without factors, and
/// for pictures too few to be parted or that do not vary.
Disentanglement disentanglement(Model& model, const datasets::Dataset& dataset,
                                const DisentanglementOptions& options = {});

/// What the values of each factor of a dataset mean: names for `shape` and `color`, numbers for all others.
std::vector<FactorKind> factor_kinds(const datasets::Dataset& dataset);

}  // namespace models
}  // namespace elbo
