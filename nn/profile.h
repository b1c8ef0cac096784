#pragma once
#include "../core/api.h"
#include "../core/profile.h"
#include "module.h"

namespace ELBO_API elbo {
namespace nn {

/// Has the profile call each layer of `module` as named_modules() does, such as `encoder.0`. An op belongs to the
/// innermost layer that runs, by operator() or in a Sequential. Layers that are replaced or moved later have no name.
void name_layers(Profile& profile, const Module& module);

}  // namespace nn
}  // namespace elbo
