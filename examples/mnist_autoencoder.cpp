// Autoencoders on MNIST, without a prior on their codes: what they rebuild, where the codes of a two-dimensional one
// lie, and what becomes of codes drawn at random. Writes two run folders and figures into runs/mnist_autoencoder.
// mnist_autoencoder [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets mnist
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
  if (args.out.empty()) args.out = args.quick ? "runs/mnist_autoencoder-quick" : "runs/mnist_autoencoder";
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
  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (args.quick) data = data.first(4000), test = test.first(1000);

  // The Gaussian likelihood's loss is the squared error summed over 784 pixels, divided by twice the variance: with 392
  // it is the mean squared error per pixel, which is what such an autoencoder usually minimises.
  models::RunConfig config{
      .model = {.model = "ae", .hidden = {256, 128}, .likelihood = models::Likelihood::gaussian, .variance = 392},
      .train = {.val_size = 0}};
  config.model.latent = 32, config.train.epochs = 10;
  Trained z32 = train("z32", config, args, data);
  config.model.latent = 2, config.train.epochs = 15;
  Trained z2 = train("z2", config, args, data);

  std::printf("\n%-5s %12s %12s\n", "", "training MSE", "test MSE");
  for (Trained* one : {&z32, &z2})
    std::printf("%-5s %12.4f %12.4f\n", one->name.c_str(), one->run.history().back().train.loss,
                models::evaluate(*one->model, test).mse);
  std::printf("\n");

  save(args.out / "reconstructions.png",
       viz::reconstruction_figure({{"z = 32", *z32.model}, {"z = 2", *z2.model}}, test, viz::first_indices(8)));
  std::vector<viz::EmbeddingPanel> panel{
      {"codes of the test pictures", viz::embed(models::encode_means(*z2.model, test), viz::EmbeddingMethod::first2)}};
  save(args.out / "codes_z2.svg",
       viz::embedding_chart(panel, test.labels, test.class_names, {.width = 640, .height = 560}));
  // Nothing keeps the codes near N(0, 1), and nothing fills the space between them.
  save(args.out / "random_codes_z2.png",
       viz::sample_figure({{"z = 2", *z2.model}}, {.rows = 1, .columns = 8, .seed = args.seed, .temperature = 3}));
} catch (const std::exception& error) {
  std::cerr << "mnist_autoencoder: " << error.what() << "\n";
  return 2;
}
