// A VAE beside an autoencoder of the same layers on Fashion-MNIST, both trained until the validation loss stops
// falling: what they rebuild, what they make up, how their codes lie. Writes two run folders and figures into
// runs/fashion_vae_ae.
// fashion_vae_ae [--quick] [--out DIR] [--seed N]; the data: scripts/fetch-datasets fashion-mnist
#include <elbo/elbo.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

using namespace elbo;

int main(int argc, char** argv) try {
  bool quick = false;
  std::filesystem::path out;
  std::uint64_t seed = 0;
  CLI::App app("A VAE and an autoencoder on Fashion-MNIST, stopped early");
  app.add_flag("--quick", quick, "Few pictures and one epoch");
  app.add_option("--out", out, "Where run folders and figures go (runs/fashion_vae_ae)");
  app.add_option("--seed", seed, "Of weights, order and noise (0)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
  if (out.empty()) out = quick ? "runs/fashion_vae_ae-quick" : "runs/fashion_vae_ae";

  datasets::Dataset data = datasets::load("fashion-mnist", datasets::Split::train);
  datasets::Dataset test = datasets::load("fashion-mnist", datasets::Split::test);
  if (quick) data = data.first(4000), test = test.first(1000);

  auto train = [&](const std::string& name, models::RunConfig run) {
    run.train.seed = seed;
    if (quick) run.train.epochs = 1;
    return models::train(out / name, run, data, models::print_epochs(std::cout, name));
  };
  models::RunConfig config{.model = {.hidden = {400}, .latent = 20},
                           .train = {.epochs = 30, .val_size = quick ? 400. : 6000., .patience = 5}};
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
  viz::write_png(out / "classes.png", viz::class_preview(data, classes, {.columns = 5}));
  std::vector<viz::LossCurves> curves{viz::loss_curves(runs[0].run.history(), "VAE"),
                                      viz::loss_curves(runs[1].run.history(), "AE")};
  viz::write_svg(out / "loss.svg", viz::loss_chart(curves));
  viz::write_png(out / "reconstructions.png",
                 viz::reconstruction_figure(rows, test, ten, {.columns = 10, .errors = true}));
  std::vector<std::int64_t> ends{0, 100};
  viz::write_png(out / "interpolation.png", viz::interpolation_figure(rows, test, ends, {.steps = 10}));

  // The VAE's codes come from its prior. The autoencoder has none: a Gaussian fitted to the training pictures' codes.
  std::vector<models::CodeDistribution> drawn_from{models::standard_normal(vae), models::fit_codes(ae, data)};
  viz::write_png(out / "samples.png",
                 viz::sample_figure(rows, {.rows = 1, .columns = 10, .seed = seed, .codes = drawn_from}));

  auto draw_codes = [&](viz::EmbeddingMethod method, const datasets::Dataset& pictures) {
    std::vector<viz::EmbeddingPanel> panels;
    for (const viz::Row& row : rows)
      panels.push_back({row.name, viz::embed(models::encode_means(row.model, pictures), method, {.seed = seed})});
    viz::write_svg(out / (std::string(viz::name(method)) + ".svg"),
                   viz::embedding_chart(panels, pictures.labels, pictures.class_names, {.width = 1100, .height = 560}));
  };
  draw_codes(viz::EmbeddingMethod::tsne, test.first(quick ? 500 : 2000));
  draw_codes(viz::EmbeddingMethod::pca, test);
  std::cout << "figures: " << out.string() << "\n";
} catch (const std::exception& error) {
  std::cerr << "fashion_vae_ae: " << error.what() << "\n";
  return 2;
}
