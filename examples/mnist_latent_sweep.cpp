// How many latent dimensions? Deep VAEs on MNIST with 2, 10, 50 and 100: the error of their reconstructions and the KL
// divergence that it costs. Writes the run folders and a chart of bars into runs/mnist_latent_sweep.
// mnist_latent_sweep [--quick]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: mnist_latent_sweep [--quick]");
  const std::filesystem::path out = quick ? "runs/mnist_latent_sweep-quick" : "runs/mnist_latent_sweep";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  models::RunConfig config{.model = {.hidden = {512, 256}}, .train = {.epochs = quick ? 1 : 10, .val_size = 0}};
  std::vector<models::Trained> runs;
  for (std::int64_t latent : {2, 10, 50, 100}) {
    config.model.latent = latent;
    const std::string name = "z" + std::to_string(latent);
    runs.push_back(models::train(out / name, config, data, models::print_epochs(std::cout, name)));
  }
  models::print_results(std::cout, runs, test);

  std::vector<std::string> names;
  viz::Series mse{.name = "test MSE"}, kl{.name = "KL, nats"};
  for (models::Trained& one : runs) {
    models::Evaluation found = models::evaluate(*one.model, test);
    names.push_back(std::to_string(one.model->config().latent));
    mse.y.push_back(found.mse);
    kl.y.push_back(found.losses["kl"]);
  }
  viz::write_svg(out / "latent_sweep.svg", viz::bar_chart(names, {mse, kl}, "latent dimensions"));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_latent_sweep: " << error.what() << "\n";
  return 2;
}
