#include "config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "../core/errors.h"

namespace elbo::models {

using nlohmann::ordered_json;

const char* name(Likelihood likelihood) { return likelihood == Likelihood::bernoulli ? "bernoulli" : "gaussian"; }

void ModelConfig::validate() const {
  ELBO_CHECK(model == "vae", ValueError, "model: expected vae, found '", model, "'");
  ELBO_CHECK(picture.rank() == 3 && picture.numel() > 0, ValueError,
             "picture: expected [channels, height, width], all at least 1, found ", picture);
  for (std::int64_t size : hidden)
    ELBO_CHECK(size >= 1, ValueError, "hidden: expected sizes of at least 1, found ", size);
  ELBO_CHECK(latent >= 1, ValueError, "latent: expected at least 1, found ", latent);
  ELBO_CHECK(std::isfinite(variance) && variance > 0, ValueError, "variance: expected a number above 0, found ",
             variance);
}

void TrainOptions::validate() const {
  ELBO_CHECK(epochs >= 1, ValueError, "epochs: expected at least 1, found ", epochs);
  ELBO_CHECK(batch_size >= 1, ValueError, "batch size: expected at least 1, found ", batch_size);
  ELBO_CHECK(std::isfinite(lr) && lr > 0, ValueError, "lr: expected a number above 0, found ", lr);
  ELBO_CHECK(std::isfinite(beta) && beta >= 0, ValueError, "beta: expected a number of at least 0, found ", beta);
  ELBO_CHECK(std::isfinite(val_size) && val_size >= 0, ValueError,
             "validation size: expected a fraction or a count, at least 0, found ", val_size);
  ELBO_CHECK(patience >= 0, ValueError, "patience: expected at least 0, found ", patience);
}

std::string RunConfig::to_json() const {
  ordered_json out;
  out["elbo"] = ELBO_VERSION;
  out["model"] = {{"name", model.model},
                  {"picture", std::vector<std::int64_t>(model.picture.begin(), model.picture.end())},
                  {"hidden", model.hidden},
                  {"latent", model.latent},
                  {"likelihood", name(model.likelihood)},
                  {"variance", model.variance}};
  out["data"] = {{"dataset", data.dataset}, {"dir", data.dir.string()}};
  out["train"] = {{"epochs", train.epochs},
                  {"batch_size", train.batch_size},
                  {"drop_last", train.drop_last},
                  {"lr", train.lr},
                  {"beta", train.beta},
                  {"val_size", train.val_size},
                  {"patience", train.patience},
                  {"seed", train.seed},
                  {"device", train.device.to_string()}};
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

}  // namespace

RunConfig RunConfig::from_json(std::string_view text, const std::string& where) {
  ordered_json all = ordered_json::parse(text, nullptr, false);
  ELBO_CHECK(!all.is_discarded(), FormatError, where, ": expected JSON, found something else");
  RunConfig out;
  std::string likelihood, dir, device;
  std::vector<std::int64_t> picture;
  Section model(all, "model", where), data(all, "data", where), train(all, "train", where);
  model.read("name", out.model.model);
  model.read("picture", picture);
  model.read("hidden", out.model.hidden);
  model.read("latent", out.model.latent);
  model.read("likelihood", likelihood);
  model.read("variance", out.model.variance);
  data.read("dataset", out.data.dataset);
  data.read("dir", dir);
  train.read("epochs", out.train.epochs);
  train.read("batch_size", out.train.batch_size);
  train.read("drop_last", out.train.drop_last);
  train.read("lr", out.train.lr);
  train.read("beta", out.train.beta);
  train.read("val_size", out.train.val_size);
  train.read("patience", out.train.patience);
  train.read("seed", out.train.seed);
  train.read("device", device);
  ELBO_CHECK(likelihood == "bernoulli" || likelihood == "gaussian", FormatError, where,
             ": 'model.likelihood': expected bernoulli or gaussian, found '", likelihood, "'");
  out.model.likelihood = likelihood == "gaussian" ? Likelihood::gaussian : Likelihood::bernoulli;
  out.data.dir = dir;
  try {
    out.model.picture = Shape(picture);
    out.train.device = Device::parse(device);
    out.model.validate();
    out.train.validate();
  } catch (const Error& error) {
    fail<FormatError>(where, ": ", error.what());
  }
  return out;
}

}  // namespace elbo::models
