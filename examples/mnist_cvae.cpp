// A conditional VAE on MNIST: the label goes into encoder and decoder, so that the decoder can be asked for a digit.
// Writes the run folder and two samples of each digit into runs/mnist_cvae.
// mnist_cvae [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  CLI::App app("A deep conditional VAE on MNIST");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/mnist_cvae)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/mnist_cvae-quick" : "runs/mnist_cvae";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = seed;
    if (quick) run.train.epochs = 1;
    return models::train(out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{.model = {.model = "cvae", .hidden = {512, 256}, .latent = 20},
                           .train = {.epochs = 15, .val_size = 0}};
  models::Trained cvae = train("cvae", config);
  models::print_results(std::cout, {&cvae, 1}, test);
  viz::write_png(out / "digits.png",
                 viz::sample_figure({{"CVAE", *cvae.model}}, {.rows = 2, .seed = seed, .labels_across = true}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_cvae: " << error.what() << "\n";
  return 2;
}
