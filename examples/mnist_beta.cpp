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

/// Nats a picture: of the last epoch's training, and of all test pictures, with a code drawn for each. The losses are
/// reconstruction + beta * KL.
void print_table(std::span<const Trained> runs, const datasets::Dataset& test) {
  std::printf("\n%-16s %9s %8s %8s %9s %8s %8s %8s\n", "", "training", "recon.", "KL", "test", "recon.", "KL", "MSE");
  for (const Trained& one : runs) {
    models::Losses last = one.run.history().back().train;
    models::Evaluation found = models::evaluate(*one.model, test, {.beta = one.run.config().train.beta});
    std::printf("%-16s %9.2f %8.2f %8.2f %9.2f %8.2f %8.2f %8.4f\n", one.name.c_str(), last.loss, last.reconstruction,
                last.kl, found.losses.loss, found.losses.reconstruction, found.losses.kl, found.mse);
  }
  std::printf("\n");
}

void save(const std::filesystem::path& path, const viz::Image& figure) {
  viz::write_png(path, figure);
  std::cout << path.string() << "\n";
}

}  // namespace

int main(int argc, char** argv) try {
  Args args = parse(argc, argv);
  datasets::Dataset data = datasets::load("mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("mnist", datasets::Split::test);
  if (args.quick) data = data.first(4000), test = test.first(1000);

  models::RunConfig config{.model = {.hidden = {512, 256}, .latent = 10}, .train = {.epochs = 15, .val_size = 0}};
  std::vector<Trained> runs;
  for (const char* beta : {"0.1", "1", "4"}) {
    config.train.beta = std::stod(beta);
    runs.push_back(train(std::string("beta_") + beta, config, args, data));
  }
  print_table(runs, test);

  std::vector<viz::Row> rows;
  for (Trained& one : runs) rows.push_back({"beta = " + one.name.substr(5), *one.model});
  save(args.out / "reconstructions.png",
       viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
} catch (const std::exception& error) {
  std::cerr << "mnist_beta: " << error.what() << "\n";
  return 2;
}
