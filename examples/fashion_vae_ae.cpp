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

}  // namespace

int main(int argc, char** argv) try {
  Args args = parse(argc, argv);
  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (args.quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = args.seed;
    if (args.quick) run.train.epochs = 1;
    return models::train(args.out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{.model = {.hidden = {400}, .latent = 20},
                           .train = {.epochs = 30, .val_size = args.quick ? 400. : 6000., .patience = 5}};
  std::vector<models::Trained> runs;
  for (const char* model : {"vae", "ae"}) {
    config.model.model = model;
    runs.push_back(train(model, config));
  }
  models::print_results(std::cout, runs, test);
  models::Model &vae = *runs[0].model, &ae = *runs[1].model;
  std::vector<viz::Row> rows{{"VAE", vae}, {"AE", ae}};

  std::vector<std::int64_t> ten = viz::first_indices(10), classes;
  for (std::int64_t label = 0; label < 10; ++label) classes.push_back(viz::first_of_class(data, label));
  for (const viz::Row& row : rows)
    std::printf("MSE of the first ten test pictures, %-4s %.4f\n", (row.name + ":").c_str(),
                viz::reconstruction_error(row.model, test, ten));
  viz::write_png(args.out / "classes.png", viz::class_preview(data, classes, {.columns = 5}));
  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "VAE"),
                                      viz::loss_curves(runs[1].run.history(), "AE")};
  viz::write_svg(args.out / "loss.svg", viz::loss_chart(curves));
  viz::write_png(args.out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, ten, {.columns = 10, .errors = true}));
  std::vector<std::int64_t> ends{0, 100};
  viz::write_png(args.out / "interpolation.png", viz::interpolation_figure(rows, test, ends, {.steps = 10}));

  // The VAE's codes come from its prior. The autoencoder has none: a Gaussian fitted to the training pictures' codes.
  std::vector<models::CodeDistribution> drawn_from{models::standard_normal(vae), models::fit_codes(ae, data)};
  viz::write_png(args.out / "samples.png",
                 viz::sample_figure(rows, {.rows = 1, .columns = 10, .seed = args.seed, .codes = drawn_from}));

  auto draw_codes = [&](viz::EmbeddingMethod method, const datasets::Dataset& pictures) {
    std::vector<viz::EmbeddingPanel> panels;
    for (const viz::Row& row : rows)
      panels.push_back({row.name, viz::embed(models::encode_means(row.model, pictures), method, {.seed = args.seed})});
    viz::write_svg(args.out / (std::string(viz::name(method)) + ".svg"),
                   viz::embedding_chart(panels, pictures.labels, pictures.class_names, {.width = 1100, .height = 560}));
  };
  draw_codes(viz::EmbeddingMethod::tsne, test.first(args.quick ? 500 : 2000));
  draw_codes(viz::EmbeddingMethod::pca, test);
  std::cout << "figures: " << args.out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_vae_ae: " << error.what() << "\n";
  return 2;
}
