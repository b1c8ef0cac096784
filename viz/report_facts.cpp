#include "report_facts.h"

#include <cmath>
#include <cstdio>
#include <limits>

namespace elbo::viz {
namespace {

using models::ModelConfig;
using models::TrainOptions;

std::string joined(const std::vector<std::int64_t>& sizes) {
  std::string out;
  for (std::int64_t size : sizes) out += (out.empty() ? "" : "-") + std::to_string(size);
  return out;
}

std::string kind_of(const ModelConfig& m) {
  if (m.model == "ae") return "autoencoder (ae)";
  if (m.model == "vae") return "variational autoencoder (vae)";
  if (m.model == "cvae") return "conditional VAE (cvae), labels of " + std::to_string(m.classes) + " classes";
  if (m.model == "conv-vae") return "convolutional VAE (conv-vae)";
  return m.model;
}

std::string likelihood_of(const ModelConfig& m) {
  if (m.likelihood == models::Likelihood::bernoulli) return "Bernoulli (binary cross entropy on logits)";
  std::string out = "Gaussian of variance " + general(m.variance);
  return m.variance == 0.5 ? out + " (the summed squared error)" : out + ", without its constant";
}

std::string pixels_of(const ModelConfig& m, const TrainOptions& t) {
  std::string out = general(m.pixels[0]) + " to " + general(m.pixels[1]);
  if (m.pixels[0] < 0 || m.pixels[1] > 1) out += ", though the decoder's sigmoid gives 0 to 1";
  if (t.binarize) out += "; trained on black or white ones, drawn anew each epoch";
  return out;
}

std::string objective_of(const ModelConfig& m, const TrainOptions& t) {
  if (m.model == "ae") return "reconstruction alone";
  std::string out = t.beta == 1 ? "reconstruction + KL" : "reconstruction + " + general(t.beta) + " KL";
  if (t.warmup > 0) out += ", the weight of the KL growing from 0 over " + general(t.warmup) + " epochs";
  return out;
}

std::string validation_of(const TrainOptions& t, bool half) {
  if (t.val_size == 0) return "none";
  std::string out = half             ? thousands(std::llround(t.val_size)) + " pictures, a half of their own"
                    : t.val_size < 1 ? general(100 * t.val_size) + " % of the training pictures"
                                     : thousands(std::llround(t.val_size)) + " of the training pictures";
  if (t.patience > 0) out += "; stops after " + std::to_string(t.patience) + " epochs without a better loss";
  return out;
}

std::string device_of(const TrainOptions& t) {
  const std::string device = t.device.to_string();
  return t.precision == Precision::float32 ? device : device + ", products in " + elbo::name(t.precision);
}

std::string batches_of(const TrainOptions& t) {
  return thousands(t.batch_size) + " pictures" + (t.drop_last ? ", the last, smaller batch dropped" : "");
}

/// What a stretch changed: "learning rate 0.0005, 40 epochs".
std::string changes_of(const TrainOptions& before, const TrainOptions& now) {
  std::string out;
  auto add = [&](bool differs, const std::string& text) {
    if (differs) out += (out.empty() ? "" : ", ") + text;
  };
  add(before.lr != now.lr, "learning rate " + general(now.lr));
  add(before.epochs != now.epochs, std::to_string(now.epochs) + " epochs asked for");
  add(before.patience != now.patience, "patience of " + std::to_string(now.patience) + " epochs");
  add(device_of(before) != device_of(now), "on " + device_of(now));
  add(before.graph != now.graph, now.graph ? "steps replayed as graphs" : "without graphs");
  add(before.checkpoint_every != now.checkpoint_every, "a checkpoint every " + general(now.checkpoint_every) + " s");
  return out;
}

}  // namespace

std::string thousands(std::int64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string general(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string layer_sizes(const ModelConfig& m) {
  const std::string z = std::to_string(m.latent);
  if (m.model != "conv-vae") {
    std::vector<std::int64_t> sizes = {m.picture.numel()};
    sizes.insert(sizes.end(), m.hidden.begin(), m.hidden.end());
    sizes.push_back(m.latent);
    sizes.insert(sizes.end(), m.hidden.rbegin(), m.hidden.rend());
    sizes.push_back(m.picture.numel());
    return joined(sizes);
  }
  std::vector<std::int64_t> down = {m.picture[0]}, up = m.decoder_channels;
  down.insert(down.end(), m.channels.begin(), m.channels.end());
  up.push_back(m.picture[0]);
  return "convolutions " + joined(down) + ", " + z + " latent dimensions, transposed convolutions " + joined(up);
}

std::vector<Fact> describe(const models::RunConfig& config, const ModelConfig& m, std::int64_t parameters) {
  const TrainOptions& t = config.train;
  std::vector<Fact> out;
  out.push_back({"Model", kind_of(m)});
  out.push_back({"Layers", layer_sizes(m)});
  out.push_back({"Latent dimensions", std::to_string(m.latent)});
  out.push_back({"Parameters", thousands(parameters)});
  out.push_back({"Likelihood", likelihood_of(m)});
  out.push_back({"Objective", objective_of(m, t)});
  out.push_back({"Dataset", config.data.dataset});
  out.push_back({"Pictures", std::to_string(m.picture[1]) + " x " + std::to_string(m.picture[2]) + " pixels, " +
                                 (m.picture[0] == 1   ? "grey"
                                  : m.picture[0] == 3 ? "RGB"
                                                      : std::to_string(m.picture[0]) + " channels")});
  out.push_back({"Pixel values", pixels_of(m, t)});
  out.push_back({"Batches", batches_of(t)});
  out.push_back({"Optimiser", "Adam, learning rate " + general(t.lr)});
  out.push_back({"Epochs asked for", std::to_string(t.epochs)});
  out.push_back({"Validation", validation_of(t, config.data.validation == "half")});
  out.push_back({"Seed", std::to_string(t.seed)});
  out.push_back({"Trained on", device_of(t)});
  for (std::size_t i = 1; i < config.stretches.size(); ++i)
    out.push_back({"From epoch " + std::to_string(config.stretches[i].from_epoch) + " on",
                   changes_of(config.stretches[i - 1].train, config.stretches[i].train)});
  if (config.data.since > 1)
    out.push_back(
        {"Other pictures", "from epoch " + std::to_string(config.data.since) + " on; losses before it do not compare"});
  return out;
}

}  // namespace elbo::viz
