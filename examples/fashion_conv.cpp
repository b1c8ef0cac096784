// A convolutional VAE on Fashion-MNIST: where the classes lie among its codes, and pictures that it makes up.
// Writes the run folder, a t-SNE of the test pictures' codes and samples into runs/fashion_conv.
// fashion_conv [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <cstdio>
#include <iostream>
#include <sstream>

using namespace elbo;

namespace {

struct Args {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
};

Args parse(int argc, char** argv) {
  Args args;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--quick") {
      args.quick = true;
    } else if (word == "--out" && !value.empty()) {
      args.out = argv[++i];
    } else if (word == "--seed" && std::istringstream(value) >> args.seed) {
      ++i;
    } else {
      throw ValueError("cannot use '" + word + "': expected [--quick] [--out DIR] [--seed N]");
    }
  }
  if (args.out.empty()) args.out = args.quick ? "runs/fashion_conv-quick" : "runs/fashion_conv";
  return args;
}

}  // namespace

int main(int argc, char** argv) try {
  Args args = parse(argc, argv);
  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (args.quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = args.seed;
    if (args.quick) run.train.epochs = 1;
    return models::train(args.out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{
      .model = {.model = "conv-vae", .channels = {32, 64}, .kernel = 3, .decoder_relu = false, .latent = 20},
      .train = {.epochs = 20, .val_size = 0}};
  models::Trained conv = train("conv", config);
  models::print_results(std::cout, {&conv, 1}, test);

  viz::write_png(args.out / "samples.png",
                 viz::sample_figure({{"convolutions", *conv.model}}, {.rows = 4, .columns = 10, .seed = args.seed}));
  datasets::Dataset some = test.first(args.quick ? 500 : 5000);
  viz::Embedding tsne =
      viz::embed(models::encode_means(*conv.model, some), viz::EmbeddingMethod::tsne, {.seed = args.seed});
  std::vector<viz::EmbeddingPanel> panel{{"t-SNE of the test pictures' codes", tsne}};
  viz::write_svg(args.out / "tsne.svg",
                 viz::embedding_chart(panel, some.labels, some.class_names, {.width = 640, .height = 560}));
  std::cout << "figures: " << args.out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_conv: " << error.what() << "\n";
  return 2;
}
