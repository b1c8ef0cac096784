// A convolutional VAE on SVHN, with pixels in [0, 1] as its decoder gives them, and in [-1, 1], of which a sigmoid can
// never reach half: the loss says so. Writes two run folders and figures into runs/svhn_conv.
// svhn_conv [--quick]; the data: scripts/fetch-datasets svhn
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: svhn_conv [--quick]");
  const std::filesystem::path out = quick ? "runs/svhn_conv-quick" : "runs/svhn_conv";

  datasets::Dataset data = datasets::load("svhn", datasets::Split::train);
  datasets::Dataset test = datasets::load("svhn", datasets::Split::test);
  if (quick) data = data.first(1500), test = test.first(500);

  models::RunConfig config{.model = {.model = "conv-vae", .latent = 128, .likelihood = "gaussian", .variance = 0.5},
                           .train = {.epochs = quick ? 1 : 25, .drop_last = true, .val_size = 0}};
  std::vector<models::Trained> runs;
  runs.push_back(models::train(out / "zero_to_one", config, data, models::print_epochs(std::cout, "zero_to_one")));
  config.model.pixels = {-1, 1}, config.model.allow_range_mismatch = true;  // refused otherwise
  runs.push_back(
      models::train(out / "minus_one_to_one", config, data, models::print_epochs(std::cout, "minus_one_to_one")));
  models::print_results(std::cout, runs, test);

  std::vector<viz::Row> rows{{"[0, 1]", *runs[0].model}, {"[-1, 1]", *runs[1].model}};
  viz::write_png(out / "samples.png", viz::sample_figure(rows, {.rows = 4, .columns = 4}));
  viz::write_png(out / "interpolation.png", viz::prior_interpolation_figure(rows, 1, {.steps = 10}));
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
  for (const models::Trained& one : runs)
    viz::write_png(out / ("traversal_" + one.name + ".png"), viz::traversal_figure(*one.model, test, 0));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "svhn_conv: " << error.what() << "\n";
  return 2;
}
