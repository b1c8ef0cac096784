#include "outline.h"

#include <algorithm>

#include "../core/errors.h"
#include "mlp.h"
#include "model.h"

namespace elbo::models {
namespace {

/// Takes down the parameters of one layer after the other.
class Writer {
 public:
  explicit Writer(Outline& out) : out_(out) {}

  void linear(const std::string& name, std::int64_t in, std::int64_t features) {
    layer(name, {features, in}, features);
  }
  void layer(const std::string& name, const Shape& weight, std::int64_t bias) {
    add(name + ".weight", weight);
    add(name + ".bias", {bias});
  }
  /// Linear layers from size to size, each followed by a ReLU or the last.
  void linears(const std::string& name, const std::vector<std::int64_t>& sizes) {
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) linear(at(name, 2 * i), sizes[i], sizes[i + 1]);
  }
  void moments(std::int64_t in) {
    for (const char* name : {"fc_mu", "fc_logvar"}) linear(name, in, out_.config.latent);
  }
  static std::string at(const std::string& name, std::size_t index) { return name + "." + std::to_string(index); }

 private:
  void add(const std::string& name, const Shape& shape) {
    constexpr std::int64_t most = std::int64_t{1} << 62;
    ELBO_CHECK(shape.numel() <= most - out_.count, ValueError, "parameters: expected at most 2^62, found more");
    out_.count += shape.numel();
    out_.parameters.push_back({name, DType::float32, shape});
  }

  Outline& out_;
};

void fully_connected(const ModelConfig& c, Writer& to) {
  const bool plain = c.model == "ae";
  std::vector<std::int64_t> down = encoder_sizes(c, c.picture.numel() + c.classes);
  std::vector<std::int64_t> up = decoder_sizes(c, c.latent + c.classes);
  up.push_back(c.picture.numel());
  if (plain) down.push_back(c.latent);
  to.linears("encoder", down);
  if (!plain) to.moments(down.back());
  to.linears("decoder", up);
}

void convolutional(const ModelConfig& c, Writer& to) {
  const std::size_t steps = c.channels.size();
  const std::int64_t area = (c.picture[1] >> steps) * (c.picture[2] >> steps);
  std::int64_t in = c.picture[0];
  for (std::size_t i = 0; i < steps; ++i) {
    to.layer(Writer::at("encoder", 2 * i), {c.channels[i], in, c.kernel, c.kernel}, c.channels[i]);
    in = c.channels[i];
  }
  // Shape multiplies with a check.
  to.moments(Shape{c.channels.back(), area}.numel());
  to.linear("decoder.0", c.latent, Shape{c.decoder_channels.front(), area}.numel());
  for (std::size_t i = 0; i < steps; ++i) {
    const std::int64_t out = i + 1 == steps ? c.picture[0] : c.decoder_channels[i + 1];
    to.layer(Writer::at("decoder", (c.decoder_relu ? 3 : 2) + 2 * i), {c.decoder_channels[i], out, 4, 4}, out);
  }
}

}  // namespace

ModelConfig filled(ModelConfig config) {
  config.validate();
  if (config.model != "conv-vae") return config;
  const std::int64_t height = config.picture[1], width = config.picture[2];
  if (config.channels.empty() && height % 8 == 0 && width % 8 == 0) config.channels = {16, 32, 128};
  if (config.channels.empty()) config.channels = {32, 64};
  const std::size_t steps = config.channels.size();
  ELBO_CHECK(steps < 31 && height % (1 << steps) == 0 && width % (1 << steps) == 0, ValueError, "channels: ", steps,
             " convolutions halve the picture as often, found ", height, " x ", width, " pixels, which cannot be");
  if (config.decoder_channels.empty()) {
    for (std::size_t i = 0; i < steps; ++i)
      config.decoder_channels.push_back(std::max<std::int64_t>(config.channels.back() >> i, 1));
  }
  ELBO_CHECK(config.decoder_channels.size() == steps, ValueError, "decoder_channels: expected ", steps,
             ", as many as channels, found ", config.decoder_channels.size());
  return config;
}

Outline outline(const ModelConfig& config) {
  check_known(config);
  Outline out;
  out.config = filled(config);
  Writer writer(out);
  try {
    if (config.model == "conv-vae")
      convolutional(out.config, writer);
    else
      fully_connected(out.config, writer);
  } catch (const ShapeError& error) {
    fail<ValueError>("parameters: ", error.what());
  }
  return out;
}

}  // namespace elbo::models
