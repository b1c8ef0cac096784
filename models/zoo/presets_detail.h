#pragma once
#include <vector>

#include "../registry.h"

/// Internal to models: the rows of the zoo.
namespace elbo::models::internal {

std::vector<ModelRow> presets();
ModelRow hvae();
ModelRow vq_vae();

/// Throws ValueError for a config with labels: for models that take none.
void check_no_labels(const ModelConfig& c);

}  // namespace elbo::models::internal
