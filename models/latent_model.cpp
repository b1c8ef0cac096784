#include "latent_model.h"

#include "../core/autograd.h"
#include "../core/text.h"
#include "../nn/layers.h"
#include "registry.h"

namespace elbo::models {

LatentModel::LatentModel(ModelConfig config) : Model(filled(std::move(config))) {
  const ModelConfig& c = this->config();
  const Architecture& networks = architectures().at(c.architecture);
  const PosteriorRow& posterior = posteriors().at(c.posterior);
  const std::int64_t features = networks.features(c);
  // The posterior's layers draw their weights first, as they did before models were made of parts: a seed still stands
  // for the same model.
  posterior_ = posterior.make(c, posterior.in_encoder ? 0 : features);
  const std::int64_t inputs = (networks.planes ? c.picture[0] : c.picture.numel()) + c.classes;
  encoder_ = std::make_unique<nn::Sequential>(networks.encoder(c, inputs));
  if (posterior.in_encoder) encoder_->add(nn::Linear(features, c.latent));
  make_parts();
  const Shape out{c.picture[0] * likelihood_->numbers(), c.picture[1], c.picture[2]};
  decoder_ = std::make_unique<nn::Sequential>(networks.decoder(c, c.latent + c.classes, out));
  register_module("encoder", &LatentModel::encoder_);
  register_inlined(&LatentModel::posterior_);
  register_module("decoder", &LatentModel::decoder_);
  register_module("prior", &LatentModel::prior_);
  register_module("likelihood", &LatentModel::likelihood_);
  register_module("objective", &LatentModel::objective_);
}

LatentModel::LatentModel(ModelConfig config, OwnNetworks) : Model(filled(std::move(config))) {
  const std::string& chosen = this->config().posterior;
  ELBO_CHECK(chosen == "diagonal" || chosen == "point", ValueError,
             "posterior: expected diagonal or point for the model ", this->config().model,
             ", which has networks of its own, found ", in_quotes(chosen));
  posterior_ = posteriors().at(chosen).make(this->config(), 0);
  make_parts();
  register_inlined(&LatentModel::posterior_);
  register_module("prior", &LatentModel::prior_);
  register_module("likelihood", &LatentModel::likelihood_);
  register_module("objective", &LatentModel::objective_);
}

void LatentModel::make_parts() {
  const ModelConfig& c = config();
  prior_ = priors().at(c.prior).make(c);
  likelihood_ = likelihoods().at(c.likelihood).make(c);
  objective_ = objectives().at(c.objective).make(c);
}

void LatentModel::check_encoded(const Encoded& q, std::int64_t batch) const {
  const Shape wanted{batch, config().latent};
  const auto check = [&](const char* what, const Tensor& x) {
    ELBO_CHECK(x.defined() && x.shape() == wanted, ValueError, "[encode] the model ", config().model, ": expected ",
               what, " ", wanted, " from encode_pictures, found ", x.defined() ? x.shape().to_string() : "none");
  };
  check("mu", q.mu);
  if (posterior_->is_random()) check("logvar", q.logvar);
}

void LatentModel::check_decoded(const Tensor& decoded, std::int64_t batch) const {
  const Shape& picture = config().picture;
  const Shape wanted{batch, picture[0] * likelihood_->numbers(), picture[1], picture[2]};
  ELBO_CHECK(decoded.defined() && decoded.shape() == wanted, ValueError, "[decode] the model ", config().model,
             ": expected ", wanted, " from decode_codes for the likelihood ", config().likelihood, ", found ",
             decoded.defined() ? decoded.shape().to_string() : "none");
}

namespace {

/// x with the shares of the classes joined: behind the numbers of a vector, or as planes behind the channels.
Tensor with_labels(const Tensor& x, const Tensor& labels) {
  if (!labels.defined()) return x;
  const Tensor shares = labels.to(x.dtype());
  if (x.shape().rank() == 2) return concatenate({x, shares}, 1);
  const std::int64_t batch = x.shape()[0], classes = shares.shape()[1];
  const Tensor planes = expand(reshape(shares, {batch, classes, 1, 1}), {batch, classes, x.shape()[2], x.shape()[3]});
  return concatenate({x, planes}, 1);
}

}  // namespace

Tensor LatentModel::shares_of(const Tensor& labels, DType dtype) const {
  return labels.defined() ? one_hot(labels, config().classes, dtype) : Tensor();
}

Encoded LatentModel::encode_pictures(const Tensor& x, const Tensor& labels) {
  const bool planes = architectures().at(config().architecture).planes;
  return posterior_->encode((*encoder_)(with_labels(planes ? x : flatten(x), labels)));
}

Tensor LatentModel::decode_codes(const Tensor& z, const Tensor& labels) {
  const Tensor out = (*decoder_)(with_labels(z, labels));
  const Shape& picture = config().picture;
  return reshape(out, {z.shape()[0], picture[0] * likelihood_->numbers(), picture[1], picture[2]});
}

Encoded LatentModel::encode(const Tensor& x, const Tensor& labels) {
  check_pictures(x, "encode");
  check_labels(labels, x.shape()[0], "encode");
  Encoded q = encode_pictures(x, shares_of(labels, x.dtype()));
  check_encoded(q, x.shape()[0]);
  return q;
}

Tensor LatentModel::decode(const Tensor& z, const Tensor& labels) {
  check_codes(z, "decode");
  check_labels(labels, z.shape()[0], "decode");
  Tensor decoded = decode_codes(z, shares_of(labels, z.dtype()));
  check_decoded(decoded, z.shape()[0]);
  return decoded;
}

EncodePictures LatentModel::encoder() {
  return [this](const Tensor& x, const Tensor& shares) { return encode_pictures(x, shares); };
}

Prediction LatentModel::forward(const Tensor& x, const Tensor& labels, Generator* generator) {
  return forward({.x = x, .labels = labels, .noise = generator});
}

Prediction LatentModel::forward(const StepInput& in) {
  Prediction out;
  out.posterior = encode(in.x, in.labels);
  const bool closed = prior_->is_standard_normal() && posterior_->has_kl_to_normal();
  if (closed && in.codes == Codes::sampled && !in.per_picture) {
    const DrawnCode drawn = posterior_->sample_with_kl(out.posterior, in.noise);
    out.z = drawn.z;
    out.kl = drawn.kl;
  } else if (closed || !posterior_->is_random()) {
    out.z = posterior_->sample(out.posterior, in.codes, in.noise);
  } else {
    Draw draw = posterior_->draw(out.posterior, in.codes, in.noise);
    out.z = draw.z;
    out.log_q = draw.log_q;
  }
  out.logits = decode(out.z, in.labels);
  return out;
}

Tensor LatentModel::nll(const Prediction& p, const StepInput& in) {
  return likelihood_->step_nll(p.logits, in.x, in.per_picture, in.seed);
}

Tensor LatentModel::kl(const Prediction& p, const StepInput& in) {
  if (p.kl.defined() && !in.per_picture) return p.kl;
  if (p.log_q.defined()) {
    const Tensor ratio = p.log_q - log_prior(p.z);
    return in.per_picture ? ratio : sum(ratio);
  }
  if (posterior_->is_random()) return posterior_->kl_to_normal(p.posterior, in.per_picture);
  return zeros(in.per_picture ? Shape{in.size()} : Shape{}, in.x.array().options());
}

Tensor LatentModel::log_prior(const Tensor& z) { return prior_->log_prob(z, encoder()); }

Terms LatentModel::loss(const StepInput& in, int player) { return objective_->loss(*this, in, player); }

Terms LatentModel::elbo(const StepInput& in) {
  const Prediction p = forward(in);
  Terms out;
  out.add("reconstruction", nll(p, in));
  out.add("kl", kl(p, in));
  remember(p, out);
  return out;
}

void LatentModel::remember(const Prediction& p, Terms& terms) {
  if (grad_enabled()) return;  // a training step asks for nothing but its terms
  terms.decoded = p.logits;
  terms.codes = posterior_->sample(p.posterior, Codes::mean, nullptr);
}

bool LatentModel::advance(const Progress& progress) { return objective_->advance(progress); }
std::vector<Player> LatentModel::players() { return objective_->players(*this); }
Tensor LatentModel::mean(const Tensor& decoded) const { return likelihood_->mean(decoded); }
bool LatentModel::has_prior() const {
  return posterior_->is_random() || objectives().at(config().objective).matches_prior;
}
double LatentModel::constant() const { return likelihood_->constant(); }
std::optional<double> LatentModel::learned_variance() const { return likelihood_->learned_variance(); }

Tensor LatentModel::reconstruct(const Tensor& x, const Tensor& labels) {
  const NoGradGuard no_grad;
  return picture(code(x, labels), labels);
}

Tensor LatentModel::sample(std::int64_t n, const Tensor& labels, Generator* generator) {
  const NoGradGuard no_grad;
  return picture(draw_codes(n, labels, generator), labels);
}

Tensor LatentModel::code(const Tensor& x, const Tensor& labels, Codes codes, Generator* generator) {
  const NoGradGuard no_grad;
  return posterior_->sample(encode(x, labels), codes, generator);
}

Tensor LatentModel::picture(const Tensor& z, const Tensor& labels) {
  const NoGradGuard no_grad;
  return mean(decode(z, labels));
}

Tensor LatentModel::draw_codes(std::int64_t n, const Tensor&, Generator* generator) {
  const NoGradGuard no_grad;
  return prior_->sample(n, generator ? *generator : default_generator(device()), encoder());
}

Tensor LatentModel::log_weights(const StepInput& in, std::int64_t samples) {
  if (!posterior_->is_random()) return {};
  const NoGradGuard no_grad;
  const Encoded q = encode(in.x, in.labels);
  // So many rows at a time that what the layers give stays in the caches.
  const std::int64_t most = std::clamp<std::int64_t>(512 / in.size(), 1, samples);
  std::vector<Tensor> parts;
  Encoded repeated = q.repeat(most);
  Tensor x = repeat(in.x, {most, 1, 1, 1}), labels = in.labels.defined() ? repeat(in.labels, {most}) : Tensor();
  for (std::int64_t done = 0; done < samples; done += most) {
    if (const std::int64_t left = samples - done; left < most) {
      repeated = q.repeat(left);
      x = repeat(in.x, {left, 1, 1, 1});
      if (labels.defined()) labels = repeat(in.labels, {left});
    }
    const Draw draw = posterior_->draw(repeated, Codes::sampled, in.noise);
    const Tensor nll = likelihood_->nll(decode(draw.z, labels), x, true) + constant();
    parts.push_back(log_prior(draw.z) - draw.log_q - nll);
  }
  return reshape(concatenate(parts, 0), {samples, in.size()});
}

LatentModel& as_latent(Model& model) {
  auto* latent = dynamic_cast<LatentModel*>(&model);
  ELBO_CHECK(latent, ValueError, "[as_latent] expected a model with one code a picture, found the model ",
             model.config().model);
  return *latent;
}

}  // namespace elbo::models
