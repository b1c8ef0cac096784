#include "report_facts.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

#include "../models/latent_model.h"
#include "../models/registry.h"

namespace elbo::viz {
namespace {

using models::ModelConfig;
using models::TrainOptions;

std::string joined(const std::vector<std::int64_t>& sizes) {
  std::string out;
  for (std::int64_t size : sizes) out += (out.empty() ? "" : "-") + std::to_string(size);
  return out;
}

/// The settings of each stretch of the training.
std::vector<TrainOptions> stretches_of(const models::RunConfig& config) {
  if (config.stretches.empty()) return {config.train};
  std::vector<TrainOptions> out;
  for (const models::Stretch& one : config.stretches) out.push_back(one.train);
  return out;
}

/// What a setting was in each stretch, where it changed: "0.001, then 0.0005".
template <class Text>
std::string in_turn(const models::RunConfig& config, const Text& text) {
  std::string out, last;
  for (const TrainOptions& train : stretches_of(config)) {
    const std::string now = text(train);
    if (now != last) out += (out.empty() ? "" : ", then ") + now;
    last = now;
  }
  return out;
}

std::string epochs_text(std::int64_t count) { return counted(count, "epoch", "epochs"); }

/// ", with the posterior full, the prior mixture": the parts that are not those of the model's preset.
std::string other_parts(const ModelConfig& m) {
  const ModelConfig usual = models::preset(m.model);
  std::string out;
  for (const models::PartKind& kind : models::part_kinds()) {
    const std::string &own = m.*kind.chosen, &preset = usual.*kind.chosen;
    if (own.empty() || own == (preset.empty() ? kind.usual : preset)) continue;
    out += (out.empty() ? ", with the " : ", the ") + kind.name + " " + own;
  }
  return out;
}

std::string kind_of(const ModelConfig& m) {
  const models::ModelRow* row = models::models().find(m.model);
  std::string out = m.model == "ae"         ? "autoencoder (ae)"
                    : m.model == "vae"      ? "variational autoencoder (vae)"
                    : m.model == "cvae"     ? "conditional VAE (cvae)"
                    : m.model == "conv-vae" ? "convolutional VAE (conv-vae)"
                    : row                   ? m.model + ": " + row->what
                                            : m.model + ", which this program does not know";
  if (row) out += other_parts(m);
  return m.classes > 0 ? out + ", labels of " + counted(m.classes, "class", "classes") : out;
}

/// The settings of a part, such as "components 500, flows 4"; those of `shown` left out.
std::string settings_of(const ModelConfig& m, const models::Entry& part, const std::vector<std::string>& shown = {}) {
  std::string out;
  ModelConfig scratch = m;
  for (const auto& [name, value] : models::field_texts([&](models::FieldVisitor& v) { scratch.fields(v); })) {
    const auto is = [&name = name](const std::string& one) { return one == name; };
    if (std::none_of(part.fields.begin(), part.fields.end(), is) || std::any_of(shown.begin(), shown.end(), is))
      continue;
    std::string words = name;
    std::replace(words.begin(), words.end(), '_', ' ');
    out += (out.empty() ? "" : ", ") + words + " " + value;
  }
  return out;
}

/// A part in one line: what it is, and its settings.
template <class Row>
std::string part_of(const ModelConfig& m, const models::Registry<Row>& parts, const std::string& chosen) {
  const Row* row = parts.find(chosen);
  if (!row) return chosen;
  const std::string settings = settings_of(m, *row);
  return row->what + (settings.empty() ? "" : "; " + settings);
}

std::string likelihood_of(const ModelConfig& m) {
  if (m.likelihood == "bernoulli") return "Bernoulli (binary cross entropy on logits)";
  if (m.likelihood != "gaussian") return part_of(m, models::likelihoods(), m.likelihood);
  std::string out = "Gaussian of variance " + general(m.variance);
  if (m.output != "sigmoid") out += ", its mean not bounded";
  return m.variance == 0.5 ? out + " (the summed squared error)" : out + ", without its constant";
}

std::string pixels_of(const ModelConfig& m, const TrainOptions& t) {
  std::string out = general(m.pixels[0]) + " to " + general(m.pixels[1]);
  if (m.pixels[0] < 0 || m.pixels[1] > 1) out += ", though the decoder's sigmoid gives 0 to 1";
  if (t.binarize) out += "; trained on black or white ones, drawn anew each epoch";
  return out;
}

std::string objective_of(const ModelConfig& m) {
  if (m.objective != "elbo") return part_of(m, models::objectives(), m.objective);
  if (m.posterior == "point") return "reconstruction alone";
  std::string out = m.beta == 1 ? "reconstruction + KL" : "reconstruction + " + general(m.beta) + " KL";
  if (m.free_bits > 0)
    out = "reconstruction + " + general(m.beta) + " KL, in which " + general(m.free_bits) +
          " nats of each dimension are free";
  if (m.capacity > 0)
    out = "reconstruction + " + general(m.beta) + " |KL - C|, C = " + general(m.capacity) + " nats" +
          (m.capacity_epochs > 0 ? " after growing over " + general(m.capacity_epochs) + " epochs" : "");
  if (m.warmup > 0)
    out += ", the weight of the KL growing from 0 over " + general(m.warmup) + (m.warmup == 1 ? " epoch" : " epochs");
  if (m.cycles > 0)
    out += ", the weight of the KL growing from 0 " + counted(m.cycles, "time", "times") + " in " +
           general(m.cycle_epochs) + (m.cycle_epochs == 1 ? " epoch" : " epochs");
  return out;
}

std::string optimizer_of(const TrainOptions& t) {
  std::string out = t.optimizer == "adam"    ? "Adam"
                    : t.optimizer == "adamw" ? "AdamW"
                    : t.optimizer == "sgd"   ? "SGD"
                                             : "RMSprop";
  if (t.weight_decay > 0) out += ", weight decay " + general(t.weight_decay);
  if (t.momentum > 0) out += ", momentum " + general(t.momentum);
  if (t.clip_norm > 0) out += ", gradients cut to a norm of " + general(t.clip_norm);
  if (t.ema > 0) out += ", running means of the weights with decay " + general(t.ema);
  return out;
}

std::string patience_of(const TrainOptions& t) {
  if (t.patience == 0) return "never stops early";
  return "stops after " + epochs_text(t.patience) + " without a better loss";
}

std::string validation_of(const models::RunConfig& config) {
  const TrainOptions& t = config.train;
  if (t.val_size == 0) return "none";
  const std::int64_t count = std::llround(t.val_size);
  std::string out = config.data.validation == "half" ? counted(count, "picture", "pictures") + ", a half of their own"
                    : t.val_size < 1                 ? general(100 * t.val_size) + " % of the training pictures"
                                                     : thousands(count) + " of the training pictures";
  const std::string patience = in_turn(config, patience_of);
  return patience == patience_of({.patience = 0}) ? out : out + "; " + patience;
}

std::string device_of(const TrainOptions& t) {
  const std::string device = t.device.to_string();
  return t.precision == Precision::float32 ? device : device + ", products in " + elbo::name(t.precision);
}

std::string batches_of(const TrainOptions& t) {
  return counted(t.batch_size, "picture", "pictures") + (t.drop_last ? ", the last, smaller batch dropped" : "");
}

/// "shapes, 200 drawn".
std::string dataset_of(const models::DataOptions& data) {
  return data.dataset + (data.load.count > 0 ? ", " + thousands(data.load.count) + " drawn" : "");
}

std::string checkpoints_of(const TrainOptions& t) {
  if (t.checkpoint_every == 0) return "checkpoints only after epochs";
  return "a checkpoint every " + general(t.checkpoint_every) + " s";
}

/// What a stretch changed: "learning rate 0.0005, 40 epochs asked for".
std::string changes_of(const TrainOptions& before, const TrainOptions& now) {
  std::string out;
  auto add = [&](bool differs, const std::string& text) {
    if (differs) out += (out.empty() ? "" : ", ") + text;
  };
  add(before.lr != now.lr, "learning rate " + general(now.lr));
  add(before.epochs != now.epochs, epochs_text(now.epochs) + " asked for");
  add(before.patience != now.patience, "patience of " + epochs_text(now.patience));
  add(device_of(before) != device_of(now), "on " + device_of(now));
  add(before.graph != now.graph, now.graph ? "steps replayed as graphs" : "without graphs");
  add(before.checkpoint_every != now.checkpoint_every,
      checkpoints_of(now) + " (" + checkpoints_of(before) + " before)");
  return out;
}

/// When a stretch began: "From epoch 3 on", "From step 6 of epoch 3 on".
std::string since_text(const models::Stretch& stretch) {
  const std::string epoch = "epoch " + std::to_string(stretch.from_epoch);
  if (stretch.after_steps == 0) return "From " + epoch + " on";
  return "From step " + std::to_string(stretch.after_steps + 1) + " of " + epoch + " on";
}

}  // namespace

std::string thousands(std::int64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string counted(std::int64_t count, const std::string& one, const std::string& several) {
  return thousands(count) + " " + (count == 1 ? one : several);
}

std::string general(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string layer_sizes(const ModelConfig& m) {
  if (m.architecture.empty()) return "";  // networks of its own
  const std::string z = std::to_string(m.latent);
  if (m.architecture != "conv") {
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
  std::string fc = joined(m.fc);
  if (!fc.empty()) fc = ", fully connected " + fc;
  return "convolutions " + joined(down) + fc + ", " + z + (m.latent == 1 ? " latent dimension" : " latent dimensions") +
         ", transposed convolutions " + joined(up);
}

std::string lr_schedule_text(const TrainOptions& t) {
  using models::LrSchedule;
  std::string out;
  if (t.lr_warmup > 0) out = "after a warm-up of " + general(t.lr_warmup) + (t.lr_warmup == 1 ? " epoch" : " epochs");
  if (t.schedule == LrSchedule::constant) return out;
  if (!out.empty()) out += ", ";
  if (t.schedule == LrSchedule::cosine) return out + "along a cosine";
  if (t.schedule == LrSchedule::one_cycle) return out + "at the top of one cycle";
  out += "times " + general(t.lr_factor);
  if (t.schedule == LrSchedule::step) return out + " every " + epochs_text(t.lr_every);
  return out + " after more than " + epochs_text(t.lr_patience) + " without a better validation loss";
}

std::vector<Fact> describe(const models::RunConfig& config, const ModelConfig& m, std::int64_t parameters) {
  const TrainOptions& t = config.train;
  std::vector<Fact> out;
  out.push_back({"Model", kind_of(m)});
  const models::ModelRow* row = models::models().find(m.model);
  if (const std::string layers = layer_sizes(m); !layers.empty())
    out.push_back({"Layers", layers + (m.activation == "relu" ? "" : ", " + m.activation)});
  else if (row)
    out.push_back({"Settings", settings_of(m, *row, {"latent"})});
  if (!row || models::why_unused(m, "latent").empty()) out.push_back({"Latent dimensions", std::to_string(m.latent)});
  out.push_back({"Parameters", thousands(parameters)});
  const ModelConfig usual = row ? models::preset(m.model) : ModelConfig();
  const auto is_shown = [](const std::string& part, const char* most, const std::string& own) {
    return !part.empty() && (part != most || (!own.empty() && own != part));
  };
  if (m.posterior != "point" && is_shown(m.posterior, "diagonal", usual.posterior))
    out.push_back({"Posterior", part_of(m, models::posteriors(), m.posterior)});
  if (is_shown(m.prior, "normal", usual.prior)) out.push_back({"Prior", part_of(m, models::priors(), m.prior)});
  if (!m.likelihood.empty()) out.push_back({"Likelihood", likelihood_of(m)});
  if (!m.objective.empty()) out.push_back({"Objective", objective_of(m)});
  out.push_back({"Dataset", dataset_of(config.data)});
  if (!config.data.dir.empty()) out.push_back({"Data from", config.data.dir.string()});
  out.push_back({"Pictures", std::to_string(m.picture[1]) + " x " + std::to_string(m.picture[2]) + " pixels, " +
                                 (m.picture[0] == 1   ? "grey"
                                  : m.picture[0] == 3 ? "RGB"
                                                      : std::to_string(m.picture[0]) + " channels")});
  out.push_back({"Pixel values", pixels_of(m, t)});
  out.push_back({"Batches", batches_of(t)});
  const auto rate = [](const TrainOptions& one) { return general(one.lr); };
  const auto epochs = [](const TrainOptions& one) { return std::to_string(one.epochs); };
  out.push_back({"Optimiser", optimizer_of(t) + ", learning rate " + in_turn(config, rate) +
                                  (t.moves_lr() ? " (" + lr_schedule_text(t) + ")" : "")});
  out.push_back({"Epochs asked for", in_turn(config, epochs)});
  out.push_back({"Validation", validation_of(config)});
  out.push_back({"Seed", std::to_string(t.seed)});
  out.push_back({"Trained on", in_turn(config, device_of)});
  for (std::size_t i = 1; i < config.stretches.size(); ++i) {
    const models::Stretch& one = config.stretches[i];
    out.push_back(
        {since_text(one), changes_of(config.stretches[i - 1].train, one.train), {one.from_epoch, one.after_steps}});
  }
  if (config.data.since > 1)
    out.push_back(
        {"Other pictures", "from epoch " + std::to_string(config.data.since) + " on; losses before it do not compare"});
  return out;
}

}  // namespace elbo::viz
