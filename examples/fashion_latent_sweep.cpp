// How many latent dimensions? VAEs on Fashion-MNIST with 2, 10, 20 and 50: their losses, what they rebuild and make
// up, and the two-dimensional one as a map. Writes the run folders and figures into runs/fashion_latent_sweep.
// fashion_latent_sweep [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets fashion-mnist
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
  if (args.out.empty()) args.out = args.quick ? "runs/fashion_latent_sweep-quick" : "runs/fashion_latent_sweep";
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

/// Nats a picture: of the last epoch's training and validation, and of all test pictures, with a code drawn for each.
void print_table(std::span<const Trained> runs, const datasets::Dataset& test) {
  std::printf("\n%-6s %9s %11s %9s %8s %8s %8s\n", "", "training", "validation", "test", "recon.", "KL", "MSE");
  for (const Trained& one : runs) {
    models::EpochRecord last = one.run.history().back();
    models::Evaluation found = models::evaluate(*one.model, test);
    std::printf("%-6s %9.2f %11.2f %9.2f %8.2f %8.2f %8.4f\n", one.name.c_str(), last.train.loss, last.val->loss,
                found.losses.loss, found.losses.reconstruction, found.losses.kl, found.mse);
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

  models::RunConfig config{.model = {.hidden = {400}}, .train = {.epochs = 15, .val_size = args.quick ? 400. : 6000.}};
  std::vector<Trained> runs;
  for (std::int64_t latent : {2, 10, 20, 50}) {
    config.model.latent = latent;
    runs.push_back(train("z" + std::to_string(latent), config, args, data));
  }
  print_table(runs, test);

  std::vector<viz::Row> rows;
  viz::Panel training{.title = "training loss", .x_label = "epoch", .y_label = "nats a picture", .integer_x = true};
  viz::Panel validation{.title = "validation loss", .x_label = "epoch", .integer_x = true};
  for (Trained& one : runs) {
    rows.push_back({one.name, *one.model});
    viz::LossCurves curves = viz::loss_curves(one.run.history());
    training.series.push_back({.name = one.name, .x = curves.epoch, .y = curves.loss});
    validation.series.push_back({.name = one.name, .x = curves.epoch, .y = curves.val_loss});
  }
  std::vector<viz::Panel> panels{training, validation};
  save(args.out / "loss.svg", viz::chart(panels, {.width = 900, .height = 360}));

  std::vector<std::int64_t> one_picture{0};
  save(args.out / "reconstructions.png",
       viz::reconstruction_figure(rows, test, one_picture, {.errors = true, .models_across = true}));
  save(args.out / "samples.png", viz::sample_figure(rows, {.rows = 1, .columns = 10, .seed = args.seed}));
  save(args.out / "manifold_z2.png", viz::manifold_figure(*runs[0].model, {.n = 20, .low = -3, .high = 3}));
} catch (const std::exception& error) {
  std::cerr << "fashion_latent_sweep: " << error.what() << "\n";
  return 2;
}
