// What holds for every row of the registry of models, whatever its parts.
#include <elbo/core/autograd.h>
#include <elbo/core/parallel_for.h>
#include <elbo/models/analysis/evaluate.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/trained.h>
#include <elbo/models/training/trainer.h>
#include <elbo/viz/figures.h>
#include <elbo/viz/report.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "catch.h"
#include "small_data.h"
#include "stock_zoo.h"
#include "temp_dir.h"

using namespace elbo;
using namespace elbo::models;

namespace {

/// A model of the zoo with its own parts and settings, but small.
ModelConfig small(const std::string& name, std::int64_t size = 8) {
  ModelConfig config = preset(name);
  config.picture = {1, size, size};
  config.hidden = {12};
  config.discriminator = {8};
  config.latent = 3;
  config.latent2 = 2;
  config.channels = {2, 4};
  config.components = std::min<std::int64_t>(config.components, 4);
  config.flow_hidden = config.prior_hidden = 6;
  config.flows = config.prior_flows = 2;
  config.codebook = 8;
  config.code_channels = 4;
  if (config.labels) config.classes = 2;
  return config;
}

std::unique_ptr<Model> made(const ModelConfig& config) {
  Generator init(5, Stream::init);
  return make(config, &init);
}

TrainOptions two_epochs() { return {.epochs = 2, .batch_size = 16, .val_size = 8, .seed = 3}; }

/// All that a training ends in.
NamedArrays trained_state(const std::string& name, int threads) {
  const int before = num_threads();
  set_num_threads(threads);
  const std::unique_ptr<Model> model = made(small(name));
  Trainer trainer(*model, bars(48, 8), two_epochs());
  trainer.run_epoch();
  trainer.run_epoch();
  set_num_threads(before);
  NamedArrays out;
  for (const auto& [what, array] : trainer.state()) out.emplace_back(what, array.copy());
  return out;
}

template <class T>
bool same_numbers(const Array& a, const Array& b) {
  return a.to_vector<T>() == b.to_vector<T>();
}

/// The names of those that differ.
std::string differences(const NamedArrays& a, const NamedArrays& b) {
  std::string out;
  if (a.size() != b.size()) return "their number";
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Array &x = a[i].second, &y = b[i].second;
    const bool same = a[i].first == b[i].first && x.shape() == y.shape() && x.dtype() == y.dtype() &&
                      (x.dtype() == DType::float32   ? same_numbers<float>(x, y)
                       : x.dtype() == DType::float64 ? same_numbers<double>(x, y)
                                                     : same_numbers<std::int64_t>(x, y));
    if (!same) out += a[i].first + " ";
  }
  return out;
}

Tensor some_pictures(std::int64_t n, const Shape& picture) {
  Generator generator(3);
  return rand(picture.insert(0, n), {}, &generator);
}

/// The sum of all terms that count, as the trainer weighs them at the end of warming up.
Tensor total(const Terms& terms) {
  Tensor out;
  for (const Term& term : terms.list) {
    if (!term.counts) continue;
    const Tensor one = term.nats * term.weight.last();
    out = out.defined() ? out + one : one;
  }
  return out;
}

}  // namespace

TEST_CASE("every model of the zoo is described without memory as it is made", "[zoo]") {
  for (const std::string& name : stock) {
    INFO(name);
    const ModelConfig config = small(name);
    const Outline expected = outline(config);
    const std::unique_ptr<Model> model = made(config);
    CHECK(model->num_parameters() == expected.count);
    const NamedArrays state = model->state_dict();
    REQUIRE(state.size() == expected.parameters.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
      CHECK(state[i].first == expected.parameters[i].name);
      CHECK(state[i].second.shape() == expected.parameters[i].shape);
    }
    CHECK(model->config().model == name);
    std::int64_t numbers = 0;
    for (const ArrayInfo& one : expected.parameters)
      if (std::count(expected.buffers.begin(), expected.buffers.end(), one.name) == 0) numbers += one.shape.numel();
    CHECK(numbers == expected.count);
  }
}

TEST_CASE("every model of the zoo is what its config says, and its config what JSON keeps", "[zoo]") {
  for (const std::string& name : stock) {
    INFO(name);
    const RunConfig config{.model = made(small(name))->config()};
    const RunConfig back = RunConfig::from_json(config.to_json(), "config.json");
    CHECK(back.to_json() == config.to_json());
    CHECK(filled(back.model).picture == config.model.picture);
    CHECK(outline(back.model).count == outline(config.model).count);
  }
}

TEST_CASE("every model's terms add up: of each picture and of the batch", "[zoo]") {
  for (const std::string& name : stock) {
    INFO(name);
    const std::unique_ptr<Model> model = made(small(name));
    const Tensor x = some_pictures(6, {1, 8, 8});
    const Tensor labels =
        model->is_conditional() ? Tensor(Array::from(std::vector<std::int64_t>{0, 1, 1, 0, 1, 0}, {6})) : Tensor();
    const NoGradGuard no_grad;
    const nn::EvalGuard eval;
    for (const bool bound : {false, true}) {
      const auto terms_of = [&](bool per_picture) {
        Generator noise(9);
        const StepInput in{.x = x, .labels = labels, .noise = &noise, .train_size = 48, .per_picture = per_picture};
        return bound ? model->elbo(in) : model->loss(in);
      };
      const Terms whole = terms_of(false), each = terms_of(true);
      CHECK(whole.find("reconstruction") != nullptr);
      std::set<std::string> names;
      for (const Term& term : whole.list) {
        INFO(term.name);
        CHECK(names.insert(term.name).second);
        CHECK(term.nats.shape() == Shape{});
        CHECK(std::isfinite(term.nats.item()));
        const Term* of_pictures = each.find(term.name);
        if (!of_pictures) continue;
        CHECK(of_pictures->nats.shape() == Shape{6});
        CHECK(sum(of_pictures->nats).item() == Approx(term.nats.item()).epsilon(1e-4).margin(1e-4));
      }
      for (const Term& term : each.list) CHECK(whole.find(term.name) != nullptr);
    }
  }
}

TEST_CASE("every model's gradient is that of its whole loss", "[zoo]") {
  // What is minimised there is not the function whose gradient is followed, on purpose: straight-through estimates,
  // gradients of two bounds, gradients with a part left out.
  const std::set<std::string> others = {"vq-vae", "piwae"};
  for (const std::string& name : stock) {
    if (others.contains(name)) continue;
    INFO(name);
    const std::unique_ptr<Model> model = made(small(name));
    model->to(DType::float64);
    const Tensor x = cast(some_pictures(5, {1, 8, 8}), DType::float64);
    const Tensor labels =
        model->is_conditional() ? Tensor(Array::from(std::vector<std::int64_t>{0, 1, 1, 0, 1}, {5})) : Tensor();
    const std::vector<Player> players = model->players();
    for (int player = 0; player < static_cast<int>(players.size()); ++player) {
      INFO("player " << player);
      const auto loss = [&] {
        Generator noise(9);
        return total(model->loss({.x = x, .labels = labels, .noise = &noise, .train_size = 48}, player));
      };
      model->zero_grad();
      loss().backward();
      // Along one direction in the space of all parameters of that player.
      Generator some(4);
      std::vector<Tensor> directions;
      double expected = 0;
      for (const auto& [what, parameter] : players[static_cast<std::size_t>(player)].parameters) {
        directions.push_back(randn(parameter.shape(), {.dtype = DType::float64}, &some));
        if (parameter.grad().defined()) expected += sum(parameter.grad() * directions.back()).item();
      }
      const auto moved = [&](double step) {
        const NoGradGuard no_grad;
        std::size_t i = 0;
        for (const auto& [what, parameter] : players[static_cast<std::size_t>(player)].parameters) {
          Tensor handle = parameter;
          handle += directions[i++] * step;
        }
      };
      const double h = 1e-6;
      moved(h);
      const double above = loss().item();
      moved(-2 * h);
      const double below = loss().item();
      moved(h);
      CHECK((above - below) / (2 * h) == Approx(expected).epsilon(1e-4));
    }
  }
}

TEST_CASE("every model of the zoo trains to the same bits with one thread and two", "[zoo][bits]") {
  for (const std::string& name : stock) {
    INFO(name);
    CHECK(differences(trained_state(name, 1), trained_state(name, 2)) == "");
  }
}

TEST_CASE("every model of the zoo goes on to the same bits from within an epoch", "[zoo][bits]") {
  for (const std::string& name : stock) {
    INFO(name);
    const NamedArrays whole = trained_state(name, 1);
    const datasets::Dataset data = bars(48, 8);
    NamedArrays kept;
    {
      const std::unique_ptr<Model> model = made(small(name));
      Trainer trainer(*model, data, two_epochs());
      trainer.run_epoch();
      int steps = 0;
      CHECK_FALSE(trainer.run_epoch_while([&] { return steps++ < 1; }).has_value());
      for (const auto& [what, array] : trainer.state()) kept.emplace_back(what, array.copy());
    }
    const std::unique_ptr<Model> model = made(small(name));
    Trainer trainer(*model, data, two_epochs());
    trainer.load_state(kept);
    trainer.run_epoch();
    CHECK(differences(trainer.state(), whole) == "");
  }
}

TEST_CASE("every model of the zoo is trained, opened, measured, shown and reported", "[zoo]") {
  const TempDir dir;
  const datasets::Dataset data = bars(48, 8);
  for (const std::string& name : stock) {
    INFO(name);
    const Trained trained = train(dir / name, {.model = small(name), .train = two_epochs()}, data);
    const std::vector<EpochRecord> history = trained.run.history();
    REQUIRE(history.size() == 2);
    for (const auto& [term, nats] : history.back().train.terms) {
      INFO(term);
      CHECK(std::isfinite(nats));
    }
    const Evaluation found = evaluate(*trained.model, data);
    CHECK(std::isfinite(found.losses.loss));
    CHECK(found.count == 48);
    CHECK(score(*trained.model, data).size() == 48);
    const std::vector<viz::Row> rows{{"model", *trained.model}};
    const std::vector<std::int64_t> first{0, 1, 2};
    CHECK(viz::reconstruction_figure(rows, data, first).width > 0);
    if (trained.model->code_size() > 0)
      CHECK(viz::sample_figure(rows, {.codes = {viz::codes_to_draw(*trained.model, data)}}).width > 0);
    else
      CHECK_THROWS_AS(trained.model->code(some_pictures(1, {1, 8, 8})), ValueError);
    const viz::ReportRun run{name, trained.run, *trained.model, &data};
    const std::string page = viz::report({&run, 1}, {.tsne = false});
    for (const auto& [term, nats] : history.back().train.terms)
      if (nats != 0) CHECK(page.find(viz::curve_title(term)) != std::string::npos);
    for (const char* section : {"samples", "traversals", "embedding"})
      CHECK((page.find("<section id=\"" + std::string(section)) != std::string::npos) ==
            (trained.model->code_size() > 0));
  }
}

TEST_CASE("docs/zoo.md has the line of every model and every part", "[zoo]") {
  const std::string page = read_file(ELBO_SOURCE_DIR "/docs/zoo.md");
  const auto check = [&](const Entry& row) {
    INFO(row.name);
    std::string what;
    for (const char c : row.what) what += c == '|' ? std::string("\\|") : std::string(1, c);
    CHECK(page.find("\n| `" + row.name + "` | " + what + " |") != std::string::npos);
  };
  for (const std::string& name : stock) check(models::models().at(name));
  for (const PartKind& kind : part_kinds())
    for (const Entry* part : kind.parts)
      if (stock_parts.contains(kind.name + " " + part->name)) check(*part);
  for (const Architecture& row : architectures().rows())
    for (const std::string& field : row.fields) {
      std::string option = "-" + field + "`";
      std::replace(option.begin(), option.end(), '_', '-');
      CHECK(page.find(option) != std::string::npos);
    }
}
