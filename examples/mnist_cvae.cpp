// A conditional VAE on MNIST: the label goes into encoder and decoder, so that the decoder can be asked for a digit.
// Writes the run folder and two samples of each digit into runs/mnist_cvae.
// mnist_cvae [--quick]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: mnist_cvae [--quick]");
  const std::filesystem::path out = quick ? "runs/mnist_cvae-quick" : "runs/mnist_cvae";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  models::RunConfig config{.model = {.model = "cvae", .hidden = {512, 256}, .latent = 20},
                           .train = {.epochs = quick ? 1 : 15, .val_size = 0}};
  models::Trained cvae = models::train(out / "cvae", config, data, models::print_epochs(std::cout, "cvae"));
  models::print_results(std::cout, {&cvae, 1}, test);
  viz::write_png(out / "digits.png", viz::sample_figure({{"CVAE", *cvae.model}}, {.rows = 2, .labels_across = true}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_cvae: " << error.what() << "\n";
  return 2;
}
