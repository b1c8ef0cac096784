// A convolutional VAE on Fashion-MNIST: where the classes lie among its codes, and pictures that it makes up.
// Writes the run folder, a t-SNE of the test pictures' codes and samples into runs/fashion_conv.
// fashion_conv [--quick]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  const bool quick = argc > 1 && std::string(argv[1]) == "--quick";  // few pictures, one epoch
  if (argc > 1 && !quick) throw ValueError("usage: fashion_conv [--quick]");
  const std::filesystem::path out = quick ? "runs/fashion_conv-quick" : "runs/fashion_conv";

  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(500);

  models::RunConfig config{
      .model = {.model = "conv-vae", .channels = {32, 64}, .kernel = 3, .decoder_relu = false, .latent = 20},
      .train = {.epochs = quick ? 1 : 20, .val_size = 0}};
  models::Trained conv = models::train(out / "conv", config, data, models::print_epochs(std::cout, "conv"));
  models::print_results(std::cout, {&conv, 1}, test);

  viz::write_png(out / "samples.png", viz::sample_figure({{"convolutions", *conv.model}}, {.rows = 4, .columns = 10}));
  datasets::Dataset some = test.first(5000);
  viz::Embedding tsne = viz::embed(models::encode_means(*conv.model, some), viz::EmbeddingMethod::tsne);
  std::vector<viz::EmbeddingPanel> panel{{"t-SNE of the test pictures' codes", tsne}};
  viz::write_svg(out / "tsne.svg",
                 viz::embedding_chart(panel, some.labels, some.class_names, {.width = 640, .height = 560}));
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_conv: " << error.what() << "\n";
  return 2;
}
