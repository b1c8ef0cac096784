#include "outline.h"

#include <set>

#include "../core/errors.h"
#include "../nn/meta.h"
#include "model.h"
#include "registry.h"
#include "zoo/presets_detail.h"

namespace elbo::models {
namespace {

/// A model whose constructor computes with its parameters, as one of the user's own may, is made with its memory.
std::unique_ptr<Model> described(const ModelConfig& config) {
  try {
    const nn::MetaGuard no_memory;
    return internal::made(config);
  } catch (const DeviceError&) {
    Generator scratch;  // the user's generator draws nothing
    const GeneratorScope scope(scratch);
    return internal::made(config);
  }
}

}  // namespace

Outline outline(const ModelConfig& config) {
  Outline out;
  out.config = filled(config);
  try {
    const std::unique_ptr<Model> model = described(out.config);
    out.count = model->num_parameters();
    std::set<std::string> trained;
    for (const auto& [name, parameter] : model->named_parameters()) trained.insert(name);
    for (const auto& [name, array] : model->state_dict()) {
      out.parameters.push_back({name, array.dtype(), array.shape()});
      if (!trained.contains(name)) out.buffers.push_back(name);
    }
  } catch (const ShapeError& error) {
    fail<ValueError>("parameters: ", error.what());
  }
  return out;
}

}  // namespace elbo::models
