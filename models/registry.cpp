#include "registry.h"

#include <algorithm>
#include <set>

#include "architectures/architecture.h"
#include "latent_model.h"
#include "likelihoods/likelihood.h"
#include "objectives/objective.h"
#include "posteriors/posterior.h"
#include "priors/prior.h"
#include "zoo/presets_detail.h"

namespace elbo::models {
namespace {

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

Registry<ModelRow>& models() {
  static Registry<ModelRow> all("model", internal::presets());
  return all;
}

std::unique_ptr<Model> internal::made(const ModelConfig& config) {
  const ModelRow& row = models().at(config.model);
  std::unique_ptr<Model> out = row.make ? row.make(config) : std::make_unique<LatentModel>(config);
  ELBO_CHECK(out, ValueError, "model ", config.model, ": expected a model from its factory, found null");
  return out;
}

namespace {

/// Lower case, digits and `_`, a letter first: it is a name in JSON and on the command line.
bool is_setting_name(const std::string& name) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name[0] >= 'a' && name[0] <= 'z' && std::all_of(name.begin(), name.end(), fits);
}

/// Of models and of trainings.
std::set<std::string> all_field_names() {
  std::set<std::string> out;
  const auto add = [&](const VisitFields& visit) {
    for (const auto& [field, text] : field_texts(visit)) out.insert(field);
  };
  add([config = ModelConfig()](FieldVisitor& v) mutable { config.fields(v); });
  add([options = TrainOptions()](FieldVisitor& v) mutable { options.fields(v); });
  return out;
}

}  // namespace

void register_model(const std::string& name, std::function<std::unique_ptr<Model>(const ModelConfig&)> make,
                    ModelRow row) {
  ELBO_CHECK(make, ValueError, "model ", name, ": expected a factory, found an empty function");
  row.name = name;
  row.make = std::move(make);
  std::set<std::string> known = all_field_names();
  for (const std::string& field : row.fields)
    ELBO_CHECK(known.contains(field), ValueError, "model ", name, ": fields: expected names of settings, found ",
               in_quotes(field));
  for (const std::string& part : row.parts) {
    const std::vector<PartKind> kinds = part_kinds();
    ELBO_CHECK(std::any_of(kinds.begin(), kinds.end(), [&](const PartKind& kind) { return kind.name == part; }),
               ValueError, "model ", name, ": parts: expected kinds of part, such as prior, found ", in_quotes(part));
  }
  for (const OwnField& own : row.own) {
    ELBO_CHECK(is_setting_name(own.name), ValueError, "model ", name,
               ": expected a name of lower-case letters, digits and _ for a setting, found ", in_quotes(own.name));
    ELBO_CHECK(known.insert(own.name).second, ValueError, "model ", name, ": expected a new name for a setting, found ",
               in_quotes(own.name));
  }
  models().add(std::move(row));
}

std::vector<std::string> known_models() { return models().names(); }

ModelConfig preset(const std::string& model) {
  const ModelRow& row = models().at(model);
  ModelConfig out;
  out.model = model;
  for (const OwnField& own : row.own) out.own[own.name] = own.value;
  if (row.preset) row.preset(out);
  return out;
}

namespace {

/// A kind of part: its registry, and where a config names one.
struct Kind {
  const char* name;
  std::string ModelConfig::*chosen;
  std::string usual;
  std::function<const Entry&(const std::string& part)> at;
  std::function<std::vector<const Entry*>()> all;
  std::vector<std::string> fields;  ///< PartKind::fields
};

template <class Row>
Kind kind_of(Registry<Row>& registry, std::string ModelConfig::*chosen, std::string usual,
             std::vector<std::string> fields = {}) {
  return {registry.kind(),
          chosen,
          std::move(usual),
          [&registry](const std::string& part) -> const Entry& { return registry.at(part); },
          [&registry] {
            std::vector<const Entry*> out;
            for (const Row& row : registry.rows()) out.push_back(&row);
            return out;
          },
          std::move(fields)};
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{kind_of(architectures(), &ModelConfig::architecture, "mlp"),
                                     kind_of(posteriors(), &ModelConfig::posterior, "diagonal", {"latent"}),
                                     kind_of(priors(), &ModelConfig::prior, "normal"),
                                     kind_of(likelihoods(), &ModelConfig::likelihood, "bernoulli"),
                                     kind_of(objectives(), &ModelConfig::objective, "elbo")};
  return all;
}

/// What every model has.
const std::vector<std::string> common{"picture", "labels", "classes", "pixels", "allow_range_mismatch"};

void check_pixels(const ModelConfig& c) {
  const auto [low, high] = c.pixels;
  if ((low >= 0 && high <= 1) || c.likelihood.empty()) return;
  ELBO_CHECK(likelihoods().at(c.likelihood).takes_any_pixel, ValueError,
             "pixels: expected a range within [0, 1] for the ", c.likelihood, " likelihood, found [", low, ", ", high,
             "]: another needs --likelihood gaussian");
  ELBO_CHECK(c.allow_range_mismatch || c.output == "identity", ValueError,
             "pixels: the decoder's sigmoid gives 0 to 1, found a range of [", low, ", ", high,
             "], parts of which it can never match: use 0,1, or --allow-range-mismatch to train all the same");
}

/// The config with all parts named that its model is made of: its own, those of the preset, the usual ones.
ModelConfig with_parts(ModelConfig config, const ModelRow& row) {
  const ModelConfig usual = preset(config.model);
  for (const Kind& kind : kinds()) {
    std::string& chosen = config.*kind.chosen;
    if (!contains(row.parts, kind.name)) continue;
    if (chosen.empty()) chosen = usual.*kind.chosen;
    if (chosen.empty()) chosen = kind.usual;
  }
  return config;
}

/// Whether there is something that follows the prior. All parts are named.
bool has_use_for_prior(const ModelConfig& c) {
  const ObjectiveRow* objective = objectives().find(c.objective);
  return c.posterior != "point" || !objective || objective->matches_prior;
}

void check_prior(const ModelConfig& c) {
  ELBO_CHECK(c.prior.empty() || c.prior == "normal" || has_use_for_prior(c), ValueError,
             "prior: the posterior point and the objective ", c.objective, " have no use for one, found ",
             in_quotes(c.prior));
}

void check_labels(const ModelConfig& c, const ModelRow& row) {
  ELBO_CHECK(!c.labels || row.takes_labels, ValueError, "labels: the model ", c.model, " takes none");
  ELBO_CHECK(!c.labels || c.classes >= 1, ValueError, "model ", c.model, ": expected at least one class, found ",
             c.classes, ": it needs pictures with labels");
}

}  // namespace

ModelConfig filled(ModelConfig config) {
  const ModelRow& row = models().at(config.model);
  config.validate();
  const ModelConfig usual = preset(config.model);
  config = with_parts(std::move(config), row);
  for (const Kind& kind : kinds()) {
    const std::string& chosen = config.*kind.chosen;
    if (contains(row.parts, kind.name))
      kind.at(chosen);
    else
      ELBO_CHECK(chosen.empty(), ValueError, kind.name, ": the model ", config.model, " has its own, found ",
                 in_quotes(chosen));
  }
  for (const auto& [name, value] : usual.own) config.own.emplace(name, value);
  if (usual.labels || config.classes > 0) config.labels = true;
  check_labels(config, row);
  check_prior(config);
  check_pixels(config);
  if (!config.architecture.empty())
    if (const auto& complete = architectures().at(config.architecture).complete) complete(config);
  if (row.complete) row.complete(config);
  if (row.check) row.check(config);
  for (const Kind& kind : kinds())
    if (contains(row.parts, kind.name))
      if (const auto& check = kind.at(config.*kind.chosen).check) check(config);
  return config;
}

std::vector<PartKind> part_kinds() {
  std::vector<PartKind> out;
  for (const Kind& kind : kinds()) out.push_back({kind.name, kind.chosen, kind.usual, kind.all(), kind.fields});
  return out;
}

namespace {

/// The parts of a config that names them all; null for a kind that the model does not have.
std::vector<const Entry*> parts_of(const ModelConfig& config, const ModelRow& row) {
  std::vector<const Entry*> out;
  for (const Kind& kind : kinds())
    out.push_back(contains(row.parts, kind.name) ? &kind.at(config.*kind.chosen) : nullptr);
  return out;
}

/// Beside what a field of that part has no effect; empty for one that has.
std::string idle_with(const Entry& part, const ModelConfig& config, const std::string& field) {
  return part.idle_with ? part.idle_with(config, field) : "";
}

/// "--architecture conv": which parts of that kind have the field.
std::string users_among(const Kind& kind, const std::string& field) {
  if (contains(kind.fields, field)) return std::string("any --") + kind.name;
  std::string out;
  for (const Entry* part : kind.all())
    if (contains(part->fields, field)) out += (out.empty() ? std::string("--") + kind.name + " " : ", ") + part->name;
  return out;
}

std::string models_with(const std::string& field) {
  std::string out;
  for (const ModelRow& row : models().rows()) {
    const bool own =
        std::any_of(row.own.begin(), row.own.end(), [&](const OwnField& one) { return one.name == field; });
    if (own || contains(row.fields, field)) out += (out.empty() ? "--model " : ", ") + row.name;
  }
  return out;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts)
    if (!text.empty()) out += (out.empty() ? "" : ", ") + text;
  return out;
}

bool is_kind(const std::string& field) {
  return std::any_of(kinds().begin(), kinds().end(), [&](const Kind& kind) { return kind.name == field; });
}

}  // namespace

std::string users_of(const std::string& field) {
  std::vector<std::string> all;
  for (const Kind& kind : kinds()) all.push_back(users_among(kind, field));
  all.push_back(models_with(field));
  return joined(all);
}

bool is_used_at_all(const std::string& field) {
  return contains(common, field) || is_kind(field) || !users_of(field).empty();
}

std::vector<std::string> used_fields(const ModelConfig& config) {
  std::set<std::string> used(common.begin(), common.end());
  if (const ModelRow* row = models().find(config.model)) {
    used.insert(row->fields.begin(), row->fields.end());
    const ModelConfig whole = with_parts(config, *row);
    const std::vector<const Entry*> parts = parts_of(whole, *row);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!parts[i]) continue;
      used.insert(kinds()[i].name);
      used.insert(kinds()[i].fields.begin(), kinds()[i].fields.end());
      for (const std::string& field : parts[i]->fields)
        if (idle_with(*parts[i], whole, field).empty()) used.insert(field);
    }
  }
  std::vector<std::string> out;
  ModelConfig scratch = config;
  for (const auto& [name, text] : field_texts([&](FieldVisitor& v) { scratch.fields(v); }))
    if (used.contains(name)) out.push_back(name);
  return out;
}

std::string why_unused(const ModelConfig& config, const std::string& field) {
  const ModelRow& row = models().at(config.model);
  const ModelConfig whole = with_parts(config, row);
  if (field == "labels" && !row.takes_labels) return "the model " + config.model + " takes none";
  if (field == "prior" && contains(row.parts, field) && !has_use_for_prior(whole))
    return "has no effect with --posterior point and --objective " + whole.objective;
  if (contains(used_fields(config), field) || config.own.contains(field)) return "";
  const std::vector<const Entry*> parts = parts_of(whole, row);
  std::vector<std::string> users;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Kind& kind = kinds()[i];
    if (kind.name == field) return "the model " + config.model + " has its own";
    if (!parts[i]) continue;
    users.push_back(users_among(kind, field));
    if (contains(parts[i]->fields, field)) return "has no effect with " + idle_with(*parts[i], whole, field);
  }
  const std::string by_parts = joined(users), text = by_parts.empty() ? users_of(field) : by_parts;
  return "has no effect on this model" + (text.empty() ? "" : "; it is for " + text);
}

}  // namespace elbo::models
