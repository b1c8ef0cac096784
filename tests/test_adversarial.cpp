// The objectives with a discriminator of codes: FactorVAE's and the adversarial autoencoder's, and the training of
// models with two players.
#include <elbo/core/gradcheck.h>
#include <elbo/core/parallel_for.h>
#include <elbo/datasets/split.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/objectives/discriminator_detail.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/trainer.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "catch.h"
#include "state_bits.h"

using namespace elbo;
using namespace elbo::models;

namespace {

/// Pictures of two pixels, two latent dimensions, a linear encoder.
ModelConfig tiny(const std::string& model) {
  ModelConfig c = preset(model);
  c.picture = {1, 1, 2};
  c.latent = 2;
  c.hidden = {};
  c.likelihood = "gaussian";
  c.output = "identity";
  c.discriminator = {32, 32};
  return c;
}

std::unique_ptr<LatentModel> made(const ModelConfig& c) {
  Generator init(4, Stream::init);
  const GeneratorScope scope(init);
  return std::make_unique<LatentModel>(c);
}

void set(Model& model, const std::string& name, const std::vector<float>& values) {
  for (auto& [own, tensor] : model.named_parameters())
    if (own == name) tensor.mutable_array().assign(Array::from(values, tensor.shape()));
}

/// Pictures whose pixels are independent and normal.
Tensor noise_pictures(std::int64_t n, Generator& generator) { return randn({n, 1, 1, 2}, {}, &generator); }

Tensor loss_of(const Terms& terms) {
  Tensor out;
  for (const Term& term : terms.list)
    if (term.counts) out = out.defined() ? out + term.nats * term.weight.last() : term.nats * term.weight.last();
  return out;
}

/// Trains the player alone on batches of 256 until its loss settles.
void train_player(LatentModel& model, int player, int steps, Generator& noise) {
  nn::Adam adam(model.players()[static_cast<std::size_t>(player)].parameters, {.lr = 5e-3});
  for (int i = 0; i < steps; ++i) {
    if (i == steps / 2) adam.set_lr(5e-4);
    model.zero_grad();
    (loss_of(model.loss({.x = noise_pictures(256, noise), .noise = &noise}, player)) / 256).backward();
    adam.step();
  }
}

std::vector<std::string> names_of(const Terms& terms) {
  std::vector<std::string> out;
  for (const Term& term : terms.list) out.push_back(term.name);
  return out;
}

}  // namespace

TEST_CASE("permute_dims puts each dimension into an order of its own", "[adversarial]") {
  Generator noise(3);
  const std::int64_t n = 200;
  const Tensor z = reshape(arange(n * 3, {.dtype = DType::float32}), {n, 3});
  const Tensor permuted = internal::permute_dims(z, &noise);
  std::vector<std::vector<double>> columns(3);
  std::int64_t together = 0, stays = 0;
  const std::vector<float> numbers = permuted.to_vector<float>();
  for (std::size_t row = 0; row < 200; ++row) {
    for (std::size_t j = 0; j < 3; ++j) columns[j].push_back(numbers[row * 3 + j]);
    together += columns[0].back() + 1 == columns[1].back();
    stays += columns[0].back() == 3.0 * static_cast<double>(row);
  }
  for (std::size_t j = 0; j < 3; ++j) {
    std::sort(columns[j].begin(), columns[j].end());
    for (std::size_t row = 0; row < 200; ++row) CHECK(columns[j][row] == static_cast<double>(3 * row + j));
  }
  // One of each is expected, whatever n.
  CHECK(together < 8);
  CHECK(stays < 8);

  // The same generator state gives the same order for any number of threads, and one draw is taken.
  Generator first(5), second(5);
  const int before = num_threads();
  set_num_threads(1);
  const std::vector<float> one = internal::permute_dims(z, &first).to_vector<float>();
  set_num_threads(3);
  CHECK(internal::permute_dims(z, &second).to_vector<float>() == one);
  set_num_threads(before);
  CHECK(internal::permute_dims(z, &second).to_vector<float>() != one);
  CHECK(first.offset().item() == 1);
}

TEST_CASE("the model's parameters and the discriminator's are two players'", "[adversarial]") {
  for (const char* name : {"factor-vae", "aae"}) {
    INFO(name);
    const auto model = made(tiny(name));
    const std::vector<Player> players = model->players();
    REQUIRE(players.size() == 2);
    CHECK(players[0].name.empty());
    CHECK(players[1].name == "discriminator");
    std::set<std::string> all;
    for (const Player& player : players)
      for (const auto& [own, tensor] : player.parameters) {
        CHECK(all.insert(own).second);
        CHECK(own.starts_with("objective.discriminator.") == (&player == &players[1]));
      }
    CHECK(all.size() == model->named_parameters().size());
    CHECK(players[1].parameters.size() == 6);
    CHECK(players[1].parameters.front().second.shape() == Shape{32, 2});
    CHECK(outline(model->config()).count == model->num_parameters());
  }
}

TEST_CASE("the gradients of both players are those of their losses", "[adversarial]") {
  Generator draws(9);
  const Tensor x = noise_pictures(5, draws).to(DType::float64);
  for (const char* name : {"factor-vae", "aae"})
    for (const int player : {0, 1}) {
      INFO(name << ", player " << player);
      ModelConfig c = tiny(name);
      c.discriminator = {4};
      const auto model = made(c);
      model->to(DType::float64);
      const Player own = model->players()[static_cast<std::size_t>(player)];
      std::vector<Tensor> parameters;
      for (const auto& [name_of, tensor] : own.parameters) parameters.push_back(tensor);
      const GradcheckResult result = gradcheck(
          [&](std::span<const Tensor>) {
            Generator noise(7);
            return loss_of(model->loss({.x = x, .noise = &noise}, player));
          },
          parameters);
      INFO(result.message);
      CHECK(result.ok);
    }
}

TEST_CASE("what an adversary's model minimises: terms by name, for each picture and of a batch", "[adversarial]") {
  Generator draws(9);
  const Tensor x = noise_pictures(6, draws);
  using Names = std::vector<std::string>;
  for (const auto& [name, terms] : {std::pair{"factor-vae", Names{"reconstruction", "kl", "total_correlation"}},
                                    std::pair{"aae", Names{"reconstruction", "adversarial"}}})
    for (const int player : {0, 1}) {
      INFO(name << ", player " << player);
      const auto model = made(tiny(name));
      Generator one(7), two(7);
      const Terms whole = model->loss({.x = x, .noise = &one}, player);
      const Terms each = model->loss({.x = x, .noise = &two, .per_picture = true}, player);
      CHECK(names_of(whole) == (player == 0 ? terms : Names{"discriminator"}));
      CHECK(names_of(each) == names_of(whole));
      for (std::size_t i = 0; i < whole.list.size(); ++i) {
        CHECK(whole.list[i].nats.shape() == Shape{});
        CHECK(each.list[i].nats.shape() == Shape{6});
        CHECK(whole.list[i].nats.item() == Approx(sum(each.list[i].nats).item()).epsilon(1e-5));
      }
    }
  CHECK(made(tiny("factor-vae"))->loss({.x = x}).find("total_correlation")->weight.last() == 10);
  ModelConfig c = tiny("aae");
  c.posterior = "diagonal";
  c.beta = 3;
  const Terms terms = made(c)->loss({.x = x});
  CHECK(names_of(terms) == Names{"reconstruction", "adversarial", "kl"});
  CHECK(terms.find("adversarial")->weight.last() == 3);
  CHECK_FALSE(terms.find("kl")->counts);
  CHECK(terms.find("kl")->nats.item() > 0);
}

TEST_CASE("a discriminator of codes whose dimensions are independent guesses", "[adversarial]") {
  const auto model = made(tiny("factor-vae"));
  set(*model, "fc_mu.weight", {1, 0, 0, 2});
  set(*model, "fc_logvar.weight", {0, 0, 0, 0});
  Generator noise(2);
  train_player(*model, 1, 150, noise);
  const NoGradGuard no_grad;
  const StepInput in{.x = noise_pictures(20000, noise), .noise = &noise};
  // log 2 for a guess. By chance the estimate is off by less than 0.01.
  CHECK(model->loss(in, 1).list[0].nats.item() / 20000 == Approx(std::log(2.0)).margin(0.01));
  CHECK(model->loss(in).find("total_correlation")->nats.item() / 20000 == Approx(0).margin(0.03));
}

TEST_CASE("the total correlation that the discriminator finds is that of a Gaussian", "[adversarial]") {
  // z = (x1, 0.8 x1 + 0.6 x2), and hardly any noise: a correlation of 0.8, so -log(1 - 0.8^2) / 2 nats.
  const auto model = made(tiny("factor-vae"));
  set(*model, "fc_mu.weight", {1, 0, 0.8f, 0.6f});
  set(*model, "fc_mu.bias", {0, 0});
  set(*model, "fc_logvar.weight", {0, 0, 0, 0});
  set(*model, "fc_logvar.bias", {-12, -12});
  Generator noise(2);
  train_player(*model, 1, 400, noise);
  const NoGradGuard no_grad;
  const Terms terms = model->loss({.x = noise_pictures(20000, noise), .noise = &noise});
  // A discriminator of 64 units comes within 0.05.
  CHECK(terms.find("total_correlation")->nats.item() / 20000 == Approx(-std::log(1 - 0.64) / 2).margin(0.05));
}

TEST_CASE("an adversary draws an autoencoder's codes to the prior", "[adversarial]") {
  const auto model = made(tiny("aae"));
  CHECK(model->has_prior());
  CHECK_FALSE(made(tiny("ae"))->has_prior());
  set(*model, "encoder.0.weight", {3, 0, 0, 0.2f});  // where its Linear is
  set(*model, "encoder.0.bias", {2, -1});
  Generator noise(2);
  const std::vector<Player> players = model->players();
  nn::Adam first(players[0].parameters, {.lr = 5e-3}), second(players[1].parameters, {.lr = 5e-3});
  for (int i = 0; i < 600; ++i) {
    const Tensor x = noise_pictures(128, noise);
    for (const int player : {0, 1}) {
      model->zero_grad();
      (loss_of(model->loss({.x = x, .noise = &noise}, player)) / 128).backward();
      player == 0 ? first.step() : second.step();
    }
  }
  const Tensor z = model->code(noise_pictures(4000, noise));
  for (const int j : {0, 1}) {
    const Tensor one = z.index({Slice(), j});
    INFO(j);
    CHECK(mean(one).item() == Approx(0).margin(0.3));
    CHECK(one.std().item() == Approx(1).margin(0.3));
  }
  CHECK(model->sample(3, {}, &noise).shape() == Shape{3, 1, 1, 2});
  CHECK_FALSE(model->log_weights({.x = noise_pictures(2, noise)}, 3).defined());
}

TEST_CASE("a factor objective refuses what has no total correlation", "[adversarial]") {
  ModelConfig c = tiny("factor-vae");
  c.latent = 1;
  CHECK_THROWS_WITH(filled(c),
                    "latent: expected at least 2, whose total correlation the objective factor takes, found 1");
  c.latent = 2;
  c.posterior = "point";
  CHECK_THROWS_WITH(filled(c), "posterior: expected a distribution for the objective factor, found 'point'");
}

namespace {

datasets::Dataset shapes(std::int64_t count) {
  return datasets::load("shapes", datasets::Split::train, {}, {.count = count});
}

ModelConfig small(const std::string& name) {
  ModelConfig c = preset(name);
  c.picture = {1, 64, 64};
  c.latent = 3;
  c.hidden = {16};
  c.discriminator = {8};
  return c;
}

std::unique_ptr<Model> fresh(const ModelConfig& c) {
  Generator init(11, Stream::init);
  return make(c, &init);
}

const TrainOptions options{.epochs = 2, .batch_size = 20, .val_size = 10, .seed = 5};

}  // namespace

TEST_CASE("two players train to the same bits with 1 and 2 threads", "[adversarial][bits]") {
  const datasets::Dataset data = shapes(64);
  for (const char* name : {"factor-vae", "aae"}) {
    INFO(name);
    std::vector<std::string> states;
    const int before = num_threads();
    for (const int threads : {1, 2}) {
      set_num_threads(threads);
      const auto model = fresh(small(name));
      Trainer trainer(*model, data, options);
      trainer.run_epoch();
      const EpochRecord last = trainer.run_epoch();
      CHECK(last.train.find("discriminator"));
      CHECK_FALSE(last.val->find("discriminator"));
      states.push_back(bits(trainer.state()));
    }
    set_num_threads(before);
    CHECK((states[0] == states[1]));
  }
}

TEST_CASE("two players go on from the midst of an epoch to the same bits", "[adversarial][bits]") {
  const datasets::Dataset data = shapes(64);
  for (const char* name : {"factor-vae", "aae"}) {
    INFO(name);
    ModelConfig c = small(name);
    if (c.objective == "adversarial") c.warmup = 2;
    const auto whole_model = fresh(c), first_model = fresh(c), second_model = fresh(c);
    Trainer whole(*whole_model, data, options), first(*first_model, data, options),
        second(*second_model, data, options);
    const Losses expected[] = {whole.run_epoch().train, whole.run_epoch().train};
    first.run_epoch();
    int left = 2;
    CHECK_FALSE(first.run_epoch_while([&] { return left-- > 0; }));
    NamedArrays state;
    for (const auto& [array_name, array] : first.state()) state.emplace_back(array_name, array.copy());
    second.load_state(state);
    CHECK((bits(second.state()) == bits(state)));
    const Losses found = second.run_epoch().train;
    CHECK(found.terms == expected[1].terms);
    CHECK(found.loss == expected[1].loss);
    CHECK((bits(second.state()) == bits(whole.state())));
  }
}

TEST_CASE("each player's optimiser moves its own parameters, by its own loss", "[adversarial]") {
  // One step over all pictures, and the same by hand.
  const datasets::Dataset data = shapes(20);
  TrainOptions one_step = options;
  one_step.batch_size = 20;
  one_step.val_size = 0;
  const auto trained = fresh(small("factor-vae")), by_hand = fresh(small("factor-vae"));
  Trainer trainer(*trained, data, one_step);
  const Losses losses = trainer.run_epoch().train;
  datasets::Batches batches(data.pictures_array(), {}, datasets::split(data, 0, one_step.seed).train,
                            {.batch_size = 20, .seed = one_step.seed});
  batches.begin_epoch(0);
  const Tensor x(batches.next()->pictures);
  Generator noise(one_step.seed, Stream::noise);
  const std::vector<Player> players = by_hand->players();
  double loss = 0;
  for (const int player : {0, 1}) {
    nn::Adam adam(players[static_cast<std::size_t>(player)].parameters, {.lr = one_step.lr});
    by_hand->zero_grad();
    const Terms terms = by_hand->loss({.x = x, .noise = &noise, .train_size = 20}, player);
    std::vector<Tensor> outputs;
    std::vector<Array> seeds;
    for (const Term& term : terms.list) {
      outputs.push_back(term.nats);
      seeds.push_back(full({}, static_cast<float>(1.0 / 20) * static_cast<float>(term.weight.last())).array());
      if (player == 0) loss += term.weight.last() * term.nats.item() / 20;
    }
    backward(outputs, seeds);
    adam.step();
  }
  CHECK(losses.loss == Approx(loss).epsilon(1e-5));
  const NamedArrays expected = by_hand->state_dict(), found = trained->state_dict();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(expected[i].first);
    CHECK(found[i].second.to_vector<float>() == expected[i].second.to_vector<float>());
  }
}

namespace {

/// Two players with rates of their own: the encoder, and the rest, which names its term as it is told.
class EncoderFirst : public Objective {
 public:
  explicit EncoderFirst(std::string second) : second_(std::move(second)) {}

  Terms loss(LatentModel& model, const StepInput& in, int player) override {
    Terms out;
    out.add(player == 0 ? "reconstruction" : second_, model.nll(model.forward(in), in));
    return out;
  }
  std::vector<Player> players(const LatentModel& model) override {
    Player first{.lr = 0.5}, second{.name = "rest", .lr = 2};
    for (const auto& one : model.named_parameters())
      (one.first.starts_with("encoder.") ? first : second).parameters.push_back(one);
    return {first, second};
  }

 private:
  std::string second_;
};

std::unique_ptr<Model> encoder_first(const std::string& second) {
  const std::string name = "encoder-first-" + second;
  if (!objectives().find(name)) {
    ObjectiveRow row;
    row.name = name;
    row.make = [second](const ModelConfig&) { return std::make_unique<EncoderFirst>(second); };
    objectives().add(row);
  }
  ModelConfig c = small("vae");
  c.objective = name;
  return fresh(c);
}

}  // namespace

TEST_CASE("each player has its share of the learning rate, after a checkpoint too", "[adversarial]") {
  const datasets::Dataset data = shapes(30);
  const auto rates = [](const Trainer& trainer) {
    std::vector<double> out;
    for (const auto& [name, array] : trainer.state())
      if (name.starts_with("optimizer.") && name.ends_with(".lr")) out.push_back(array.item());
    return out;
  };
  const auto model = encoder_first("own");
  Trainer trainer(*model, data, options);
  trainer.run_epoch();
  CHECK(rates(trainer)[0] == Approx(0.5e-3));
  CHECK(rates(trainer)[1] == Approx(2e-3));
  // Half the rate is what the first player had: it is to have half of that.
  TrainOptions slower = options;
  slower.lr = 0.5e-3;
  const auto other = encoder_first("own");
  Trainer resumed(*other, data, slower);
  resumed.load_state(trainer.state());
  resumed.run_epoch();
  CHECK(rates(resumed)[0] == Approx(0.25e-3));
  CHECK(rates(resumed)[1] == Approx(1e-3));
}

TEST_CASE("terms of one name are refused, whoever has them", "[adversarial]") {
  const auto model = encoder_first("reconstruction");
  Trainer trainer(*model, shapes(30), options);
  CHECK_THROWS_WITH(trainer.run_epoch(),
                    "[train] the model vae: expected one term of each name, found two called reconstruction");
}
