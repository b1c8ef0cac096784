#include "config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "../core/errors.h"
#include "../core/json_detail.h"
#include "../core/text.h"
#include "architectures/architecture.h"
#include "likelihoods/likelihood.h"
#include "objectives/objective.h"
#include "posteriors/posterior.h"
#include "priors/prior.h"
#include "registry.h"

namespace elbo::models {

using detail::JsonFields;
using nlohmann::ordered_json;

void ModelConfig::fields(FieldVisitor& v) {
  v({.name = "picture", .only_in_file = true}, picture);
  v({.name = "latent", .what = "Latent dimensions", .least = 1}, latent);
  v({.name = "labels", .what = "The model takes the labels of the pictures"}, labels);
  v({.name = "classes", .least = 0, .only_in_file = true}, classes);
  v({.name = "pixels", .what = "What black and white become, such as 0,1 or -1,1"}, pixels);
  v({.name = "allow_range_mismatch", .what = "Train on pixels outside what the decoder's mean can give"},
    allow_range_mismatch);
  v({.name = "architecture", .what = "Networks", .choices = architectures().names()}, architecture);
  v({.name = "posterior", .what = "q(z|x)", .choices = posteriors().names()}, posterior);
  v({.name = "prior", .what = "p(z)", .choices = priors().names()}, prior);
  v({.name = "likelihood", .what = "Of a pixel, given the code", .choices = likelihoods().names()}, likelihood);
  v({.name = "objective", .what = "What is minimised", .choices = objectives().names()}, objective);
  network_fields(v);
  latent_fields(v);
  objective_fields(v);
}

void ModelConfig::network_fields(FieldVisitor& v) {
  v({.name = "hidden", .what = "Hidden layer sizes of the encoder, mirrored in the decoder", .least = 1}, hidden);
  v({.name = "activation", .what = "Between layers", .choices = {"relu", "tanh", "elu", "silu", "gelu", "gated"}},
    activation);
  v({.name = "channels",
     .what = "Channels of the encoder's convolutions, each of which halves the picture",
     .least = 1},
    channels);
  v({.name = "decoder_channels",
     .what = "Channels of the decoder (default: the encoder's last, halved at each step)",
     .least = 1},
    decoder_channels);
  v({.name = "kernel", .what = "Of the encoder's convolutions, 3 or 4", .least = 3, .most = 4}, kernel);
  v({.name = "decoder_relu", .what = "An activation after the decoder's linear layer"}, decoder_relu);
  v({.name = "fc",
     .what = "Fully connected layers between the convolutions and the code, mirrored in the decoder",
     .least = 1},
    fc);
  v({.name = "norm", .what = "After each convolution", .choices = {"none", "batch", "group"}}, norm);
  v({.name = "blocks", .what = "Residual blocks after each convolution", .least = 0}, blocks);
  v({.name = "down", .what = "What halves a picture", .choices = {"stride", "max", "average"}}, down);
}

void ModelConfig::latent_fields(FieldVisitor& v) {
  v({.name = "flows", .what = "Flows on top of the posterior's Gaussian", .least = 1, .most = 1000}, flows);
  v({.name = "flow_hidden", .what = "Hidden units of each of these flows", .least = 1}, flow_hidden);
  v({.name = "components", .what = "Components of the prior's mixture", .least = 1}, components);
  v({.name = "prior_flows", .what = "Coupling layers of the prior", .least = 1, .most = 1000}, prior_flows);
  v({.name = "prior_hidden", .what = "Hidden units of each coupling layer", .least = 1}, prior_hidden);
  v({.name = "latent2", .what = "Dimensions of the second layer of codes", .least = 1}, latent2);
  v({.name = "codebook", .what = "Entries of the codebook", .least = 1}, codebook);
  v({.name = "code_channels", .what = "Numbers of an entry of the codebook", .least = 1}, code_channels);
  v({.name = "variance",
     .what = "Of the gaussian likelihood; 0.5 makes it the summed squared error",
     .least = 0,
     .above = true},
    variance);
  v({.name = "output", .what = "Bounds Gaussian and logistic means", .choices = {"sigmoid", "identity"}}, output);
  v({.name = "mixtures", .what = "Logistic distributions mixed for a pixel", .least = 1}, mixtures);
}

void ModelConfig::objective_fields(FieldVisitor& v) {
  v({.name = "beta", .what = "Weight of the KL divergence, or of what stands for it", .least = 0}, beta);
  v({.name = "warmup", .what = "Epochs over which that weight grows from 0", .least = 0}, warmup);
  v({.name = "cycles", .what = "How often it grows anew in --cycle-epochs", .least = 0}, cycles);
  v({.name = "cycle_epochs", .what = "Epochs that all cycles take", .least = 0}, cycle_epochs);
  v({.name = "free_bits", .what = "Nats of each latent dimension that cost nothing", .least = 0}, free_bits);
  v({.name = "capacity", .what = "Nats that the KL is drawn to; 0 for none", .least = 0}, capacity);
  v({.name = "capacity_epochs", .what = "Epochs over which that grows from 0", .least = 0}, capacity_epochs);
  v({.name = "samples", .what = "Importance samples of each picture", .least = 1}, samples);
  v({.name = "groups", .what = "Independent estimates of so many samples each", .least = 1}, groups);
  v({.name = "mix", .what = "Share of the ELBO beside the importance-weighted bound", .least = 0, .most = 1}, mix);
  v({.name = "dreg", .what = "The doubly reparameterised gradient"}, dreg);
  v({.name = "dip", .what = "DIP-VAE I or II", .choices = {"i", "ii"}}, dip);
  v({.name = "dip_diagonal", .what = "Weight of the covariance's diagonal", .least = 0}, dip_diagonal);
  v({.name = "dip_off_diagonal", .what = "Weight of the rest of the covariance", .least = 0}, dip_off_diagonal);
  v({.name = "mmd_weight", .what = "Weight of the maximum mean discrepancy", .least = 0}, mmd_weight);
  v({.name = "mmd_kernel", .what = "Of the maximum mean discrepancy", .choices = {"imq", "rbf"}}, mmd_kernel);
  v({.name = "tc_weight", .what = "Weight of the total correlation", .least = 0}, tc_weight);
  v({.name = "discriminator", .what = "Hidden layer sizes of the discriminator", .least = 1}, discriminator);
  v({.name = "code_weight", .what = "Weight of the codes' squared length", .least = 0}, code_weight);
  v({.name = "decoder_weight", .what = "Weight of the decoder's squared weights", .least = 0}, decoder_weight);
  v({.name = "commitment", .what = "Weight of the encoder's distance from its entry", .least = 0}, commitment);
  v({.name = "codebook_decay",
     .what = "Of the running means that make the codebook",
     .least = 0,
     .most = 1,
     .below = true},
    codebook_decay);
}

void ModelConfig::validate() const {
  ModelConfig self = *this;
  check_fields([&](FieldVisitor& v) { self.fields(v); });
}

Precision parse_precision(std::string_view text) {
  for (Precision one : {Precision::float32, Precision::tf32, Precision::bf16})
    if (text == elbo::name(one)) return one;
  fail<ValueError>("precision: expected float32, tf32 or bf16, found ", in_quotes(text));
}

const char* name(LrSchedule schedule) {
  constexpr const char* names[] = {"constant", "step", "cosine", "one-cycle", "plateau"};
  return names[static_cast<int>(schedule)];
}

LrSchedule parse_lr_schedule(std::string_view text) {
  for (LrSchedule one :
       {LrSchedule::constant, LrSchedule::step, LrSchedule::cosine, LrSchedule::one_cycle, LrSchedule::plateau})
    if (text == name(one)) return one;
  fail<ValueError>("schedule: expected constant, step, cosine, one-cycle or plateau, found ", in_quotes(text));
}

void TrainOptions::fields(FieldVisitor& v) {
  v({.name = "epochs", .what = "How often all pictures are seen", .least = 1}, epochs);
  v({.name = "batch_size", .what = "Pictures in a step", .least = 1}, batch_size);
  v({.name = "drop_last", .what = "Leave out an epoch's last batch where it is smaller"}, drop_last);
  v({.name = "lr", .what = "Learning rate; with a schedule the highest", .least = 0, .above = true}, lr);
  v.choose({.name = "schedule",
            .what = "How the learning rate moves: --lr is its highest",
            .choices = {"constant", "step", "cosine", "one-cycle", "plateau"}},
           schedule);
  v({.name = "lr_warmup", .what = "Epochs over which it first grows to --lr", .least = 0}, lr_warmup);
  v({.name = "lr_every", .what = "Epochs between the falls of --schedule step", .least = 1}, lr_every);
  v({.name = "lr_factor", .what = "What a fall multiplies it by", .least = 0, .most = 1, .above = true}, lr_factor);
  v({.name = "lr_patience",
     .what = "Epochs without a better validation loss that --schedule plateau bears before a fall",
     .least = 0},
    lr_patience);
  v({.name = "val_size", .what = "Held out for validation: a fraction below 1, or a count", .least = 0}, val_size);
  v({.name = "patience", .what = "Stop after so many epochs without a better validation loss", .least = 0}, patience);
  v({.name = "checkpoint_every", .what = "Seconds between checkpoints within an epoch", .least = 0}, checkpoint_every);
  v({.name = "seed", .what = "Of everything drawn"}, seed);
  v({.name = "device"}, device);
  v.choose({.name = "precision", .what = "Of matrix products and convolutions", .choices = {"float32", "tf32", "bf16"}},
           precision);
  v({.name = "graph", .what = "Replay steps as CUDA graphs"}, graph);
  v({.name = "binarize", .what = "Black-or-white pictures, drawn anew each epoch"}, binarize);
  v({.name = "optimizer", .what = "How the weights move", .choices = {"adam", "adamw", "rmsprop", "sgd"}}, optimizer);
  v({.name = "weight_decay", .what = "L2, decoupled from the gradient for adamw", .least = 0}, weight_decay);
  v({.name = "momentum", .what = "Of sgd and rmsprop", .least = 0, .most = 1, .below = true}, momentum);
  v({.name = "clip_norm", .what = "Cut the gradients' norm to this; 0 for none", .least = 0}, clip_norm);
  v({.name = "ema",
     .what = "Decay of running means of the weights, which are kept; 0 for none",
     .least = 0,
     .most = 1,
     .below = true},
    ema);
}

void TrainOptions::validate() const {
  TrainOptions self = *this;
  check_fields([&](FieldVisitor& v) { self.fields(v); });
  ELBO_CHECK(lr_warmup == 0 || schedule != LrSchedule::one_cycle, ValueError,
             "lr_warmup: the schedule one-cycle has its own, expected 0, found ", lr_warmup);
  ELBO_CHECK(precision == Precision::float32 || device != cpu, ValueError,
             "precision: the CPU computes in float32 alone, found ", elbo::name(precision), ", which needs a GPU");
}

namespace {

/// What may change when a run goes on.
ordered_json changeable(const TrainOptions& train) {
  return {{"epochs", train.epochs},
          {"lr", train.lr},
          {"patience", train.patience},
          {"checkpoint_every", train.checkpoint_every},
          {"device", train.device.to_string()},
          {"precision", elbo::name(train.precision)},
          {"graph", train.graph}};
}

}  // namespace

void RunConfig::change(const TrainOptions& to, std::int64_t from_epoch, std::int64_t after_steps) {
  if (changeable(to) == changeable(train)) return;
  if (stretches.empty()) stretches.push_back({1, train});
  train = to;
  const auto begins = [](const Stretch& one) { return std::pair(one.from_epoch, one.after_steps); };
  while (!stretches.empty() && begins(stretches.back()) >= std::pair(from_epoch, after_steps)) stretches.pop_back();
  if (stretches.empty() || changeable(stretches.back().train) != changeable(train))
    stretches.push_back({from_epoch, train, after_steps});
  if (stretches.size() == 1) stretches.clear();
}

namespace {

/// Writes fields as JSON, those that `wanted` names or all.
class JsonWriter : public FieldVisitor {
 public:
  explicit JsonWriter(const std::vector<std::string>* wanted = nullptr) : wanted_(wanted) {}
  ordered_json out = ordered_json::object();

  void operator()(const Field& field, bool& value) override { add(field, value); }
  void operator()(const Field& field, std::int64_t& value) override { add(field, value); }
  void operator()(const Field& field, std::uint64_t& value) override { add(field, value); }
  void operator()(const Field& field, double& value) override { add(field, value); }
  void operator()(const Field& field, std::string& value) override { add(field, to_utf8(value)); }
  void operator()(const Field& field, std::vector<std::int64_t>& value) override { add(field, value); }
  void operator()(const Field& field, std::array<double, 2>& value) override { add(field, value); }
  void operator()(const Field& field, Shape& value) override {
    add(field, std::vector<std::int64_t>(value.begin(), value.end()));
  }
  void operator()(const Field& field, Device& value) override { add(field, value.to_string()); }
  void choice(const Field& field, int& place) override { add(field, field.choices[static_cast<std::size_t>(place)]); }

 private:
  void add(const Field& field, const ordered_json& value) {
    if (!wanted_ || std::find(wanted_->begin(), wanted_->end(), field.name) != wanted_->end()) out[field.name] = value;
  }
  const std::vector<std::string>* wanted_;
};

/// Settings of the objective that runs have always had among those of the training.
bool is_among_training(const std::string& name) { return name == "beta" || name == "warmup"; }

ordered_json model_json(ModelConfig model) {
  if (!model.unread.empty()) return ordered_json::parse(model.unread);
  // As `filled` has it: whoever names a model that takes labels, or classes, has said so.
  model.labels = model.labels || model.classes > 0 || preset(model.model).labels;
  const std::vector<std::string> used = used_fields(model);
  JsonWriter writer(&used);
  model.fields(writer);
  ordered_json out{{"name", to_utf8(model.model)}};
  for (const auto& [name, value] : writer.out.items())
    if (!is_among_training(name)) out[name] = value;
  for (const auto& [name, value] : model.own) out[to_utf8(name)] = value;
  return out;
}

ordered_json train_json(TrainOptions train, const ModelConfig& model) {
  JsonWriter writer;
  train.fields(writer);
  ordered_json out;
  for (const auto& [name, value] : writer.out.items()) {
    if (name == "val_size") out.update({{"beta", model.beta}, {"warmup", model.warmup}});
    out[name] = value;
  }
  return out;
}

}  // namespace

std::string RunConfig::to_json() const {
  ordered_json out;
  out["elbo"] = ELBO_VERSION;
  out["model"] = model_json(model);
  std::vector<std::string> class_names;
  for (const std::string& name : data.class_names) class_names.push_back(to_utf8(name));
  out["data"] = {{"dataset", to_utf8(data.dataset)}, {"dir", to_utf8(data.dir.string())},
                 {"size", data.load.size},           {"channels", data.load.channels},
                 {"count", data.load.count},         {"split_rule", datasets::name(data.load.split_rule)},
                 {"class_names", class_names},       {"validation", data.validation},
                 {"identity", data.identity}};
  if (data.since > 1) out["data"]["since"] = data.since;
  out["train"] = train_json(train, model);
  for (const Stretch& stretch : stretches) {
    ordered_json line = {{"from_epoch", stretch.from_epoch}, {"after_steps", stretch.after_steps}};
    line.update(changeable(stretch.train));
    out["stretches"].push_back(line);
  }
  return out.dump(2) + "\n";
}

namespace {

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Reads fields from JSON, all or those that `wanted` names. Those of `required` must be there.
class JsonReader : public FieldVisitor {
 public:
  JsonReader(const JsonFields& fields, std::vector<std::string> required,
             const std::vector<std::string>* wanted = nullptr)
      : fields_(fields), required_(std::move(required)), wanted_(wanted) {}

  void operator()(const Field& field, bool& value) override { read(field, value); }
  void operator()(const Field& field, std::int64_t& value) override { read(field, value); }
  void operator()(const Field& field, std::uint64_t& value) override { read(field, value); }
  void operator()(const Field& field, double& value) override { read(field, value); }
  void operator()(const Field& field, std::vector<std::int64_t>& value) override { read(field, value); }
  void operator()(const Field& field, std::array<double, 2>& value) override { read(field, value); }
  void operator()(const Field& field, std::string& value) override {
    read(field, value);
    if (value.empty() || field.choices.empty()) return;
    place_of(field, value);
  }
  void operator()(const Field& field, Shape& value) override {
    std::vector<std::int64_t> sizes(value.begin(), value.end());
    read(field, sizes);
    if (sizes.size() != 3)
      fields_.refuse(field.name, "[channels, height, width]", std::to_string(sizes.size()) + " numbers");
    try {
      value = Shape(sizes);
    } catch (const ShapeError& error) {
      fields_.refuse(field.name, "[channels, height, width], all at least 1", error.what());
    }
  }
  void operator()(const Field& field, Device& value) override {
    std::string text = value.to_string();
    read(field, text);
    try {
      value = Device::parse(text);
    } catch (const Error&) {
      fields_.refuse(field.name, "cpu, cuda or cuda:N", in_quotes(text));
    }
  }
  void choice(const Field& field, int& place) override {
    std::string text = field.choices[static_cast<std::size_t>(place)];
    read(field, text);
    place = place_of(field, text);
  }

 private:
  template <class T>
  void read(const Field& field, T& value) {
    if (wanted_ && !contains(*wanted_, field.name)) return;
    if (contains(required_, field.name))
      fields_.read(field.name, value);
    else
      fields_.read_if_there(field.name, value);
  }
  int place_of(const Field& field, const std::string& text) {
    const auto found = std::find(field.choices.begin(), field.choices.end(), text);
    if (found != field.choices.end()) return static_cast<int>(found - field.choices.begin());
    fields_.refuse(field.name, either(field.choices, 100), in_quotes(text));
  }

  const JsonFields& fields_;
  std::vector<std::string> required_;
  const std::vector<std::string>* wanted_;
};

std::vector<std::string> names_of(const VisitFields& visit) {
  std::vector<std::string> out;
  for (const auto& [name, text] : field_texts(visit)) out.push_back(name);
  return out;
}

void refuse_unknown(const JsonFields& fields, std::vector<std::string> known, const std::vector<std::string>& others) {
  known.insert(known.end(), others.begin(), others.end());
  fields.refuse_others_than(known);
}

/// Whether a run says all that there is to say of it. Those of before models were made of parts lack what came later,
/// for which the model's preset and the training's defaults hold. What a later version adds is to be told apart in the
/// same way: a run must not take up with settings other than its own.
bool says_all(const JsonFields& model) {
  const std::vector<PartKind> kinds = part_kinds();
  return model.has("labels") || std::any_of(kinds.begin(), kinds.end(), [&](const PartKind& kind) {
           return kind.name != "likelihood" && model.has(kind.name.c_str());
         });
}

/// What some models use by now and did not when runs of theirs were written: their defaults are as good as without.
bool may_be_missing(const std::string& field) { return field == "cycles" || field == "cycle_epochs" || field == "fc"; }

void check_labels(const JsonFields& fields, const ModelConfig& model) {
  if (fields.has("labels") && !model.labels && (preset(model.model).labels || model.classes > 0))
    fields.refuse(
        "labels",
        "true for " + (model.classes > 0 ? std::to_string(model.classes) + " classes" : "the model " + model.model),
        "false");
}

/// What a run's model has is what its file says.
void read_model(const JsonFields& fields, ModelConfig& model) {
  fields.read("name", model.model);
  const ModelRow* row = models().find(model.model);
  if (!row) {
    std::vector<std::string> common = used_fields(model);
    common.emplace_back("latent");
    JsonReader reader(fields, {"picture"}, &common);
    model.fields(reader);
    return;
  }
  model = preset(model.model);
  std::vector<std::string> known = names_of([&](FieldVisitor& v) { model.fields(v); });
  for (const OwnField& own : row->own) {
    fields.read_if_there(own.name.c_str(), model.own[own.name]);
    known.push_back(own.name);
  }
  refuse_unknown(fields, known, {"name"});
  // The parts first: they decide what else there is to say.
  std::vector<std::string> parts;
  for (const PartKind& kind : part_kinds())
    if (contains(row->parts, kind.name)) parts.push_back(kind.name);
  JsonReader read_parts(fields, says_all(fields) ? parts : std::vector<std::string>{}, &parts);
  model.fields(read_parts);
  std::vector<std::string> required{"picture"};
  const std::vector<std::string> used = used_fields(model);
  for (const std::string& field : used)
    if (says_all(fields) ? !is_among_training(field) && !may_be_missing(field)
                         : field == "latent" || field == "likelihood")
      required.push_back(field);
  JsonReader reader(fields, required);
  model.fields(reader);
  check_labels(fields, model);
}

void read_data(const JsonFields& fields, DataOptions& data, bool says_all) {
  std::string dir, rule = name(datasets::SplitRule::tenth);  // what runs have that were made before there was a choice
  const auto read = [&](const char* field, auto& value) {
    if (says_all)
      fields.read(field, value);
    else
      fields.read_if_there(field, value);
  };
  fields.read("dataset", data.dataset);
  fields.read("dir", dir);
  read("size", data.load.size);
  read("channels", data.load.channels);
  read("count", data.load.count);
  read("split_rule", rule);
  read("class_names", data.class_names);
  read("validation", data.validation);
  read("identity", data.identity);
  fields.read_if_there("since", data.since);
  fields.refuse_others_than(
      {"dataset", "dir", "size", "channels", "count", "split_rule", "class_names", "validation", "identity", "since"});
  if (data.since < 1) fields.refuse("since", "an epoch from 1", std::to_string(data.since));
  if (!data.validation.empty() && data.validation != "half" && data.validation != "held-out")
    fields.refuse("validation", "half or held-out", in_quotes(data.validation));
  if (rule != "hash" && rule != "tenth") fields.refuse("split_rule", "hash or tenth", in_quotes(rule));
  data.load.split_rule = rule == "hash" ? datasets::SplitRule::hash : datasets::SplitRule::tenth;
  data.dir = dir;
}

/// The settings of the objective among them.
void read_train(const JsonFields& fields, TrainOptions& train, ModelConfig& model, bool says_all) {
  const std::vector<std::string> all = names_of([&](FieldVisitor& v) { train.fields(v); });
  const std::vector<std::string> always{"epochs",   "batch_size", "drop_last", "lr",
                                        "val_size", "patience",   "seed",      "device"};
  refuse_unknown(fields, all, {"beta", "warmup"});
  JsonReader reader(fields, says_all ? all : always);
  train.fields(reader);
  for (const auto& [name, value] : {std::pair("beta", &model.beta), {"warmup", &model.warmup}}) {
    if (says_all)
      fields.read(name, *value);
    else
      fields.read_if_there(name, *value);
  }
}

/// One of the list of what was changed when the run went on.
Stretch read_stretch(const JsonFields& fields, const TrainOptions& train) {
  Stretch out{1, train};
  fields.read("from_epoch", out.from_epoch);
  fields.read_if_there("after_steps", out.after_steps);
  const std::vector<std::string> changeable{"epochs", "lr",        "patience", "checkpoint_every",
                                            "device", "precision", "graph"};
  refuse_unknown(fields, changeable, {"from_epoch", "after_steps"});
  JsonReader reader(fields, changeable);
  out.train.fields(reader);
  if (out.from_epoch < 1) fields.refuse("from_epoch", "at least 1", std::to_string(out.from_epoch));
  if (out.after_steps < 0) fields.refuse("after_steps", "at least 0", std::to_string(out.after_steps));
  out.train.validate();
  return out;
}

void read_stretches(const nlohmann::json& all, RunConfig& out, const std::string& where) {
  const auto found = all.find("stretches");
  if (found == all.end()) return;
  ELBO_CHECK(found->is_array(), FormatError, where, ": 'stretches': expected a list, found ", detail::shown(*found));
  for (const nlohmann::json& value : *found) {
    const JsonFields fields(value, where, detail::concat("stretches[", out.stretches.size(), "]"));
    out.stretches.push_back(read_stretch(fields, out.train));
  }
}

}  // namespace

RunConfig RunConfig::from_json(std::string_view text, const std::string& where) {
  const nlohmann::json all = detail::parse_json(text, where);
  const JsonFields fields(all, where);
  RunConfig out;
  fields.refuse_others_than({"elbo", "model", "data", "train", "stretches"});
  read_model(fields.object("model"), out.model);
  const bool all_said = says_all(fields.object("model"));
  if (!models().find(out.model.model)) out.model.unread = ordered_json::parse(text)["model"].dump();
  read_data(fields.object("data"), out.data, all_said);
  read_train(fields.object("train"), out.train, out.model, all_said);
  try {
    out.model.validate();
    out.train.validate();
    read_stretches(all, out, where);
  } catch (const ValueError& error) {
    fail<FormatError>(where, ": ", error.what());
  }
  return out;
}

datasets::Dataset load_data(const DataOptions& options, datasets::Split split) {
  datasets::Dataset out = datasets::load(options.dataset, split, options.dir, options.load);
  datasets::match_classes(out, options.class_names);
  return out;
}

}  // namespace elbo::models
