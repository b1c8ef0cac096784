// A convolutional VAE on Fashion-MNIST: where the classes lie among its codes, and pictures that it makes up.
// Writes the run folder, a t-SNE of the test pictures' codes and samples into runs/fashion_conv.
// fashion_conv [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  CLI::App app("A convolutional VAE on Fashion-MNIST");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/fashion_conv)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/fashion_conv-quick" : "runs/fashion_conv";

  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = seed;
    if (quick) run.train.epochs = 1;
    return models::train(out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{
      .model = {.model = "conv-vae", .channels = {32, 64}, .kernel = 3, .decoder_relu = false, .latent = 20},
      .train = {.epochs = 20, .val_size = 0}};
  models::Trained conv = train("conv", config);
  models::print_results(std::cout, {&conv, 1}, test);

  viz::write_png(out / "samples.png",
                 viz::sample_figure({{"convolutions", *conv.model}}, {.rows = 4, .columns = 10, .seed = seed}));
  datasets::Dataset some = test.first(quick ? 500 : 5000);
  viz::Embedding tsne = viz::embed(models::encode_means(*conv.model, some), viz::EmbeddingMethod::tsne, {.seed = seed});
  std::vector<viz::EmbeddingPanel> panel{{"t-SNE of the test pictures' codes", tsne}};
  viz::write_svg(out / "tsne.svg",
                 viz::embedding_chart(panel, some.labels, some.class_names, {.width = 640, .height = 560}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_conv: " << error.what() << "\n";
  return 2;
}
