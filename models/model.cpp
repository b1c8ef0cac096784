#include "model.h"

#include <optional>

#include "../core/text.h"
#include "ae.h"
#include "conv_vae.h"
#include "cvae.h"
#include "outline.h"
#include "vae.h"

namespace elbo::models {

Model::Model(ModelConfig config) : config_(std::move(config)) { config_.validate(); }

Device Model::device() const {
  const std::vector<Tensor> all = parameters();
  return all.empty() ? cpu : all.front().device();
}

Posterior Model::encode(const Tensor& x, const Tensor& labels) {
  const Shape &found = x.shape(), &wanted = config_.picture;
  ELBO_CHECK(found.rank() == 4 && found.without(0) == wanted, ShapeError, "[encode] expected pictures [B, ", wanted[0],
             ", ", wanted[1], ", ", wanted[2], "], found ", found);
  check_labels(labels, found[0], "encode");
  return encode_pictures(x, labels);
}

Tensor Model::decode(const Tensor& z, const Tensor& labels) {
  const Shape& found = z.shape();
  ELBO_CHECK(found.rank() == 2 && found[1] == config_.latent, ShapeError, "[decode] expected codes [B, ",
             config_.latent, "], found ", found);
  check_labels(labels, found[0], "decode");
  return decode_codes(z, labels);
}

Prediction Model::forward(const Tensor& x, const Tensor& labels, Generator* generator) {
  Posterior posterior = encode(x, labels);
  return {decode(draw(posterior, generator), labels), posterior};
}

Tensor Model::reconstruct(const Tensor& x, const Tensor& labels) {
  NoGradGuard no_grad;
  return mean(decode(encode(x, labels).mu, labels));
}

Tensor Model::sample(std::int64_t n, const Tensor& labels, Generator* generator) {
  NoGradGuard no_grad;
  return mean(decode(randn({n, config_.latent}, {.device = device()}, generator), labels));
}

void Model::check_labels(const Tensor& labels, std::int64_t batch, const char* op) const {
  if (!is_conditional()) {
    ELBO_CHECK(!labels.defined(), ValueError, "[", op, "] the model ", config_.model, " takes no labels, found some");
    return;
  }
  ELBO_CHECK(labels.defined(), ValueError, "[", op, "] expected a label from 0 to ", config_.classes - 1,
             " for each of a batch of ", batch, ", found none");
  ELBO_CHECK(labels.shape() == Shape{batch}, ShapeError, "[", op, "] expected labels [", batch, "], found ",
             labels.shape());
}

Tensor draw(const Posterior& posterior, Generator* generator) {
  return posterior.logvar.defined() ? reparameterize(posterior.mu, posterior.logvar, generator) : posterior.mu;
}

namespace {

template <class M>
std::unique_ptr<Model> made(const ModelConfig& config) {
  return std::make_unique<M>(config);
}

/// The zoo.
struct Known {
  const char* name;
  std::unique_ptr<Model> (*make)(const ModelConfig& config);
};
constexpr Known zoo[] = {{"ae", made<AE>}, {"vae", made<VAE>}, {"cvae", made<CVAE>}, {"conv-vae", made<ConvVAE>}};

const Known* find(const std::string& name) {
  for (const Known& known : zoo)
    if (name == known.name) return &known;
  return nullptr;
}

}  // namespace

std::vector<std::string> known_models() {
  std::vector<std::string> out;
  for (const Known& known : zoo) out.emplace_back(known.name);
  return out;
}

void check_known(const ModelConfig& config) {
  std::string names;
  for (const Known& known : zoo) names += (names.empty() ? "" : ", ") + std::string(known.name);
  ELBO_CHECK(find(config.model), ValueError, "model: expected one of ", names, ", found ", in_quotes(config.model));
  const bool labels = config.model == "cvae";
  ELBO_CHECK(labels || config.classes == 0, ValueError, "classes: the model ", config.model, " takes no labels, found ",
             config.classes, " classes");
  ELBO_CHECK(!labels || config.classes >= 1, ValueError, "model cvae: expected at least one class, found ",
             config.classes, ": it needs pictures with labels");
}

std::unique_ptr<Model> make(const ModelConfig& config, Generator* init) {
  outline(config);  // throws before memory is taken
  std::optional<GeneratorScope> scope;
  if (init) scope.emplace(*init);
  return find(config.model)->make(config);
}

}  // namespace elbo::models
