#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/api.h"
#include "model.h"
#include "parts.h"

/// The zoo: which models there are, by name.
namespace ELBO_API elbo {
namespace models {

/// A setting that a model of your own has: a number, with an option on the command line.
struct OwnField {
  std::string name;  ///< lower case, `_` between words; no name of ModelConfig's
  std::string what = {};
  double value = 0;  ///< where it is not given
};

/// A row of the zoo. Most name parts; those that are no LatentModel have a factory.
struct ModelRow : Entry {
  /// The parts it is made of, and its settings where they differ from ModelConfig's own: sets the fields of a config
  /// whose `model` is this one's name. May be empty.
  std::function<void(ModelConfig&)> preset = {};
  /// Fills in what the config leaves open, beside parts. May be empty.
  std::function<void(ModelConfig&)> complete = {};
  /// Makes it; empty for a LatentModel of the config's parts.
  std::function<std::unique_ptr<Model>(const ModelConfig&)> make = {};
  /// Whether its networks take labels, so that a config may ask for them (ModelConfig::labels).
  bool takes_labels = false;
  /// The kinds of part that it is made of; for others it has what it has.
  std::vector<std::string> parts = {"architecture", "posterior", "prior", "likelihood", "objective"};
  std::vector<OwnField> own = {};
};

Registry<ModelRow>& models();

/// Adds a model of your own, to be trained by `train`, loaded by `load`, and read by all commands of a program that
/// calls run_cli: call it before. Its `fields` are those of ModelConfig that it uses beside the common ones; for a
/// LatentModel, those of its parts count by themselves. Throws ValueError for an empty factory, a name that is taken, a
/// field or a kind of part that there is not, and a setting whose name is taken or no name of an option.
///
///     models::ModelRow row;
///     row.what = "a VAE with a twist";
///     models::register_model("mine", [](const models::ModelConfig& c) { return std::make_unique<Mine>(c); }, row);
void register_model(const std::string& name, std::function<std::unique_ptr<Model>(const ModelConfig&)> make,
                    ModelRow row = {});

/// A kind of part that a LatentModel is made of.
struct PartKind {
  std::string name;                            ///< `architecture`: a field of ModelConfig
  std::string ModelConfig::*chosen = nullptr;  ///< that field
  std::string usual = {};                      ///< the part where neither config nor preset names one
  std::vector<const Entry*> parts = {};        ///< that there are, until one is added
  std::vector<std::string> fields = {};        ///< that a model made of such a part uses, whichever it is
};
/// All kinds, in the order of ModelConfig::fields.
std::vector<PartKind> part_kinds();
/// What a field belongs to, as on the command line: `--architecture conv`, `--posterior planar, iaf`, `any
/// --posterior`. Empty for what all models have, and what nothing has.
std::string users_of(const std::string& field);
/// Whether every model has a field, or some part or model does.
bool is_used_at_all(const std::string& field);

/// The names that `make` takes.
std::vector<std::string> known_models();
/// A config of that model with the parts and settings that its paper has. Throws ValueError for a name that is none.
ModelConfig preset(const std::string& model);
/// The config with what it leaves open filled in: parts by its model's preset, a conv architecture's channels. Throws
/// ValueError where that makes no sense: an unknown name, parts that do not go together, sizes that do not fit.
ModelConfig filled(ModelConfig config);
/// The names of the fields that have an effect on that model, and of the kinds of part that it is made of, in the order
/// of ModelConfig::fields.
std::vector<std::string> used_fields(const ModelConfig& config);
/// Why a field has no effect on that model, and what it belongs to: "has no effect on this model; it is for
/// --architecture conv". Empty for one that has an effect.
std::string why_unused(const ModelConfig& config, const std::string& field);

}  // namespace models
}  // namespace elbo
