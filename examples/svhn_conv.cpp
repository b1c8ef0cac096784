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

}  // namespace

int main(int argc, char** argv) try {
  Args args = parse(argc, argv);
  datasets::Dataset data = datasets::load("svhn", datasets::Split::train);
  datasets::Dataset test = datasets::load("svhn", datasets::Split::test);
  if (args.quick) data = data.first(1500), test = test.first(500);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = args.seed;
    if (args.quick) run.train.epochs = 1;
    return models::train(args.out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{
      .model = {.model = "conv-vae", .latent = 128, .likelihood = models::Likelihood::gaussian, .variance = 0.5},
      .train = {.epochs = 25, .drop_last = true, .val_size = 0}};
  std::vector<models::Trained> runs;
  runs.push_back(train("zero_to_one", config));
  config.model.pixels = {-1, 1}, config.model.allow_range_mismatch = true;  // refused otherwise
  runs.push_back(train("minus_one_to_one", config));
  models::print_results(std::cout, runs, test);

  std::vector<viz::Row> rows{{"[0, 1]", *runs[0].model}, {"[-1, 1]", *runs[1].model}};
  viz::write_png(args.out / "samples.png", viz::sample_figure(rows, {.rows = 4, .columns = 4, .seed = args.seed}));
  viz::write_png(args.out / "interpolation.png",
                 viz::prior_interpolation_figure(rows, 1, {.steps = 10, .seed = args.seed}));
  viz::write_png(args.out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, viz::first_indices(8), {.errors = true}));
  for (const models::Trained& one : runs)
    viz::write_png(args.out / ("traversal_" + one.name + ".png"), viz::traversal_figure(*one.model, test, 0));
  std::cout << "figures: " << args.out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "svhn_conv: " << error.what() << "\n";
  return 2;
}
