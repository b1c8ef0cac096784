// A setting has an effect on a model of the zoo exactly where the registry says so: what `elbo train` refuses changes
// nothing, and what it takes changes something.
#include <elbo/core/autograd.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/registry.h>

#include <set>
#include <sstream>

#include "catch.h"
#include "stock_zoo.h"

using namespace elbo;
using namespace elbo::models;

namespace {

ModelConfig small(const std::string& name) {
  ModelConfig c = preset(name);
  c.picture = {1, 8, 8};
  c.hidden = {6};
  c.discriminator = {4};
  c.latent = 3;
  c.latent2 = 2;
  c.channels = {2, 4};
  c.fc = {4};
  c.components = 3;
  c.flow_hidden = c.prior_hidden = 5;
  c.flows = c.prior_flows = 2;
  c.codebook = 6;
  c.code_channels = 3;
  c.samples = 2;
  c.groups = std::min<std::int64_t>(c.groups, 2);
  if (c.labels) c.classes = 2;
  return c;
}

/// Gives one field another value that it may have.
class Change : public FieldVisitor {
 public:
  explicit Change(std::string name) : name_(std::move(name)) {}

  void operator()(const Field& field, bool& value) override {
    if (is(field)) value = !value;
  }
  void operator()(const Field& field, std::int64_t& value) override {
    if (is(field)) value = static_cast<double>(value) + 1 > field.most ? value - 1 : value + 1;
  }
  void operator()(const Field&, std::uint64_t&) override {}
  void operator()(const Field& field, double& value) override {
    if (is(field)) value = std::isfinite(field.most) ? 0.3 : 2 * value + 0.5;
  }
  void operator()(const Field& field, std::string& value) override {
    if (!is(field) || field.choices.empty()) return;
    const auto at = std::find(field.choices.begin(), field.choices.end(), value);
    value = at == field.choices.end() || at + 1 == field.choices.end() ? field.choices.front() : at[1];
  }
  void operator()(const Field& field, std::vector<std::int64_t>& value) override {
    if (is(field))
      for (std::int64_t& one : value) ++one;
  }
  void operator()(const Field&, std::array<double, 2>&) override {}
  void operator()(const Field&, Shape&) override {}
  void operator()(const Field&, Device&) override {}
  void choice(const Field&, int&) override {}

 private:
  bool is(const Field& field) const { return field.name == name_; }
  std::string name_;
};

void add(std::ostringstream& out, const Tensor& x) {
  out << (x.defined() ? sum(x.detach() * x.detach()).item() : 0) << " ";
}

/// What a training does with a model: gradients of two steps, what is drawn, what is kept; and `with_terms`, which may
/// have a part that nothing moves.
std::string traits_of(const ModelConfig& config, bool with_terms) {
  Generator init(5, Stream::init), some(3), noise(9);
  const auto model = make(config, &init);
  std::ostringstream out;
  out << std::hexfloat << model->code_size() << " " << model->constant() << " ";
  const Tensor x = rand({4, 1, 8, 8}, {}, &some);
  const Tensor labels = config.classes > 0 ? Tensor(Array::from(std::vector<std::int64_t>{0, 1, 1, 0}, {4})) : Tensor();
  const StepInput in{.x = x, .labels = labels, .noise = &noise, .train_size = 40};
  const std::vector<Player> players = model->players();
  for (const double epochs : {0.3, 3.0}) {
    model->advance({.epochs = epochs});
    for (int player = 0; player < static_cast<int>(players.size()); ++player) {
      Tensor loss;
      for (const Term& term : model->loss(in, player).list) {
        const double weight = term.weight.at({.epochs = epochs});
        if (term.counts) loss = loss.defined() ? loss + weight * term.nats : weight * term.nats;
        if (!with_terms) continue;
        out << term.name << " " << term.counts << " ";
        for (const double factor : {1.0, weight, term.weight.last()}) add(out, factor * term.nats);
      }
      model->zero_grad();
      loss.backward();
      for (const auto& [name, parameter] : players[static_cast<std::size_t>(player)].parameters)
        add(out, parameter.grad());
    }
  }
  model->eval();
  const NoGradGuard no_grad;
  if (model->has_prior()) add(out, model->sample(4, labels, &noise));
  for (const auto& [name, array] : model->state_dict()) out << name << array.shape().to_string() << " ";
  return out.str();
}

/// Where a setting is one of several that go together, the others.
ModelConfig prepared(ModelConfig c, const std::string& field) {
  const std::vector<std::string> used = used_fields(c);
  const auto has = [&](const char* name) { return std::find(used.begin(), used.end(), name) != used.end(); };
  if (field == "cycles" || field == "cycle_epochs") c.cycles = 2, c.cycle_epochs = 3;
  if (field == "capacity_epochs" && has("capacity")) c.capacity = 2;
  if (field.starts_with("cycle") || field == "warmup" || field == "capacity" || field == "free_bits")
    c.beta = std::max(c.beta, 1.0);
  if (field == "kernel" || field == "down") c.kernel = 3, c.down = "max";
  if (field == "free_bits") c.capacity = 0;
  if (field == "capacity") c.free_bits = 0;
  return c;
}

}  // namespace

TEST_CASE("a setting has an effect on a model exactly where the registry says so", "[zoo][settings]") {
  // These do nothing by themselves, or to a training on pictures in [0, 1].
  const std::set<std::string> others = {"picture", "classes", "labels", "pixels", "allow_range_mismatch"};
  int tried = 0;
  for (const std::string& name : stock) {
    for (const auto& [field, text] : field_texts([c = ModelConfig()](FieldVisitor& v) mutable { c.fields(v); })) {
      if (others.contains(field)) continue;
      if (field == "capacity" && preset(name).posterior == "point") continue;  // it is kept, and moves nothing
      const ModelConfig before = filled(prepared(small(name), field));
      ModelConfig after = before;
      Change change(field);
      after.fields(change);
      const std::string why = why_unused(before, field);
      INFO(name << ": " << field << " " << why);
      try {
        filled(after);
      } catch (const ValueError&) {
        continue;  // it does not go with the rest
      }
      CHECK((traits_of(after, why.empty()) != traits_of(before, why.empty())) == why.empty());
      ++tried;
    }
  }
  CHECK(tried > 1000);
}

TEST_CASE("why a setting has no effect is said in a line that a terminal has room for", "[zoo][settings]") {
  for (const std::string& name : stock)
    for (const auto& [field, text] : field_texts([c = ModelConfig()](FieldVisitor& v) mutable { c.fields(v); })) {
      const std::string why = why_unused(preset(name), field);
      INFO(name << ": " << field << ": " << why);
      CHECK(why.size() < 200);
    }
  CHECK(why_unused(preset("vq-vae"), "hidden") ==
        "has no effect on this model; it is for --architecture mlp, --model hvae");
  CHECK(why_unused(preset("vq-vae"), "latent") ==
        "has no effect on this model; it is for any --posterior, --model hvae");
  CHECK(why_unused(preset("ae"), "prior") == "has no effect with --posterior point and --objective elbo");
  CHECK(why_unused(preset("rae"), "prior") == "has no effect with --posterior point and --objective rae");
  for (const char* drawn : {"vae", "wae-mmd", "aae"}) CHECK(why_unused(preset(drawn), "prior").empty());
  CHECK(why_unused(preset("wae-mmd"), "cycles") == "has no effect with --posterior point");
  CHECK(why_unused(preset("info-vae"), "cycles").empty());
  for (const char* none : {"hvae", "vq-vae"})
    CHECK(why_unused(preset(none), "labels") == "the model " + std::string(none) + " takes none");
}

TEST_CASE("what has no effect is refused where it is no option either", "[zoo][settings]") {
  ModelConfig c = preset("ae");
  c.prior = "mixture";
  CHECK_THROWS_WITH(filled(c),
                    "prior: the posterior point and the objective elbo have no use for one, found 'mixture'");
  c.objective = "mmd";
  CHECK_NOTHROW(filled(c));
  c = preset("vae");
  c.objective = "miwae";
  CHECK(filled(c).groups == 8);
  c.groups = 1;
  CHECK_THROWS_WITH(filled(c), "groups: expected at least 2 for the objective miwae, which with one is iwae, found 1");
  for (const char* none : {"hvae", "vq-vae"}) {
    c = preset(none);
    c.classes = 3;
    CHECK_THROWS_WITH(filled(c), "labels: the model " + std::string(none) + " takes none");
  }
  TrainOptions train;
  train.ema = 1;
  CHECK_THROWS_WITH(train.validate(), "ema: expected a number of at least 0 and below 1, found 1");
  train.ema = 0, train.momentum = 1;
  CHECK_THROWS_WITH(train.validate(), "momentum: expected a number of at least 0 and below 1, found 1");
  c = preset("vq-vae");
  c.codebook_decay = 1;
  CHECK_THROWS_WITH(filled(c), "codebook_decay: expected a number of at least 0 and below 1, found 1");
}
