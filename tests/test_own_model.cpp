// A model of a program's own: with a name and a setting in the zoo it is trained, kept and opened as the others are.
#include <elbo/models/latent_model.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/trained.h>
#include <elbo/nn/layers.h>

#include <algorithm>

#include "catch.h"
#include "self.h"
#include "small_data.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::models;

namespace {

/// One layer each way; a code of `gain` times what the encoder gives.
class Mine : public LatentModel {
 public:
  explicit Mine(const ModelConfig& c)
      : LatentModel(c, OwnNetworks{}),
        in(c.picture.numel() + c.classes, 2 * c.latent),
        out(c.latent + c.classes, c.picture.numel()),
        gain(c.own.at("gain")) {
    register_module("in", &Mine::in);
    register_module("out", &Mine::out);
  }
  nn::Linear in, out;
  double gain;

 private:
  static Tensor with(const Tensor& x, const Tensor& labels) {
    return labels.defined() ? concatenate({x, labels}, 1) : x;
  }
  Encoded encode_pictures(const Tensor& x, const Tensor& labels) override {
    const Tensor h = in(with(flatten(x), labels));
    return {slice(h, 1, 0, config().latent) * gain, slice(h, 1, config().latent, 2 * config().latent)};
  }
  Tensor decode_codes(const Tensor& z, const Tensor& labels) override {
    return reshape(out(with(z, labels)), config().picture.insert(0, z.shape()[0]));
  }
};

void register_mine() {
  ModelRow row;
  row.what = "mine";
  row.parts = {"posterior", "prior", "likelihood", "objective"};
  row.takes_labels = true;
  row.own = {{.name = "gain", .what = "Of the codes", .value = 2}};
  register_model(
      "mine", [](const ModelConfig& c) { return std::make_unique<Mine>(c); }, row);
}

RunConfig config() {
  RunConfig out{.model = preset("mine"), .train = {.epochs = 2, .batch_size = 16, .val_size = 20, .seed = 4}};
  out.model.latent = 3;
  out.model.beta = 2;
  return out;
}

}  // namespace

// The zoo of the other tests is without it. REQUIRE: what fails is told by what is not printed.
TEST_CASE("(in a process of its own) a model of one's own", "[.own_model]") {
  register_mine();
  const std::vector<std::string> names = known_models();
  REQUIRE(names.back() == "mine");
  REQUIRE_THROWS_WITH(register_mine(), "model: expected a new name, found 'mine'");
  ModelRow taken;
  taken.own = {{.name = "beta"}};
  REQUIRE_THROWS_WITH(register_model("other", models::models().at("mine").make, taken),
                      "model other: expected a new name for a setting, found 'beta'");
  const auto refused = [](ModelRow row, const std::string& why) {
    REQUIRE_THROWS_WITH(register_model("other", models::models().at("mine").make, std::move(row)),
                        "model other: " + why);
  };
  ModelRow no_name, no_field, no_kind, of_training;
  no_name.own = {{.name = "a b"}};
  no_field.fields = {"latemt"};
  no_kind.parts = {"priorr"};
  of_training.own = {{.name = "epochs"}};
  refused(no_name, "expected a name of lower-case letters, digits and _ for a setting, found 'a b'");
  refused(no_field, "fields: expected names of settings, found 'latemt'");
  refused(no_kind, "parts: expected kinds of part, such as prior, found 'priorr'");
  refused(of_training, "expected a new name for a setting, found 'epochs'");
  REQUIRE_THROWS_WITH(register_model("other", {}), "model other: expected a factory, found an empty function");
  REQUIRE(known_models() == names);

  REQUIRE(preset("mine").own.at("gain") == 2);
  REQUIRE(filled({.model = "mine"}).own.at("gain") == 2);
  REQUIRE(filled({.model = "mine"}).architecture.empty());
  REQUIRE_THROWS_WITH(make({.model = "mine", .architecture = "mlp"}),
                      "architecture: the model mine has its own, found 'mlp'");
  const std::vector<std::string> used = used_fields({.model = "mine"});
  REQUIRE(std::count(used.begin(), used.end(), "beta") == 1);
  REQUIRE(std::count(used.begin(), used.end(), "hidden") == 0);
  REQUIRE(why_unused({.model = "mine"}, "beta").empty());
  REQUIRE_FALSE(why_unused({.model = "mine"}, "hidden").empty());
  REQUIRE(outline({.model = "mine", .picture = {1, 8, 8}, .latent = 3}).count == 64 * 6 + 6 + 3 * 64 + 64);

  // It takes labels as the others do.
  const Tensor label(Array::from(std::vector<std::int64_t>{1}, {1}));
  REQUIRE(make({.model = "mine", .picture = {1, 8, 8}, .latent = 3, .classes = 2})->sample(1, label).shape() ==
          Shape{1, 1, 8, 8});

  ModelRow plain;
  plain.parts = {"posterior", "prior", "likelihood", "objective"};
  register_model("plain", models::models().at("mine").make, plain);
  REQUIRE_THROWS_WITH(filled({.model = "plain", .labels = true, .classes = 2}), "labels: the model plain takes none");

  // What its networks give is what its parts ask for, or is refused by name.
  ModelConfig two_numbers{.model = "mine", .picture = {1, 8, 8}, .latent = 3, .likelihood = "gaussian-pixel"};
  REQUIRE_THROWS_WITH(make(two_numbers)->sample(2),
                      "[decode] the model mine: expected [2, 2, 8, 8] from decode_codes for the likelihood "
                      "gaussian-pixel, found [2, 1, 8, 8]");
  REQUIRE_THROWS_WITH(make({.model = "mine", .picture = {1, 8, 8}, .posterior = "iaf"}),
                      "posterior: expected diagonal or point for the model mine, which has networks of its own, found "
                      "'iaf'");
  register_model("null", [](const ModelConfig&) { return std::unique_ptr<Model>(); });
  REQUIRE_THROWS_WITH(make({.model = "null"}), "model null: expected a model from its factory, found null");

  // A run folder keeps the setting, and goes on with it.
  TempDir dir;
  RunConfig wanted = config();
  wanted.model.own["gain"] = 0.5;
  const datasets::Dataset data = bars(100, 8);
  const Trained trained = train(dir / "run", wanted, data);
  REQUIRE(dynamic_cast<Mine&>(*trained.model).gain == 0.5);
  REQUIRE(trained.run.config().model.own.at("gain") == 0.5);
  REQUIRE(trained.run.history().size() == 2);
  const Losses losses = *trained.run.history().back().val;
  REQUIRE(losses.loss == Approx(losses["reconstruction"] + 2 * losses["kl"]));
  REQUIRE_NOTHROW(train(dir / "run", wanted, data));
  REQUIRE_THROWS_AS(train(dir / "run", config(), data), ValueError);  // another gain
  const Trained opened = open(dir / "run");
  REQUIRE(opened.model->state_dict().front().first == "in.weight");
  REQUIRE(evaluate(*opened.model, data).losses.loss == evaluate(*trained.model, data).losses.loss);
  print_result("done");
}

TEST_CASE("a model of one's own is trained, kept and opened as those of the zoo", "[models]") {
  CHECK(run_self("X=1", "[.own_model]") == "done");
}
