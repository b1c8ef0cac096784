#include "config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "../core/errors.h"

namespace elbo::models {

using nlohmann::ordered_json;

const char* name(Likelihood likelihood) { return likelihood == Likelihood::bernoulli ? "bernoulli" : "gaussian"; }

void ModelConfig::validate() const {
  ELBO_CHECK(picture.rank() == 3 && picture.numel() > 0, ValueError,
             "picture: expected [channels, height, width], all at least 1, found ", picture);
  for (std::int64_t size : hidden)
    ELBO_CHECK(size >= 1, ValueError, "hidden: expected sizes of at least 1, found ", size);
  for (const auto* list : {&channels, &decoder_channels})
    for (std::int64_t size : *list) ELBO_CHECK(size >= 1, ValueError, "channels: expected at least 1, found ", size);
  ELBO_CHECK(kernel == 3 || kernel == 4, ValueError, "kernel: expected 3 or 4, found ", kernel);
  ELBO_CHECK(latent >= 1, ValueError, "latent: expected at least 1, found ", latent);
  ELBO_CHECK(classes >= 0, ValueError, "classes: expected at least 0, found ", classes);
  ELBO_CHECK(std::isfinite(variance) && variance > 0, ValueError, "variance: expected a number above 0, found ",
             variance);
  auto [low, high] = pixels;
  ELBO_CHECK(std::isfinite(low) && std::isfinite(high) && low < high, ValueError,
             "pixels: expected two numbers, the lower one first, found ", low, " and ", high);
  if (low >= 0 && high <= 1) return;
  ELBO_CHECK(likelihood == Likelihood::gaussian, ValueError,
             "pixels: expected a range within [0, 1] for the bernoulli ", "likelihood, found [", low, ", ", high, "]");
  ELBO_CHECK(allow_range_mismatch, ValueError, "pixels: the decoder's sigmoid gives 0 to 1, found a range of [", low,
             ", ", high,
             "], parts of which it can never match: use 0,1, or --allow-range-mismatch to train all the same");
}

Precision parse_precision(std::string_view text) {
  for (Precision one : {Precision::float32, Precision::tf32, Precision::bf16})
    if (text == elbo::name(one)) return one;
  fail<ValueError>("precision: expected float32, tf32 or bf16, found '", text, "'");
}

void TrainOptions::validate() const {
  ELBO_CHECK(epochs >= 1, ValueError, "epochs: expected at least 1, found ", epochs);
  ELBO_CHECK(batch_size >= 1, ValueError, "batch size: expected at least 1, found ", batch_size);
  ELBO_CHECK(std::isfinite(lr) && lr > 0, ValueError, "lr: expected a number above 0, found ", lr);
  ELBO_CHECK(std::isfinite(beta) && beta >= 0, ValueError, "beta: expected a number of at least 0, found ", beta);
  ELBO_CHECK(std::isfinite(warmup) && warmup >= 0, ValueError, "warmup: expected a number of at least 0, found ",
             warmup);
  ELBO_CHECK(std::isfinite(val_size) && val_size >= 0, ValueError,
             "validation size: expected a fraction or a count, at least 0, found ", val_size);
  ELBO_CHECK(patience >= 0, ValueError, "patience: expected at least 0, found ", patience);
  ELBO_CHECK(std::isfinite(checkpoint_every) && checkpoint_every >= 0, ValueError,
             "checkpoint every: expected seconds of at least 0, found ", checkpoint_every);
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

void RunConfig::change(const TrainOptions& to, std::int64_t from_epoch) {
  if (changeable(to) == changeable(train)) return;
  if (stretches.empty()) stretches.push_back({1, train});
  train = to;
  if (stretches.back().from_epoch == from_epoch) stretches.pop_back();
  stretches.push_back({from_epoch, train});
}

std::string RunConfig::to_json() const {
  ordered_json out;
  out["elbo"] = ELBO_VERSION;
  out["model"] = {{"name", model.model},
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
  out["data"] = {{"dataset", data.dataset},        {"dir", data.dir.string()}, {"size", data.load.size},
                 {"channels", data.load.channels}, {"count", data.load.count}, {"class_names", data.class_names}};
  out["train"] = {{"epochs", train.epochs},
                  {"batch_size", train.batch_size},
                  {"drop_last", train.drop_last},
                  {"lr", train.lr},
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
    ordered_json line = {{"from_epoch", stretch.from_epoch}};
    line.update(changeable(stretch.train));
    out["stretches"].push_back(line);
  }
  return out.dump(2) + "\n";
}

namespace {

/// One section of the file, whose fields are read by name and type.
class Section {
 public:
  Section(const ordered_json& all, const char* name, const std::string& where) : name_(name), where_(where) {
    ELBO_CHECK(all.is_object() && all.contains(name) && all[name].is_object(), FormatError, where,
               ": expected an object '", name, "', found none");
    values_ = &all[name];
  }

  /// Leaves `to` as it is where the field is missing: runs of earlier versions lack it.
  template <class T>
  void read_if_there(const char* field, T& to) const {
    if (values_->contains(field)) read(field, to);
  }

  template <class T>
  void read(const char* field, T& to) const {
    ELBO_CHECK(values_->contains(field), FormatError, where_, ": expected a field '", name_, ".", field,
               "', found none");
    const ordered_json& value = (*values_)[field];
    try {
      // JSON's numbers convert silently: a fraction where a count is meant is refused here.
      if (std::is_integral_v<T> && !std::is_same_v<T, bool> && !value.is_number_integer()) throw std::exception();
      to = value.get<T>();
    } catch (const std::exception&) {
      fail<FormatError>(where_, ": '", name_, ".", field, "' is not what was expected, found ", value.dump());
    }
  }

 private:
  const ordered_json* values_ = nullptr;
  const char* name_;
  const std::string& where_;
};

void read_model(const Section& section, ModelConfig& model, const std::string& where) {
  std::string likelihood;
  std::vector<std::int64_t> picture;
  section.read("name", model.model);
  section.read("picture", picture);
  section.read("hidden", model.hidden);
  section.read("latent", model.latent);
  section.read("likelihood", likelihood);
  section.read("variance", model.variance);
  section.read_if_there("channels", model.channels);
  section.read_if_there("decoder_channels", model.decoder_channels);
  section.read_if_there("kernel", model.kernel);
  section.read_if_there("decoder_relu", model.decoder_relu);
  section.read_if_there("classes", model.classes);
  section.read_if_there("pixels", model.pixels);
  section.read_if_there("allow_range_mismatch", model.allow_range_mismatch);
  ELBO_CHECK(likelihood == "bernoulli" || likelihood == "gaussian", FormatError, where,
             ": 'model.likelihood': expected bernoulli or gaussian, found '", likelihood, "'");
  model.likelihood = likelihood == "gaussian" ? Likelihood::gaussian : Likelihood::bernoulli;
  model.picture = Shape(picture);
}

void read_data(const Section& section, DataOptions& data) {
  std::string dir;
  section.read("dataset", data.dataset);
  section.read("dir", dir);
  section.read_if_there("size", data.load.size);
  section.read_if_there("channels", data.load.channels);
  section.read_if_there("count", data.load.count);
  section.read_if_there("class_names", data.class_names);
  data.dir = dir;
}

void read_train(const Section& section, TrainOptions& train) {
  std::string device, precision = elbo::name(train.precision);
  section.read("epochs", train.epochs);
  section.read("batch_size", train.batch_size);
  section.read("drop_last", train.drop_last);
  section.read("lr", train.lr);
  section.read("beta", train.beta);
  section.read_if_there("warmup", train.warmup);
  section.read("val_size", train.val_size);
  section.read("patience", train.patience);
  section.read_if_there("checkpoint_every", train.checkpoint_every);
  section.read("seed", train.seed);
  section.read("device", device);
  section.read_if_there("precision", precision);
  section.read_if_there("graph", train.graph);
  section.read_if_there("binarize", train.binarize);
  train.device = Device::parse(device);
  train.precision = parse_precision(precision);
}

Stretch read_stretch(const ordered_json& value, const TrainOptions& train, const std::string& where) {
  const ordered_json all = {{"stretches", value}};
  const Section section(all, "stretches", where);
  Stretch out{1, train};
  std::string device, precision;
  section.read("from_epoch", out.from_epoch);
  section.read("epochs", out.train.epochs);
  section.read("lr", out.train.lr);
  section.read("patience", out.train.patience);
  section.read("checkpoint_every", out.train.checkpoint_every);
  section.read("device", device);
  section.read("precision", precision);
  section.read("graph", out.train.graph);
  out.train.device = Device::parse(device);
  out.train.precision = parse_precision(precision);
  out.train.validate();
  return out;
}

void read_stretches(const ordered_json& all, RunConfig& out, const std::string& where) {
  if (!all.contains("stretches")) return;
  ELBO_CHECK(all["stretches"].is_array(), FormatError, where, ": expected an array 'stretches'");
  for (const ordered_json& value : all["stretches"]) out.stretches.push_back(read_stretch(value, out.train, where));
}

}  // namespace

RunConfig RunConfig::from_json(std::string_view text, const std::string& where) {
  ordered_json all = ordered_json::parse(text, nullptr, false);
  ELBO_CHECK(!all.is_discarded(), FormatError, where, ": expected JSON, found something else");
  RunConfig out;
  Section model(all, "model", where), data(all, "data", where), train(all, "train", where);
  try {
    read_model(model, out.model, where);
    read_data(data, out.data);
    read_train(train, out.train);
    out.model.validate();
    out.train.validate();
    read_stretches(all, out, where);
  } catch (const FormatError&) {
    throw;
  } catch (const Error& error) {
    fail<FormatError>(where, ": ", error.what());
  }
  return out;
}

datasets::Dataset load_data(const DataOptions& options, datasets::Split split) {
  return datasets::load(options.dataset, split, options.dir, options.load);
}

}  // namespace elbo::models
