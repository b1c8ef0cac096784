#include "health.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>

#include "../registry.h"

namespace elbo::models {
namespace {

/// Half an ulp of a float32, relative to it: what is smaller beside another number is rounded away.
constexpr double lost = 1.0 / (1 << 24);
/// Steps before which a model says little about how its training will go.
constexpr std::int64_t young = 200;

std::string short_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// A hundred steps are enough for the running statistics of batch normalisation, which validation uses.
std::string far_validation(const EpochRecord& record, std::int64_t steps) {
  if (record.epoch != 1 || !record.val || steps < 100) return "";
  // Without the KL, whose weight a warm-up changes. In the first epoch training begins at random, so that its mean loss
  // is the higher one.
  const double *was = record.train.find("reconstruction"), *is = record.val->find("reconstruction");
  if (!was || !is) return "";
  const double train = *was, val = *is;
  if (!(val > 1.5 * train)) return "";
  return "the reconstruction of the validation pictures costs " + short_of(val) +
         " nats, that of the training pictures " + short_of(train) +
         ": are they of another kind? Try another --seed or a larger --val-size";
}

std::string lost_kl(const Losses& losses, double beta) {
  const double kl = beta * losses["kl"], reconstruction = std::abs(losses["reconstruction"]);
  if (!(kl > 0 && kl < lost * reconstruction)) return "";
  return "beta * KL (" + short_of(kl) + ") is lost beside the reconstruction (" + short_of(reconstruction) +
         ") in float32: try a larger --beta or --variance";
}

/// A reconstruction of 0 is one whose variance float32 cannot divide by. What no KL stands beside can be lost all the
/// same: Adam adds 1e-8 to what it divides by, beside which smaller gradients vanish.
std::string lost_reconstruction(const Losses& losses, double beta, bool is_gaussian) {
  const double kl = beta * losses["kl"], reconstruction = std::abs(losses["reconstruction"]);
  if (kl > 0 && reconstruction < lost * kl)
    return "the reconstruction (" + short_of(reconstruction) + ") is lost beside beta * KL (" + short_of(kl) +
           ") in float32: try a smaller --beta or --variance";
  if (is_gaussian && reconstruction < 1e-8)
    return "the reconstruction (" + short_of(reconstruction) +
           ") is so small that nothing is learnt from it: try a smaller --variance";
  return "";
}

std::string collapsed(const Losses& losses) {
  if (!(losses["kl"] < 0.05)) return "";
  return "the posterior has collapsed: a KL of " + short_of(losses["kl"]) +
         " nats, so that the codes say nothing of the pictures; try a smaller --beta, or --warmup 10";
}

/// A tenth: trainings that are as they should be leave three quarters of 50 dimensions unused.
std::string unused(std::int64_t active, std::int64_t latent) {
  if (active * 10 > latent) return "";
  return std::to_string(latent - active) + " of " + std::to_string(latent) +
         " latent dimensions are dead (their mean varies by less than 0.01): try a smaller --latent or --beta";
}

}  // namespace

Health::Health(const RunConfig& config) : config_(config) { config_.model = filled(config.model); }

std::vector<std::string> Health::once(const std::vector<std::pair<const char*, std::string>>& found) {
  std::vector<std::string> out;
  for (const auto& [kind, text] : found)
    if (!text.empty() && given_.insert(kind).second) out.push_back(text);
  return out;
}

std::vector<std::string> Health::of_pictures(const datasets::Dataset& data) {
  if (data.size() < 2 || data.picture_size() == 0) return {};
  const std::span<const std::uint8_t> pictures = data.pictures();
  const auto size = static_cast<std::ptrdiff_t>(data.picture_size());
  const auto [low, high] = std::minmax_element(pictures.begin(), pictures.end());
  std::string text;
  if (std::equal(pictures.begin() + size, pictures.end(), pictures.begin())) {
    text = "all pictures are the same" + (*low == *high ? ", each pixel " + std::to_string(*low) : std::string()) +
           ": is this the right data?";
  } else if (*high <= 1) {
    text = "no pixel is above 1 of 255, so that all pictures are nearly black: if 1 means white, multiply them by 255";
  }
  return once({{"pictures", text}});
}

std::vector<std::string> Health::after_epoch(const Trainer& trainer, const EpochRecord& record) {
  const TrainOptions& options = config_.train;
  const std::int64_t batch = options.batch_size;
  const std::int64_t steps = (trainer.samples_per_epoch() + batch - 1) / batch;
  std::vector<std::pair<const char*, std::string>> found = {{"validation", far_validation(record, steps)}};
  const auto epoch = static_cast<double>(record.epoch);
  const ModelConfig& m = config_.model;
  if (!record.train.find("reconstruction") || !record.train.find("kl")) return once(found);
  const bool has_kl = m.objective == "elbo" && m.posterior != "point" && m.beta > 0 && epoch >= m.warmup;
  // Unlike a KL, which begins small, a reconstruction begins large.
  found.emplace_back("lost", lost_reconstruction(record.train, has_kl ? m.beta : 0, m.likelihood == "gaussian"));
  const bool is_old = steps * record.epoch >= young, is_last = record.epoch == options.epochs;
  if (has_kl && (is_old || is_last)) found.emplace_back("lost", lost_kl(record.train, m.beta));
  if (has_kl && is_old) {
    // Early on a posterior that looks collapsed may come to life yet.
    std::string text = record.epoch >= 10 || is_last ? collapsed(record.val ? *record.val : record.train) : "";
    // Where all have collapsed, there is no need to count them.
    const bool some_live = text.empty() && !given_.contains("collapsed");
    found.emplace_back("collapsed", text);
    if (is_last && some_live) found.emplace_back("unused", unused(trainer.evaluation().active_units, m.latent));
  }
  return once(found);
}

}  // namespace elbo::models
