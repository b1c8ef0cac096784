// A fully connected VAE beside a convolutional one on CIFAR-10: losses, samples, straight lines between the codes of
// pictures, reconstructions. Writes two run folders and figures into runs/cifar10_fc_conv.
// cifar10_fc_conv [--quick]; the data: scripts/fetch-datasets cifar10
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: cifar10_fc_conv [--quick]");
  const std::filesystem::path out = quick ? "runs/cifar10_fc_conv-quick" : "runs/cifar10_fc_conv";

  datasets::Dataset data = datasets::load("cifar10", datasets::Split::train);
  datasets::Dataset test = datasets::load("cifar10", datasets::Split::test);
  if (quick) data = data.first(1500), test = test.first(500);

  // With a variance of 1/2 the Gaussian's loss is the summed squared error.
  models::RunConfig config{.model = {.likelihood = "gaussian", .variance = 0.5},
                           .train = {.epochs = quick ? 1 : 10, .batch_size = 32, .drop_last = true, .val_size = 0}};
  std::vector<models::Trained> runs;
  config.model.hidden = {400}, config.model.latent = 20;
  runs.push_back(models::train(out / "fc", config, data, models::print_epochs(std::cout, "fc")));
  config.model.model = "conv-vae", config.model.latent = 128;
  runs.push_back(models::train(out / "conv", config, data, models::print_epochs(std::cout, "conv")));
  models::print_results(std::cout, runs, test);

  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "fully connected"),
                                      viz::loss_curves(runs[1].run.history(), "convolutions")};
  viz::write_svg(out / "loss.svg", viz::loss_chart(curves));
  std::vector<viz::Row> rows{{"fully connected", *runs[0].model}, {"convolutions", *runs[1].model}};
  viz::write_png(out / "samples_fc.png", viz::sample_figure({rows[0]}, {.rows = 4, .columns = 4}));
  viz::write_png(out / "samples_conv.png", viz::sample_figure({rows[1]}, {.rows = 4, .columns = 4}));
  // Between a code drawn for one picture and a code drawn for another.
  std::vector<std::int64_t> pair{0, 1};
  viz::write_png(out / "interpolation.png",
                 viz::interpolation_figure(rows, data, pair, {.steps = 10, .ends = models::Codes::sampled}));
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "cifar10_fc_conv: " << error.what() << "\n";
  return 2;
}
