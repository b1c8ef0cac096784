// elbo_epoch_share: a whole training epoch, data loading and Adam included, as a share of the FMA peak measured in the
// same run. Peak and epochs take turns, so that a machine that slows down or is shared slows both; medians are printed.
#include <elbo/core/parallel_for.h>
#include <elbo/models/training/trainer.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "../core/cpu/roofline.h"
#include "bench.h"
#include "vae_training.h"

namespace bench = elbo::bench;

namespace {

struct Options {
  int rounds = 5;
  int threads = 2;
  double at_least = 0;
  std::string data;
};

/// Prints a line a round and the medians; returns the median share.
double measure(const Options& options) {
  const elbo::datasets::Dataset dataset = bench::training_pictures(options.data);
  const std::unique_ptr<elbo::models::Model> model = bench::fresh_vae();
  elbo::models::TrainOptions train;
  train.batch_size = bench::batch_size;
  train.val_size = 0;
  elbo::models::Trainer trainer(*model, dataset, train);
  const double gflop = bench::flops_per_sample * 1e-9 * static_cast<double>(dataset.size());
  std::printf("VAE 784-400-20, %lld pictures of %s, batch %lld, %d threads, %.2f MFLOP a sample\n",
              static_cast<long long>(dataset.size()), dataset.name.c_str(), static_cast<long long>(bench::batch_size),
              options.threads, bench::flops_per_sample * 1e-6);

  trainer.run_epoch();  // warms up
  std::vector<double> speeds, peaks, shares;
  double before = elbo::cpu_kernels::fma_peak(options.threads) * 1e-9;
  for (int round = 1; round <= options.rounds; ++round) {
    const elbo::models::EpochRecord record = trainer.run_epoch();
    const double after = elbo::cpu_kernels::fma_peak(options.threads) * 1e-9;
    const double peak = (before + after) / 2, speed = gflop / record.seconds;
    speeds.push_back(speed);
    peaks.push_back(peak);
    shares.push_back(speed / peak);
    std::printf("round %d: %.2f s, loss %.2f, %.0f GFLOP/s of %.0f: %.1f %%\n", round, record.seconds,
                record.train.loss, speed, peak, 100 * speed / peak);
    before = after;
  }
  std::printf("median: %.0f GFLOP/s, FMA peak %.0f GFLOP/s, share %.1f %%\n", bench::median(speeds),
              bench::median(peaks), 100 * bench::median(shares));
  return bench::median(shares);
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app{
      "Speed of a whole training epoch as a share of the machine's FMA peak, measured in turn.\n\n"
      "Example: elbo_epoch_share --threads 2 --rounds 5"};
  app.add_option("--rounds", options.rounds, "Epochs to measure")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_option("--threads", options.threads, "Threads to compute with")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--data", options.data, "Folder with Fashion-MNIST; searched, and made-up pictures without it");
  app.add_option("--at-least", options.at_least, "Exit with status 1 if the share is below this per cent");
  CLI11_PARSE(app, argc, argv);
  elbo::set_num_threads(options.threads);
  const double share = measure(options);
  if (100 * share >= options.at_least) return 0;
  std::cerr << "elbo_epoch_share: expected at least " << options.at_least << " % of the peak, found " << 100 * share
            << " %\n";
  return 1;
} catch (const std::exception& error) {
  std::cerr << "elbo_epoch_share: " << error.what() << "\n";
  return 2;
}
