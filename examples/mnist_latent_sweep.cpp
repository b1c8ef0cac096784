// How many latent dimensions? Deep VAEs on MNIST with 2, 10, 50 and 100: the error of their reconstructions and the KL
// divergence that it costs. Writes the run folders and a chart of bars into runs/mnist_latent_sweep.
// mnist_latent_sweep [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets mnist
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
  if (args.out.empty()) args.out = args.quick ? "runs/mnist_latent_sweep-quick" : "runs/mnist_latent_sweep";
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
  models::RunConfig config{.model = {.hidden = {512, 256}}, .train = {.epochs = 10, .val_size = 0}};
  std::vector<models::Trained> runs;
  for (std::int64_t latent : {2, 10, 50, 100}) {
    config.model.latent = latent;
    runs.push_back(train("z" + std::to_string(latent), config));
  }
  models::print_results(std::cout, runs, test);

  std::vector<std::string> names;
  viz::Series mse{.name = "test MSE"}, kl{.name = "KL, nats"};
  for (models::Trained& one : runs) {
    models::Evaluation found = models::evaluate(*one.model, test);
    names.push_back(std::to_string(one.model->config().latent));
    mse.y.push_back(found.mse);
    kl.y.push_back(found.losses.kl);
  }
  viz::write_svg(args.out / "latent_sweep.svg", viz::bar_chart(names, {mse, kl}, "latent dimensions"));
  std::cout << "figures: " << args.out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "mnist_latent_sweep: " << error.what() << "\n";
  return 2;
}
