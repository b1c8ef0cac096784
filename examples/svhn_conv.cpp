// A convolutional VAE on SVHN, with pixels in [0, 1] as its decoder gives them, and in [-1, 1], of which a sigmoid can
// never reach half: the loss says so. Writes two run folders and figures into runs/svhn_conv.
// svhn_conv [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets svhn
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
  if (args.out.empty()) args.out = args.quick ? "runs/svhn_conv-quick" : "runs/svhn_conv";
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
/// Pixels are as the model sees them: in [-1, 1] the same fault is an MSE four times as large.
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

}  // namespace

int main(int argc, char** argv) try {
  Args args = parse(argc, argv);
  datasets::Dataset data = datasets::load("svhn", datasets::Split::train);
  datasets::Dataset test = datasets::load("svhn", datasets::Split::test);
  if (args.quick) data = data.first(1500), test = test.first(500);

  models::RunConfig config{
      .model = {.model = "conv-vae", .latent = 128, .likelihood = models::Likelihood::gaussian, .variance = 0.5},
      .train = {.epochs = 25, .drop_last = true, .val_size = 0}};
  std::vector<Trained> runs;
  runs.push_back(train("zero_to_one", config, args, data));
  config.model.pixels = {-1, 1}, config.model.allow_range_mismatch = true;  // refused otherwise
  runs.push_back(train("minus_one_to_one", config, args, data));
  print_table(runs, test);

  std::vector<viz::Row> rows{{"[0, 1]", *runs[0].model}, {"[-1, 1]", *runs[1].model}};
  save(args.out / "samples.png", viz::sample_figure(rows, {.rows = 4, .columns = 4, .seed = args.seed}));
  save(args.out / "interpolation.png", viz::prior_interpolation_figure(rows, 1, {.steps = 10, .seed = args.seed}));
  save(args.out / "reconstructions.png",
       viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
  for (const Trained& one : runs)
    save(args.out / ("traversal_" + one.name + ".png"), viz::traversal_figure(*one.model, test, 0));
} catch (const std::exception& error) {
  std::cerr << "svhn_conv: " << error.what() << "\n";
  return 2;
}
