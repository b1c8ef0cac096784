#include "../../nn/activations.h"
#include "../../nn/blocks.h"
#include "../../nn/layers.h"
#include "../../nn/pooling.h"
#include "../parts_detail.h"

namespace elbo::models::internal {
namespace {

/// [channels, height, width] after the last of the encoder's convolutions, with other channels.
Shape smallest(const ModelConfig& c, std::int64_t channels) {
  const auto steps = c.channels.size();
  return {channels, c.picture[1] >> steps, c.picture[2] >> steps};
}

/// The largest number of groups, at most 8, that divides the channels.
std::int64_t groups_of(std::int64_t channels) {
  std::int64_t groups = std::min<std::int64_t>(8, channels);
  while (channels % groups != 0) --groups;
  return groups;
}

void add_norm(nn::Sequential& layers, const std::string& norm, std::int64_t channels) {
  if (norm == "batch") layers.add(nn::BatchNorm2d(channels));
  if (norm == "group") layers.add(nn::GroupNorm(groups_of(channels), channels));
}

void add_blocks(nn::Sequential& layers, const ModelConfig& c, std::int64_t channels) {
  const nn::BlockNorm norm = c.norm == "batch"   ? nn::BlockNorm::batch
                             : c.norm == "group" ? nn::BlockNorm::group
                                                 : nn::BlockNorm::none;
  for (std::int64_t i = 0; i < c.blocks; ++i)
    layers.add(nn::ResidualBlock2d(channels, {.norm = norm, .groups = groups_of(channels)}));
}

/// For each of the channels a convolution, norm, activation, pooling, and residual blocks at the size that is left.
nn::Sequential conv_encoder(const ModelConfig& c, std::int64_t inputs) {
  nn::Sequential out;
  std::int64_t in = inputs;
  const nn::ConvOptions options{.stride = c.down == "stride" ? 2 : 1, .padding = 1};
  for (const std::int64_t channels : c.channels) {
    if (c.activation == "gated")
      out.add(nn::GatedConv2d(in, channels, c.kernel, options));
    else
      out.add(nn::Conv2d(in, channels, c.kernel, options));
    add_norm(out, c.norm, channels);
    add_activation(out, c.activation);
    if (c.down == "max") out.add(nn::MaxPool2d(2));
    if (c.down == "average") out.add(nn::AvgPool2d(2));
    add_blocks(out, c, channels);
    in = channels;
  }
  out.add(nn::Flatten());
  add_hidden(out, smallest(c, in).numel(), c.fc, c.activation);
  return out;
}

nn::Sequential conv_decoder(const ModelConfig& c, std::int64_t inputs, const Shape& picture) {
  nn::Sequential out;
  const std::string activation = c.activation == "gated" ? "elu" : c.activation;
  const Shape start = smallest(c, c.decoder_channels.front());
  const std::int64_t last_fc = add_hidden(out, inputs, {c.fc.rbegin(), c.fc.rend()}, c.activation);
  out.add(nn::Linear(last_fc, start.numel()));
  if (c.decoder_relu) add_activation(out, activation);
  out.add(nn::Unflatten(1, start));
  for (std::size_t i = 0; i < c.decoder_channels.size(); ++i) {
    const bool last = i + 1 == c.decoder_channels.size();
    const std::int64_t channels = last ? picture[0] : c.decoder_channels[i + 1];
    out.add(nn::ConvTranspose2d(c.decoder_channels[i], channels, 4, {.stride = 2, .padding = 1}));
    if (last) break;
    add_norm(out, c.norm, channels);
    add_activation(out, activation);
    add_blocks(out, c, channels);
  }
  return out;
}

/// Fills in the channels. Throws ValueError where the picture cannot be halved so often.
void complete_conv(ModelConfig& c) {
  const std::int64_t height = c.picture[1], width = c.picture[2];
  if (c.channels.empty() && height % 8 == 0 && width % 8 == 0) c.channels = {16, 32, 128};
  if (c.channels.empty()) c.channels = {32, 64};
  const std::size_t steps = c.channels.size();
  ELBO_CHECK(steps < 31 && height % (1 << steps) == 0 && width % (1 << steps) == 0, ValueError, "channels: ", steps,
             " convolutions halve the picture as often, found ", height, " x ", width, " pixels, which cannot be");
  if (c.decoder_channels.empty())
    for (std::size_t i = 0; i < steps; ++i)
      c.decoder_channels.push_back(std::max<std::int64_t>(c.channels.back() >> i, 1));
  ELBO_CHECK(c.decoder_channels.size() == steps, ValueError, "decoder_channels: expected ", steps,
             ", as many as channels, found ", c.decoder_channels.size());
  ELBO_CHECK(c.down == "stride" || c.kernel == 3, ValueError, "kernel: expected 3 with --down ", c.down, ", found ",
             c.kernel);
}

}  // namespace

/// Each of the encoder's convolutions halves height and width; what is left goes through the layers `fc`. The decoder
/// goes from z through their mirror image and a linear layer to the same smallest size, and doubles it by transposed
/// convolutions (kernel 4, stride 2, padding 1). Gated convolutions are the encoder's alone; beside them the decoder
/// has ELU.
Architecture conv() {
  Architecture row;
  row.name = "conv";
  row.what = "convolutions that halve the picture, and transposed ones back";
  row.fields = {"channels", "decoder_channels", "kernel", "decoder_relu", "fc", "activation", "norm", "blocks", "down"};
  row.planes = true;
  row.complete = complete_conv;
  row.features = [](const ModelConfig& c) {
    return c.fc.empty() ? smallest(c, c.channels.back()).numel() : c.fc.back();
  };
  row.encoder = conv_encoder;
  row.decoder = conv_decoder;
  return row;
}

}  // namespace elbo::models::internal
