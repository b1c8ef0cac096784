// What every model of the zoo minimises, and its gradient, beside PyTorch's numbers for the same weights, pictures and
// noise. tests/oracle/zoo.py writes golden_zoo.txt.
#include <elbo/core/gradcheck.h>
#include <elbo/models/registry.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "catch.h"
#include "golden_file.h"
#include "stock_zoo.h"

using namespace elbo;
using namespace elbo::models;

namespace {

struct Case {
  const char* name;
  std::function<void(ModelConfig&)> settings = {};
  double error = 1e-11;

  /// What stands before the `+`.
  std::string model() const {
    const std::string all = name;
    return all.substr(0, all.find('+'));
  }
  DType dtype() const {
    return std::string(name).find("+float32") == std::string::npos ? DType::float64 : DType::float32;
  }
  int player() const { return std::string(name).ends_with("+discriminator") ? 1 : 0; }
};

/// Draws from N(0, 1) as a prior are of float32.
constexpr double of_float32 = 1e-6;
/// Each number is made of sums of up to some hundred products in a chain of six layers.
constexpr double in_float32 = 2e-6;
/// So far off is the series that stands for the continuous Bernoulli's constant where its closed form cancels.
constexpr double of_series = 5e-8;

std::function<void(ModelConfig&)> bound(bool dreg, std::int64_t groups = 1) {
  return [=](ModelConfig& c) { c.samples = 3, c.groups = groups, c.mix = 0.25, c.dreg = dreg; };
}
std::function<void(ModelConfig&)> kernel(const char* name) {
  return [=](ModelConfig& c) { c.beta = 0.5, c.mmd_weight = 100, c.mmd_kernel = name; };
}
std::function<void(ModelConfig&)> likelihood(const char* name) {
  return [=](ModelConfig& c) { c.likelihood = name; };
}

std::function<void(ModelConfig&)> large(const char* likelihood = "bernoulli") {
  return [=](ModelConfig& c) {
    c.likelihood = likelihood, c.variance = 0.25, c.beta = 0.75, c.latent = 3, c.activation = "relu";
    c.picture = {1, 8, 8}, c.hidden = {24, 16};
    if (c.labels) c.picture = {3, 6, 4}, c.hidden = {20};
    if (c.architecture == "conv") c.picture = {3, 16, 8}, c.channels = {4, 8};
  };
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      // Each row of the zoo with its own parts and settings.
      {"ae"},
      {"vae"},
      {"cvae"},
      {"conv-vae"},
      {"beta-vae"},
      {"annealed-vae"},
      {"beta-tc-vae"},
      {"dip-vae"},
      {"iwae"},
      {"miwae"},
      {"piwae"},
      {"ciwae"},
      {"info-vae", {}, of_float32},
      {"wae-mmd", {}, of_float32},
      {"rae"},
      {"factor-vae"},
      {"factor-vae+discriminator"},
      {"aae"},
      {"aae+discriminator", {}, of_float32},
      {"sigma-vae"},
      {"planar-vae"},
      {"iaf-vae"},
      {"vamp-vae"},
      {"flow-prior-vae"},
      {"hvae"},
      {"hvae+vamp", [](ModelConfig& c) { c.prior = "vamp", c.warmup = 8; }},
      {"vq-vae"},
      // Parts that none of these has.
      {"vae+full", [](ModelConfig& c) { c.posterior = "full", c.latent = 3; }},
      {"vae+iaf", [](ModelConfig& c) { c.posterior = "iaf", c.latent = c.flows = 3, c.flow_hidden = 5; }},
      {"vae+mixture", [](ModelConfig& c) { c.prior = "mixture"; }},
      {"vae+gaussian-learned", likelihood("gaussian-learned")},
      {"vae+gaussian-pixel", likelihood("gaussian-pixel")},
      {"vae+continuous-bernoulli", likelihood("continuous-bernoulli"), of_series},
      {"vae+logistic", likelihood("logistic")},
      {"vae+logistic-mixture", likelihood("logistic-mixture")},
      // What an architecture and labels can have.
      {"conv-vae+blocks",
       [](ModelConfig& c) {
         c.activation = "silu", c.norm = "group", c.down = "max", c.blocks = 1, c.kernel = 3, c.channels = {2, 4};
       }},
      {"conv-vae+gated",
       [](ModelConfig& c) {
         c.activation = "gated", c.norm = "batch", c.down = "average", c.kernel = 3, c.channels = {2, 4};
       }},
      {"conv-vae+labels", [](ModelConfig& c) { c.labels = true, c.classes = 3; }},
      {"cvae+vamp", [](ModelConfig& c) { c.prior = "vamp"; }},
      // In float32, and with layers large enough for its vectors.
      {"ae+float32", large(), in_float32},
      {"ae+float32-gaussian", large("gaussian"), in_float32},
      {"vae+float32", large(), in_float32},
      {"vae+float32-gaussian", large("gaussian"), in_float32},
      {"cvae+float32", large(), in_float32},
      {"cvae+float32-gaussian", large("gaussian"), in_float32},
      {"conv-vae+float32", large(), in_float32},
      {"conv-vae+float32-gaussian", large("gaussian"), in_float32},
      // Objectives with other settings.
      {"vae+free-bits", [](ModelConfig& c) { c.beta = 4, c.free_bits = 1.5; }},
      {"vae+capacity", [](ModelConfig& c) { c.beta = 4, c.capacity = 5; }},
      {"dip-vae+ii", [](ModelConfig& c) { c.dip = "ii", c.dip_diagonal = 100, c.dip_off_diagonal = 10; }},
      {"info-vae+imq", kernel("imq"), of_float32},
      {"info-vae+rbf", kernel("rbf"), of_float32},
      {"rae+weights", [](ModelConfig& c) { c.likelihood = "bernoulli", c.code_weight = 0.3, c.decoder_weight = 0.02; }},
      {"iwae+few", bound(false)},
      {"miwae+few", bound(false, 2)},
      {"piwae+few", bound(false, 2)},
      {"ciwae+few", bound(false)},
      {"iwae+dreg", bound(true)},
      {"miwae+dreg", bound(true, 2)},
      {"piwae+dreg", bound(true, 2)},
      {"ciwae+dreg", bound(true)},
  };
  return all;
}

/// The sizes of tests/oracle/zoo.py.
ModelConfig config_of(const Case& one) {
  ModelConfig c = preset(one.model());
  c.picture = {1, 2, 3};
  c.hidden = {5};
  if (c.activation == "relu" && c.architecture != "conv") c.activation = "tanh";
  c.latent = 2;
  c.latent2 = c.components = 3;
  c.flows = c.prior_flows = c.mixtures = 2;
  c.flow_hidden = c.prior_hidden = 4;
  c.discriminator = {4};
  if (c.labels) c.classes = 3;
  if (c.architecture == "conv") c.picture = {1, 4, 4}, c.channels = {2, 3};
  if (c.model == "vq-vae") c.picture = {2, 4, 4}, c.channels = {3}, c.blocks = 1, c.codebook = 5, c.code_channels = 2;
  if (one.settings) one.settings(c);
  return c;
}

using Numbers = std::map<std::string, std::vector<double>>;

const Numbers& golden() {
  static const Numbers all = read_golden("golden_zoo.txt");
  return all;
}

/// Filled as in tests/oracle/zoo.py.
std::unique_ptr<Model> made(const Case& one) {
  std::unique_ptr<Model> model = make(config_of(one));
  model->to(one.dtype());
  const auto fill = [](Tensor to, const std::vector<double>& values) {
    to.mutable_array().assign(Tensor(Array::from(values, to.shape())).to(to.dtype()).array());
  };
  const std::string at = std::string(one.name) + "/";
  for (const auto& [name, p] : model->named_parameters())
    fill(p, filling(p.numel(), static_cast<std::uint64_t>(golden().at(at + "fill/" + name)[0]),
                    one.dtype() == DType::float32 ? 64 : 16));
  for (const auto& [name, buffer] : model->named_buffers())
    if (const auto found = golden().find(at + "before/" + name); found != golden().end()) fill(buffer, found->second);
  return model;
}

/// The player's.
nn::NamedTensors own_parameters(const Case& one, Model& model) {
  return model.players()[static_cast<std::size_t>(one.player())].parameters;
}

const Progress progress{.epochs = 4};

Terms terms_of(const Case& one, Model& model, std::int64_t batch = 4, bool per_picture = false) {
  const Shape shape = model.config().picture.insert(0, batch);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < batch; ++i) labels.push_back(i % 3);
  Generator noise(11);
  model.advance(progress);
  return model.loss({.x = Tensor(Array::from(pixels(shape.numel()), shape)).to(one.dtype()),
                     .labels = model.is_conditional() ? Tensor(Array::from(labels, {batch})) : Tensor(),
                     .noise = &noise,
                     .train_size = 40,
                     .per_picture = per_picture},
                    one.player());
}

/// What is minimised: a picture's mean.
Tensor loss_of(const Terms& terms, std::int64_t batch = 4) {
  Tensor out;
  for (const Term& term : terms.list) {
    if (!term.counts) continue;
    const Tensor part = term.nats * (term.weight.at(progress) / static_cast<double>(batch));
    out = out.defined() ? out + part : part;
  }
  return out;
}

/// The golden numbers under `case/what/`.
Numbers numbers_of(const Case& one, const std::string& what) {
  const std::string prefix = std::string(one.name) + "/" + what + "/";
  Numbers out;
  for (auto at = golden().lower_bound(prefix); at != golden().end() && at->first.starts_with(prefix); ++at)
    out[at->first.substr(prefix.size())] = at->second;
  return out;
}

/// The sum, the norm, the first, middle and last element.
std::vector<double> summary(const Tensor& gradient) {
  const std::vector<double> g = gradient.to(DType::float64).to_vector<double>();
  double sum = 0, squares = 0;
  for (const double v : g) sum += v, squares += v * v;
  return {sum, std::sqrt(squares), g.front(), g[(g.size() - 1) / 2], g.back()};
}

}  // namespace

TEST_CASE("every model's loss and gradient are PyTorch's", "[golden][zoo]") {
  for (const Case& one : cases()) DYNAMIC_SECTION(one.name) {
      const auto close = [&](double expected, double scale) {
        return Approx(expected).epsilon(0).margin(one.error * scale);
      };
      const auto model = made(one);
      const Terms terms = terms_of(one, *model);
      const Numbers counted = numbers_of(one, "term"), reported = numbers_of(one, "report");
      CHECK(counted.size() + reported.size() == terms.list.size());
      double scale = 1;
      for (const auto& [name, numbers] : counted) scale = std::max(scale, std::abs(numbers[0]));
      for (const Term& term : terms.list) {
        INFO(term.name);
        const std::vector<double>& expected = (term.counts ? counted : reported).at(term.name);
        CHECK(term.nats.item() == close(expected[0], scale));
        if (term.counts) CHECK(term.weight.at(progress) == expected[1]);
      }
      Tensor loss = loss_of(terms);
      loss.backward();
      CHECK(loss.item() == close(golden().at(std::string(one.name) + "/loss")[0], scale));

      const Numbers gradients = numbers_of(one, "grad");
      const nn::NamedTensors own = own_parameters(one, *model);
      CHECK(own.size() == gradients.size());
      for (const auto& [name, p] : own) {
        INFO(name);
        const std::vector<double>&expected = gradients.at(name), found = summary(p.grad());
        const double norm = expected[1];
        if (norm < 1e-12) {  // of a bias that a norm takes away
          CHECK(model->config().norm != "none");
          CHECK(found[1] < 1e-12);
          continue;
        }
        CHECK(norm > 1e-3);
        CHECK(found[0] == close(expected[0], norm * std::sqrt(static_cast<double>(p.numel()))));
        for (std::size_t i = 1; i < expected.size(); ++i) CHECK(found[i] == close(expected[i], norm));
      }

      const nn::NamedTensors buffers = model->named_buffers();
      for (const auto& [name, expected] : numbers_of(one, "after")) {
        INFO(name);
        const auto is = [&, &wanted = name](const auto& buffer) { return buffer.first == wanted; };
        const auto at = std::find_if(buffers.begin(), buffers.end(), is);
        REQUIRE(at != buffers.end());
        const std::vector<double> found = at->second.to_vector<double>();
        REQUIRE(found.size() == expected.size());
        for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == close(expected[i], 1));
      }
    }
}

TEST_CASE("no model and no part is without PyTorch's numbers", "[golden][zoo]") {
  std::set<std::string> known, written;
  for (const auto& [key, numbers] : golden())
    if (key != "#") written.insert(key.substr(0, key.find('/')));
  std::set<std::pair<std::string, int>> models;
  std::set<std::string> parts;
  for (const Case& one : cases()) {
    known.insert(one.name);
    models.emplace(one.model(), one.player());
    const ModelConfig config = filled(config_of(one));
    for (const PartKind& kind : part_kinds()) parts.insert(kind.name + " " + config.*kind.chosen);
  }
  CHECK(written == known);
  for (const std::string& name : stock) {
    const std::size_t players = make(config_of({name.c_str()}))->players().size();
    for (std::size_t player = 0; player < players; ++player) {
      INFO(name << ", player " << player);
      CHECK(models.contains({name, static_cast<int>(player)}));
    }
  }
  for (const std::string& part : stock_parts) {
    INFO(part);
    CHECK(parts.contains(part));
  }
}

TEST_CASE("the gradients are those of the losses", "[zoo]") {
  for (const Case& one : cases()) {
    const std::string name = one.name, model_name = one.model();
    // These are not, on purpose.
    if (name.ends_with("+dreg") || model_name == "piwae" || model_name == "vq-vae") continue;
    if (one.dtype() == DType::float32) continue;
    // A ReLU of exactly 0, which all inputs that are 0 and a bias of 0 make.
    if (name == "flow-prior-vae") continue;
    INFO(name);
    const auto model = made(one);
    std::vector<Tensor> parameters;
    for (const auto& [of, p] : own_parameters(one, *model)) parameters.push_back(p);
    const GradcheckResult result =
        gradcheck([&](std::span<const Tensor>) { return loss_of(terms_of(one, *model, 3), 3); }, parameters);
    INFO(result.message);
    CHECK(result.ok);
  }
}

TEST_CASE("terms for each picture add up to the batch's, and what only a batch has is left out", "[zoo]") {
  const std::set<std::string> of_batches{"free_bits",    "capacity",  "mutual_information", "total_correlation",
                                         "dimension_kl", "mmd",       "dip_diagonal",       "dip_off_diagonal",
                                         "decoder_norm", "perplexity"};
  const nn::EvalGuard eval;
  for (const Case& one : cases()) {
    INFO(one.name);
    const auto model = made(one);
    const Terms batch = terms_of(one, *model), each = terms_of(one, *model, 4, true);
    for (const Term& term : batch.list) {
      INFO(term.name);
      CHECK(term.nats.shape() == Shape{});
      const Term* picture = each.find(term.name);
      // FactorVAE's total correlation is a mean over codes.
      const bool only_batch = of_batches.contains(term.name) && one.model() != "factor-vae";
      REQUIRE((picture == nullptr) == only_batch);
      if (only_batch) continue;
      CHECK(picture->nats.shape() == Shape{4});
      CHECK(picture->counts == term.counts);
      CHECK(sum(picture->nats).item() ==
            Approx(term.nats.item()).epsilon(one.dtype() == DType::float32 ? 1e-6 : 1e-12));
    }
    for (const Term& term : each.list) CHECK(batch.find(term.name));
  }
}

TEST_CASE("a batch of one picture has finite losses and gradients", "[zoo]") {
  for (const Case& one : cases()) {
    INFO(one.name);
    const auto model = made(one);
    Tensor loss = loss_of(terms_of(one, *model, 1), 1);
    loss.backward();
    CHECK(std::isfinite(loss.item()));
    for (const auto& [name, p] : own_parameters(one, *model))
      for (const double number : summary(p.grad())) CHECK(std::isfinite(number));
  }
}
