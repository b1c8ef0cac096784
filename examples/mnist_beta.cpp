// The weight of the KL divergence (beta-VAE, Higgins et al. 2017): the more it weighs, the less a code tells of its
// picture. Deep VAEs on MNIST with beta 0.1, 1 and 4; writes run folders and reconstructions into runs/mnist_beta.
// mnist_beta [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets mnist
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
  if (args.out.empty()) args.out = args.quick ? "runs/mnist_beta-quick" : "runs/mnist_beta";
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
  models::RunConfig config{.model = {.hidden = {512, 256}, .latent = 10}, .train = {.epochs = 15, .val_size = 0}};
  std::vector<models::Trained> runs;
  for (const char* beta : {"0.1", "1", "4"}) {
    config.train.beta = std::stod(beta);
    runs.push_back(train(std::string("beta_") + beta, config));
  }
  models::print_results(std::cout, runs, test);

  std::vector<viz::Row> rows;
  for (models::Trained& one : runs) rows.push_back({"beta = " + one.name.substr(5), *one.model});
  viz::write_png(args.out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
  std::cout << "figures: " << args.out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_beta: " << error.what() << "\n";
  return 2;
}
