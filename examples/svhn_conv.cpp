// A convolutional VAE on SVHN, with pixels in [0, 1] as its decoder gives them, and in [-1, 1], of which a sigmoid can
// never reach half: the loss says so. Writes two run folders and figures into runs/svhn_conv.
// svhn_conv [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets svhn
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  CLI::App app("A convolutional VAE on SVHN, for both ranges of pixels");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/svhn_conv)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/svhn_conv-quick" : "runs/svhn_conv";

  datasets::Dataset data = datasets::load("svhn", datasets::Split::train);
  datasets::Dataset test = datasets::load("svhn", datasets::Split::test);
  if (quick) data = data.first(1500), test = test.first(500);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = seed;
    if (quick) run.train.epochs = 1;
    return models::train(out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{
      .model = {.model = "conv-vae", .latent = 128, .likelihood = models::Likelihood::gaussian, .variance = 0.5},
      .train = {.epochs = 25, .drop_last = true, .val_size = 0}};
  std::vector<models::Trained> runs;
  runs.push_back(train("zero_to_one", config));
  config.model.pixels = {-1, 1}, config.model.allow_range_mismatch = true;  // refused otherwise
  runs.push_back(train("minus_one_to_one", config));
  models::print_results(std::cout, runs, test);

  std::vector<viz::Row> rows{{"[0, 1]", *runs[0].model}, {"[-1, 1]", *runs[1].model}};
  viz::write_png(out / "samples.png", viz::sample_figure(rows, {.rows = 4, .columns = 4, .seed = seed}));
  viz::write_png(out / "interpolation.png", viz::prior_interpolation_figure(rows, 1, {.steps = 10, .seed = seed}));
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
  for (const models::Trained& one : runs)
    viz::write_png(out / ("traversal_" + one.name + ".png"), viz::traversal_figure(*one.model, test, 0));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "svhn_conv: " << error.what() << "\n";
  return 2;
}
