// How many latent dimensions? Deep VAEs on MNIST with 2, 10, 50 and 100: the error of their reconstructions and the KL
// divergence that it costs. Writes the run folders and a chart of bars into runs/mnist_latent_sweep.
// mnist_latent_sweep [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  CLI::App app("VAEs with 2, 10, 50 and 100 dimensions on MNIST");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/mnist_latent_sweep)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/mnist_latent_sweep-quick" : "runs/mnist_latent_sweep";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = seed;
    if (quick) run.train.epochs = 1;
    return models::train(out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{.model = {.hidden = {512, 256}}, .train = {.epochs = 10, .val_size = 0}};
  std::vector<models::Trained> runs;
  for (std::int64_t latent : {2, 10, 50, 100}) {
    config.model.latent = latent;
    runs.push_back(train("z" + std::to_string(latent), config));
  }
  models::print_results(std::cout, runs, test);

  std::vector<std::string> names;
  viz::Series mse{.name = "test MSE"}, kl{.name = "KL, nats"};
  for (models::Trained& one : runs) {
    models::Evaluation found = models::evaluate(*one.model, test);
    names.push_back(std::to_string(one.model->config().latent));
    mse.y.push_back(found.mse);
    kl.y.push_back(found.losses.kl);
  }
  viz::write_svg(out / "latent_sweep.svg", viz::bar_chart(names, {mse, kl}, "latent dimensions"));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_latent_sweep: " << error.what() << "\n";
  return 2;
}
