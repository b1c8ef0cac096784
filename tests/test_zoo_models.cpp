// The models of the zoo that are no LatentModel: HVAE and VQ-VAE.
#include <elbo/core/gradcheck.h>
#include <elbo/core/parallel_for.h>
#include <elbo/models/analysis/codes.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/trainer.h>
#include <elbo/models/zoo/hvae.h>
#include <elbo/models/zoo/vq_vae.h>
#include <elbo/nn/init.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "catch.h"
#include "state_bits.h"

using namespace elbo;
using namespace elbo::models;

namespace {

template <class M>
std::unique_ptr<M> made(const ModelConfig& c) {
  Generator init(4, Stream::init);
  const GeneratorScope scope(init);
  return std::make_unique<M>(c);
}

/// Two pixels, one dimension in each layer, linear networks.
ModelConfig linear_hvae() {
  ModelConfig c = preset("hvae");
  c.picture = {1, 1, 2};
  c.hidden = {};
  c.latent = c.latent2 = 1;
  c.likelihood = "gaussian";
  c.output = "identity";
  c.variance = 0.3;
  return c;
}

/// Six pixels, gated networks.
ModelConfig small_hvae() {
  ModelConfig c = preset("hvae");
  c.picture = {1, 2, 3};
  c.hidden = {4};
  c.latent = 2;
  c.latent2 = 3;
  return c;
}

ModelConfig small_vq() {
  ModelConfig c = preset("vq-vae");
  c.picture = {2, 4, 4};
  c.channels = {3};
  c.blocks = 1;
  c.codebook = 5;
  c.code_channels = 2;
  return c;
}

void set(Model& model, const std::string& name, const std::vector<double>& values) {
  std::int64_t found = 0;
  for (auto& [own, tensor] : model.named_parameters())
    if (own == name)
      tensor.mutable_array().assign(Tensor(Array::from(values, tensor.shape())).to(tensor.dtype()).array()), ++found;
  CHECK(found == 1);
}

Tensor pictures(std::int64_t n, const ModelConfig& c, std::uint64_t seed = 8) {
  Generator generator(seed);
  return rand(c.picture.insert(0, n), {}, &generator);
}

Tensor loss_of(const Terms& terms) {
  Tensor out;
  for (const Term& term : terms.list)
    if (term.counts) out = out.defined() ? out + term.nats * term.weight.last() : term.nats * term.weight.last();
  return out;
}

double mean_of(const Tensor& x) { return mean(x.to(DType::float64)).item(); }
double error_of(const Tensor& x) {
  return elbo::std(x.to(DType::float64)).item() / std::sqrt(static_cast<double>(x.numel()));
}

std::vector<std::string> names_of(const Terms& terms) {
  std::vector<std::string> out;
  for (const Term& term : terms.list) out.push_back(term.name);
  return out;
}

/// Sums over the batch are those of the pictures; what only the batch has is left out.
void check_per_picture(Model& model, const Tensor& x, const std::set<std::string>& of_batch) {
  Generator one(7), two(7);
  const Terms whole = model.loss({.x = x, .noise = &one});
  const Terms each = model.loss({.x = x, .noise = &two, .per_picture = true});
  for (const Term& term : whole.list) {
    INFO(term.name);
    CHECK(term.nats.shape() == Shape{});
    const Term* same = each.find(term.name);
    CHECK((same != nullptr) == !of_batch.contains(term.name));
    if (!same) continue;
    CHECK(same->nats.shape() == Shape{x.shape()[0]});
    CHECK(sum(same->nats).item() == Approx(term.nats.item()).epsilon(1e-5));
  }
}

}  // namespace

TEST_CASE("an HVAE with the exact posterior knows log p(x)", "[hvae]") {
  // p(z2) = N(0, 1), p(z1|z2) = N(a z2 + a0, s), p(x|z1, z2) = N(w z1 + u z2 + b, v): all are Gaussian.
  const double a = 0.7, a0 = -0.2, s = 0.6, v = 0.3;
  const std::array<double, 2> w{0.9, -1.1}, u{0.4, 0.8}, b{0.1, 0.5};
  // Given z2, x is N(h z2 + c, s w w' + v): C and its inverse.
  const std::array<double, 2> h{w[0] * a + u[0], w[1] * a + u[1]}, c{w[0] * a0 + b[0], w[1] * a0 + b[1]};
  using Matrix = std::array<std::array<double, 2>, 2>;
  const auto inverse = [](const Matrix& m, double& det) {
    det = m[0][0] * m[1][1] - m[0][1] * m[1][0];
    return Matrix{{{m[1][1] / det, -m[0][1] / det}, {-m[1][0] / det, m[0][0] / det}}};
  };
  Matrix C{}, all{};
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 2; ++j) {
      C[i][j] = s * w[i] * w[j] + (i == j ? v : 0);
      all[i][j] = C[i][j] + h[i] * h[j];
    }
  double det = 0;
  const Matrix inner = inverse(C, det);
  const std::array<double, 2> k{inner[0][0] * h[0] + inner[0][1] * h[1], inner[1][0] * h[0] + inner[1][1] * h[1]};
  const double upper = 1 + h[0] * k[0] + h[1] * k[1];            // the precision of q(z2|x)
  const double lower = 1 / s + (w[0] * w[0] + w[1] * w[1]) / v;  // that of q(z1|x, z2)
  const double wu = w[0] * u[0] + w[1] * u[1], wb = w[0] * b[0] + w[1] * b[1];

  const auto model = made<HVAE>(linear_hvae());
  model->to(DType::float64);
  set(*model, "decoder.0.weight", {w[0], u[0], w[1], u[1]});
  set(*model, "decoder.0.bias", {b[0], b[1]});
  set(*model, "lower_prior.fc_mu.weight", {a});
  set(*model, "lower_prior.fc_mu.bias", {a0});
  set(*model, "lower_prior.fc_logvar.weight", {0});
  set(*model, "lower_prior.fc_logvar.bias", {std::log(s)});
  set(*model, "upper.fc_mu.weight", {k[0] / upper, k[1] / upper});
  set(*model, "upper.fc_mu.bias", {-(k[0] * c[0] + k[1] * c[1]) / upper});
  set(*model, "upper.fc_logvar.weight", {0, 0});
  set(*model, "upper.fc_logvar.bias", {-std::log(upper)});
  set(*model, "lower.fc_mu.weight", {w[0] / v / lower, w[1] / v / lower, (a / s - wu / v) / lower});
  set(*model, "lower.fc_mu.bias", {(a0 / s - wb / v) / lower});
  set(*model, "lower.fc_logvar.weight", {0, 0, 0});
  set(*model, "lower.fc_logvar.bias", {-std::log(lower)});

  const Tensor x = reshape(tensor({0.3, -0.8, 1.4, 0.2, -0.5, 2.0}, {.dtype = DType::float64}), {3, 1, 1, 2});
  const std::vector<double> numbers = x.to_vector<double>();
  const Matrix outer = inverse(all, det);
  std::vector<double> log_p;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::array<double, 2> d{numbers[2 * i] - c[0], numbers[2 * i + 1] - c[1]};
    const double square = d[0] * d[0] * outer[0][0] + 2 * d[0] * d[1] * outer[0][1] + d[1] * d[1] * outer[1][1];
    log_p.push_back(-std::log(2 * std::numbers::pi) - std::log(det) / 2 - square / 2);
  }
  Generator noise(3);
  const Tensor weights = model->log_weights({.x = x, .noise = &noise}, 7);
  REQUIRE(weights.shape() == Shape{7, 3});
  const std::vector<double> found = weights.to_vector<double>();
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(log_p[i % 3]).epsilon(1e-10));

  // The bound itself, a mean over draws.
  const NoGradGuard no_grad;
  const Tensor often = repeat(slice(x, 0, 0, 1), {4000, 1, 1, 1});
  const Tensor bound = loss_of(model->elbo({.x = often, .noise = &noise, .per_picture = true})) + model->constant();
  CHECK(mean_of(bound) == Approx(-log_p[0]).margin(5 * error_of(bound)));
}

TEST_CASE("an HVAE's terms are what its densities say", "[hvae]") {
  for (const std::string& prior : priors().names()) {
    INFO(prior);
    ModelConfig c = small_hvae();
    c.prior = prior;
    c.components = 3;
    c.prior_flows = 2;
    c.prior_hidden = 4;
    const auto model = made<HVAE>(c);
    set(*model, "upper.fc_mu.bias", {0.8, -0.5});
    set(*model, "lower.fc_mu.bias", {0.5, 1, -1});
    Generator noise(3);
    const NoGradGuard no_grad;
    const Tensor one = pictures(1, c), often = repeat(one, {20000, 1, 1, 1});
    const Terms terms = model->elbo({.x = often, .noise = &noise, .per_picture = true});
    CHECK(names_of(terms) == std::vector<std::string>{"reconstruction", "kl_1", "kl_2", "kl"});
    const Tensor weights = model->log_weights({.x = one, .noise = &noise}, 20000);
    const Tensor bound = loss_of(terms) + model->constant();
    // Of one picture, by a mean over its draws of the closed forms, and of the densities.
    CHECK(mean_of(bound) == Approx(-mean_of(weights)).margin(4 * (error_of(bound) + error_of(weights))));
    CHECK(logsumexp(flatten(weights, 0), {0}).item() - std::log(20000) > -mean_of(bound));

    // KL(q(z1|x, z2) || p(z1|z2)) for one z2: log q - log p over its draws.
    const Tensor z2 = model->code(one), z2_often = repeat(z2, {20000, 1});
    const Encoded q = model->encode_lower(often, z2_often), p = model->lower_prior(z2_often);
    const Tensor z1 = reparameterize(q.mu, q.logvar, &noise);
    const Tensor ratio = sum(gaussian_log_prob(z1, q.mu, q.logvar) - gaussian_log_prob(z1, p.mu, p.logvar), {1});
    const Terms at_mean = model->elbo({.x = one, .noise = &noise, .codes = Codes::mean});
    CHECK(at_mean.find("kl_1")->nats.item() == Approx(mean_of(ratio)).margin(4 * error_of(ratio)));
    CHECK(at_mean.find("kl")->nats.item() ==
          Approx(at_mean.find("kl_1")->nats.item() + at_mean.find("kl_2")->nats.item()));
  }
}

TEST_CASE("samples of an HVAE draw both layers of codes", "[hvae]") {
  HVAE model(small_hvae());
  set(model, "lower_prior.fc_mu.bias", {0.5, 1, -1});
  const auto from = [](std::uint64_t seed) { return Generator(seed); };
  Generator one = from(1), again = from(1), two = from(2);
  const Tensor z2 = zeros({3, model.config().latent});
  const auto values = [](const Array& pictures) { return pictures.to_vector<float>(); };
  const std::vector<float> drawn = values(draw_pictures(model, z2, {}, one));
  CHECK(drawn == values(draw_pictures(model, z2, {}, again)));
  CHECK(drawn != values(draw_pictures(model, z2, {}, two)));
  CHECK(values(decode_pictures(model, z2)) == values(decode_pictures(model, z2)));
  CHECK(drawn != values(decode_pictures(model, z2)));

  Generator whole = from(3), parts = from(3);
  const Tensor z = draw_codes(prior_codes(model), 3, parts);
  CHECK(values(shown_pictures(model, model.sample(3, {}, &whole))) == values(draw_pictures(model, z, {}, parts)));
}

TEST_CASE("the gradient of an HVAE is that of its loss", "[hvae]") {
  ModelConfig c = small_hvae();
  c.beta = 1.5;
  const auto model = made<HVAE>(c);
  CHECK(model->loss({.x = pictures(2, c)}).find("kl_2")->weight.last() == 1.5);
  CHECK(model->elbo({.x = pictures(2, c)}).find("kl_2")->weight.last() == 1);
  model->to(DType::float64);
  const Tensor x = pictures(3, c).to(DType::float64);
  const std::vector<Tensor> parameters = model->parameters();
  const GradcheckResult result = gradcheck(
      [&](std::span<const Tensor>) {
        Generator noise(7);
        return loss_of(model->loss({.x = x, .noise = &noise}));
      },
      parameters);
  INFO(result.message);
  CHECK(result.ok);
}

TEST_CASE("what an HVAE gives: codes of its upper layer, pictures, samples", "[hvae]") {
  const ModelConfig c = small_hvae();
  const auto model = made<HVAE>(c);
  const Tensor x = pictures(3, c);
  check_per_picture(*model, x, {});
  CHECK(outline(c).count == model->num_parameters());
  CHECK(model->has_prior());
  CHECK(model->code_size() == 2);
  CHECK(model->code(x).to_vector<float>() == model->encode(x).mu.to_vector<float>());
  CHECK(model->picture(model->code(x)).shape() == x.shape());
  CHECK(model->reconstruct(x).shape() == x.shape());
  Generator noise(3);
  CHECK(model->draw_codes(4, {}, &noise).shape() == Shape{4, 2});
  const Tensor drawn = model->sample(4, {}, &noise);
  CHECK(drawn.shape() == Shape{4, 1, 2, 3});
  CHECK((min(drawn).item() >= 0 && max(drawn).item() <= 1));
  {
    const NoGradGuard no_grad;
    const Terms terms = model->loss({.x = x});
    CHECK(terms.codes.shape() == Shape{3, 2});
    CHECK(model->mean(terms.decoded).shape() == x.shape());
  }
  CHECK(preset("hvae").hidden == std::vector<std::int64_t>{300, 300});
  ModelConfig labelled = c;
  labelled.classes = 3;
  CHECK_THROWS_WITH(filled(labelled), "labels: the model hvae takes none");
  ModelConfig with_objective = c;
  with_objective.objective = "factor";
  CHECK_THROWS_WITH(filled(with_objective), "objective: the model hvae has its own, found 'factor'");
  CHECK_THROWS_AS(model->code(x, Tensor(Array::from(std::vector<std::int64_t>{0, 1, 2}, {3}))), ValueError);
}

TEST_CASE("a VQ-VAE takes the nearest entry, and hands the gradient straight through", "[vq]") {
  const auto model = made<VQVAE>(small_vq());
  Generator draws(6);
  model->codebook.copy_(randn({5, 2}, {}, &draws));
  Tensor z = randn({3, 2, 4, 3}, {}, &draws).requires_grad_();
  const std::vector<float> numbers = z.to_vector<float>(), entries = model->codebook.to_vector<float>();
  const std::vector<std::int64_t> found = model->nearest(z).to_vector<std::int64_t>();
  const Tensor code = model->quantize(z);
  const std::vector<float> values = code.to_vector<float>();
  for (std::size_t b = 0, at = 0; b < 3; ++b)
    for (std::size_t place = 0; place < 12; ++place, ++at) {
      const auto part = [&](std::size_t channel) { return numbers[(b * 2 + channel) * 12 + place]; };
      std::size_t best = 0;
      double least = INFINITY;
      for (std::size_t e = 0; e < 5; ++e) {
        const double distance = std::hypot(part(0) - entries[2 * e], part(1) - entries[2 * e + 1]);
        if (distance < least) best = e, least = distance;
      }
      CHECK(found[at] == static_cast<std::int64_t>(best));
      for (const std::size_t channel : {0u, 1u})
        CHECK(values[(b * 2 + channel) * 12 + place] == entries[2 * best + channel]);
    }
  const Tensor weight = randn({3, 2, 4, 3}, {}, &draws);
  sum(code * weight).backward();
  CHECK(z.grad().to_vector<float>() == weight.to_vector<float>());
}

TEST_CASE("a VQ-VAE's loss: reconstruction, commitment, and what it reports", "[vq]") {
  const ModelConfig c = small_vq();
  const auto model = made<VQVAE>(c);
  model->eval();
  Generator draws(6);
  model->codebook.copy_(randn({5, 2}, {}, &draws));
  const Tensor x = pictures(6, c);
  check_per_picture(*model, x, {"perplexity"});
  const Terms terms = model->loss({.x = x});
  CHECK(names_of(terms) == std::vector<std::string>{"reconstruction", "commitment", "perplexity"});
  CHECK(terms.find("commitment")->weight.last() == 0.25);
  CHECK_FALSE(terms.find("perplexity")->counts);
  // The mean over the four positions of a picture.
  const Tensor z = model->encode(x);
  REQUIRE(z.shape() == Shape{6, 2, 2, 2});
  CHECK(terms.find("commitment")->nats.item() == Approx(sum(square(z - model->quantize(z).detach())).item() / 4));
  std::vector<double> counts(5);
  for (const std::int64_t number : model->nearest(z).to_vector<std::int64_t>())
    ++counts[static_cast<std::size_t>(number)];
  double entropy = 0;
  for (const double count : counts)
    if (count > 0) entropy -= count / 24 * std::log(count / 24);
  CHECK(terms.find("perplexity")->nats.item() == Approx(6 * std::exp(entropy)));
  // One entry for all.
  model->codebook.copy_(full({5, 2}, 100));
  model->codebook[2].copy_(zeros({2}));
  CHECK(model->loss({.x = x}).find("perplexity")->nats.item() == Approx(6));
  const Terms elbo = model->elbo({.x = x, .per_picture = true});
  CHECK(elbo.find("kl")->nats.to_vector<float>() == std::vector<float>(6, static_cast<float>(4 * std::log(5.0))));
  CHECK(model->elbo({.x = x}).find("kl")->nats.item() == Approx(24 * std::log(5.0)));
}

TEST_CASE("the gradients of a VQ-VAE are its decoder's, and its encoder's by the commitment", "[vq]") {
  const ModelConfig c = small_vq();
  const auto model = made<VQVAE>(c);
  model->eval();
  Generator draws(6);
  model->codebook.copy_(randn({5, 2}, {}, &draws));
  model->to(DType::float64);
  const Tensor x = pictures(3, c).to(DType::float64);
  for (const char* name : {"reconstruction", "commitment"}) {
    INFO(name);
    // Of the reconstruction the encoder's is an estimate, no derivative.
    const std::string part = std::string(name) == "reconstruction" ? "decoder." : "encoder.";
    std::vector<Tensor> parameters;
    for (auto& [own, tensor] : model->named_parameters())
      if (own.starts_with(part)) parameters.push_back(tensor);
    const GradcheckResult result =
        gradcheck([&](std::span<const Tensor>) { return model->loss({.x = x}).find(name)->nats; }, parameters);
    INFO(result.message);
    CHECK(result.ok);
  }
  // By the straight-through estimate the encoder has the decoder's gradient of what it was given.
  model->zero_grad();
  Tensor nll = model->loss({.x = x}).find("reconstruction")->nats;
  nll.backward();
  for (auto& [own, tensor] : model->named_parameters())
    if (own.starts_with("encoder.")) CHECK(sum(abs(tensor.grad())).item() > 0);
}

TEST_CASE("a VQ-VAE's codebook is the running mean of what its entries stand for", "[vq]") {
  ModelConfig c = small_vq();
  c.codebook_decay = 0.9;
  const auto model = made<VQVAE>(c);
  const Tensor x = pictures(2, c);
  // Entries 0 and 1 near what the encoder gives, 2 and 3 far off: 2 is still remembered, 3 and 4 are not.
  const Tensor z = model->encode(x).detach();
  const std::vector<float> given = reshape(permute(z, {0, 2, 3, 1}), {-1}).to_vector<float>();  // [8, 2]
  const std::vector<float> book{given[0], given[1], given[6], given[7], 50, 50, 60, 60, 70, 70};
  const std::vector<float> uses{3, 2, 2, 0.9f, 0};
  std::vector<float> sums;
  for (std::size_t i = 0; i < 10; ++i) sums.push_back(book[i] * uses[i / 2]);
  const auto begin = [&](VQVAE& one) {
    one.codebook.copy_(tensor<float>(book, {5, 2}));
    one.uses.copy_(tensor<float>(uses, {5}));
    one.sums.copy_(tensor<float>(sums, {5, 2}));
  };
  begin(*model);
  const std::vector<std::int64_t> entry = model->nearest(z).to_vector<std::int64_t>();
  Generator noise(5);
  model->loss({.x = x, .noise = &noise});
  const std::vector<float> now = model->codebook.to_vector<float>(), used = model->uses.to_vector<float>();
  for (std::size_t e = 0; e < 3; ++e) {
    double n = 0, m[2] = {0, 0};
    for (std::size_t i = 0; i < 8; ++i)
      if (entry[i] == static_cast<std::int64_t>(e)) ++n, m[0] += given[2 * i], m[1] += given[2 * i + 1];
    INFO(e << " stands for " << n);
    CHECK((n > 0) == (e < 2));
    const double count = 0.9 * uses[e] + 0.1 * n;
    CHECK(used[e] == Approx(count));
    for (std::size_t j = 0; j < 2; ++j)
      CHECK(now[2 * e + j] == Approx((0.9 * sums[2 * e + j] + 0.1 * m[j]) / count).epsilon(1e-5));
  }
  // The dead are what the encoder gives somewhere, and stand for one such number.
  const auto is_given = [&](float first, float second) {
    for (std::size_t i = 0; i < 8; ++i)
      if (given[2 * i] == first && given[2 * i + 1] == second) return true;
    return false;
  };
  for (const std::size_t e : {3u, 4u}) {
    CHECK(is_given(now[2 * e], now[2 * e + 1]));
    CHECK(used[e] == 1);
  }
  CHECK(noise.offset().item() == 1);

  // The same bits for any number of threads; an evaluation moves and draws nothing.
  const int before = num_threads();
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    const auto again = made<VQVAE>(c);
    begin(*again);
    Generator same(5);
    again->loss({.x = x, .noise = &same});
    CHECK(again->codebook.to_vector<float>() == now);
    again->eval();
    again->loss({.x = x, .noise = &same});
    CHECK(again->codebook.to_vector<float>() == now);
    CHECK(same.offset().item() == 1);
  }
  set_num_threads(before);
}

TEST_CASE("the first batch of a VQ-VAE fills its codebook", "[vq]") {
  const ModelConfig c = small_vq();
  const auto model = made<VQVAE>(c);
  const Tensor x = pictures(4, c);
  Generator noise(5);
  const double first = model->loss({.x = x, .noise = &noise}).find("commitment")->nats.item();
  CHECK(model->loss({.x = x, .noise = &noise}).find("commitment")->nats.item() < first / 4);
}

TEST_CASE("what a VQ-VAE has, and has not", "[vq]") {
  const ModelConfig c = small_vq();
  const auto model = made<VQVAE>(c);
  const Tensor x = pictures(2, c);
  CHECK(outline(c).count == model->num_parameters());
  CHECK(model->reconstruct(x).shape() == x.shape());
  CHECK_FALSE(model->has_prior());
  CHECK(model->code_size() == 0);
  CHECK_THROWS_WITH(model->sample(3),
                    "[sample] the model vq-vae has no distribution of its grids of codes to draw from");
  CHECK_THROWS_AS(model->code(x), ValueError);
  std::set<std::string> state;
  for (const auto& [name, array] : model->state_dict()) state.insert(name);
  for (const char* name : {"codebook", "uses", "sums"}) CHECK(state.contains(name));
  for (const auto& [name, tensor] : model->named_parameters()) CHECK(name != "codebook");

  ModelConfig other = c;
  other.picture = {1, 6, 6};
  other.channels = {4, 4};
  CHECK_THROWS_WITH(filled(other),
                    "channels: 2 convolutions halve the picture as often, found 6 x 6 pixels, which cannot be");
  CHECK(filled({.model = "vq-vae"}).channels == std::vector<std::int64_t>{64, 128});
  CHECK(why_unused(c, "codebook").empty());
  CHECK_THAT(why_unused(c, "latent"), Catch::Contains("has no effect on this model; it is for any --posterior"));
  CHECK_THAT(why_unused(preset("vae"), "codebook"), Catch::Contains("--model vq-vae"));
}

TEST_CASE("models that are no LatentModel train to the same bits, with any number of threads and after a stop",
          "[hvae][vq][bits]") {
  const datasets::Dataset data = datasets::load("shapes", datasets::Split::train, {}, {.count = 64});
  const TrainOptions options{.epochs = 2, .batch_size = 20, .val_size = 10, .seed = 5};
  for (const char* name : {"hvae", "vq-vae"}) {
    INFO(name);
    ModelConfig c = preset(name);
    c.picture = {1, 64, 64};
    c.hidden = {16};
    c.channels = {4, 4, 4};
    c.codebook = 16;
    c.code_channels = 3;
    if (c.model == "hvae") c.warmup = 2;
    const auto fresh = [&] {
      Generator init(11, Stream::init);
      return make(c, &init);
    };
    std::vector<std::string> states;
    const int before = num_threads();
    for (const int threads : {1, 2}) {
      set_num_threads(threads);
      const auto model = fresh();
      Trainer trainer(*model, data, options);
      const double first = trainer.run_epoch().val->loss;
      CHECK(trainer.run_epoch().val->loss < first);
      states.push_back(bits(trainer.state()));
    }
    set_num_threads(before);
    CHECK((states[0] == states[1]));

    const auto first_model = fresh(), second_model = fresh();
    Trainer first(*first_model, data, options), second(*second_model, data, options);
    first.run_epoch();
    int left = 2;
    CHECK_FALSE(first.run_epoch_while([&] { return left-- > 0; }));
    NamedArrays state;
    for (const auto& [array_name, array] : first.state()) state.emplace_back(array_name, array.copy());
    second.load_state(state);
    second.run_epoch();
    CHECK((bits(second.state()) == states[0]));
  }
}
