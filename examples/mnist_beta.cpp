// The weight of the KL divergence (beta-VAE, Higgins et al. 2017): the more it weighs, the less a code tells of its
// picture. Deep VAEs on MNIST with beta 0.1, 1 and 4; writes run folders and reconstructions into runs/mnist_beta.
// mnist_beta [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  CLI::App app("Beta-VAEs on MNIST");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/mnist_beta)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/mnist_beta-quick" : "runs/mnist_beta";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = seed;
    if (quick) run.train.epochs = 1;
    return models::train(out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{.model = {.hidden = {512, 256}, .latent = 10}, .train = {.epochs = 15, .val_size = 0}};
  std::vector<models::Trained> runs;
  for (const char* beta : {"0.1", "1", "4"}) {
    config.train.beta = std::stod(beta);
    runs.push_back(train(std::string("beta_") + beta, config));
  }
  models::print_results(std::cout, runs, test);

  std::vector<viz::Row> rows;
  for (models::Trained& one : runs) rows.push_back({"beta = " + one.name.substr(5), *one.model});
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_beta: " << error.what() << "\n";
  return 2;
}
