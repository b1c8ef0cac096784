// A VAE and a conditional VAE on MNIST with three hidden layers of 400 and 15 latent dimensions: samples, straight
// lines through the space of codes, digits on demand. Writes two run folders and figures into runs/mnist_400x3.
// mnist_400x3 [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

using namespace elbo;

namespace {

/// The reparameterisation and the loss, on numbers small enough to check by hand.
void check_by_hand() {
  Tensor mu = zeros({1, 100000}), logvar = ones({1, 100000});
  Tensor z = reparameterize(mu, logvar);
  std::printf("z ~ N(0, exp(1)): mean %.4f, standard deviation %.4f; expected 0 and %.4f\n", mean(z).item(),
              sqrt(var(z)).item(), exp(tensor(0.5)).item());

  const TensorOptions f64{.dtype = DType::float64};
  Tensor logits = tensor({{2, 5}, {6, 7}}, f64), pixels = sigmoid(tensor({{1, 10}, {9, 3}}, f64));
  Tensor loss = binary_cross_entropy_with_logits(logits, pixels, Reduction::sum) +
                gaussian_kl(ones({1, 15}, f64), zeros({1, 15}, f64), Reduction::sum);
  std::printf("loss of four pixels and 15 latent dimensions: %.6f; expected 8.507862\n", loss.item());
}

}  // namespace

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  CLI::App app("A VAE and a conditional VAE with three hidden layers on MNIST");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/mnist_400x3)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/mnist_400x3-quick" : "runs/mnist_400x3";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(1000);

  check_by_hand();
  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = seed;
    if (quick) run.train.epochs = 1;
    return models::train(out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{.model = {.hidden = {400, 400, 400}, .latent = 15},
                           .train = {.epochs = 10, .drop_last = true, .val_size = 0}};
  std::vector<models::Trained> runs;
  for (const char* model : {"vae", "cvae"}) {
    config.model.model = model;
    runs.push_back(train(model, config));
  }
  models::print_results(std::cout, runs, test);
  models::Model &vae = *runs[0].model, &cvae = *runs[1].model;

  viz::write_png(out / "samples.png", viz::sample_figure({{"VAE", vae}}, {.rows = 1, .columns = 10, .seed = seed}));
  viz::write_png(out / "interpolation.png",
                 viz::prior_interpolation_figure({{"VAE", vae}}, 12, {.steps = 12, .seed = seed}));
  viz::write_png(out / "digits.png",
                 viz::sample_figure({{"CVAE", cvae}}, {.rows = 1, .seed = seed, .labels_across = true}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_400x3: " << error.what() << "\n";
  return 2;
}
