#pragma once
#include <string>
#include <vector>

#include "../../core/api.h"
#include "../model.h"

namespace ELBO_API elbo {
namespace models {

/// A term of what a model minimises, without its nats.
struct TermInfo {
  std::string name = {};
  double weight = 1;   ///< when all warming up is over
  bool counts = true;  ///< false: reported, and no part of the loss
};

/// The terms of Model::loss for the first of its players, in their order: it is asked once, for two black pictures, in
/// evaluation mode. Records no gradient and draws from no generator but its own.
std::vector<TermInfo> terms_of(Model& model);

/// "reconstruction + 4 KL": the terms that count, by their titles, with their weights.
std::string loss_formula(const std::vector<TermInfo>& terms);

}  // namespace models
}  // namespace elbo
