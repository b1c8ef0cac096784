// What a trained model is asked for: the score of one picture, and pictures of many codes.
#include <elbo/core/autograd.h>
#include <elbo/models/latent_model.h>

#include "op_rows.h"

namespace elbo::bench {
namespace {

std::shared_ptr<models::Model> fresh(models::ModelConfig config) {
  Generator init(0, Stream::init);
  std::shared_ptr<models::Model> model = models::make(config, &init);
  model->eval();
  return model;
}

/// The score of one picture, z the posterior mean; and `codes` decoded. `name` is the same model's in torch_models.py.
void add_rows(std::vector<OpRow>& rows, const std::string& name, const models::ModelConfig& config) {
  const std::shared_ptr<models::Model> model = fresh(config);
  const Shape picture = config.picture.insert(0, 1);
  rows.push_back({"score(" + name + ", x)",
                  {{picture, 0, 1}},
                  [model](std::span<const Tensor> in) {
                    const NoGradGuard no_grad;
                    const models::Terms terms =
                        model->elbo({.x = in[0], .per_picture = true, .codes = models::Codes::mean});
                    return terms.list[0].nats + terms.list[1].nats;
                  },
                  false});
  rows.push_back(
      {"decode(" + name + ", x)",
       {{{10000, config.latent}}},
       [model](std::span<const Tensor> in) { return static_cast<models::LatentModel&>(*model).picture(in[0]); },
       false});
}

}  // namespace

void add_model_rows(std::vector<OpRow>& rows) {
  add_rows(rows, "fc", {.hidden = {400}, .latent = 20});
  add_rows(rows, "conv", {.model = "conv-vae", .picture = {3, 32, 32}, .channels = {16, 32, 128}, .latent = 128});
}

}  // namespace elbo::bench
