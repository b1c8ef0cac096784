#include "config.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "../core/errors.h"
#include "../core/json_detail.h"
#include "../core/text.h"

namespace elbo::models {

using detail::JsonFields;
using nlohmann::ordered_json;

const char* name(Likelihood likelihood) { return likelihood == Likelihood::bernoulli ? "bernoulli" : "gaussian"; }

namespace {

/// More would overflow products of two.
constexpr std::int64_t most_size = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t most_layers = 1000;

void check_size(const char* field, std::int64_t size, std::int64_t least = 1) {
  ELBO_CHECK(size >= least, ValueError, field, ": expected at least ", least, ", found ", size);
  ELBO_CHECK(size <= most_size, ValueError, field, ": expected at most ", most_size, ", found ", size);
}

void check_sizes(const char* field, const std::vector<std::int64_t>& sizes) {
  ELBO_CHECK(sizes.size() <= most_layers, ValueError, field, ": expected at most ", most_layers, " layers, found ",
             sizes.size());
  for (std::int64_t size : sizes) check_size(field, size);
}

}  // namespace

void ModelConfig::validate() const {
  ELBO_CHECK(picture.rank() == 3 && picture.numel() > 0 && picture.numel() <= most_size, ValueError,
             "picture: expected [channels, height, width], all at least 1, their product at most ", most_size,
             ", found ", picture);
  check_sizes("hidden", hidden);
  check_sizes("channels", channels);
  check_sizes("decoder_channels", decoder_channels);
  ELBO_CHECK(kernel == 3 || kernel == 4, ValueError, "kernel: expected 3 or 4, found ", kernel);
  check_size("latent", latent);
  check_size("classes", classes, 0);
  ELBO_CHECK(std::isfinite(variance) && variance > 0, ValueError, "variance: expected a number above 0, found ",
             variance);
  auto [low, high] = pixels;
  ELBO_CHECK(std::isfinite(low) && std::isfinite(high) && low < high, ValueError,
             "pixels: expected two numbers, the lower one first, found ", low, " and ", high);
  if (low >= 0 && high <= 1) return;
  ELBO_CHECK(likelihood == Likelihood::gaussian, ValueError,
             "pixels: expected a range within [0, 1] for the bernoulli likelihood, found [", low, ", ", high,
             "]: another needs --likelihood gaussian");
  ELBO_CHECK(allow_range_mismatch, ValueError, "pixels: the decoder's sigmoid gives 0 to 1, found a range of [", low,
             ", ", high,
             "], parts of which it can never match: use 0,1, or --allow-range-mismatch to train all the same");
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

void TrainOptions::validate() const {
  ELBO_CHECK(epochs >= 1, ValueError, "epochs: expected at least 1, found ", epochs);
  ELBO_CHECK(batch_size >= 1, ValueError, "batch_size: expected at least 1, found ", batch_size);
  ELBO_CHECK(std::isfinite(lr) && lr > 0, ValueError, "lr: expected a number above 0, found ", lr);
  ELBO_CHECK(std::isfinite(lr_warmup) && lr_warmup >= 0, ValueError,
             "lr_warmup: expected a number of at least 0, found ", lr_warmup);
  ELBO_CHECK(lr_warmup == 0 || schedule != LrSchedule::one_cycle, ValueError,
             "lr_warmup: the schedule one-cycle has its own, expected 0, found ", lr_warmup);
  ELBO_CHECK(lr_every >= 1, ValueError, "lr_every: expected at least 1, found ", lr_every);
  ELBO_CHECK(lr_factor > 0 && lr_factor <= 1, ValueError, "lr_factor: expected a number above 0 and at most 1, found ",
             lr_factor);
  ELBO_CHECK(lr_patience >= 0, ValueError, "lr_patience: expected at least 0, found ", lr_patience);
  ELBO_CHECK(std::isfinite(beta) && beta >= 0, ValueError, "beta: expected a number of at least 0, found ", beta);
  ELBO_CHECK(std::isfinite(warmup) && warmup >= 0, ValueError, "warmup: expected a number of at least 0, found ",
             warmup);
  ELBO_CHECK(std::isfinite(val_size) && val_size >= 0, ValueError,
             "val_size: expected a fraction or a count, at least 0, found ", val_size);
  ELBO_CHECK(patience >= 0, ValueError, "patience: expected at least 0, found ", patience);
  ELBO_CHECK(std::isfinite(checkpoint_every) && checkpoint_every >= 0, ValueError,
             "checkpoint_every: expected seconds of at least 0, found ", checkpoint_every);
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

std::string RunConfig::to_json() const {
  ordered_json out;
  out["elbo"] = ELBO_VERSION;
  out["model"] = {{"name", to_utf8(model.model)},
                  {"picture", std::vector<std::int64_t>(model.picture.begin(), model.picture.end())},
                  {"hidden", model.hidden},
                  {"channels", model.channels},
                  {"decoder_channels", model.decoder_channels},
                  {"kernel", model.kernel},
                  {"decoder_relu", model.decoder_relu},
                  {"latent", model.latent},
                  {"classes", model.classes},
                  {"likelihood", name(model.likelihood)},
                  {"variance", model.variance},
                  {"pixels", model.pixels},
                  {"allow_range_mismatch", model.allow_range_mismatch}};
  std::vector<std::string> class_names;
  for (const std::string& name : data.class_names) class_names.push_back(to_utf8(name));
  out["data"] = {{"dataset", to_utf8(data.dataset)}, {"dir", to_utf8(data.dir.string())},
                 {"size", data.load.size},           {"channels", data.load.channels},
                 {"count", data.load.count},         {"split_rule", datasets::name(data.load.split_rule)},
                 {"class_names", class_names},       {"validation", data.validation},
                 {"identity", data.identity}};
  if (data.since > 1) out["data"]["since"] = data.since;
  out["train"] = {{"epochs", train.epochs},
                  {"batch_size", train.batch_size},
                  {"drop_last", train.drop_last},
                  {"lr", train.lr},
                  {"schedule", name(train.schedule)},
                  {"lr_warmup", train.lr_warmup},
                  {"lr_every", train.lr_every},
                  {"lr_factor", train.lr_factor},
                  {"lr_patience", train.lr_patience},
                  {"beta", train.beta},
                  {"warmup", train.warmup},
                  {"val_size", train.val_size},
                  {"patience", train.patience},
                  {"checkpoint_every", train.checkpoint_every},
                  {"seed", train.seed},
                  {"device", train.device.to_string()},
                  {"precision", elbo::name(train.precision)},
                  {"graph", train.graph},
                  {"binarize", train.binarize}};
  for (const Stretch& stretch : stretches) {
    ordered_json line = {{"from_epoch", stretch.from_epoch}, {"after_steps", stretch.after_steps}};
    line.update(changeable(stretch.train));
    out["stretches"].push_back(line);
  }
  return out.dump(2) + "\n";
}

namespace {

void read_model(const JsonFields& fields, ModelConfig& model) {
  std::string likelihood;
  std::vector<std::int64_t> picture;
  fields.read("name", model.model);
  fields.read("picture", picture);
  fields.read("hidden", model.hidden);
  fields.read("latent", model.latent);
  fields.read("likelihood", likelihood);
  fields.read("variance", model.variance);
  fields.read_if_there("channels", model.channels);
  fields.read_if_there("decoder_channels", model.decoder_channels);
  fields.read_if_there("kernel", model.kernel);
  fields.read_if_there("decoder_relu", model.decoder_relu);
  fields.read_if_there("classes", model.classes);
  fields.read_if_there("pixels", model.pixels);
  fields.read_if_there("allow_range_mismatch", model.allow_range_mismatch);
  if (likelihood != "bernoulli" && likelihood != "gaussian")
    fields.refuse("likelihood", "bernoulli or gaussian", in_quotes(likelihood));
  model.likelihood = likelihood == "gaussian" ? Likelihood::gaussian : Likelihood::bernoulli;
  if (picture.size() != 3)
    fields.refuse("picture", "[channels, height, width]", std::to_string(picture.size()) + " numbers");
  try {
    model.picture = Shape(picture);
  } catch (const ShapeError& error) {
    fields.refuse("picture", "[channels, height, width], all at least 1", error.what());
  }
}

void read_data(const JsonFields& fields, DataOptions& data) {
  std::string dir, rule = name(datasets::SplitRule::tenth);  // what runs have that were made before there was a choice
  fields.read("dataset", data.dataset);
  fields.read("dir", dir);
  fields.read_if_there("size", data.load.size);
  fields.read_if_there("channels", data.load.channels);
  fields.read_if_there("count", data.load.count);
  fields.read_if_there("split_rule", rule);
  fields.read_if_there("class_names", data.class_names);
  fields.read_if_there("validation", data.validation);
  fields.read_if_there("identity", data.identity);
  fields.read_if_there("since", data.since);
  if (data.since < 1) fields.refuse("since", "an epoch from 1", std::to_string(data.since));
  if (!data.validation.empty() && data.validation != "half" && data.validation != "held-out")
    fields.refuse("validation", "half or held-out", in_quotes(data.validation));
  if (rule != "hash" && rule != "tenth") fields.refuse("split_rule", "hash or tenth", in_quotes(rule));
  data.load.split_rule = rule == "hash" ? datasets::SplitRule::hash : datasets::SplitRule::tenth;
  data.dir = dir;
}

/// Where and in what precision it is trained.
void read_place(const JsonFields& fields, const std::string& device, const std::string& precision,
                TrainOptions& train) {
  try {
    train.device = Device::parse(device);
  } catch (const Error&) {
    fields.refuse("device", "cpu, cuda or cuda:N", in_quotes(device));
  }
  try {
    train.precision = parse_precision(precision);
  } catch (const Error&) {
    fields.refuse("precision", "float32, tf32 or bf16", in_quotes(precision));
  }
}

void read_train(const JsonFields& fields, TrainOptions& train) {
  std::string device, precision = elbo::name(train.precision), schedule = name(train.schedule);
  fields.read("epochs", train.epochs);
  fields.read("batch_size", train.batch_size);
  fields.read("drop_last", train.drop_last);
  fields.read("lr", train.lr);
  fields.read_if_there("schedule", schedule);
  fields.read_if_there("lr_warmup", train.lr_warmup);
  fields.read_if_there("lr_every", train.lr_every);
  fields.read_if_there("lr_factor", train.lr_factor);
  fields.read_if_there("lr_patience", train.lr_patience);
  fields.read("beta", train.beta);
  fields.read_if_there("warmup", train.warmup);
  fields.read("val_size", train.val_size);
  fields.read("patience", train.patience);
  fields.read_if_there("checkpoint_every", train.checkpoint_every);
  fields.read("seed", train.seed);
  fields.read("device", device);
  fields.read_if_there("precision", precision);
  fields.read_if_there("graph", train.graph);
  fields.read_if_there("binarize", train.binarize);
  try {
    train.schedule = parse_lr_schedule(schedule);
  } catch (const Error&) {
    fields.refuse("schedule", "constant, step, cosine, one-cycle or plateau", in_quotes(schedule));
  }
  read_place(fields, device, precision, train);
}

/// One of the list of what was changed when the run went on.
Stretch read_stretch(const JsonFields& fields, const TrainOptions& train) {
  Stretch out{1, train};
  std::string device, precision;
  fields.read("from_epoch", out.from_epoch);
  fields.read_if_there("after_steps", out.after_steps);
  fields.read("epochs", out.train.epochs);
  fields.read("lr", out.train.lr);
  fields.read("patience", out.train.patience);
  fields.read("checkpoint_every", out.train.checkpoint_every);
  fields.read("device", device);
  fields.read("precision", precision);
  fields.read("graph", out.train.graph);
  read_place(fields, device, precision, out.train);
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
  read_model(fields.object("model"), out.model);
  read_data(fields.object("data"), out.data);
  read_train(fields.object("train"), out.train);
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
