#pragma once
#include <elbo/core/autograd.h>
#include <elbo/models/latent_model.h>
#include <elbo/models/outline.h>
#include <elbo/models/registry.h>
#include <cmath>
#include <numbers>
#include "catch.h"

/// The tiny model of tests/oracle/zoo_objectives.py, and what the tests of objectives ask of it.
namespace tiny_objectives {

using namespace elbo;
using namespace elbo::models;

using Settings = std::function<void(ModelConfig&)>;

inline Settings objective(const std::string& name, const Settings& more = {}) {
  return [=](ModelConfig& c) {
    c.objective = name;
    if (more) more(c);
  };
}

/// The model of tests/oracle/zoo_objectives.py, in float64: 6 pixels, 5 hidden units, 2 latent dimensions.
inline std::unique_ptr<LatentModel> tiny(const Settings& settings) {
  ModelConfig c;
  c.picture = {1, 2, 3};
  c.hidden = {5};
  c.activation = "tanh";
  c.latent = 2;
  settings(c);
  auto model = std::make_unique<LatentModel>(c);
  model->to(DType::float64);
  std::uint64_t k = 0;
  for (auto& [name, p] : model->named_parameters()) {
    std::vector<double> values;
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(p.numel()); ++i) {
      const std::uint64_t mixed = ((i * 2654435761u + k * 40503u) & 0xffffffffu) >> 16;
      values.push_back((static_cast<double>(mixed % 33) - 16) / 16);
    }
    ++k;
    Tensor to = p;
    to.mutable_array().assign(Array::from(values, p.shape()));
  }
  return model;
}

inline Tensor tiny_pictures(std::int64_t batch = 4) {
  std::vector<double> x;
  for (std::int64_t i = 0; i < batch * 6; ++i) x.push_back(static_cast<double>(i * 5 % 13) / 16);
  return Tensor(Array::from(x, {batch, 1, 2, 3}));
}

/// The terms of a batch, for noise of seed 11.
inline Terms terms_of(LatentModel& model, const Tensor& x, bool per_picture = false, std::uint64_t seed = 11,
                      Codes codes = Codes::sampled) {
  Generator noise(seed);
  return model.loss({.x = x, .noise = &noise, .train_size = 40, .per_picture = per_picture, .codes = codes});
}

/// What is minimised: a picture's mean.
inline Tensor loss_of(const Terms& terms, std::int64_t batch) {
  Tensor out;
  for (const Term& term : terms.list) {
    if (!term.counts) continue;
    const Tensor part = term.nats * (term.weight.last() / static_cast<double>(batch));
    out = out.defined() ? out + part : part;
  }
  return out;
}

inline double value(const Terms& terms, const char* name) {
  const Term* term = terms.find(name);
  REQUIRE(term);
  return term->nats.item();
}

/// The gradients of the parameters, those of the decoder or those of the encoder, one after the other.
inline std::vector<double> gradients(const LatentModel& model, bool decoder) {
  std::vector<double> out;
  for (const auto& [name, p] : model.named_parameters()) {
    if (name.starts_with("decoder.") != decoder) continue;
    const std::vector<double> g = p.grad().to(DType::float64).to_vector<double>();
    out.insert(out.end(), g.begin(), g.end());
  }
  return out;
}

struct Norms {
  double norm = 0, sum = 0;  ///< the sum with the weights cos(0), cos(1), ...
};
inline Norms norms(const std::vector<double>& g) {
  Norms out;
  for (std::size_t i = 0; i < g.size(); ++i) {
    out.norm += g[i] * g[i];
    out.sum += g[i] * std::cos(static_cast<double>(i));
  }
  out.norm = std::sqrt(out.norm);
  return out;
}
}  // namespace tiny_objectives
