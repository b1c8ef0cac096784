// A conditional VAE on MNIST: the label goes into encoder and decoder, so that the decoder can be asked for a digit.
// Writes the run folder and two samples of each digit into runs/mnist_cvae.
// mnist_cvae [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets mnist
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
  if (args.out.empty()) args.out = args.quick ? "runs/mnist_cvae-quick" : "runs/mnist_cvae";
  return args;
}

}  // namespace

int main(int argc, char** argv) try {
  Args args = parse(argc, argv);
  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (args.quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = args.seed;
    if (args.quick) run.train.epochs = 1;
    return models::train(args.out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{.model = {.model = "cvae", .hidden = {512, 256}, .latent = 20},
                           .train = {.epochs = 15, .val_size = 0}};
  models::Trained cvae = train("cvae", config);
  models::print_results(std::cout, {&cvae, 1}, test);
  viz::write_png(args.out / "digits.png",
                 viz::sample_figure({{"CVAE", *cvae.model}}, {.rows = 2, .seed = args.seed, .labels_across = true}));
  std::cout << "figures: " << args.out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_cvae: " << error.what() << "\n";
  return 2;
}
