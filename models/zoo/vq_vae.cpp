#include "vq_vae.h"

#include <cmath>

#include "../../core/autograd.h"
#include "../../nn/init.h"
#include "../../nn/layers.h"
#include "../../nn/meta.h"
#include "../registry.h"
#include "presets_detail.h"

namespace elbo::models {
namespace {

/// An entry that stands for less than this, as a running mean of the numbers of a batch, is dead. One that starts anew
/// has ten steps, with a decay of 0.99, to be used. With a lower bound a codebook that the encoder has left behind,
/// which is usual early in a training, stays so for longer.
constexpr double least_use = 0.9;

/// Section 4.1's.
void add_blocks(nn::Sequential& layers, const ModelConfig& c) {
  const std::int64_t channels = c.channels.back();
  for (std::int64_t i = 0; i < c.blocks; ++i)
    layers.add(nn::Residual(nn::Sequential{nn::ReLU(), nn::Conv2d(channels, channels, 3, {.padding = 1}), nn::ReLU(),
                                           nn::Conv2d(channels, channels, 1)}));
}

nn::Sequential encoder(const ModelConfig& c) {
  nn::Sequential out;
  std::int64_t in = c.picture[0];
  for (const std::int64_t channels : c.channels) {
    out.add(nn::Conv2d(in, channels, 4, {.stride = 2, .padding = 1}));
    out.add(nn::ReLU());
    in = channels;
  }
  add_blocks(out, c);
  out.add(nn::Conv2d(in, c.code_channels, 1));
  return out;
}

nn::Sequential decoder(const ModelConfig& c, std::int64_t planes) {
  nn::Sequential out;
  out.add(nn::Conv2d(c.code_channels, c.channels.back(), 3, {.padding = 1}));
  add_blocks(out, c);
  for (std::size_t i = c.channels.size(); i-- > 0;) {
    out.add(nn::ReLU());
    out.add(nn::ConvTranspose2d(c.channels[i], i > 0 ? c.channels[i - 1] : planes, 4, {.stride = 2, .padding = 1}));
  }
  return out;
}

/// [B, D, rows, columns] -> [B * rows * columns, D].
Tensor positions_of(const Tensor& z) { return reshape(permute(z, {0, 2, 3, 1}), {-1, z.shape()[1]}); }

/// `value`, with the gradient of z.
Tensor straight_through(const Tensor& z, const Tensor& value) {
  return record("straight_through", {z}, value.array(), [](const Array& g, const Needs&) { return Grads{g}; });
}

/// e to the power of the entropy of probabilities [n].
Tensor perplexity_of(const Tensor& p) {
  constexpr double tiny = 1e-30;  // 0 log 0 is 0
  return exp(-sum(p * log(maximum(p, tiny))));
}

}  // namespace

VQVAE::VQVAE(ModelConfig given)
    : Model(filled(std::move(given))),
      codebook(nn::buffer({config().codebook, config().code_channels}, 0)),
      uses(nn::buffer({config().codebook}, 0)),
      sums(nn::buffer({config().codebook, config().code_channels}, 0)),
      likelihood_(likelihoods().at(config().likelihood).make(config())),
      encoder_(encoder(config())),
      decoder_(decoder(config(), config().picture[0] * likelihood_->numbers())) {
  // Nothing is used yet: the first batch sets nearly all entries to what its encoder gives.
  const double bound = 1 / static_cast<double>(config().codebook);
  nn::init::uniform_(codebook, -bound, bound);
  register_buffer("codebook", &VQVAE::codebook);
  register_buffer("uses", &VQVAE::uses);
  register_buffer("sums", &VQVAE::sums);
  register_module("encoder", &VQVAE::encoder_);
  register_module("decoder", &VQVAE::decoder_);
  register_module("likelihood", &VQVAE::likelihood_);
}

Tensor VQVAE::encode(const Tensor& x) {
  check_pictures(x, "encode");
  return encoder_(x);
}

Tensor VQVAE::nearest(const Tensor& z) {
  const NoGradGuard no_grad;
  // |z - e|^2 without |z|^2, which is the same for all.
  const Tensor distances = sum(square(codebook), {1}) - 2 * matmul(positions_of(z), transpose(codebook, 0, 1));
  return reshape(argmin(distances, 1), {z.shape()[0], z.shape()[2], z.shape()[3]});
}

Tensor VQVAE::entries(const Tensor& numbers) {
  const Shape& grid = numbers.shape();
  const Tensor rows = index_select(codebook, 0, reshape(numbers, {-1}));
  return permute(reshape(rows, {grid[0], grid[1], grid[2], config().code_channels}), {0, 3, 1, 2});
}

Tensor VQVAE::quantize(const Tensor& z) { return straight_through(z, entries(nearest(z))); }

Tensor VQVAE::decode(const Tensor& z) { return decoder_(z); }

Terms VQVAE::loss(const StepInput& in, int) {
  check_labels(in.labels, in.size(), "loss");
  const Tensor z = encode(in.x), numbers = nearest(z), code = entries(numbers);
  const Tensor decoded = decode(straight_through(z, code));
  const Tensor distance = elbo::mean(sum(square(z - code), {1}), {1, 2});
  Terms out;
  out.add("reconstruction", likelihood_->step_nll(decoded, in.x, in.per_picture, in.seed));
  out.add("commitment", in.per_picture ? distance : sum(distance), config().commitment);
  const Tensor used = one_hot(reshape(numbers, {-1}), config().codebook, z.dtype());
  if (!in.per_picture) out.report("perplexity", perplexity_of(elbo::mean(used, {0})) * in.size());
  if (is_training()) move_codebook(positions_of(z.detach()), used, in.noise);
  if (!grad_enabled()) out.decoded = decoded;
  return out;
}

/// Appendix A.1, equations 6 to 8. A dead entry starts anew at what the encoder gave for some position, as if it stood
/// for one such number; those positions are drawn whether or not an entry needs them.
void VQVAE::move_codebook(const Tensor& z, const Tensor& used, Generator* noise) {
  const NoGradGuard no_grad;
  const double decay = config().codebook_decay;
  const Tensor count = uses * decay + sum(used, {0}) * (1 - decay);
  const Tensor total = sums * decay + matmul(transpose(used, 0, 1), z) * (1 - decay);
  const Tensor fresh = index_select(z, 0, randint(0, z.shape()[0], {config().codebook}, z.device(), noise));
  const Tensor dead = count < least_use, dead_row = unsqueeze(dead, 1);
  uses.copy_(where(dead, 1, count));
  sums.copy_(where(dead_row, fresh, total));
  codebook.copy_(sums / unsqueeze(uses, 1));
}

Terms VQVAE::elbo(const StepInput& in) {
  check_labels(in.labels, in.size(), "elbo");
  const Tensor z = encode(in.x), decoded = decode(quantize(z));
  const double each = static_cast<double>(z.shape()[2] * z.shape()[3]) * std::log(config().codebook);
  Terms out;
  out.add("reconstruction", likelihood_->step_nll(decoded, in.x, in.per_picture, in.seed));
  out.add("kl", in.per_picture ? full({in.size()}, each, z.array().options())
                               : full({}, each * static_cast<double>(in.size()), z.array().options()));
  if (!grad_enabled()) out.decoded = decoded;
  return out;
}

Tensor VQVAE::reconstruct(const Tensor& x, const Tensor& labels) {
  const NoGradGuard no_grad;
  check_labels(labels, x.shape()[0], "reconstruct");
  return mean(decode(quantize(encode(x))));
}

Tensor VQVAE::sample(std::int64_t, const Tensor&, Generator*) {
  fail<ValueError>("[sample] the model ", config().model, " has no distribution of its grids of codes to draw from");
}

namespace {

void check(const ModelConfig& c) {
  const std::size_t steps = c.channels.size();
  const std::int64_t height = c.picture[1], width = c.picture[2];
  ELBO_CHECK(steps < 31 && height % (1 << steps) == 0 && width % (1 << steps) == 0, ValueError, "channels: ", steps,
             " convolutions halve the picture as often, found ", height, " x ", width, " pixels, which cannot be");
}

}  // namespace

/// The paper has channels of 256, which take ten times as long.
ModelRow internal::vq_vae() {
  ModelRow row;
  row.name = "vq-vae";
  row.what = "a grid of entries of a codebook (van den Oord et al. 2017)";
  row.fields = {"channels", "blocks", "codebook", "code_channels", "commitment", "codebook_decay"};
  row.parts = {"likelihood"};
  row.preset = [](ModelConfig& c) {
    c.channels = {64, 128};
    c.blocks = 2;
  };
  row.complete = [](ModelConfig& c) {
    if (c.channels.empty()) c.channels = preset(c.model).channels;
  };
  row.check = check;
  row.make = [](const ModelConfig& c) { return std::make_unique<VQVAE>(c); };
  return row;
}

}  // namespace elbo::models
