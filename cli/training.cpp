#include "training.h"

#include <elbo/models/training/health.h>
#include <elbo/viz/report_facts.h>

#include <signal.h>

#include <cstdio>
#include <iostream>

#include "commands.h"
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

/// "784-400-20", "3-16-32-128, z 128".
std::string sizes_of(const models::ModelConfig& m) {
  std::string z = std::to_string(m.latent);
  if (m.model == "conv-vae") return "convolutions " + joined(m.picture[0], m.channels) + ", z " + z;
  std::string labels = m.classes > 0 ? " with " + counted(m.classes, "class", "classes") : "";
  return joined(m.picture.numel(), m.hidden) + "-" + z + labels;
}

std::string likelihood_of(const models::ModelConfig& m) {
  char text[64];
  std::snprintf(text, sizeof text, m.likelihood == models::Likelihood::gaussian ? "%s of variance %g" : "%s",
                name(m.likelihood), m.variance);
  return text;
}

EpochSummary summary_of(const models::EpochRecord& record, bool best) {
  auto losses = [](const models::Losses& l) { return Losses{l.loss, l.reconstruction, l.kl}; };
  EpochSummary out{.epoch = record.epoch, .train = losses(record.train), .seconds = record.seconds};
  if (record.val) {
    out.val = losses(*record.val);
    out.best = best;
  }
  return out;
}

}  // namespace

void print_head(const models::RunConfig& config, const models::Model& model, const models::Trainer& trainer) {
  const models::ModelConfig& m = config.model;
  const models::TrainOptions& t = config.train;
  const std::string precision = t.precision == Precision::float32 ? "" : std::string(" in ") + name(t.precision);
  std::printf("%s %s, %s parameters, likelihood %s, on %s%s\n", m.model.c_str(), sizes_of(m).c_str(),
              viz::thousands(model.num_parameters()).c_str(), likelihood_of(m).c_str(), described(t.device).c_str(),
              precision.c_str());
  std::printf("%s: %s to train on, %s to validate on; batches of %lld, Adam at %g", config.data.dataset.c_str(),
              counted(trainer.train_count(), "picture", "pictures").c_str(),
              viz::thousands(trainer.val_count()).c_str(), static_cast<long long>(t.batch_size), t.lr);
  if (t.moves_lr()) std::printf(" (%s)", viz::lr_schedule_text(t).c_str());
  if (m.model != "ae") std::printf(", beta %g", t.beta);
  if (m.model != "ae" && t.warmup > 0) std::printf(" after %g epochs of warm-up", t.warmup);
  if (t.binarize) std::printf("; black or white pixels, drawn anew each epoch");
  std::printf("\n");
  if (m.pixels[0] < 0 || m.pixels[1] > 1)
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
  Progress progress(args.json ? std::cerr : std::cout, progress_options(args.json ? 2 : 1));
  models::FitCallbacks callbacks;
  callbacks.on_begin = [&](const models::Trainer& t) {
    progress.begin(run.config().train.epochs, t.samples_per_epoch(), t.val_count() > 0, t.epoch() + 1, t.samples());
  };
  callbacks.on_step = [&](const models::Trainer& t, std::int64_t samples) {
    if (progress.due()) progress.step(samples, t.running_losses().loss);
  };
  models::Health health(run.config());
  callbacks.on_epoch = [&](const models::EpochRecord& record, bool best) {
    progress.epoch_done(summary_of(record, best));
    print_warnings(health.after_epoch(trainer, record));
  };
  callbacks.should_stop = [&] { return signals.caught() != 0; };
  models::FitResult result;
  try {
    result = models::fit(run, trainer, model, callbacks);
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

void print_end(const models::Trainer& trainer, const models::FitResult& result) {
  std::printf("\nTrained in %.1f s%s.", result.seconds, result.stopped_early ? ", stopped early" : "");
  if (trainer.val_count() > 0)
    std::printf(" The model of epoch %lld is kept.", static_cast<long long>(result.best_epoch));
  std::printf("\n");
}

}  // namespace elbo::cli
