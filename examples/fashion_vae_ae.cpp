// A VAE beside an autoencoder of the same layers on Fashion-MNIST, both trained until the validation loss stops
// falling: what they rebuild, what they make up, how their codes lie. Writes two run folders and figures into
// runs/fashion_vae_ae.
// fashion_vae_ae [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets fashion-mnist
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
  if (args.out.empty()) args.out = args.quick ? "runs/fashion_vae_ae-quick" : "runs/fashion_vae_ae";
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

  models::RunConfig config{.model = {.hidden = {400}, .latent = 20},
                           .train = {.epochs = 30, .val_size = args.quick ? 400. : 6000., .patience = 5}};
  std::vector<Trained> runs;
  for (const char* model : {"vae", "ae"}) {
    config.model.model = model;
    runs.push_back(train(model, config, args, data));
  }
  print_table(runs, test);
  models::Model &vae = *runs[0].model, &ae = *runs[1].model;
  std::vector<viz::Row> rows{{"VAE", vae}, {"AE", ae}};

  std::vector<std::int64_t> ten = viz::first_indices(10), classes;
  for (std::int64_t label = 0; label < 10; ++label) classes.push_back(viz::first_of_class(data, label));
  for (const viz::Row& row : rows)
    std::printf("MSE of the first ten test pictures, %-4s %.4f\n", (row.name + ":").c_str(),
                viz::reconstruction_error(row.model, test, ten));
  save(args.out / "classes.png", viz::class_preview(data, classes, {.columns = 5}));
  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "VAE"),
                                      viz::loss_curves(runs[1].run.history(), "AE")};
  save(args.out / "loss.svg", viz::loss_chart(curves));
  save(args.out / "reconstructions.png", viz::reconstruction_figure(rows, test, ten, {.columns = 10, .errors = true}));
  std::vector<std::int64_t> ends{0, 100};
  save(args.out / "interpolation.png", viz::interpolation_figure(rows, test, ends, {.steps = 10}));

  // The VAE's codes come from its prior. The autoencoder has none: a Gaussian fitted to the training pictures' codes.
  std::vector<models::CodeDistribution> drawn_from{models::standard_normal(vae), models::fit_codes(ae, data)};
  save(args.out / "samples.png",
       viz::sample_figure(rows, {.rows = 1, .columns = 10, .seed = args.seed, .codes = drawn_from}));

  datasets::Dataset some = test.first(args.quick ? 500 : 2000);
  Array vae_codes = models::encode_means(vae, some), ae_codes = models::encode_means(ae, some);
  for (viz::EmbeddingMethod method : {viz::EmbeddingMethod::tsne, viz::EmbeddingMethod::pca}) {
    std::vector<viz::EmbeddingPanel> panels{{"VAE", viz::embed(vae_codes, method, {.seed = args.seed})},
                                            {"AE", viz::embed(ae_codes, method, {.seed = args.seed})}};
    save(args.out / (std::string(viz::name(method)) + ".svg"),
         viz::embedding_chart(panels, some.labels, some.class_names, {.width = 1100, .height = 560}));
  }
} catch (const std::exception& error) {
  std::cerr << "fashion_vae_ae: " << error.what() << "\n";
  return 2;
}
