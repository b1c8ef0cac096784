// The weight of the KL divergence (beta-VAE, Higgins et al. 2017): the more it weighs, the less a code tells of its
// picture. Deep VAEs on MNIST with beta 0.1, 1 and 4; writes run folders and reconstructions into runs/mnist_beta.
// mnist_beta [--quick]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: mnist_beta [--quick]");
  const std::filesystem::path out = quick ? "runs/mnist_beta-quick" : "runs/mnist_beta";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  models::RunConfig config{.model = {.hidden = {512, 256}, .latent = 10},
                           .train = {.epochs = quick ? 1 : 15, .val_size = 0}};
  std::vector<models::Trained> runs;
  for (const char* beta : {"0.1", "1", "4"}) {
    config.model.beta = std::stod(beta);
    const std::string name = std::string("beta_") + beta;
    runs.push_back(models::train(out / name, config, data, models::print_epochs(std::cout, name)));
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
