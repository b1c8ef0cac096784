// A fully connected VAE beside a convolutional one on CIFAR-10: losses, samples, straight lines between the codes of
// pictures, reconstructions. Writes two run folders and figures into runs/cifar10_fc_conv.
// cifar10_fc_conv [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets cifar10
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  CLI::App app("A fully connected and a convolutional VAE on CIFAR-10");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/cifar10_fc_conv)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/cifar10_fc_conv-quick" : "runs/cifar10_fc_conv";

  datasets::Dataset data = datasets::load("cifar10", datasets::Split::train);
  datasets::Dataset test = datasets::load("cifar10", datasets::Split::test);
  if (quick) data = data.first(1500), test = test.first(500);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = seed;
    if (quick) run.train.epochs = 1;
    return models::train(out / name, run, data, models::print_epochs(std::cout, name));
  };
  // With a variance of 1/2 the Gaussian's loss is the summed squared error.
  models::RunConfig config{.model = {.likelihood = models::Likelihood::gaussian, .variance = 0.5},
                           .train = {.epochs = 10, .batch_size = 32, .drop_last = true, .val_size = 0}};
  std::vector<models::Trained> runs;
  config.model.hidden = {400}, config.model.latent = 20;
  runs.push_back(train("fc", config));
  config.model.model = "conv-vae", config.model.latent = 128;
  runs.push_back(train("conv", config));
  models::print_results(std::cout, runs, test);

  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "fully connected"),
                                      viz::loss_curves(runs[1].run.history(), "convolutions")};
  viz::write_svg(out / "loss.svg", viz::loss_chart(curves));
  std::vector<viz::Row> rows{{"fully connected", *runs[0].model}, {"convolutions", *runs[1].model}};
  viz::write_png(out / "samples_fc.png", viz::sample_figure({rows[0]}, {.rows = 4, .columns = 4, .seed = seed}));
  viz::write_png(out / "samples_conv.png", viz::sample_figure({rows[1]}, {.rows = 4, .columns = 4, .seed = seed}));
  // Between a code drawn for one picture and a code drawn for another.
  std::vector<std::int64_t> pair{0, 1};
  viz::write_png(
      out / "interpolation.png",
      viz::interpolation_figure(rows, data, pair, {.steps = 10, .ends = models::Codes::sampled, .seed = seed}));
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "cifar10_fc_conv: " << error.what() << "\n";
  return 2;
}
