#include <algorithm>
#include <cmath>

#include "../../nn/meta.h"
#include "../latent_model.h"
#include "../parts_detail.h"

namespace elbo::models {

std::vector<Player> Objective::players(const LatentModel& model) { return {{"", model.named_parameters()}}; }

namespace internal {

Weight kl_weight(const ModelConfig& c) {
  const double beta = c.beta, warmup = c.warmup, cycles = static_cast<double>(c.cycles), epochs = c.cycle_epochs;
  if (cycles > 0)  // Fu et al. 2019: up in the first half of each, then level
    return {beta, [=](const Progress& at) {
              const double cycle = at.epochs * cycles / epochs;
              return at.epochs >= epochs ? beta : beta * std::min(1.0, 2 * (cycle - std::floor(cycle)));
            }};
  if (warmup == 0) return beta;
  return {beta, [=](const Progress& at) { return beta * std::min(1.0, at.epochs / warmup); }};
}

std::vector<std::string> kl_fields(std::vector<std::string> others) {
  others.insert(others.begin(), {"beta", "warmup", "cycles", "cycle_epochs"});
  return others;
}

std::string idle_kl(const ModelConfig& c, const std::string& field) {
  const std::vector<std::string> fields = kl_fields();
  const bool is_kl = std::find(fields.begin(), fields.end(), field) != fields.end();
  return is_kl && c.posterior == "point" ? "--posterior point" : "";
}

void check_kl_weight(const ModelConfig& c) {
  ELBO_CHECK(c.cycles == 0 || c.cycle_epochs > 0, ValueError, "cycle_epochs: expected more than 0 for ", c.cycles,
             " cycles, found ", c.cycle_epochs);
  ELBO_CHECK(c.cycles == 0 || c.warmup == 0, ValueError, "warmup: expected 0 with cycles, found ", c.warmup);
}

void check_gaussian(const ModelConfig& c, const std::string& who) {
  ELBO_CHECK(c.posterior == "diagonal" && c.prior == "normal", ValueError, who,
             ": expected the posterior diagonal and the prior normal, found ", in_quotes(c.posterior), " and ",
             in_quotes(c.prior));
}

bool has_density(const ModelConfig& c) {
  const nn::MetaGuard no_memory;
  return posteriors().at(c.posterior).make(c, 0)->has_density();
}

Tensor diagonal_mask(std::int64_t n, Device device) {
  const Tensor place = cumsum(ones({n}, {.device = device}), 0);
  return eq(unsqueeze(place, 0), unsqueeze(place, 1));
}

}  // namespace internal
}  // namespace elbo::models
