#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "../core/api.h"
#include "../core/safetensors.h"
#include "config.h"

namespace ELBO_API elbo {
namespace models {

/// What `make(config)` gives, without the memory that it takes.
struct Outline {
  ModelConfig config = {};                 ///< with what was left open filled in, as Model::config() has it
  std::vector<ArrayInfo> parameters = {};  ///< in the order of state_dict, buffers too
  std::vector<std::string> buffers = {};   ///< the names of those that are not trained
  std::int64_t count = 0;                  ///< how many numbers are trained
};

/// Throws ValueError for a config that makes no sense, or that counts more than 2^62 parameters.
Outline outline(const ModelConfig& config);

}  // namespace models
}  // namespace elbo
