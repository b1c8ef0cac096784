#include "hvae.h"

#include "../../core/autograd.h"
#include "../parts_detail.h"
#include "../registry.h"
#include "presets_detail.h"

namespace elbo::models {
namespace {

/// One code for each row of a Gaussian: drawn, or its mean.
Tensor chosen(const Encoded& q, Codes codes, Generator* noise) {
  return codes == Codes::mean ? q.mu : reparameterize(q.mu, q.logvar, noise);
}

Tensor log_density(const Encoded& q, const Tensor& z) { return sum(gaussian_log_prob(z, q.mu, q.logvar), {1}); }

Tensor joined(const Tensor& a, const Tensor& b) { return concatenate({flatten(a), b}, 1); }

}  // namespace

ConditionalGaussian::ConditionalGaussian(const ModelConfig& c, std::int64_t inputs, std::int64_t latent)
    : layers_(internal::mlp().encoder(c, inputs)),
      fc_mu_(c.hidden.empty() ? inputs : c.hidden.back(), latent),
      fc_logvar_(c.hidden.empty() ? inputs : c.hidden.back(), latent) {
  register_module("layers", &ConditionalGaussian::layers_);
  register_module("fc_mu", &ConditionalGaussian::fc_mu_);
  register_module("fc_logvar", &ConditionalGaussian::fc_logvar_);
}

Encoded ConditionalGaussian::operator()(const Tensor& x) {
  const Tensor h = layers_(x);
  return {fc_mu_(h), fc_logvar_(h)};
}

HVAE::HVAE(ModelConfig given)
    : Model(filled(std::move(given))),
      prior_(priors().at(config().prior).make(config())),
      likelihood_(likelihoods().at(config().likelihood).make(config())),
      upper_(config(), config().picture.numel(), config().latent),
      lower_(config(), config().picture.numel() + config().latent, config().latent2),
      lower_prior_(config(), config().latent, config().latent2),
      decoder_(internal::mlp().decoder(config(), config().latent2 + config().latent,
                                       config().picture.with(0, config().picture[0] * likelihood_->numbers()))),
      weight_(internal::kl_weight(config())) {
  register_module("upper", &HVAE::upper_);
  register_module("lower", &HVAE::lower_);
  register_module("lower_prior", &HVAE::lower_prior_);
  register_module("decoder", &HVAE::decoder_);
  register_module("prior", &HVAE::prior_);
  register_module("likelihood", &HVAE::likelihood_);
}

Encoded HVAE::encode(const Tensor& x) {
  check_pictures(x, "encode");
  return upper_(flatten(x));
}

Encoded HVAE::encode_lower(const Tensor& x, const Tensor& z2) {
  check_pictures(x, "encode_lower");
  check_codes(z2, "encode_lower");
  return lower_(joined(x, z2));
}

Encoded HVAE::lower_prior(const Tensor& z2) {
  check_codes(z2, "lower_prior");
  return lower_prior_(z2);
}

Tensor HVAE::decode(const Tensor& z1, const Tensor& z2) {
  check_codes(z2, "decode");
  const Shape& picture = config().picture;
  return reshape(decoder_(joined(z1, z2)),
                 {z2.shape()[0], picture[0] * likelihood_->numbers(), picture[1], picture[2]});
}

EncodePictures HVAE::encoder() {
  return [this](const Tensor& x, const Tensor&) { return encode(x); };
}

Terms HVAE::terms(const StepInput& in, const Weight& weight) {
  check_labels(in.labels, in.size(), "loss");
  const Encoded q2 = encode(in.x);
  const Tensor z2 = chosen(q2, in.codes, in.noise);
  const Encoded q1 = encode_lower(in.x, z2), p1 = lower_prior(z2);
  const Tensor decoded = decode(chosen(q1, in.codes, in.noise), z2);
  const Tensor kl_1 = sum(gaussian_kl(q1.mu, q1.logvar, p1.mu, p1.logvar), {1});
  const Tensor kl_2 = prior_->is_standard_normal() ? sum(gaussian_kl(q2.mu, q2.logvar), {1})
                                                   : log_density(q2, z2) - prior_->log_prob(z2, encoder());
  const auto as_asked = [&](const Tensor& nats) { return in.per_picture ? nats : sum(nats); };
  Terms out;
  out.add("reconstruction", likelihood_->step_nll(decoded, in.x, in.per_picture, in.seed));
  out.add("kl_1", as_asked(kl_1), weight);
  out.add("kl_2", as_asked(kl_2), weight);
  out.report("kl", as_asked(kl_1.detach() + kl_2.detach()));
  if (grad_enabled()) return out;
  out.decoded = decoded;
  out.codes = q2.mu;
  return out;
}

Terms HVAE::loss(const StepInput& in, int) { return terms(in, weight_); }
Terms HVAE::elbo(const StepInput& in) { return terms(in, 1); }

Tensor HVAE::reconstruct(const Tensor& x, const Tensor& labels) {
  const NoGradGuard no_grad;
  const Tensor z2 = code(x, labels);
  return mean(decode(encode_lower(x, z2).mu, z2));
}

Tensor HVAE::sample(std::int64_t n, const Tensor& labels, Generator* generator) {
  const Tensor z2 = draw_codes(n, labels, generator);
  return drawn_picture(z2, labels, generator ? *generator : default_generator(device()));
}

Tensor HVAE::code(const Tensor& x, const Tensor& labels, Codes codes, Generator* generator) {
  const NoGradGuard no_grad;
  check_labels(labels, x.shape()[0], "code");
  return chosen(encode(x), codes, generator);
}

Tensor HVAE::picture(const Tensor& z, const Tensor& labels) {
  const NoGradGuard no_grad;
  check_codes(z, "picture");
  check_labels(labels, z.shape()[0], "picture");
  return mean(decode(lower_prior(z).mu, z));
}

Tensor HVAE::drawn_picture(const Tensor& z, const Tensor& labels, Generator& generator) {
  const NoGradGuard no_grad;
  check_codes(z, "drawn_picture");
  check_labels(labels, z.shape()[0], "drawn_picture");
  return mean(decode(chosen(lower_prior(z), Codes::sampled, &generator), z));
}

Tensor HVAE::draw_codes(std::int64_t n, const Tensor& labels, Generator* generator) {
  const NoGradGuard no_grad;
  check_labels(labels, n, "draw_codes");
  return prior_->sample(n, generator ? *generator : default_generator(device()), encoder());
}

Tensor HVAE::log_weights(const StepInput& in, std::int64_t samples) {
  const NoGradGuard no_grad;
  const Tensor x = repeat(in.x, {samples, 1, 1, 1});
  const Encoded q2 = encode(in.x).repeat(samples);
  const Tensor z2 = chosen(q2, Codes::sampled, in.noise);
  const Encoded q1 = encode_lower(x, z2);
  const Tensor z1 = chosen(q1, Codes::sampled, in.noise);
  const Tensor log_p = log_density(lower_prior(z2), z1) + prior_->log_prob(z2, encoder()) - constant() -
                       likelihood_->nll(decode(z1, z2), x, true);
  return reshape(log_p - log_density(q1, z1) - log_density(q2, z2), {samples, in.size()});
}

ModelRow internal::hvae() {
  ModelRow row;
  row.name = "hvae";
  row.what = "two layers of codes (Tomczak and Welling 2018)";
  row.fields = kl_fields({"latent", "hidden", "activation", "latent2"});
  row.check = check_kl_weight;
  row.parts = {"prior", "likelihood"};
  row.preset = [](ModelConfig& c) {
    c.latent = c.latent2 = 40;
    c.hidden = {300, 300};
    c.activation = "gated";
  };
  row.make = [](const ModelConfig& c) { return std::make_unique<HVAE>(c); };
  return row;
}

}  // namespace elbo::models
