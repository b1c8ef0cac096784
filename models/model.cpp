#include "model.h"

#include <optional>

#include "../core/text.h"
#include "latent_model.h"
#include "outline.h"
#include "zoo/presets_detail.h"

namespace elbo::models {

const Term* Terms::find(std::string_view name) const {
  for (const Term& term : list)
    if (term.name == name) return &term;
  return nullptr;
}

Model::Model(ModelConfig config) : config_(std::move(config)) { config_.validate(); }

Device Model::device() const {
  const std::vector<Tensor> all = parameters();
  return all.empty() ? cpu : all.front().device();
}

std::vector<Player> Model::players() { return {{"", named_parameters()}}; }

namespace {

[[noreturn]] void no_codes(const Model& model, const char* op) {
  fail<ValueError>("[", op, "] the model ", model.config().model, " has no codes, one a picture, to work with");
}

}  // namespace

Tensor Model::code(const Tensor&, const Tensor&, Codes, Generator*) { no_codes(*this, "code"); }
Tensor Model::picture(const Tensor&, const Tensor&) { no_codes(*this, "picture"); }
Tensor Model::drawn_picture(const Tensor& z, const Tensor& labels, Generator&) { return picture(z, labels); }
Tensor Model::draw_codes(std::int64_t, const Tensor&, Generator*) { no_codes(*this, "draw_codes"); }
Tensor Model::log_weights(const StepInput&, std::int64_t) { return {}; }

void Model::check_pictures(const Tensor& x, const char* op) const {
  const Shape &found = x.shape(), &wanted = config_.picture;
  ELBO_CHECK(found.rank() == 4 && found.without(0) == wanted, ShapeError, "[", op, "] expected pictures [B, ",
             wanted[0], ", ", wanted[1], ", ", wanted[2], "], found ", found);
}

void Model::check_codes(const Tensor& z, const char* op) const {
  const Shape& found = z.shape();
  ELBO_CHECK(found.rank() == 2 && found[1] == code_size(), ShapeError, "[", op, "] expected codes [B, ", code_size(),
             "], found ", found);
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

std::unique_ptr<Model> make(const ModelConfig& config, Generator* init) {
  const ModelConfig whole = outline(config).config;  // throws before memory is taken
  std::optional<GeneratorScope> scope;
  if (init) scope.emplace(*init);
  return internal::made(whole);
}

}  // namespace elbo::models
