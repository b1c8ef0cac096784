#include "training.h"

#include <elbo/core/text.h>
#include <elbo/models/analysis/terms.h>
#include <elbo/models/registry.h>
#include <elbo/models/training/health.h>
#include <elbo/viz/report_facts.h>

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "commands.h"
#include "help.h"
#include "inputs.h"
#include "outputs.h"
#include "progress.h"
#include "resume.h"

namespace elbo::cli {
namespace {

std::string joined(std::int64_t first, const std::vector<std::int64_t>& sizes) {
  std::string out = std::to_string(first);
  for (std::int64_t size : sizes) out += "-" + std::to_string(size);
  return out;
}

/// ", fully connected 256-128" of convolutions that have such layers behind them.
std::string dense(const models::ModelConfig& m) {
  if (m.fc.empty()) return "";
  return ", fully connected " + joined(m.fc.front(), {m.fc.begin() + 1, m.fc.end()});
}

/// "784-400-20", "convolutions 3-16-32-128, z 128"; empty for networks that the config does not tell.
std::string sizes_of(const models::ModelConfig& m) {
  const std::string z = std::to_string(m.latent);
  std::string labels = m.classes > 0 ? " with " + counted(m.classes, "class", "classes") : "";
  if (m.architecture == "conv")
    return " convolutions " + joined(m.picture[0], m.channels) + dense(m) + ", z " + z + labels;
  if (m.architecture == "mlp") return " " + joined(m.picture.numel(), m.hidden) + "-" + z + labels;
  return labels;
}

/// ", likelihood gaussian of variance 0.5"; empty for a model that has none by name.
std::string likelihood_of(const models::ModelConfig& m) {
  if (m.likelihood.empty()) return "";
  std::string out = ", likelihood " + m.likelihood;
  if (models::why_unused(m, "variance").empty()) out += " of variance " + viz::general(m.variance);
  return out;
}

/// ", beta 1 after 3 epochs of warm-up"; empty where there is none.
std::string beta_of(const models::ModelConfig& m) {
  if (!models::why_unused(m, "beta").empty()) return "";
  std::string out = ", beta " + viz::general(m.beta);
  if (m.warmup > 0) out += " after " + viz::general(m.warmup) + " epochs of warm-up";
  return out;
}

const char* optimizer_name(const models::TrainOptions& t) {
  return t.optimizer == "adam"      ? "Adam"
         : t.optimizer == "adamw"   ? "AdamW"
         : t.optimizer == "rmsprop" ? "RMSprop"
                                    : "SGD";
}

/// The terms of the loss that count.
std::vector<std::string> counted_terms(models::Model& model) {
  std::vector<std::string> out;
  for (const models::TermInfo& term : models::terms_of(model))
    if (term.counts) out.push_back(term.name);
  return out;
}

}  // namespace

void print_head(const models::RunConfig& config, const models::Model& model, const models::Trainer& trainer) {
  const models::ModelConfig& m = config.model;
  const models::TrainOptions& t = config.train;
  const std::string precision = t.precision == Precision::float32 ? "" : std::string(" in ") + name(t.precision);
  const std::string what =
      elbo::detail::concat(m.model, sizes_of(m), ", ", viz::thousands(model.num_parameters()), " parameters",
                           likelihood_of(m), ", on ", described(t.device), precision);
  std::string how =
      elbo::detail::concat(config.data.dataset, ": ", counted(trainer.train_count(), "picture", "pictures"),
                           " to train on, ", viz::thousands(trainer.val_count()), " to validate on; batches of ",
                           t.batch_size, ", ", optimizer_name(t), " at ", viz::general(t.lr));
  if (t.moves_lr()) how += " (" + viz::lr_schedule_text(t) + ")";
  how += beta_of(m);
  if (t.binarize) how += "; black or white pixels, drawn anew each epoch";
  const int width = help_width();
  std::printf("%s%s", wrapped(what, 2, width).c_str(), wrapped(how, 2, width).c_str());
  if ((m.pixels[0] < 0 || m.pixels[1] > 1) && m.output == "sigmoid")
    std::printf("Pixels lie in [%g, %g], the decoder's sigmoid gives 0 to 1: it can never match them all.\n",
                m.pixels[0], m.pixels[1]);
  std::printf("\n");
  std::fflush(stdout);
}

void print_warnings(const std::vector<std::string>& warnings) {
  for (const std::string& text : warnings) std::cerr << "elbo train: warning: " << text << std::endl;
}

models::FitResult fit_with_progress(const TrainArgs& args, const models::Run& run, models::Trainer& trainer,
                                    models::Model& model, const StopSignals& signals) {
  // With --json a terminal alone has something to look at meanwhile.
  const ProgressOptions shown = progress_options(args.json ? 2 : 1);
  std::ostream nowhere(nullptr);
  Progress progress(!args.json ? std::cout : shown.live ? std::cerr : nowhere, shown);
  models::FitCallbacks callbacks;
  callbacks.on_begin = [&](const models::Trainer& t) {
    progress.begin({.epochs = run.config().train.epochs,
                    .samples_per_epoch = t.samples_per_epoch(),
                    .has_validation = t.val_count() > 0,
                    .first_epoch = t.epoch() + 1,
                    .first_samples = t.samples(),
                    .terms = counted_terms(model)});
  };
  callbacks.on_step = [&](const models::Trainer& t, std::int64_t samples) {
    if (progress.due()) progress.step(samples, t.running_losses().loss);
  };
  models::Health health(run.config());
  callbacks.on_epoch = [&](const models::EpochRecord& record, bool best) {
    progress.epoch_done({.epoch = record.epoch,
                         .train = record.train,
                         .val = record.val,
                         .seconds = record.seconds,
                         .best = best && record.val});
    print_warnings(health.after_epoch(trainer, record));
  };
  callbacks.should_stop = [&] { return signals.caught() != 0; };
  models::FitResult result;
  try {
    result = models::fit(run, trainer, callbacks);
  } catch (const models::DivergedError& error) {
    progress.finish();
    if (!error.smaller_lr_may_help) throw;
    throw models::DivergedError(error.what() + std::string(": ") + resume_command(args) + " --lr ...", true);
  }
  progress.finish();
  if (!trainer.graph_note().empty())
    std::cerr << "elbo train: note: the steps could not be replayed as CUDA graphs: " << trainer.graph_note() << "\n";
  return result;
}

int stopped(const TrainArgs& args, const models::Trainer& trainer, const models::FitResult& result, int signal) {
  const std::string epoch = std::to_string(trainer.epoch() + (trainer.batch() > 0 ? 1 : 0));
  std::cerr << "elbo train: stopped by " << (signal == SIGINT ? "SIGINT" : "SIGTERM")
            << (trainer.batch() > 0 ? " in epoch " + epoch + " after " + counted(trainer.batch(), "step", "steps")
                                    : " after epoch " + epoch)
            << ", "
            << (result.best_epoch > 0 ? "the best model is that of epoch " + std::to_string(result.best_epoch)
                                      : "there is no model yet")
            << "; this goes on from there:\n  " << resume_command(args) << std::endl;
  return 128 + signal;
}

bool show_profile(const TrainArgs& args, const models::Run& run, const models::Trainer& trainer,
                  const Profile& profile) {
  bool kept = true;
  try {
    profile.write_trace(run / "trace.json");
  } catch (const std::exception& error) {  // the training is over, and its model kept
    std::cerr << "elbo train: the trace is not kept: " << printable(error.what()) << "\n";
    kept = false;
  }
  if (args.json) return kept;
  const datasets::Waits waits = trainer.waits();
  const double steps = static_cast<double>(std::max<std::int64_t>(profile.spans(), 1));
  std::printf("\nProfile of %s, %.3f ms each, of which each waited %.3f for its batch\n%s",
              counted(profile.spans(), "step", "steps").c_str(), 1e3 * profile.seconds() / steps,
              1e3 * waits.seconds / steps, profile.table().c_str());
  std::printf("%s not ready when a step came for it.\n", counted(waits.batches, "batch was", "batches were").c_str());
  return kept;
}

nlohmann::ordered_json profile_json(const models::Trainer& trainer, const Profile& profile) {
  const datasets::Waits waits = trainer.waits();
  const Peaks peaks = profile.peaks();
  nlohmann::ordered_json out = {{"steps", profile.spans()},
                                {"seconds", profile.seconds()},
                                {"outside_seconds", profile.outside_seconds()},
                                {"waits", {{"batches", waits.batches}, {"seconds", waits.seconds}}},
                                {"peak_flops", peaks.flops},
                                {"peak_bandwidth", peaks.bandwidth},
                                {"rows", nlohmann::ordered_json::array()}};
  for (const ProfileRow& row : profile.rows())
    out["rows"].push_back({{"op", row.op},
                           {"backward", row.backward},
                           {"layer", to_utf8(row.layer)},
                           {"calls", row.calls},
                           {"seconds", row.seconds},
                           {"flop", row.flop},
                           {"bytes", row.bytes}});
  return out;
}

void print_end(const models::Trainer& trainer, const models::FitResult& result) {
  std::printf("\nTrained in %.1f s%s.", result.seconds, result.stopped_early ? ", stopped early" : "");
  if (trainer.val_count() > 0)
    std::printf(" The model of epoch %lld is kept.", static_cast<long long>(result.best_epoch));
  std::printf("\n");
}

}  // namespace elbo::cli
