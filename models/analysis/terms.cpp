#include "terms.h"

#include <cstdio>

#include "../losses.h"

namespace elbo::models {

std::vector<TermInfo> terms_of(Model& model) {
  const NoGradGuard no_grad;
  const nn::EvalGuard eval;
  constexpr std::int64_t pictures = 2;
  const Device device = model.device();
  Generator noise(0, Stream::validation, device);
  StepInput in{.noise = &noise, .train_size = pictures};
  in.x = Tensor(
      Array::full(model.config().picture.insert(0, pictures), model.config().pixels[0], {DType::float32, device}));
  if (model.is_conditional()) in.labels = Tensor(Array::zeros({pictures}, {DType::int64, device}));
  std::vector<TermInfo> out;
  for (const Term& term : model.loss(in).list) out.push_back({term.name, term.weight.last(), term.counts});
  return out;
}

std::string loss_formula(const std::vector<TermInfo>& terms) {
  std::string out;
  for (const TermInfo& term : terms) {
    if (!term.counts) continue;
    char weight[32];
    std::snprintf(weight, sizeof weight, "%g ", term.weight);
    out += (out.empty() ? "" : " + ") + (term.weight == 1 ? "" : std::string(weight)) + term_title(term.name);
  }
  return out;
}

}  // namespace elbo::models
