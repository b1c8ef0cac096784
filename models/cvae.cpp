#include "cvae.h"

namespace elbo::models {
namespace {

ModelConfig checked(ModelConfig config) {
  ELBO_CHECK(config.classes >= 1, ValueError, "model cvae: expected at least one class, found ", config.classes,
             ": it needs pictures with labels");
  return config;
}

}  // namespace

CVAE::CVAE(ModelConfig config) : VAE(checked(std::move(config))) {}

}  // namespace elbo::models
