// Autoencoders on MNIST, without a prior on their codes: what they rebuild, where the codes of a two-dimensional one
// lie, and what becomes of codes drawn at random. Writes two run folders and figures into runs/mnist_autoencoder.
// mnist_autoencoder [--quick]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: mnist_autoencoder [--quick]");
  const std::filesystem::path out = quick ? "runs/mnist_autoencoder-quick" : "runs/mnist_autoencoder";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  // The Gaussian likelihood's loss is the squared error summed over 784 pixels, divided by twice the variance: with 392
  // it is the mean squared error per pixel, which is what such an autoencoder usually minimises.
  models::RunConfig config{.model = {.model = "ae", .hidden = {256, 128}, .likelihood = "gaussian", .variance = 392},
                           .train = {.val_size = 0}};
  std::vector<models::Trained> runs;
  config.model.latent = 32, config.train.epochs = quick ? 1 : 10;
  runs.push_back(models::train(out / "z32", config, data, models::print_epochs(std::cout, "z32")));
  config.model.latent = 2, config.train.epochs = quick ? 1 : 15;
  runs.push_back(models::train(out / "z2", config, data, models::print_epochs(std::cout, "z2")));
  models::print_results(std::cout, runs, test);
  models::Model &z32 = *runs[0].model, &z2 = *runs[1].model;

  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure({{"z = 32", z32}, {"z = 2", z2}}, test, viz::first_indices(8)));
  std::vector<viz::EmbeddingPanel> panel{
      {"codes of the test pictures", viz::embed(models::encode_means(z2, test), viz::EmbeddingMethod::first2)}};
  viz::write_svg(out / "codes_z2.svg",
                 viz::embedding_chart(panel, test.labels, test.class_names, {.width = 640, .height = 560}));
  // Nothing keeps the codes near N(0, 1), and nothing fills the space between them.
  viz::write_png(out / "random_codes_z2.png",
                 viz::sample_figure({{"z = 2", z2}}, {.rows = 1, .columns = 8, .temperature = 3}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_autoencoder: " << error.what() << "\n";
  return 2;
}
