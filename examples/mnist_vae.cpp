// VAEs on MNIST: a deep one with 20 latent dimensions, one with 2 that can be drawn as a map, and a convolutional one.
// Writes three run folders, loss curves, reconstructions, samples and maps into runs/mnist_vae.
// mnist_vae [--quick]; the data: scripts/fetch-datasets mnist
#include <elbo/elbo.h>

#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: mnist_vae [--quick]");
  const std::filesystem::path out = quick ? "runs/mnist_vae-quick" : "runs/mnist_vae";

  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  for (double m : {0.0, 1.0, 2.0}) {
    Tensor mu = tensor({{m, m}}), logvar = tensor({{0, 0}});
    std::printf("KL(N((%g, %g), 1) || N(0, 1)) = %.6f\n", m, m, gaussian_kl(mu, logvar, Reduction::sum).item());
  }

  models::RunConfig deep{.model = {.hidden = {512, 256}, .latent = 20},
                         .train = {.epochs = quick ? 1 : 20, .val_size = 0}};
  models::RunConfig flat{.model = {.hidden = {512, 256}, .latent = 2},
                         .train = {.epochs = quick ? 1 : 30, .val_size = 0}};
  models::RunConfig convolutions{
      .model = {.model = "conv-vae", .channels = {32, 64}, .kernel = 3, .decoder_relu = false, .latent = 20},
      .train = {.epochs = quick ? 1 : 20, .val_size = 0}};
  std::vector<models::Trained> runs;
  runs.push_back(models::train(out / "z20", deep, data, models::print_epochs(std::cout, "z20")));
  runs.push_back(models::train(out / "z2", flat, data, models::print_epochs(std::cout, "z2")));
  runs.push_back(models::train(out / "conv", convolutions, data, models::print_epochs(std::cout, "conv")));
  models::print_results(std::cout, runs, test);
  models::Model &z20 = *runs[0].model, &z2 = *runs[1].model, &conv = *runs[2].model;

  std::vector<viz::LossCurves> curves;
  for (const models::Trained& one : runs) curves.push_back(viz::loss_curves(one.run.history(), one.name));
  viz::write_svg(out / "loss.svg", viz::loss_chart(curves));

  std::vector<viz::Row> both{{"MLP", z20}, {"convolutions", conv}};
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure(both, test, viz::first_indices(8), {.errors = true}));
  viz::write_png(out / "samples_mlp.png", viz::sample_figure({both[0]}, {.rows = 4, .columns = 4}));
  viz::write_png(out / "samples_conv.png", viz::sample_figure({both[1]}, {.rows = 4, .columns = 4}));
  std::vector<std::int64_t> ends{viz::first_of_class(test, 3), viz::first_of_class(test, 8)};
  viz::write_png(out / "interpolation_3_to_8.png", viz::interpolation_figure(both, test, ends, {.steps = 10}));

  std::vector<viz::EmbeddingPanel> panel{
      {"codes of the test pictures", viz::embed(models::encode_means(z2, test), viz::EmbeddingMethod::first2)}};
  viz::write_svg(out / "codes_z2.svg",
                 viz::embedding_chart(panel, test.labels, test.class_names, {.width = 640, .height = 560}));
  viz::write_png(out / "manifold_z2.png", viz::manifold_figure(z2, {.n = 15}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_vae: " << error.what() << "\n";
  return 2;
}
