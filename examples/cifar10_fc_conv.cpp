// A fully connected VAE beside a convolutional one on CIFAR-10: losses, samples, straight lines between the codes of
// pictures, reconstructions. Writes two run folders and figures into runs/cifar10_fc_conv.
// cifar10_fc_conv [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets cifar10
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
  if (args.out.empty()) args.out = args.quick ? "runs/cifar10_fc_conv-quick" : "runs/cifar10_fc_conv";
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
  datasets::Dataset data = datasets::load("cifar10", datasets::Split::train);
  datasets::Dataset test = datasets::load("cifar10", datasets::Split::test);
  if (args.quick) data = data.first(1500), test = test.first(500);

  // With a variance of 1/2 the Gaussian's loss is the summed squared error.
  models::RunConfig config{.model = {.likelihood = models::Likelihood::gaussian, .variance = 0.5},
                           .train = {.epochs = 10, .batch_size = 32, .drop_last = true, .val_size = 0}};
  std::vector<Trained> runs;
  config.model.hidden = {400}, config.model.latent = 20;
  runs.push_back(train("fc", config, args, data));
  config.model.model = "conv-vae", config.model.latent = 128;
  runs.push_back(train("conv", config, args, data));
  print_table(runs, test);

  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "fully connected"),
                                      viz::loss_curves(runs[1].run.history(), "convolutions")};
  save(args.out / "loss.svg", viz::loss_chart(curves));
  std::vector<viz::Row> rows{{"fully connected", *runs[0].model}, {"convolutions", *runs[1].model}};
  save(args.out / "samples_fc.png", viz::sample_figure({rows[0]}, {.rows = 4, .columns = 4, .seed = args.seed}));
  save(args.out / "samples_conv.png", viz::sample_figure({rows[1]}, {.rows = 4, .columns = 4, .seed = args.seed}));
  // Between a code drawn for one picture and a code drawn for another.
  std::vector<std::int64_t> pair{0, 1};
  save(args.out / "interpolation.png",
       viz::interpolation_figure(rows, data, pair, {.steps = 10, .ends = models::Codes::sampled, .seed = args.seed}));
  save(args.out / "reconstructions.png",
       viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
} catch (const std::exception& error) {
  std::cerr << "cifar10_fc_conv: " << error.what() << "\n";
  return 2;
}
