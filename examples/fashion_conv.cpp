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

struct Trained {
  std::string name;
  models::Run run;
  std::unique_ptr<models::Model> model;
};

/// Trains into the folder of that name, or takes what a finished run left there.
Trained train(const std::string& name, models::RunConfig config, const Args& args, const datasets::Dataset& data) {
  if (args.quick) config.train.epochs = 1;
  config.train.seed = args.seed;
  auto print = [&](const models::EpochRecord& epoch, bool) {
    std::printf("%s: epoch %2d, training %.2f", name.c_str(), int(epoch.epoch), epoch.train.loss);
    if (epoch.val) std::printf(", validation %.2f", epoch.val->loss);
    std::printf(", %.1f s\n", epoch.seconds);
    std::fflush(stdout);
  };
  models::Run run = models::train(args.out / name, config, data, {.on_epoch = print});
  return {name, run, models::load(run.folder())};
}

/// Nats a picture: of the last epoch's training, and of all test pictures, with a code drawn for each.
void print_table(std::span<const Trained> runs, const datasets::Dataset& test) {
  std::printf("\n%-16s %9s %8s %8s %9s %8s %8s %8s\n", "", "training", "recon.", "KL", "test", "recon.", "KL", "MSE");
  for (const Trained& one : runs) {
    models::Losses last = one.run.history().back().train;
    models::Evaluation found = models::evaluate(*one.model, test);
    std::printf("%-16s %9.2f %8.2f %8.2f %9.2f %8.2f %8.2f %8.4f\n", one.name.c_str(), last.loss, last.reconstruction,
                last.kl, found.losses.loss, found.losses.reconstruction, found.losses.kl, found.mse);
  }
  std::printf("\n");
}

void save(const std::filesystem::path& path, const viz::Image& figure) {
  viz::write_png(path, figure);
  std::cout << path.string() << "\n";
}

void save(const std::filesystem::path& path, const std::string& chart) {
  viz::write_svg(path, chart);
  std::cout << path.string() << "\n";
}

}  // namespace

int main(int argc, char** argv) try {
  Args args = parse(argc, argv);
  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (args.quick) data = data.first(4000), test = test.first(1000);

  models::RunConfig config{
      .model = {.model = "conv-vae", .channels = {32, 64}, .kernel = 3, .decoder_relu = false, .latent = 20},
      .train = {.epochs = 20, .val_size = 0}};
  Trained conv = train("conv", config, args, data);
  print_table({&conv, 1}, test);

  save(args.out / "samples.png",
       viz::sample_figure({{"convolutions", *conv.model}}, {.rows = 4, .columns = 10, .seed = args.seed}));
  datasets::Dataset some = test.first(args.quick ? 500 : 5000);
  viz::Embedding tsne =
      viz::embed(models::encode_means(*conv.model, some), viz::EmbeddingMethod::tsne, {.seed = args.seed});
  std::vector<viz::EmbeddingPanel> panel{{"t-SNE of the test pictures' codes", tsne}};
  save(args.out / "tsne.svg",
       viz::embedding_chart(panel, some.labels, some.class_names, {.width = 640, .height = 560}));
} catch (const std::exception& error) {
  std::cerr << "fashion_conv: " << error.what() << "\n";
  return 2;
}
