#pragma once
#include <vector>

#include "../registry.h"

/// Internal to models: the rows of the zoo.
namespace elbo::models::internal {

std::vector<ModelRow> presets();

/// What the row of a config, all of it filled in, makes. Throws ValueError where a factory gives none.
std::unique_ptr<Model> made(const ModelConfig& config);
ModelRow hvae();
ModelRow vq_vae();

}  // namespace elbo::models::internal
