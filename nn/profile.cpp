#include "profile.h"

namespace elbo::nn {

void name_layers(Profile& profile, const Module& module) {
  for (const auto& [name, one] : module.named_modules())
    if (const auto* layer = dynamic_cast<const Layer*>(one)) profile.name_layer(layer, name);
}

}  // namespace elbo::nn
