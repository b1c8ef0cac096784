// A VAE and a conditional VAE on MNIST with three hidden layers of 400 and 15 latent dimensions: samples, straight
// lines through the space of codes, digits on demand. Writes two run folders and figures into runs/mnist_400x3.
// mnist_400x3 [--quick]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <cmath>
#include <cstdio>
#include <iostream>

using namespace elbo;

namespace {

/// The reparameterisation and the loss, on numbers small enough to check by hand.
void check_by_hand() {
  Tensor mu = zeros({1, 100000}), logvar = ones({1, 100000});
  Tensor z = reparameterize(mu, logvar);
  std::printf("z ~ N(0, exp(1)): mean %.4f, standard deviation %.4f; expected 0 and %.4f\n", z.mean().item(),
              z.std().item(), std::exp(0.5));

  const TensorOptions f64{.dtype = DType::float64};
  Tensor logits = tensor({{2, 5}, {6, 7}}, f64), pixels = sigmoid(tensor({{1, 10}, {9, 3}}, f64));
  Tensor loss = binary_cross_entropy_with_logits(logits, pixels, Reduction::sum) +
                gaussian_kl(ones({1, 15}, f64), zeros({1, 15}, f64), Reduction::sum);
  std::printf("loss of four pixels and 15 latent dimensions: %.6f; expected 8.507862\n", loss.item());
}

}  // namespace

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: mnist_400x3 [--quick]");
  const std::filesystem::path out = quick ? "runs/mnist_400x3-quick" : "runs/mnist_400x3";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  check_by_hand();
  models::RunConfig config{.model = {.hidden = {400, 400, 400}, .latent = 15},
                           .train = {.epochs = quick ? 1 : 10, .drop_last = true, .val_size = 0}};
  std::vector<models::Trained> runs;
  for (const char* model : {"vae", "cvae"}) {
    config.model.model = model;
    runs.push_back(models::train(out / model, config, data, models::print_epochs(std::cout, model)));
  }
  models::print_results(std::cout, runs, test);
  models::Model &vae = *runs[0].model, &cvae = *runs[1].model;

  viz::write_png(out / "samples.png", viz::sample_figure({{"VAE", vae}}, {.rows = 1, .columns = 10}));
  viz::write_png(out / "interpolation.png", viz::prior_interpolation_figure({{"VAE", vae}}, 12, {.steps = 12}));
  viz::write_png(out / "digits.png", viz::sample_figure({{"CVAE", cvae}}, {.rows = 1, .labels_across = true}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_400x3: " << error.what() << "\n";
  return 2;
}
